-- The roles of the shared books, which nobody can log in as: logins are made members of them. All databases of a
-- cluster share them, so they may be there already.
DO $$
DECLARE
    v_role text;
BEGIN
    FOREACH v_role IN ARRAY ARRAY['upgrade_books_owner', 'upgrade_books_receiver', 'upgrade_books_operator', 'upgrade_books_reader'] LOOP
        IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = v_role) THEN
            EXECUTE format('CREATE ROLE %I NOLOGIN', v_role);
        END IF;
    END LOOP;
    -- Whoever runs init makes everything in the owner's name.
    IF NOT (SELECT rolsuper FROM pg_roles WHERE rolname = current_user) THEN
        EXECUTE format('GRANT upgrade_books_owner TO %I', current_user);
    END IF;
END $$;
