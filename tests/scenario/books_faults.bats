#!/usr/bin/env bats
# bats file_tags=full
# What goes wrong with shared books under whole receivers: failovers, full disks, cloned machines, clocks that step.
#
# shellcheck disable=SC2030,SC2031,SC2153,SC2154 # at has a $T of its own; variables of lib.bash and books.bash

load lib
load faults
load recount
load books

setup() {
    scenario_setup
    SITES=(a b)
}

teardown() {
    local site folder
    for site in "${SITES[@]}"; do at "$site" scenario_teardown; done
    servers_teardown
    for folder in "$T"/pg/*/data/*; do
        if mountpoint -q "$folder"; then umount "$folder"; fi
    done
    scenario_teardown
}

# site_start [OPTION]...: the receiver, with $BOOKS, and nginx if it does not run.
site_start() {
    mkdir -p "$T/state" "$T/background"
    receiver_start --books "${BOOKS/user=postgres/user=receiver_${T##*/}}" "$@"
    if [[ -f $T/nginx/master ]]; then return 0; fi
    nginx_start
    echo "$URL" >"$T/url"
}

# make_books NAME...: shared books on the first server, and a login for each site.
make_books() {
    server psql "$1" --command='CREATE DATABASE upgrades'
    "$STATUS_BIN" books init --books "host=$T/pg/$1 user=postgres dbname=upgrades" >/dev/null
    server psql "$1" --command='CREATE ROLE receiver_a LOGIN IN ROLE upgrade_books_receiver' \
        --command='CREATE ROLE receiver_b LOGIN IN ROLE upgrade_books_receiver'
    BOOKS="host=$T/pg/$1${2:+,$T/pg/$2} user=postgres dbname=upgrades"
}

# say SERVER QUERY: what the books say there.
say() {
    server psql "$1" --dbname=upgrades --command="$2"
}

# all_shipped SERVER: the books have all of both receivers, these know it, and both copies have come to the end.
all_shipped() {
    local site head
    for site in "${SITES[@]}"; do
        wait_for 60 shipped "$T/$site/state"
        at "$site" wait_for_status '.books.state == "confirming" and .books.behindRecords == 0'
    done
    head=$(say "$1" 'SELECT max(number) FROM upgrade_books.log')
    for site in "${SITES[@]}"; do wait_for 60 copy_is_at "$T/$site/state/shared" "$head"; done
}

copy_is_at() {
    [[ $(sqlite3 -readonly -cmd '.timeout 5000' "$1/upgrades.db" 'SELECT number FROM position') == "$2" ]]
}

# copies_are_equal: all copies have the same documents.
copies_are_equal() {
    local site
    for site in "${SITES[@]}"; do documents "$T/$site/state/shared" >"$T/$site/documents"; done
    [[ -s $T/a/documents ]]
    for site in "${SITES[@]:1}"; do
        diff "$T/a/documents" "$T/$site/documents" >"$T/diff" ||
            fail "the copies of a and $site differ: $(head -n 20 "$T/diff" | cut -c 1-400)"
    done
}

# play NAME OPTION...: the platform, in the background.
play() {
    background "$1" "$PYTHON" "$TESTS/tool/play_platform.py" --url "$URL$CALLBACK" --cacert "$CERTIFICATE" \
        --expect "$T/$1.json" --expect-upgrades "${@:2}"
    echo "$background_pid" >"$T/$1.pid"
}

# play_end NAME...: waits for their ends. All was answered 200, and nothing else.
play_end() {
    local name
    for name; do
        wait_for 120 has_ended "$(<"$T/$name.pid")"
        wait "$(<"$T/$name.pid")" || fail "$name: $(<"$T/$name.out")"
        equal "answers of $name other than 200" "$(jq -c '.answers | del(.["200"])' "$T/$name.out")" '{}'
    done
}

# sum_up FILE...: one recount of several, each of a campaign. What both receivers were sent is in two FILEs.
sum_up() {
    jq -s '(group_by([.operations[].operationId]) | map(.[0])) as $each | {
        totals: {notifications: ([$each[].totals.notifications] | add), quarantined: ([.[].totals.quarantined] | add)},
        unanswered: ([.[].unanswered] | add),
        operations: [$each[].operations[]], list: [$each[].list[]],
        kinds: ([$each[].kinds[]] | group_by([.notifyType, .result]) | map(.[0] + {count: ([.[].count] | add)}))
    } + {answers: ([.[].totals | .notifications + .repeats + .quarantined] | add)}
    | .totals.repeats = .answers - .totals.notifications - .totals.quarantined' "$@" >"$T/expected.json"
}

# copies_match_recount: so has each copy, and what the receivers of its log answered 200 is there once.
copies_match_recount() {
    local site
    for site in a b; do
        mkdir -p "$T/copy-$site/nginx"
        ln -s "../$site/state/shared" "$T/copy-$site/state"
        cp "$T/$site/nginx/error.log" "$T/copy-$site/nginx/"
        cp "$T/expected.json" "$T/copy-$site/"
        at "copy-$site" books_match_recount
    done
}

# entries_are SERVER SITE COUNT: so many entries of that site are in the books, each once and without a gap.
entries_are() {
    equal "entries of $2: all, different, without a gap" "$(say "$1" "
        SELECT count(*), count(DISTINCT life_number), max(life_number) - min(life_number) + 1
          FROM upgrade_books.log g JOIN upgrade_books.life l ON l.id = g.life WHERE l.login = 'receiver_$2'")" "$3|$3|$3"
}

# answered_200 SITE: how many answers of that site were 200.
answered_200() {
    jq -s '[.[].answers["200"]] | add' "$T/$1"/play*.out
}

@test "five failovers under two receivers: what was answered 200 is there, once, and nothing else was answered" {
    local primary=one standby=two swap round site found
    server make one
    make_books one two
    server copy one two
    for site in a b; do at "$site" site_start; done
    for round in 1 2 3 4 5; do
        # Each receiver has a campaign of its own, and both have a third one.
        at a play "play-$round" --seed "$((round * 10))" --devices 300 --seconds 30
        at b play "play-$round" --seed "$((round * 10 + 1))" --devices 300 --seconds 30
        for site in a b; do at "$site" play "play-both-$round" --seed "$((round * 10 + 2))" --devices 200 --seconds 30; done
        found=$(say "$primary" 'SELECT max(number) FROM upgrade_books.log')
        wait_for 60 log_is_longer "$primary" $((${found:-0} + 500))
        server kill "$primary"
        for site in a b; do at "$site" wait_for_status '.books.state == "away"'; done
        server promote "$standby"
        for site in a b; do kill -0 "$(<"$T/$site/play-$round.pid")" || fail "round $round: the load ended too soon"; done
        swap=$primary primary=$standby standby=$swap
        server remove "$standby"
        server copy "$primary" "$standby"
        for site in a b; do at "$site" play_end "play-$round" "play-both-$round"; done
        all_shipped "$primary"
    done
    for site in a b; do
        found=$(answered_200 "$site")
        entries_are "$primary" "$site" "$found"
        echo "# receiver $site: acknowledged $found, missing 0, twice 0, answers other than 200: 0" >&3
    done
    copies_are_equal
    sum_up "$T"/[ab]/play-*.json
    copies_match_recount
    "$STATUS_BIN" books check --books "$BOOKS" | grep -qF 'The log is sound.'
}

log_is_longer() {
    (($(say "$1" 'SELECT coalesce(max(number), 0) FROM upgrade_books.log') >= $2))
}

# small_disk FOLDER: that folder of the server's data becomes a disk of its own.
small_disk() {
    local data=$T/pg/one/data/$1
    ((EUID == 0)) || skip 'mounting takes root'
    server stop one
    mv "$data" "$T/pg/one/moved"
    mkdir "$data"
    mount -t tmpfs -o size=200m tmpfs "$data" 2>/dev/null || skip 'mounting is not permitted'
    chown postgres:postgres "$data"
    chmod 0700 "$data"
    cp -a "$T/pg/one/moved/." "$data/"
    server start one
}

# fill_disk FOLDER: leaves no room there.
fill_disk() {
    local room
    room=$(df --output=avail -k "$T/pg/one/data/$1" | tail -n 1)
    fallocate -l "${room}K" "$T/pg/one/data/$1/filling"
}

# serves: the server answers; one that has ended is started.
serves() {
    server psql one --command='SELECT 1' >/dev/null || server start one
}

# press NAME OPTION...: the pusher, in the background.
press() {
    background "$1" "$PUSHER" --url "$URL$CALLBACK" --cacert "$CERTIFICATE" --ledger "$T/$1.ledger" --connections 8 "${@:2}"
    echo "$background_pid" >"$T/$1.pid"
}

# press_end NAME: waits for its end; all was answered 200 in the end.
press_end() {
    wait_for 300 has_ended "$(<"$T/$1.pid")"
    wait "$(<"$T/$1.pid")" || fail "$1: $(<"$T/$1.out")"
}

# deliveries: of what the own store has kept.
deliveries() {
    sql 'SELECT (SELECT sum(deliveries) FROM notifications) + (SELECT count(*) FROM quarantine)'
}

# disk_is_full FOLDER WORDS: receivers go on while that disk of the server is full, say WORDS, and ship all when there is room.
disk_is_full() {
    local site
    server make one
    make_books one
    small_disk "$1"
    at a site_start --books-wait 500
    at b site_start --books-wait 500 --books-required
    for site in a b; do at "$site" press before --count 50; done
    for site in a b; do at "$site" press_end before; done
    fill_disk "$1"
    at a press full --seed 2 --count 4000 --repeats 200
    at b press full --seed 3 --count 200
    for site in a b; do at "$site" wait_for_status ".books.state == \"away\" and (.books.fault | test(\"$2\"))"; done
    echo "# $1 is full: $(at a status_json .books.fault)" >&3
    at a press_end full
    equal "answers" "$(jq -c .answers "$T/a/full.out")" '{"200":4200}'
    at a status_is '.books.behindRecords > 0'
    at b post - < <(notification deviceId=required)
    expect_answer 503 '.detail | contains("shared books have not confirmed")'
    rm "$T/pg/one/data/$1/filling"
    wait_for 60 serves
    at b press_end full
    all_shipped one
    entries_are one a 4250
    entries_are one b "$(at b deliveries)"
    copies_are_equal
    # Both began with the same 50, and b has one that was never answered 200.
    equal 'notifications' "$(sqlite3 -readonly "$T/a/state/shared/upgrades.db" 'SELECT count(*) FROM notifications')" 4251
}

@test "the disk of the server's data is full: receivers go on, say so, and ship all when there is room" {
    disk_is_full base 'No space left on device HINT: Check free disk space.$'
}

@test "the disk of the server's WAL is full, and the server ends: receivers go on, and ship all when it is there" {
    disk_is_full pg_wal .
    grep -q 'PANIC: .*No space left on device' "$T/pg/one/log"
}

# send_some NAME COUNT: so many notifications, each of its own, all answered 200.
send_some() {
    local i
    for ((i = 1; i <= $2; i++)); do
        post - < <(notification "deviceId=$1-$i" "subOperationId=$1")
        expect_answer 200
    done
}

@test "a machine that is cloned while it has entries to ship, and a store from an older backup: nothing is skipped or there twice" {
    local site
    server make one
    make_books one
    at a site_start --books-wait 300
    at a send_some confirmed 3
    server psql one --command='ALTER DATABASE upgrades ALLOW_CONNECTIONS false' \
        --command="SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = 'upgrades'" >/dev/null
    at a send_some waiting 3
    at a wait_for_status '.books.state == "away" and .books.behindRecords == 3'
    # One clone is made beside the receiver, the other is its whole folder.
    mkdir "$T/b" "$T/b/state" "$T/c"
    status "$T/a/state" backup "$T/backup" >/dev/null
    status "$T/b/state" restore "$T/backup" >/dev/null
    at a receiver_stop
    cp -a "$T/a/state" "$T/c/state"
    SITES=(a b c)
    server psql one --command='CREATE ROLE receiver_c LOGIN IN ROLE upgrade_books_receiver'
    for site in a b c; do
        at "$site" site_start --books-wait 300
        at "$site" send_some "by-$site" 3
        equal "waiting at $site" "$(at "$site" sql 'SELECT count(*) FROM journal')" 6
    done
    server psql one --command='ALTER DATABASE upgrades ALLOW_CONNECTIONS true'
    all_shipped one
    books_have 15 15
    copies_are_equal
    # A backup that has entries which the books have from before is put back.
    at a receiver_stop
    rm "$T"/a/state/upgrades.db*
    status "$T/a/state" restore "$T/backup" >/dev/null
    at a site_start
    at a send_some by-a 3
    at a send_some restored 2
    all_shipped one
    # What the store has lost is new there, and a repeat in the books.
    books_have 20 17
    for site in a b c; do
        equal "in the copy of $site" "$(sqlite3 -readonly "$T/$site/state/shared/upgrades.db" \
            'SELECT count(*), sum(deliveries) FROM notifications')" '17|20'
    done
    copies_are_equal
}

# books_have ENTRIES BODIES: so many entries, of so many different bodies.
books_have() {
    equal 'entries and bodies in the books' "$(say one 'SELECT count(*), count(DISTINCT body) FROM upgrade_books.log')" "$1|$2"
}

# clock_lines SECONDS: lines of the log that say that the server's clock is so far behind, or ahead.
clock_lines() {
    log_count ".event == \"fault\" and (.fault | test(\"the clock of the shared books is $1 this machine's\"))"
}

clock_is_told() {
    (($(clock_lines "$1") == $2))
}

@test "a receiver's clock that steps is told once a step, and loses nothing" {
    local off i
    server make one
    make_books one
    mkdir "$T/a"
    at a step_to 3600
    preload clock "CLOCK_STEP=$T/a/step"
    at a site_start
    # shellcheck disable=SC2034 # receiver_start has it
    RECEIVER_WRAP=()
    at b site_start
    at a wait_for 20 clock_is_told '3(600|599) s behind' 1
    for i in a b; do at "$i" press steps --count 1500 --rate 150; done
    for off in 0 3600 0 -3600 0; do
        at a step_to "$off"
        i=$(say one 'SELECT coalesce(max(number), 0) FROM upgrade_books.log')
        wait_for 60 log_is_longer one $((i + 100))
    done
    # The first line was of the start.
    at a wait_for 20 clock_is_told '3(600|599) s behind' 2
    at a wait_for 20 clock_is_told '3(600|599) s ahead of' 1
    for i in a b; do at "$i" press_end steps; done
    all_shipped one
    # Both were sent the same.
    for i in a b; do
        equal "answers of $i" "$(jq -c .answers "$T/$i/steps.out")" '{"200":1500}'
        entries_are one "$i" 1500
        equal "in the copy of $i" "$(sqlite3 -readonly "$T/$i/state/shared/upgrades.db" \
            'SELECT count(*), sum(deliveries) FROM notifications')" '1500|3000'
    done
    copies_are_equal
    equal 'lines of b' "$(at b clock_lines .*)" 0
}

@test "200 operations at once, and ids as long as a body may be: kept, shipped, and equal in all copies" {
    local id
    server make one
    make_books one
    for id in a b; do at "$id" site_start; done
    at a play play-1 --seed 1 --operations 200 --devices 400
    at b play play-2 --seed 1 --operations 200 --devices 400
    at a play_end play-1
    at b play_end play-2
    for id in operationId subOperationId deviceId appId errorCode; do
        at a post - < <(notification "$id"@<(head -c 1048000 /dev/urandom | base64 -w 0 | head -c 1048000))
        expect_answer 200 '.result == "stored"'
        at b post "$T/a/answer.body" # no notification
        expect_answer 200 '.result == "quarantined"'
    done
    all_shipped one
    equal 'ids' "$(say one "SELECT max(length(operation)), max(length(app)), max(length(device)) FROM upgrade_books.log")" '1048000|1048000|512'
    equal 'operations' "$(sqlite3 -readonly "$T/b/state/shared/upgrades.db" 'SELECT count(*) FROM operations')" 203
    copies_are_equal
}
