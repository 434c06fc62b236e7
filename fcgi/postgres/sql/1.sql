-- The shared books, version 1. init runs it once, behind roles.sql, in one transaction.
--
-- The books are a log: rows are added, in one order, and never changed. Everything else is computed from it by its
-- readers: upgrade-status and receivers keep a copy, people have the views at the end.
CREATE SCHEMA upgrade_books AUTHORIZATION upgrade_books_owner;
SET LOCAL ROLE upgrade_books_owner;
SET LOCAL search_path = upgrade_books;

-- One row. GENERATION changes if rows of the log were removed: whoever keeps a copy makes it anew.
CREATE TABLE about (
    one boolean PRIMARY KEY DEFAULT true CHECK (one),
    version integer NOT NULL,
    generation uuid NOT NULL DEFAULT gen_random_uuid(),
    pruned boolean NOT NULL DEFAULT false,
    made_at timestamptz NOT NULL DEFAULT now());
INSERT INTO about (version) VALUES (1);

-- Operations are kept by the period in which they began, so that a period can be pruned as a whole.
CREATE TABLE period (
    period integer PRIMARY KEY,
    first_number bigint NOT NULL,
    began_at timestamptz NOT NULL DEFAULT now());

-- The operations, by a hash: an index of PostgreSQL ends at 2,704 bytes, and a sender's text may be longer.
CREATE TABLE operation (
    key bytea PRIMARY KEY, -- the first 16 bytes of SHA-256 of appId and operationId
    period integer NOT NULL);

-- A life is one opening of a receiver's own store; its entries are numbered without gaps.
CREATE TABLE life (
    id integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    life text NOT NULL UNIQUE CHECK (length(life) BETWEEN 1 AND 100),
    receiver text NOT NULL CHECK (length(receiver) <= 600),
    login text NOT NULL DEFAULT session_user,
    first_at timestamptz NOT NULL DEFAULT now());

-- One row a batch: the last row is the head of the log, the last of a life is how far its entries are here.
CREATE TABLE batch (
    last bigint PRIMARY KEY, -- the number of its last entry
    life integer NOT NULL,
    life_last bigint NOT NULL,
    kept_at timestamptz NOT NULL DEFAULT now());
CREATE UNIQUE INDEX batch_life ON batch (life, life_last);

CREATE TABLE log (
    number bigint NOT NULL,
    period integer NOT NULL,
    life integer NOT NULL,
    life_number bigint NOT NULL,
    kind smallint NOT NULL CHECK (kind BETWEEN 1 AND 6), -- notification, quarantined, left quarantine, note, expected list, refused
    received_at bigint NOT NULL,                         -- ms since 1970, by the receiver's clock
    again boolean NOT NULL,
    deliveries integer NOT NULL,
    flags integer NOT NULL, -- 1: known notifyType, 2: any appId was accepted
    notify_type text,
    app text,
    operation text,
    sub_operation text,
    device text,
    state text,
    reason text,
    pointer text,
    body bytea,
    PRIMARY KEY (number, period)) PARTITION BY LIST (period);

-- Makes a period, and returns its number. A partition that is attached, unlike one that is created in its place,
-- waits for no reader and no writer.
CREATE FUNCTION begin_period(p_first_number bigint) RETURNS integer LANGUAGE plpgsql
SET search_path = pg_catalog, upgrade_books, pg_temp AS $$
DECLARE
    v_period integer;
BEGIN
    LOCK TABLE log IN SHARE UPDATE EXCLUSIVE MODE NOWAIT;
    INSERT INTO period (period, first_number)
    SELECT coalesce(max(period), 0) + 1, p_first_number FROM period RETURNING period INTO v_period;
    EXECUTE format('CREATE TABLE upgrade_books.log_%s (LIKE upgrade_books.log INCLUDING ALL)', v_period);
    EXECUTE format('ALTER TABLE upgrade_books.log ATTACH PARTITION upgrade_books.log_%s FOR VALUES IN (%s)', v_period, v_period);
    RETURN v_period;
END $$;

-- Keeps a batch of one life, P_FIRST being the number of its first entry there, and returns the highest number of
-- that life that is kept. Entries that are here already are skipped; a gap is refused. So a batch whose answer was
-- lost is sent again, whatever became of it.
CREATE FUNCTION keep_1(
    p_life text, p_first bigint, p_receiver text, p_kind smallint[], p_received_at bigint[], p_again boolean[],
    p_deliveries integer[], p_notify_type text[], p_app text[], p_operation text[], p_sub_operation text[],
    p_device text[], p_state text[], p_reason text[], p_pointer text[], p_flags integer[], p_body bytea[])
RETURNS bigint LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, upgrade_books, pg_temp
-- A plan that was made while a table was empty serves until the connection ends.
SET plan_cache_mode = force_generic_plan SET enable_seqscan = off SET enable_bitmapscan = off SET jit = off
AS $$
DECLARE
    v_count constant integer := cardinality(p_kind);
    v_life integer;
    v_high bigint;
    v_skip bigint;
    v_head bigint;
    v_period period;
BEGIN
    -- In other levels of isolation, what is read below is older than the lock.
    IF current_setting('transaction_isolation') <> 'read committed' THEN
        RAISE EXCEPTION 'keep_1 takes a transaction that is READ COMMITTED' USING ERRCODE = 'UR002';
    END IF;
    PERFORM set_config('synchronous_commit', 'on', true), set_config('lock_timeout', '4s', true);
    -- One batch at a time: numbers have no gaps, and are in the order of commits.
    PERFORM pg_advisory_xact_lock(1970431602, 1);
    SELECT l.id INTO v_life FROM life l WHERE l.life = p_life;
    IF v_life IS NULL THEN
        INSERT INTO life (life, receiver) VALUES (p_life, p_receiver) RETURNING id INTO v_life;
        v_high := p_first - 1;
    ELSE
        SELECT b.life_last INTO v_high FROM batch b WHERE b.life = v_life ORDER BY b.life_last DESC LIMIT 1;
        v_high := coalesce(v_high, p_first - 1);
    END IF;
    IF p_first > v_high + 1 THEN
        RAISE EXCEPTION 'entry % of life % is the last one here, so % cannot be the next', v_high, p_life, p_first
            USING ERRCODE = 'UR001';
    END IF;
    v_skip := v_high + 1 - p_first;
    IF v_skip >= v_count THEN
        -- So that this commit, too, waits for the standby.
        PERFORM pg_logical_emit_message(true, 'upgrade_books', 'nothing new');
        RETURN v_high;
    END IF;
    SELECT b.last INTO v_head FROM batch b ORDER BY b.last DESC LIMIT 1;
    v_head := coalesce(v_head, 0);
    SELECT p.* INTO v_period FROM period p ORDER BY p.period DESC LIMIT 1;
    IF v_head - v_period.first_number >= 50000000 OR v_period.began_at < now() - interval '30 days' THEN
        BEGIN
            v_period.period := begin_period(v_head + 1);
        EXCEPTION WHEN lock_not_available THEN
            NULL; -- the next batch tries again
        END;
    END IF;
    WITH entry AS MATERIALIZED (
        SELECT e.*, (SELECT o.period FROM operation o WHERE o.key = e.key) AS period
          FROM (SELECT u.*, substring(sha256(convert_to(length(u.app) || ':' || u.app || u.operation, 'UTF8')) FROM 1 FOR 16) AS key
                  FROM unnest(p_kind, p_received_at, p_again, p_deliveries, p_notify_type, p_app, p_operation, p_sub_operation,
                              p_device, p_state, p_reason, p_pointer, p_flags, p_body) WITH ORDINALITY
                       AS u(kind, received_at, again, deliveries, notify_type, app, operation, sub_operation,
                            device, state, reason, pointer, flags, body, n)
                 WHERE u.n > v_skip) e),
    begun AS (
        INSERT INTO operation (key, period)
        SELECT DISTINCT e.key, v_period.period FROM entry e WHERE e.key IS NOT NULL AND e.period IS NULL)
    INSERT INTO log (number, period, life, life_number, kind, received_at, again, deliveries, flags, notify_type, app,
                     operation, sub_operation, device, state, reason, pointer, body)
    SELECT v_head + e.n - v_skip, coalesce(e.period, v_period.period), v_life, p_first + e.n - 1, e.kind, e.received_at,
           e.again, e.deliveries, e.flags, e.notify_type, e.app, e.operation, e.sub_operation, e.device, e.state,
           e.reason, e.pointer, e.body
      FROM entry e;
    v_high := p_first + v_count - 1;
    INSERT INTO batch (last, life, life_last) VALUES (v_head + v_count - v_skip, v_life, v_high);
    RETURN v_high;
END $$;

-- The log behind the entry P_AFTER: P_MOST entries, and fewer if their bodies have P_BYTES together; at least one, if
-- there is one.
CREATE FUNCTION read_1(p_after bigint, p_most integer, p_bytes bigint)
RETURNS TABLE (number bigint, life text, life_number bigint, kind smallint, received_at bigint, again boolean,
               deliveries integer, notify_type text, reason text, pointer text, flags integer, body bytea)
LANGUAGE plpgsql STABLE SECURITY DEFINER
SET search_path = pg_catalog, upgrade_books, pg_temp
SET plan_cache_mode = force_generic_plan SET enable_seqscan = off SET enable_bitmapscan = off SET enable_sort = off SET jit = off
AS $$
BEGIN
    RETURN QUERY
    SELECT e.number, (SELECT f.life FROM life f WHERE f.id = e.life), e.life_number, e.kind, e.received_at, e.again,
           e.deliveries, e.notify_type, e.reason, e.pointer, e.flags, e.body
      FROM (SELECT w.*, sum(coalesce(octet_length(w.body), 0)) OVER (ORDER BY w.number) - coalesce(octet_length(w.body), 0) AS before
              FROM (SELECT l.* FROM log l WHERE l.number > p_after ORDER BY l.number LIMIT p_most) w) e
     WHERE e.before < greatest(p_bytes, 1)
     ORDER BY e.number;
END $$;

CREATE FUNCTION about_1()
RETURNS TABLE (version integer, generation uuid, head bigint, head_life text, head_life_number bigint, receivers text[])
LANGUAGE plpgsql STABLE SECURITY DEFINER
SET search_path = pg_catalog, upgrade_books, pg_temp
SET plan_cache_mode = force_generic_plan SET enable_seqscan = off SET jit = off
AS $$
BEGIN
    RETURN QUERY
    SELECT a.version, a.generation, coalesce(b.last, 0), b.life, b.life_last,
           (SELECT coalesce(array_agg(DISTINCT f.receiver), '{}') FROM life f)
      FROM about a LEFT JOIN LATERAL (
           SELECT x.last, (SELECT f.life FROM life f WHERE f.id = x.life) AS life, x.life_last
             FROM batch x ORDER BY x.last DESC LIMIT 1) b ON true;
END $$;

SELECT begin_period(1);

-- Removes the periods whose last entry came before P_BEFORE, never the current one, and with them the operations that
-- began in them. Copies are made anew then.
CREATE FUNCTION prune_1(p_before timestamptz) RETURNS TABLE (periods integer, entries bigint)
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, upgrade_books, pg_temp AS $$
DECLARE
    v_old integer[];
    v_period integer;
    v_count bigint;
BEGIN
    periods := 0;
    entries := 0;
    -- A report or a dump may hold the log for long. Receivers must not wait behind us for that.
    PERFORM set_config('lock_timeout', '1s', true);
    PERFORM pg_advisory_xact_lock(1970431602, 1);
    -- All of them first: a table that a query still reads is not dropped.
    v_old := ARRAY(
        SELECT p.period FROM period p
         WHERE p.period < (SELECT max(q.period) FROM period q)
           AND coalesce((SELECT b.kept_at FROM batch b
                          WHERE b.last >= (SELECT max(l.number) FROM log l WHERE l.period = p.period)
                          ORDER BY b.last LIMIT 1), p.began_at) < p_before
         ORDER BY p.period);
    FOREACH v_period IN ARRAY v_old LOOP
        EXECUTE format('SELECT count(*) FROM upgrade_books.log_%s', v_period) INTO v_count;
        LOCK TABLE log IN ACCESS EXCLUSIVE MODE;
        EXECUTE format('DROP TABLE upgrade_books.log_%s', v_period);
        DELETE FROM operation o WHERE o.period = v_period;
        DELETE FROM period p WHERE p.period = v_period;
        periods := periods + 1;
        entries := entries + v_count;
    END LOOP;
    IF periods > 0 THEN
        UPDATE about SET generation = gen_random_uuid(), pruned = true;
    END IF;
    RETURN NEXT;
END $$;

-- Removes P_MOST batches at most of entries that were pruned, and returns their number. The last of each life stays.
CREATE FUNCTION sweep_1(p_most integer) RETURNS bigint LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, upgrade_books, pg_temp AS $$
DECLARE
    v_first bigint;
    v_count bigint;
BEGIN
    SELECT min(l.number) INTO v_first FROM log l;
    DELETE FROM batch b WHERE b.last IN (
        SELECT x.last FROM batch x
         WHERE x.last < v_first AND EXISTS (SELECT FROM batch y WHERE y.life = x.life AND y.life_last > x.life_last)
         ORDER BY x.last LIMIT p_most);
    GET DIAGNOSTICS v_count = ROW_COUNT;
    RETURN v_count;
END $$;

-- What is wrong with the log, a line each. Reads all of it.
CREATE FUNCTION check_1() RETURNS SETOF text LANGUAGE sql STABLE SECURITY DEFINER
SET search_path = pg_catalog, upgrade_books, pg_temp AS $$
SELECT format('entry %s of life %s is here %s times', x.life_number, (SELECT f.life FROM life f WHERE f.id = x.life), x.count)
  FROM (SELECT l.life, l.life_number, count(*) FROM log l GROUP BY 1, 2 HAVING count(*) > 1) x
UNION ALL
SELECT format('number %s of the log is here %s times', x.number, x.count)
  FROM (SELECT l.number, count(*) FROM log l GROUP BY 1 HAVING count(*) > 1) x
UNION ALL
SELECT format('life %s has entry %s, but its batches end with %s', f.life, x.last, b.last)
  FROM (SELECT l.life, max(l.life_number) AS last FROM log l GROUP BY 1) x
  JOIN life f ON f.id = x.life
  LEFT JOIN (SELECT c.life, max(c.life_last) AS last FROM batch c GROUP BY 1) b ON b.life = x.life
 WHERE b.last IS NULL OR b.last < x.last OR b.last > x.last AND NOT (SELECT a.pruned FROM about a)
UNION ALL
SELECT format('the log ends with %s, and its batches with %s', l.last, b.last)
  FROM (SELECT max(number) AS last FROM log) l, (SELECT max(c.last) AS last FROM batch c) b
 WHERE l.last > b.last OR b.last IS NULL AND l.last IS NOT NULL
UNION ALL
SELECT format('%s entries are in another period than their operation', count(*))
  FROM log l JOIN operation o ON o.key = substring(sha256(convert_to(length(l.app) || ':' || l.app || l.operation, 'UTF8')) FROM 1 FOR 16)
 WHERE l.period <> o.period
HAVING count(*) > 0
UNION ALL
SELECT format('the log has %s entries, and its last number is %s', l.entries, l.last)
  FROM (SELECT count(*) AS entries, max(number) AS last FROM log) l
 WHERE NOT (SELECT a.pruned FROM about a) AND l.entries <> l.last
$$;

-- People. Bodies are what was received, and a view must not fail because of one.
CREATE FUNCTION text_of(body bytea) RETURNS text LANGUAGE plpgsql IMMUTABLE STRICT
SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    RETURN convert_from(body, 'UTF8');
EXCEPTION WHEN OTHERS THEN
    RETURN encode(body, 'escape');
END $$;

CREATE FUNCTION time_of(ms bigint) RETURNS timestamptz LANGUAGE sql IMMUTABLE STRICT
RETURN to_timestamp(least(greatest(ms, 0), 253402300799999) / 1000.0);

CREATE VIEW notifications AS
SELECT l.number, time_of(l.received_at) AS received_at, f.receiver, l.notify_type, l.app AS app_id, l.operation AS operation_id,
       l.sub_operation AS sub_operation_id, l.device AS device_id, l.state, l.deliveries, l.again, text_of(l.body) AS body
  FROM log l JOIN life f ON f.id = l.life
 WHERE l.kind = 1;

CREATE VIEW quarantine AS
SELECT l.number, time_of(l.received_at) AS received_at, f.receiver, l.reason, l.pointer, l.notify_type, text_of(l.body) AS body
  FROM log l JOIN life f ON f.id = l.life
 WHERE l.kind = 2 AND NOT EXISTS (
       SELECT FROM log x WHERE x.kind = 3 AND x.life = l.life AND x.received_at = l.received_at AND x.body = l.body);

CREATE VIEW receivers AS
SELECT f.receiver, f.login, f.life, f.first_at, b.life_last AS entries, b.kept_at AS last_at
  FROM life f LEFT JOIN LATERAL (
       SELECT x.life_last, x.kept_at FROM batch x WHERE x.life = f.id ORDER BY x.life_last DESC LIMIT 1) b ON true;

-- What each device's upgrade has come to, from the columns: a result (SUCCESS or FAIL) beats any step, and the last
-- received counts. The same body again changes nothing. upgrade-status has more, and is faster.
CREATE VIEW upgrades AS
SELECT DISTINCT ON (n.app, n.operation, n.sub_operation, n.device)
       n.app AS app_id, n.operation AS operation_id, n.sub_operation AS sub_operation_id, n.device AS device_id,
       CASE WHEN n.state IN ('SUCCESS', 'FAIL') THEN n.state ELSE 'IN_PROGRESS' END AS state,
       CASE WHEN n.state NOT IN ('SUCCESS', 'FAIL') THEN n.state END AS step,
       time_of(n.received_at) AS at, n.number
  FROM (SELECT DISTINCT ON (l.app, l.operation, l.sub_operation, l.device, l.notify_type, l.body) l.*
          FROM log l
         WHERE l.kind = 1 AND l.state IS NOT NULL AND l.operation IS NOT NULL
         ORDER BY l.app, l.operation, l.sub_operation, l.device, l.notify_type, l.body, l.received_at, l.number) n
 ORDER BY n.app, n.operation, n.sub_operation, n.device, n.state IN ('SUCCESS', 'FAIL') DESC, n.received_at DESC, n.number DESC;

CREATE VIEW operations AS
SELECT u.app_id, u.operation_id, count(*) FILTER (WHERE u.state = 'IN_PROGRESS') AS in_progress,
       count(*) FILTER (WHERE u.state = 'SUCCESS') AS success, count(*) FILTER (WHERE u.state = 'FAIL') AS fail, max(u.at) AS last_at
  FROM upgrades u
 GROUP BY u.app_id, u.operation_id;

-- Rights: nobody but the owner has tables. A receiver can add and read, and not take back.
REVOKE ALL ON ALL FUNCTIONS IN SCHEMA upgrade_books FROM PUBLIC;
GRANT USAGE ON SCHEMA upgrade_books TO upgrade_books_receiver, upgrade_books_operator, upgrade_books_reader;
GRANT EXECUTE ON FUNCTION keep_1 TO upgrade_books_receiver;
GRANT EXECUTE ON FUNCTION read_1, about_1 TO upgrade_books_receiver, upgrade_books_operator, upgrade_books_reader;
GRANT EXECUTE ON FUNCTION prune_1, sweep_1, check_1 TO upgrade_books_operator;
GRANT EXECUTE ON FUNCTION text_of, time_of TO upgrade_books_operator, upgrade_books_reader;
GRANT SELECT ON notifications, quarantine, receivers, upgrades, operations TO upgrade_books_operator, upgrade_books_reader;
