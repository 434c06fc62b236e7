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
    wait_for_log '.event == "books" and .state == "away" and (.fault | contains("accepting connections"))'
    post - < <(notification deviceId=second)
    expect_answer 200
    request /metrics
    [[ $body == *$'\nupgrade_receiver_books_away 1\n'* && $body == *$'\nupgrade_receiver_books_behind_records 2\n'* ]]
    take_calls
    wait_for_log '.event == "books" and .state == "confirming"'
    books_have 3 3
}

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
