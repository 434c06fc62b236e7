#!/usr/bin/env bats
# Shared books in PostgreSQL: the log keeps each entry once, in order and without gaps, whoever asks and whatever
# fails; an operator makes, checks and prunes it; each role may do what it is for, and no more.
#
# shellcheck disable=SC2154 # variables of lib.bash and books.bash

load lib
load books

setup_file() {
    books_setup_file
}

teardown_file() {
    books_teardown_file
}

teardown() {
    servers_teardown
    scenario_teardown
}

# keep LIFE FIRST COUNT [OPERATION]: SQL that keeps COUNT entries of LIFE from FIRST on.
keep() {
    cat <<SQL
SELECT 'kept', upgrade_books.keep_1('$1', $2, 'receiver-$1', array_fill(1::smallint, a), array_fill(1767323045000, a), array_fill(false, a),
    array_fill(1, a), array_fill('swUpgradeResultNotify'::text, a), array_fill('app'::text, a), array_fill('${4:-operation}'::text, a),
    array_fill('sub'::text, a), (SELECT array_agg('device-' || n) FROM generate_series($2, $2 + $3 - 1) n), array_fill('SUCCESS'::text, a),
    array_fill(NULL::text, a), array_fill(NULL::text, a), array_fill(1, a),
    (SELECT array_agg(convert_to('$1 ' || n, 'UTF8')) FROM generate_series($2, $2 + $3 - 1) n))
  FROM (SELECT ARRAY[$3] AS a) x;
SQL
}

# books_fail TEXT ARGUMENT...: the command fails, and says so.
books_fail() {
    local status=0
    "$STATUS_BIN" books "${@:2}" >"$T/fail.out" 2>&1 || status=$?
    ((status != 0)) || fail "upgrade-status books ${*:2} succeeded"
    grep -qF -- "$1" "$T/fail.out" || fail "it did not say '$1', but: $(<"$T/fail.out")"
}

@test "entries are kept once, in one order without gaps, whatever is sent again" {
    local found
    books_make keeping
    {
        keep a 1 3
        keep a 1 3 # its answer was lost
        keep a 2 4 # batches fall otherwise after a kill
        keep b 70 2
        keep a 6 1
    } | books_sql keeping >"$T/kept"
    equal "high-waters" "$(<"$T/kept")" $'kept|3\nkept|3\nkept|5\nkept|71\nkept|6'
    found=$(books_sql keeping --command="SELECT string_agg(number || life || life_number || convert_from(body, 'UTF8'), ',') FROM upgrade_books.read_1(0, 100, 1000000)")
    equal "the log" "$found" "1a1a 1,2a2a 2,3a3a 3,4a4a 4,5a5a 5,6b70b 70,7b71b 71,8a6a 6"

    # A page ends after so many entries, or so many bytes of bodies, and has one at least.
    found=$(books_sql keeping --command="SELECT count(*), min(number) FROM upgrade_books.read_1(2, 3, 1000000)" \
        --command="SELECT count(*) FROM upgrade_books.read_1(0, 100, 7)" \
        --command="SELECT count(*) FROM upgrade_books.read_1(0, 100, 0)" \
        --command="SELECT head, head_life, head_life_number, receivers FROM upgrade_books.about_1()")
    equal "pages and head" "$found" $'3|3\n3\n1\n8|a|6|{receiver-a,receiver-b}'

    # A gap is refused with both numbers; what adds nothing still waits for the standby, by a record in the server's log.
    { echo '\set VERBOSITY verbose'; keep a 8 1; } | books_sql keeping >"$T/gap" 2>&1 && fail "a gap was kept"
    grep -q 'UR001: entry 6 of life a is the last one here, so 8 cannot be the next' "$T/gap"
    found=$({
        echo 'SELECT pg_current_wal_insert_lsn() AS before \gset'
        keep a 5 2
        echo "SELECT pg_current_wal_insert_lsn() > :'before';"
    } | books_sql keeping)
    equal "nothing new" "$found" $'kept|6\nt'

    "$STATUS_BIN" books check --books "$BOOKS" >"$T/check"
    grep -qF 'version 1, 8 entries' "$T/check"
    grep -qF 'The log is sound.' "$T/check"
    books_fail "has shared books already" init --books "$BOOKS"
}

# bats test_tags=full
@test "a text of 1 MiB as operationId, and 200 operations in a batch, are kept" {
    local found
    books_make poison
    found=$({
        echo "SELECT repeat(md5(random()::text), 32768) AS long \\gset"
        keep a 1 2 ':long' | sed "s/':long'::text/:'long'::text/"
        keep a 3 200 | sed "s/array_fill('operation'::text, a)/(SELECT array_agg('operation-' || n) FROM generate_series(1, 200) n)/"
        keep a 203 200 | sed "s/array_fill('operation'::text, a)/(SELECT array_agg('operation-' || n) FROM generate_series(1, 200) n)/"
        echo "SELECT count(*), max(length(operation)), count(DISTINCT operation) FROM upgrade_books.log;"
        echo "SELECT count(*) FROM upgrade_books.operation;"
    } | books_sql poison)
    equal "kept" "$found" $'kept|2\nkept|202\nkept|402\n402|1048576|201\n201'
}

@test "a role may do what it is for, and no more" {
    local role statement
    books_make rights
    keep a 1 1 | books_sql rights >"$T/kept"
    for role in receiver operator reader; do
        echo "CREATE ROLE rights_$role LOGIN IN ROLE upgrade_books_$role;"
    done | books_sql rights
    # Each line is tried as that role. What it may says nothing; the rest is denied.
    {
        echo '\o /dev/null'
        echo '\set ON_ERROR_STOP off'
        while IFS=: read -r role statement; do
            printf 'SET SESSION AUTHORIZATION rights_%s;\n\\warn %s %s\n%s;\n' "$role" "$role" "$statement" "$statement"
        done
        echo 'SET SESSION AUTHORIZATION rights_receiver;'
        keep a 2 1
    } >"$T/tries" <<'TEXT'
receiver:SELECT * FROM upgrade_books.about_1(), upgrade_books.read_1(0, 1, 1)
reader:SELECT * FROM upgrade_books.about_1(), upgrade_books.read_1(0, 1, 1)
reader:SELECT body FROM upgrade_books.notifications
reader:SELECT * FROM upgrade_books.quarantine, upgrade_books.receivers, upgrade_books.upgrades, upgrade_books.operations
operator:SELECT upgrade_books.check_1()
operator:SELECT upgrade_books.prune_1('2000-01-01'), upgrade_books.sweep_1(1)
receiver:SELECT 'denied' FROM upgrade_books.log
receiver:SELECT body, 'denied' FROM upgrade_books.notifications
receiver:DELETE FROM upgrade_books.log WHERE body = 'denied'
receiver:UPDATE upgrade_books.log_1 SET body = 'denied'
receiver:TRUNCATE upgrade_books.batch /* denied */
receiver:INSERT INTO upgrade_books.life (life, receiver) VALUES ('denied', 'x')
receiver:SELECT upgrade_books.prune_1(now()) AS denied
receiver:SELECT upgrade_books.begin_period(1) AS denied
receiver:CREATE TABLE upgrade_books.denied ()
reader:SELECT 'denied' FROM upgrade_books.log
reader:DELETE FROM upgrade_books.log WHERE body = 'denied'
reader:SELECT upgrade_books.prune_1(now()) AS denied
reader:SELECT upgrade_books.keep_1('denied', 1, '', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}')
operator:DELETE FROM upgrade_books.log WHERE body = 'denied'
TEXT
    books_sql rights --file="$T/tries" >"$T/tried" 2>&1
    awk '
        /^(receiver|reader|operator) / { if (wanted && !denied) print "may: " what; what = $0; wanted = /denied/; denied = 0; tried++ }
        /ERROR:/ { denied = /permission denied/; if (!wanted || !denied) print what ": " $0 }
        END { if (wanted && !denied) print "may: " what; if (tried != 20) print tried " were tried" }' "$T/tried" >"$T/wrong"
    [[ ! -s $T/wrong ]] || fail "$(<"$T/wrong")"
    # Names of a login's own do not stand before those of the books.
    books_sql rights --command='CREATE SCHEMA trap AUTHORIZATION rights_receiver' --command='GRANT TEMPORARY ON DATABASE rights TO rights_receiver'
    { echo "SET search_path = trap, upgrade_books; CREATE TABLE trap.life (id integer, life text); CREATE TEMPORARY TABLE batch (last bigint);"; keep a 3 1; } |
        books_sql rights --username=rights_receiver >"$T/trapped"
    equal "kept beside a trap" "$(<"$T/trapped")" 'kept|3'
    equal "a login's rights" "$("$STATUS_BIN" books check --json --books "host=$BOOKS_PG/one dbname=rights user=rights_reader" | jq -c '[.mayRead, .mayKeep, .mayPrune, .sound]')" '[true,false,false,null]'
    "$STATUS_BIN" books check --books "host=$BOOKS_PG/one dbname=rights user=rights_operator" | grep -q 'sound'
}

# bats test_tags=full
@test "words that cannot be used are refused, and what is wrong is said" {
    books_fail 'takes --books CONNINFO' check
    books_fail 'use a passfile' check --books "host=/nowhere password=secret"
    books_fail 'use a passfile' check --books "postgresql://user:secret@nowhere/upgrades"
    if grep -q secret "$T/fail.out"; then fail "a password is shown"; fi
    books_fail 'invalid connection option "hots"' check --books "hots=nowhere"
    books_fail 'definition of service "nowhere" not found' check --books "service=nowhere"
    books_fail 'FATAL: 3D000: database "nowhere" does not exist' check --books "host=$BOOKS_PG/one user=postgres dbname=nowhere"
    books_fail 'has no shared books: upgrade-status books init makes them' check --books "host=$BOOKS_PG/one user=postgres dbname=postgres"
    books_fail 'No such file or directory' check --books "host=$T/nowhere user=postgres"
    # A service file names the server; what it sets is taken.
    printf '[upgrades]\nhost=%s\nuser=nobody-there\ndbname=postgres\n' "$BOOKS_PG/one" >"$T/services"
    PGSERVICEFILE=$T/services books_fail 'FATAL: 28000: role "nobody-there" does not exist' check --books "service=upgrades"
}

# bats test_tags=full
@test "prune takes a whole period of old operations, and copies are made anew" {
    local before after
    books_make pruning
    {
        keep a 1 5 old
        # The next entry finds that the period has ended.
        echo "UPDATE upgrade_books.period SET began_at = now() - interval '40 days';"
        keep a 6 2 new
        keep a 8 1 old # an operation stays in the period in which it began
        echo "SELECT number, period FROM upgrade_books.log WHERE life_number >= 6 ORDER BY number;"
    } | books_sql pruning >"$T/kept"
    equal "periods" "$(<"$T/kept")" $'kept|5\nkept|7\nkept|8\n6|2\n7|2\n8|1'
    before=$(books_sql pruning --command='SELECT generation FROM upgrade_books.about_1()')
    books_fail 'takes --before TIME' prune --books "$BOOKS"
    books_fail 'younger than 48 hours' prune --books "$BOOKS" --before 1h
    "$STATUS_BIN" books prune --books "$BOOKS" --before 3d | grep -q 'Nothing to prune'
    equal "the generation if nothing went" "$(books_sql pruning --command='SELECT generation FROM upgrade_books.about_1()')" "$before"

    # All of it came four days ago, says the server's clock.
    books_sql pruning --command="UPDATE upgrade_books.batch SET kept_at = kept_at - interval '4 days'"
    "$STATUS_BIN" books prune --books "$BOOKS" --before 3d | grep -qF 'Pruned 1 period with 6 entries.'
    after=$(books_sql pruning --command='SELECT generation FROM upgrade_books.about_1()')
    [[ $after != "$before" ]] || fail "the generation is the same"
    {
        keep a 8 2 old # sent again, and it goes on; the operation begins anew
        echo "SELECT number, period, operation FROM upgrade_books.log ORDER BY number;"
        echo "SELECT count(*) FROM upgrade_books.batch;"
        echo "SELECT count(*) FROM upgrade_books.operation;"
    } | books_sql pruning >"$T/kept"
    equal "after a prune" "$(<"$T/kept")" $'kept|9\n6|2|new\n7|2|new\n9|2|old\n3\n2'
    "$STATUS_BIN" books check --books "$BOOKS" | grep -qF 'The log is sound.'
    # check finds what does not belong there.
    books_sql pruning --command="DELETE FROM upgrade_books.batch WHERE last = 9"
    books_fail 'has entry 9, but its batches end with 8' check --books "$BOOKS"
}
