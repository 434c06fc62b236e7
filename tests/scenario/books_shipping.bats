#!/usr/bin/env bats
# Shared books, seen from a receiver: it ships what it keeps, answers when the books have it, and goes on
# alone while they are away.

# shellcheck disable=SC2154 # variables of lib.bash and books.bash

load lib
load books

# A database of one server for each test.
setup_file() {
    books_setup_file
}

teardown_file() {
    books_teardown_file
}

setup() {
    scenario_setup
    DATABASE=shipping$BATS_TEST_NUMBER
    books_make "$DATABASE"
}

# The next test makes its database on the same server, which waits for nobody then.
teardown() {
    if [[ -n ${awaited:-} ]]; then await_standby ''; fi
    scenario_teardown
}

# say QUERY: what the books say.
say() {
    books_sql "$DATABASE" --command="$1"
}

# books_have ENTRIES BODIES: so many entries, of so many different bodies.
books_have() {
    equal 'entries and bodies in the books' "$(say 'SELECT count(*), count(DISTINCT body) FROM upgrade_books.log')" "$1|$2"
}

# books_are STATE: waits until the status file says so.
books_are() {
    wait_for_status ".books.state == \"$1\""
}

# hang_up: the server ends all connections to the database and takes no more. take_calls: it does again.
hang_up() {
    books_sql postgres --command="ALTER DATABASE $DATABASE ALLOW_CONNECTIONS false" \
        --command="SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '$DATABASE'" >/dev/null
}

take_calls() {
    books_sql postgres --command="ALTER DATABASE $DATABASE ALLOW_CONNECTIONS true"
}

@test "what is answered 200 is in the books; without --books there is no libpq and no thread" {
    receiver_start --books "$BOOKS"
    nginx_start
    post - < <(notification)
    expect_answer 200 '.result == "stored"'
    books_have 1 1
    post - < <(notification)
    expect_answer 200 '.result == "repeated"'
    post_text 'no JSON'
    expect_answer 200 '.result == "quarantined"'
    # shellcheck disable=SC2016 # PostgreSQL's quotes
    equal entries "$(say 'SELECT life_number, kind, deliveries, state, reason, convert_from(body, $$UTF8$$) LIKE $${"notif%$$
        FROM upgrade_books.log ORDER BY number')" $'1|1|1|SUCCESS||t\n2|1|1|SUCCESS||t\n3|2|1||not JSON: invalid token near '\''no'\'', at byte 2|f'
    books_are confirming
    grep -q libpq "/proc/$(receiver_pid)/maps"
    receiver_stop
    # What is confirmed has left the journal.
    equal journal "$(sql 'SELECT count(*) FROM journal')" 0
    receiver_start
    if grep libpq "/proc/$(receiver_pid)/maps" || grep shipper "/proc/$(receiver_pid)"/task/*/comm; then
        fail 'it has something of shared books'
    fi
}

@test "away: one answer waits, then all are answered at once; back: the books have all, once" {
    receiver_start --books "$BOOKS" --books-wait 500
    nginx_start
    post - < <(notification deviceId=before)
    hang_up
    post - < <(notification deviceId=first)
    expect_answer 200
    books_are away
    # The line may still tell why the old connection ended. The status file tells why there is no new one.
    wait_for_log '.event == "books" and .state == "away" and .fault != null'
    wait_for_status '.books.fault | contains("accepting connections")'
    post - < <(notification deviceId=second)
    expect_answer 200
    request /metrics
    [[ $body == *$'\nupgrade_receiver_books_away 1\n'* && $body == *$'\nupgrade_receiver_books_behind_records 2\n'* ]]
    take_calls
    wait_for_log '.event == "books" and .state == "confirming"'
    books_have 3 3
}

# bats test_tags=full
@test "--books-required: 503 while they are away, and nothing is lost" {
    receiver_start --books "$BOOKS" --books-wait 500 --books-required
    nginx_start
    hang_up
    post - < <(notification)
    expect_answer 503 '.detail | contains("shared books have not confirmed")'
    post - < <(notification deviceId=second)
    expect_answer 503
    take_calls
    books_are confirming
    books_have 2 2
    post - < <(notification)
    expect_answer 200 '.result == "repeated"'
    books_have 3 2
}

# bats test_tags=full
@test "a receiver starts without its books and says so once; --check fails" {
    local words
    for words in "host=$T dbname=none" "$BOOKS dbname=none" "$BOOKS dbname=postgres"; do
        ! "$RECEIVER_BIN" --check --state "$T/state" --books "$words" 2>"$T/check" || fail "usable: $words"
        grep -q '^upgrade-receiver: --books: ' "$T/check" || fail "$(<"$T/check")"
    done
    "$RECEIVER_BIN" --check --state "$T/state" --books "$BOOKS"
    receiver_start --books "$BOOKS dbname=postgres" --books-wait 300
    nginx_start
    books_are refused
    status_is '.books.fault | contains("upgrade-status books init")'
    post - < <(notification)
    expect_answer 200 '.result == "stored"'
    receiver_stop
    equal 'lines of the log' "$(log_count '.event == "books"')" 1
    # What was kept is shipped when the books are there.
    receiver_start --books "$BOOKS"
    books_are confirming
    wait_for "$PATIENCE" journal_is_empty
    books_have 1 1
}

journal_is_empty() {
    [[ $(sql 'SELECT count(*) FROM journal') == 0 ]]
}

# bats test_tags=full
@test "what the server refuses for its content is noted, and stops nothing" {
    local device
    say "ALTER TABLE upgrade_books.log_1 ADD CHECK (device <> 'poison')"
    receiver_start --books "$BOOKS" --books-wait 300
    nginx_start
    hang_up
    for device in a poison b; do
        post - < <(notification "deviceId=$device")
        expect_answer 200
    done
    take_calls
    wait_for_log '.event == "books" and .state == "confirming"'
    equal entries "$(say 'SELECT life_number, kind, device, reason, body IS NULL FROM upgrade_books.log ORDER BY number')" \
        $'1|1|a||f\n2|6||23514|t\n3|1|b||f'
    equal 'lines of the log' "$(log_count '.event == "fault" and (.fault | contains("refuse entry 2"))')" 1
}

# bats test_tags=full
@test "books that lost what they had confirmed are refused until all is shipped again" {
    receiver_start --books "$BOOKS" --books-wait 300
    nginx_start
    post - < <(notification deviceId=a)
    post - < <(notification deviceId=b)
    books_have 2 2
    say 'DELETE FROM upgrade_books.log WHERE number = 2; DELETE FROM upgrade_books.batch WHERE last = 2'
    post - < <(notification deviceId=c)
    expect_answer 200
    books_are refused
    status_is '.books.fault | contains("upgrade-status books reship")'
    receiver_stop
    "$STATUS_BIN" --state "$T/state" books reship >"$T/reship"
    receiver_start --books "$BOOKS"
    wait_for "$PATIENCE" journal_is_empty
    equal bodies "$(say 'SELECT count(DISTINCT body) FROM upgrade_books.log')" 3
    post - < <(notification deviceId=d)
    books_are confirming
}

# cancel_wait: cancels the wait of a commit for its standby; fails if none waits.
cancel_wait() {
    [[ $(books_sql postgres --command="SELECT pg_cancel_backend(pid) FROM pg_stat_activity WHERE wait_event = 'SyncRep' AND query LIKE '%keep_1%'") == *t* ]]
}

# await_standby NAMES: commits wait for that standby from now on.
await_standby() {
    awaited=$1
    books_sql postgres --command="ALTER SYSTEM SET synchronous_standby_names = '$1'" --command='SELECT pg_reload_conf()' >/dev/null
}

# bats test_tags=full
@test "a commit that the standby has not confirmed is no confirmation" {
    receiver_start --books "$BOOKS" --books-wait 3000 --books-required
    nginx_start
    post - < <(notification deviceId=a)
    expect_answer 200
    await_standby nobody
    notification deviceId=b >"$T/b.json"
    background post post "$T/b.json"
    wait_for "$PATIENCE" cancel_wait
    # The row is there, the answer is not: the batch is sent again, and waits.
    books_have 2 2
    wait_for_log '.event == "books" and .state == "away"'
    status_is '.books.behindRecords == 1'
    # No second connection is made for what waits.
    equal connections "$(books_sql postgres --command="SELECT count(*) FROM pg_stat_activity WHERE datname = '$DATABASE' AND query LIKE '%keep_1%'")" 1
    await_standby ''
    books_are confirming
    post - < <(notification deviceId=b)
    expect_answer 200 '.result == "repeated"'
    books_have 3 2
}

# bats test_tags=full
@test "a stop answers what waits for books that hang" {
    receiver_start --books "$BOOKS" --books-wait 1500
    nginx_start
    await_standby nobody
    notification >"$T/a.json"
    background post post "$T/a.json"
    wait_for_log '.event == "notification"'
    receiver_stop
    await_standby ''
    equal unanswered "$(log_count '.event == "unanswered"')" 0
    equal 'answers 200' "$(status_json .process.answers_200)" 1
    receiver_start --books "$BOOKS"
    wait_for "$PATIENCE" journal_is_empty
    books_have 1 1
}

# bats test_tags=full
@test "of two receivers on one store one ships; the other takes over" {
    local second
    receiver_start --books "$BOOKS"
    nginx_start
    post - < <(notification deviceId=a)
    expect_answer 200
    # A second process on the same store and socket.
    background second python3 -S -c 'import os, socket, sys
s = socket.socket(socket.AF_UNIX); s.bind(sys.argv[1]); s.listen(64)
os.dup2(s.fileno(), 0); os.execv(sys.argv[2], sys.argv[2:])' "$T/second.socket" "$RECEIVER_BIN" --state "$T/state" --log "$T/second.log" --books "$BOOKS"
    second=$background_pid
    wait_for "$PATIENCE" grep -q '"event":"start"' "$T/second.log"
    notification deviceId=b >"$T/b.json"
    # It holds its answer until the first has shipped, and is not taken for away.
    python3 -S "$TESTS/tool/fcgi_peer.py" "$T/second.socket" post --plain --body "$T/b.json" >"$T/answer"
    grep -q '"result":"stored"' "$T/answer"
    books_have 2 2
    receiver_kill
    notification deviceId=c >"$T/c.json"
    python3 -S "$TESTS/tool/fcgi_peer.py" "$T/second.socket" post --plain --body "$T/c.json" >"$T/answer"
    grep -q '"result":"stored"' "$T/answer"
    books_have 3 3
    ! grep '"event":"books"' "$T/second.log" || fail 'it took the books for away'
    stop_process "$second" TERM
}
