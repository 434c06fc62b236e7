#!/usr/bin/env bats
# Shared books in PostgreSQL: the log keeps each entry once, in order and without gaps, whoever asks and whatever
# fails; an operator makes, checks and prunes it; each role may do what it is for, and no more.
#
# shellcheck disable=SC2153,SC2154 # variables of lib.bash and books.bash

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

# reading FILE COMMAND...: in the background, COMMAND has nothing on its standard input otherwise.
reading() {
    exec "${@:2}" <"$1"
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
    # Not while somebody reads the log: receivers would wait behind a prune that waits.
    mkfifo "$T/reader"
    background reader reading "$T/reader" "$TESTS/tool/postgres" psql "$BOOKS_PG" one --dbname=pruning
    exec 7>"$T/reader"
    echo 'BEGIN; SELECT count(*) FROM upgrade_books.log;' >&7
    wait_for "$PATIENCE" test -s "$T/reader.out"
    books_fail 'somebody reads the log' prune --books "$BOOKS" --before 3d
    exec 7>&-
    wait_for "$PATIENCE" process_is_gone "$background_pid"
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
    # A device is taken out as nginx/README.md says, also if it came last.
    before=$(books_sql pruning --command='SELECT generation FROM upgrade_books.about_1()')
    awk '/^BEGIN;$/, /^COMMIT;$/' "$SOURCE/nginx/README.md" | sed "s/'DEVICE'/'device-9'/" | books_sql pruning
    after=$(books_sql pruning --command='SELECT generation FROM upgrade_books.about_1()')
    [[ $after != "$before" ]] || fail "the generation is the same after an erasure"
    equal "entries left" "$(books_sql pruning --command="SELECT string_agg(device, ' ' ORDER BY number) FROM upgrade_books.log")" 'device-6 device-7'
    "$STATUS_BIN" books check --books "$BOOKS" | grep -qF 'The log is sound.'
    equal "kept behind it" "$(keep a 10 1 old | books_sql pruning)" 'kept|10'
    # check finds what does not belong there.
    books_sql pruning --command="DELETE FROM upgrade_books.batch WHERE last = 10"
    books_fail 'has entry 10, but its batches end with 9' check --books "$BOOKS"
}

# bats test_tags=full
@test "servers that may lose what they have confirmed are refused, and so are other encodings" {
    local setting
    books_make refused
    # Both take effect with a reload.
    for setting in fsync full_page_writes; do
        books_sql postgres --command="ALTER SYSTEM SET $setting = off" --command='SELECT pg_reload_conf()' >/dev/null
        wait_for "$PATIENCE" setting_is "$setting" off
        books_fail "$setting is off: it may lose what it has confirmed" check --books "$BOOKS"
        books_fail "$setting is off" init --books "$BOOKS"
        if "$RECEIVER_BIN" --check --state "$T/state" --books "$BOOKS" >"$T/fail.out" 2>&1; then fail "a receiver takes $setting=off"; fi
        grep -qF "$setting is off: it may lose what it has confirmed" "$T/fail.out" || fail "the receiver says: $(<"$T/fail.out")"
        books_sql postgres --command="ALTER SYSTEM RESET $setting" --command='SELECT pg_reload_conf()' >/dev/null
        wait_for "$PATIENCE" setting_is "$setting" on
    done
    "$STATUS_BIN" books check --books "$BOOKS" >"$T/check"
    books_sql postgres --command="CREATE DATABASE latin ENCODING 'SQL_ASCII' TEMPLATE template0"
    books_fail "the database's encoding is not UTF8" init --books "host=$BOOKS_PG/one user=postgres dbname=latin"
}

setting_is() {
    equal "$1" "$(books_sql postgres --command="SHOW $1")" "$2"
}

# bats test_tags=full
@test "books of a later version serve programs of this one; those of none say what to do" {
    books_make skewed
    # What a later version may do: its own functions beside those of version 1.
    books_sql skewed --command="UPDATE upgrade_books.about SET version = 2" \
        --command="ALTER TABLE upgrade_books.log ADD COLUMN later text" \
        --command="CREATE FUNCTION upgrade_books.keep_2() RETURNS bigint LANGUAGE sql AS 'SELECT 1'"
    equal "kept in version 2" "$(keep a 1 2 | books_sql skewed)" 'kept|2'
    "$WRITER" "$BOOKS" life 8 2 >"$T/written"
    "$STATUS_BIN" books check --books "$BOOKS" | grep -qF 'version 2, 18 entries'
    "$STATUS_BIN" books upgrade --books "$BOOKS" | grep -qF 'are of version 2 already'
    books_sql skewed --command="UPDATE upgrade_books.about SET version = 0"
    books_fail 'are of version 0, and this program is of version 1: upgrade-status books upgrade' check --books "$BOOKS"
    books_fail 'has no shared books' upgrade --books "host=$BOOKS_PG/one user=postgres dbname=postgres"
}

# plans FIRST: the plans of all statements within the functions that receivers and readers call; the entries of a life
# are kept from FIRST on.
plans() {
    {
        echo "LOAD 'auto_explain'; SET auto_explain.log_min_duration = 0; SET auto_explain.log_nested_statements = on;"
        echo "SET client_min_messages = log;"
        keep plans "$1" 4 fresh
        keep plans "$1" 2 fresh # nothing new
        echo "SELECT count(*) FROM upgrade_books.read_1(0, 10, 100000);"
        echo "SELECT head FROM upgrade_books.about_1();"
    } | books_sql planned 2>&1
}

# bats test_tags=full
@test "every statement of receivers and readers finds its rows by the intended index, on an empty and a full log" {
    local size
    books_make planned
    # Several periods, and another number of entries than the planner thinks.
    for size in empty full; do
        if [[ $size == full ]]; then
            "$WRITER" "$BOOKS" one 500 20 >"$T/written"
            books_sql planned --command="UPDATE upgrade_books.period SET began_at = now() - interval '40 days'"
            "$WRITER" "$BOOKS" two 500 20 >"$T/written"
            books_sql planned --command='ANALYZE'
        fi
        plans "$([[ $size == empty ]] && echo 1 || echo 5)" >"$T/plans.$size"
        # Nothing is read as a whole but rows that a statement has made itself, and about's only row.
        grep -E 'Seq Scan on|Bitmap Heap Scan' "$T/plans.$size" | grep -vE 'on (upgrade_books\.)?(about|life f)' >"$T/scans" || true
        [[ ! -s $T/scans ]] || fail "$size: $(<"$T/scans")"
        for index in operation_pkey batch_pkey batch_life life_life_key period_pkey log_1_pkey; do
            grep -q "using $index" "$T/plans.$size" || fail "$size: nothing uses $index"
        done
        # The newest first, without a sort of all.
        if grep -qE -- '-> +Sort ' "$T/plans.$size"; then fail "$size: something is sorted: $(grep -A3 -E -- '-> +Sort ' "$T/plans.$size")"; fi
    done
}

# bats test_tags=full
@test "a snapshot that somebody holds makes no batch dearer" {
    local rates first last
    books_make held
    mkfifo "$T/reader"
    background reader reading "$T/reader" "$TESTS/tool/postgres" psql "$BOOKS_PG" one --dbname=held
    exec 7>"$T/reader"
    echo 'BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT count(*) FROM upgrade_books.log;' >&7
    "$WRITER" "$BOOKS" life 8 20000 1000 >"$T/written"
    exec 7>&-
    equal "kept" "$(tail -n 1 "$T/written" | cut -d ' ' -f 1,2)" 'acknowledged 160000'
    # The medians of the first and the last five thousands: a machine is never quiet.
    rates=$(grep -oE '\([0-9]+' "$T/written" | tr -d '(')
    first=$(sed -n 2,6p <<<"$rates" | sort -n | sed -n 3p)
    last=$(sed -n 16,20p <<<"$rates" | sort -n | sed -n 3p)
    ((last * 12 > first * 10)) || fail "$first a second in the beginning, $last in the end"
}

# --- the connection ---------------------------------------------------------------------------

# certificate NAME SUBJECT [ISSUER]: NAME.crt and NAME.key in $T/tls, made by ISSUER (itself).
certificate() {
    local issuer=(-CA "$T/tls/${3:-}.crt" -CAkey "$T/tls/${3:-}.key" -addext "subjectAltName=DNS:$2")
    if [[ -z ${3:-} ]]; then issuer=(); fi
    openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj "/CN=$2" \
        -keyout "$T/tls/$1.key" -out "$T/tls/$1.crt" "${issuer[@]}" 2>>"$T/openssl"
}

# bats test_tags=full
@test "a wrong password or certificate is named; the right one of each kind serves" {
    local words file
    mkdir "$T/tls"
    certificate root 'authority of a test'
    certificate other 'another authority'
    certificate server localhost root
    certificate receiver receiver root
    if ((EUID == 0)); then chown postgres "$T"/tls/server.key; fi
    chmod 0600 "$T"/tls/*.key
    PORT=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
    export PORT TLS=$T/tls
    server make one
    printf '%s\n' 'local all all trust' 'hostssl all keyed 127.0.0.1/32 cert map=keys' 'hostssl all all 127.0.0.1/32 scram-sha-256' >"$T/pg/one/data/pg_hba.conf"
    echo 'keys receiver keyed' >"$T/pg/one/data/pg_ident.conf"
    server psql one --command="SELECT pg_reload_conf()" --command='CREATE DATABASE upgrades' >/dev/null
    "$STATUS_BIN" books init --books "host=$T/pg/one port=$PORT user=postgres dbname=upgrades" >/dev/null
    server psql one --command="CREATE ROLE kept LOGIN PASSWORD 'right' IN ROLE upgrade_books_receiver" \
        --command="CREATE ROLE keyed LOGIN IN ROLE upgrade_books_receiver"

    words="host=localhost hostaddr=127.0.0.1 port=$PORT dbname=upgrades user=kept sslmode=verify-full sslrootcert=$T/tls/root.crt"
    for file in right wrong; do
        echo "localhost:$PORT:upgrades:kept:$file" >"$T/$file.pass"
        chmod 0600 "$T/$file.pass"
    done
    "$STATUS_BIN" books check --books "$words passfile=$T/right.pass" | grep -qF 'This login may read, keep.'
    books_fail '28P01: password authentication failed' check --books "$words passfile=$T/wrong.pass"
    books_fail 'no password supplied' check --books "$words passfile=$T/none.pass"
    books_fail 'certificate verify failed' check --books "${words/root.crt/other.crt} passfile=$T/right.pass"
    books_fail 'root certificate file' check --books "${words/root.crt/none.crt} passfile=$T/right.pass"
    books_fail 'does not match host name' check --books "${words/host=localhost/host=elsewhere.example} passfile=$T/right.pass"
    books_fail 'no pg_hba.conf entry' check --books "${words/verify-full/disable} passfile=$T/right.pass"
    # By a certificate, and no password at all.
    "$STATUS_BIN" books check --books "${words/user=kept/user=keyed} sslcert=$T/tls/receiver.crt sslkey=$T/tls/receiver.key" | grep -qF 'read, keep'
    books_fail 'valid client certificate' check --books "${words/user=kept/user=keyed} sslcert=none sslkey=none"
}

# bats test_tags=full
@test "a host that hangs is left after two seconds, and the next one serves" {
    local hung port words began
    books_make hanging
    # One accepts and says nothing; another does not even that: its line of those who wait is full.
    cat >"$T/hang.py" <<'TEXT'
import os, socket, sys, time
silent = socket.create_server(("127.0.0.1", 0), backlog=8)
full = socket.create_server(("127.0.0.1", 0), backlog=0)
waiting = []
for _ in range(4):
    one = socket.socket()
    one.setblocking(False)
    one.connect_ex(full.getsockname())
    waiting.append(one)
with open(sys.argv[1] + ".new", "w") as file:
    print(silent.getsockname()[1], full.getsockname()[1], file=file)
os.rename(sys.argv[1] + ".new", sys.argv[1])
while True:
    time.sleep(60)
TEXT
    background hung python3 "$T/hang.py" "$T/ports"
    wait_for "$PATIENCE" test -s "$T/ports"
    for port in $(<"$T/ports"); do
        words="host=127.0.0.1,$BOOKS_PG/one port=$port,5432 user=postgres dbname=hanging"
        began=${EPOCHREALTIME//./}
        "$STATUS_BIN" books check --books "$words" | grep -qF 'The log is sound.'
        hung=$(((${EPOCHREALTIME//./} - began) / 1000))
        ((hung >= 1900)) || fail "port $port did not hang: $hung ms"
        in_time "a check behind a host that hangs" "$hung" 4000
        books_fail "127.0.0.1:$port/hanging: no answer in time" check --books "host=127.0.0.1 port=$port user=postgres dbname=hanging"
        # The operator may want it otherwise.
        began=${EPOCHREALTIME//./}
        "$STATUS_BIN" books check --books "$words connect_timeout=1" >/dev/null
        in_time "a check with connect_timeout=1" "$(((${EPOCHREALTIME//./} - began) / 1000))" 2900
    done
}

# bats test_tags=full
@test "while the standby is gone a batch waits on one connection; one that was let go with a warning is sent again, and is there once" {
    server make one
    server psql one --command='CREATE DATABASE upgrades'
    BOOKS="host=$T/pg/one user=postgres dbname=upgrades"
    "$STATUS_BIN" books init --books "$BOOKS" >/dev/null
    server copy one two
    server kill two
    background writer "$WRITER" "$BOOKS" life 3 1
    wait_for "$PATIENCE" writers_wait 1
    # Four of its time-outs, 500 ms each, and it has one connection. (Nothing tells us that it has not made another.)
    pause 2
    writers_wait 1
    # An administrator ends the wait: the server says so by a warning alone.
    server psql one --command="SELECT pg_cancel_backend(pid) FROM pg_stat_activity WHERE wait_event = 'SyncRep'" >/dev/null
    wait_for "$PATIENCE" grep -q 'a warning (01000): it may not be on the standby' "$T/writer.out"
    # It has sent the batch again, which waits, too, though it adds nothing.
    wait_for "$PATIENCE" writers_wait 1
    equal "acknowledged" "$(grep -c acknowledged "$T/writer.out" || true)" 0
    server start two
    wait_for "$PATIENCE" grep -q 'acknowledged 3' "$T/writer.out"
    equal "entries" "$(server psql one --dbname=upgrades --command='SELECT count(*), max(number) FROM upgrade_books.log')" '3|3'
}

# writers_wait COUNT: so many writers wait for the standby, and no other connection of theirs is there.
writers_wait() {
    equal "writers" "$(server psql one --command="SELECT count(*), count(*) FILTER (WHERE wait_event = 'SyncRep') FROM pg_stat_activity WHERE application_name = 'upgrade-receiver'")" "$1|$1"
}

# bats test_tags=full
@test "five failovers by SIGKILL under two writers: what was acknowledged is there, once" {
    local primary=one standby=two swap writer missing acknowledged
    server make one
    server psql one --command='CREATE DATABASE upgrades'
    BOOKS="host=$T/pg/one,$T/pg/two user=postgres dbname=upgrades"
    "$STATUS_BIN" books init --books "host=$T/pg/one user=postgres dbname=upgrades" >/dev/null
    server copy one two
    for writer in a b; do
        mkfifo "$T/$writer.end"
        background "$writer" reading "$T/$writer.end" "$WRITER" "$BOOKS" "$writer" 7 0 1
    done
    exec 5>"$T/a.end" 6>"$T/b.end"
    for _ in 1 2 3 4 5; do
        # Both have got on since the last failover.
        for writer in a b; do
            wait_for 60 is_longer "$T/$writer.out" $(($(wc -l <"$T/$writer.out") + 50))
        done
        server kill "$primary"
        server promote "$standby"
        swap=$primary
        primary=$standby
        standby=$swap
        server remove "$standby"
        server copy "$primary" "$standby"
    done
    exec 5>&- 6>&-
    for writer in a b; do wait_for 60 process_is_gone "$(<"$T/background/$writer")"; done
    for writer in a b; do
        acknowledged=$(grep -oE '^acknowledged [0-9]+' "$T/$writer.out" | sort -k 2n | tail -n 1 | cut -d ' ' -f 2)
        missing=$(server psql "$primary" --dbname=upgrades --command="
            SELECT $acknowledged - count(DISTINCT l.life_number) FILTER (WHERE l.life_number <= $acknowledged), count(*) - count(DISTINCT l.life_number)
              FROM upgrade_books.log l JOIN upgrade_books.life f ON f.id = l.life
             WHERE f.life = '$writer' AND convert_from(substring(l.body FROM 1 FOR length('$writer ' || l.life_number || ' ')), 'UTF8') = '$writer ' || l.life_number || ' '")
        echo "# writer $writer: acknowledged $acknowledged, missing|twice $missing" >&3
        equal "missing|twice of $writer" "$missing" '0|0'
    done
    "$STATUS_BIN" books check --books "$BOOKS" | grep -qF 'The log is sound.'
}

is_longer() {
    (($(wc -l <"$1") >= $2))
}

# bats test_tags=full
@test "a pool of connections may be between: pgbouncer, a connection for each transaction or statement" {
    local mode pool
    command -v pgbouncer >/dev/null || skip "pgbouncer is not installed"
    books_make pooled
    for mode in transaction statement; do
        mkdir -m 0755 "$T/$mode"
        cat >"$T/$mode/pool.ini" <<TEXT
[databases]
pooled = host=$BOOKS_PG/one dbname=pooled user=postgres pool_size=2
[pgbouncer]
listen_addr =
unix_socket_dir = $T/$mode
auth_type = any
pool_mode = $mode
logfile = $T/$mode/log
TEXT
        pool=(pgbouncer "$T/$mode/pool.ini")
        if ((EUID == 0)); then
            chown -R postgres "$T/$mode"
            pool=(setpriv --reuid postgres --regid postgres --clear-groups "${pool[@]}")
        fi
        background "pool-$mode" "${pool[@]}"
        wait_for "$PATIENCE" test -S "$T/$mode/.s.PGSQL.6432"
        "$WRITER" "host=$T/$mode port=6432 user=postgres dbname=pooled" "life-$mode" 8 20 >"$T/written"
        grep -q '^acknowledged 160 ' "$T/written"
        "$STATUS_BIN" books check --books "host=$T/$mode port=6432 user=postgres dbname=pooled" | grep -qF 'The log is sound.'
    done
}
