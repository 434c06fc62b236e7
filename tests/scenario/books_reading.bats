#!/usr/bin/env bats
# Shared books, seen by those who read them while the copy is made, or cannot be brought up to date.
#
# bats file_tags=full
# shellcheck disable=SC2153,SC2154 # variables of lib.bash and books.bash

load lib
load books

setup_file() {
    books_setup_file
}

teardown_file() {
    books_teardown_file
}

setup() {
    scenario_setup
    DATABASE=reading$BATS_TEST_NUMBER
    books_make "$DATABASE"
}

teardown() {
    let_read
    scenario_teardown
}

# say QUERY: what the books say.
say() {
    books_sql "$DATABASE" --command="$1"
}

# hold_reading NUMBER: who reads the log from that entry on waits, until let_read.
hold_reading() {
    say "ALTER FUNCTION upgrade_books.read_1 RENAME TO read_all"
    say "DO \$do\$ BEGIN
        EXECUTE format('CREATE FUNCTION upgrade_books.read_1(p_after bigint, p_most integer, p_bytes bigint) RETURNS %s
            LANGUAGE plpgsql SECURITY DEFINER AS \$\$ #variable_conflict use_column
            BEGIN
                IF p_after >= $1 THEN PERFORM pg_advisory_xact_lock_shared(7); END IF;
                RETURN QUERY SELECT * FROM upgrade_books.read_all(p_after, p_most, p_bytes);
            END \$\$', pg_get_function_result('upgrade_books.read_all'::regproc));
    END \$do\$"
    background holder books_sql "$DATABASE" --command='SELECT pg_advisory_lock(7)' --command='SELECT pg_sleep(3600)'
    wait_for "$PATIENCE" is_held
}

is_held() {
    [[ $(say "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND objid = 7 AND mode = 'ExclusiveLock' AND granted") == 1 ]]
}

let_read() {
    books_sql postgres --command="SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query LIKE 'SELECT pg_sleep%'" >/dev/null
}

# shows PATH FILTER: the document is there, and FILTER is true of it.
shows() {
    request "$1"
    [[ $status_code == 200 ]] && jq -e "$2" <<<"$body" >/dev/null
}

# copy_is FILTER: FILTER is true of the problem that is answered instead of a document.
copy_is() {
    request /status/overview.json
    [[ $status_code == 503 ]] && jq -e "$1" <<<"$body" >/dev/null
}

@test "before the first copy: 503 that says why, how far it is, and where the own store is" {
    receiver_start --books "$BOOKS dbname=postgres" --books-wait 100
    nginx_start
    post - < <(notification)
    wait_for "$PATIENCE" copy_is '.copy.fault != null'
    expect_answer 503 '.detail | startswith("there is no copy of the shared books yet: ") and contains("no shared books that this login may read (SQLSTATE 3F000; upgrade-status books check tells more)") and endswith("; what this receiver got itself is under /status/local/")'
    expect_answer 503 '.title == "Service Unavailable" and .status == 503 and .copy.entries == 0 and .copy.of == 0'
    grep -qi '^content-type: application/problem+json' "$answer_headers"
    grep -qi '^retry-after: 1' "$answer_headers"
    request /status/failures.csv
    expect_answer 503 '.detail | contains("no copy of the shared books")'
    # All else is there: the page, the own store, metrics.
    request /status/
    expect_answer 200
    request /status/local/overview.json
    expect_answer 200 '.totals.notifications == 1 and .books.copyFault != null'
    request /metrics
    expect_answer 200
    receiver_stop

    # While it is made.
    "$WRITER" "$BOOKS" aaaaaaaaaaaaaaaa 128 40 >/dev/null </dev/null
    hold_reading 2000
    receiver_start --books "$BOOKS"
    wait_for "$PATIENCE" copy_is '.copy.entries == 2000 and .copy.of >= 5120 and .copy.fault == null'
    expect_answer 503 '.detail | test("^the copy of the shared books is being made: 2000 of 512[01] entries; ")'
    let_read
    wait_for "$PATIENCE" shows /status/overview.json '.totals.quarantined == 5120 and .totals.notifications == 1'
}

@test "a new copy that is made after another generation: the old one is read, and it is said how far behind" {
    receiver_start --books "$BOOKS"
    nginx_start
    "$WRITER" "$BOOKS" aaaaaaaaaaaaaaaa 128 40 >/dev/null </dev/null
    wait_for "$PATIENCE" shows /status/overview.json '.totals.quarantined == 5120'
    expect_answer 200 '.books.copyBehindRecords == 0 and .books.copyBehindSeconds == 0'
    hold_reading 3000
    say 'UPDATE upgrade_books.about SET generation = gen_random_uuid()'
    wait_for "$PATIENCE" shows /status/overview.json '.totals.quarantined == 5120 and .books.copyBehindRecords == 2120'
    wait_for "$PATIENCE" shows /status/overview.json '.books.copyBehindSeconds >= 5 and .books.copyFault == null and .books.state == "confirming"'
    wait_for "$PATIENCE" status_is '.books.copyBehindRecords == 2120 and .books.copyBehindSeconds >= 5'
    request /metrics
    grep -qx 'upgrade_receiver_books_copy_behind_records 2120' <<<"$body"
    grep -qE '^upgrade_receiver_books_copy_behind_seconds [1-9]' <<<"$body"
    let_read
    wait_for "$PATIENCE" shows /status/overview.json '.books.copyBehindRecords == 0 and .books.copyBehindSeconds == 0 and .totals.quarantined == 5120'
}

@test "a copy that cannot be brought up to date: how many entries, since when, and why" {
    receiver_start --books "$BOOKS" --books-wait 200
    nginx_start
    post - < <(notification)
    wait_for "$PATIENCE" shows /status/overview.json '.totals.notifications == 1'
    say 'ALTER FUNCTION upgrade_books.read_1 RENAME TO gone'
    for device in a b c; do post - < <(notification "deviceId=$device"); done
    wait_for "$PATIENCE" shows /status/overview.json '.books.copyBehindRecords == 3 and (.books.copyFault | contains("read_1"))'
    equal 'lines of the log' "$(log_count '.event == "fault" and (.fault | contains("copy of the shared books"))')" 1
    # Then nobody can be asked: what was known stays, and the time goes on.
    books_sql postgres --command="ALTER DATABASE $DATABASE ALLOW_CONNECTIONS false" \
        --command="SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '$DATABASE'" >/dev/null
    wait_for "$PATIENCE" shows /status/overview.json '.books.copyBehindRecords == 3 and .books.copyBehindSeconds >= 6 and (.books.copyFault | contains("accepting connections"))'
    books_sql postgres --command="ALTER DATABASE $DATABASE ALLOW_CONNECTIONS true"
    say 'ALTER FUNCTION upgrade_books.gone RENAME TO read_1'
    wait_for "$PATIENCE" shows /status/overview.json '.totals.notifications == 4 and .books.copyBehindRecords == 0 and .books.copyBehindSeconds == 0 and .books.copyFault == null'
}
