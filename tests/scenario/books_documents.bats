#!/usr/bin/env bats
# Shared books, seen by those who read them: a copy that follows their log has the documents of a receiver's own store,
# whatever is restarted, rebuilt or put back.
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

setup() {
    scenario_setup
    DATABASE=documents$BATS_TEST_NUMBER
    books_make "$DATABASE"
    export XDG_CACHE_HOME=$T/cache
    PUSHER=${UPGRADE_RECEIVER_BIN%/fcgi/*}/tests/tool/pusher
}

teardown() {
    if mountpoint -q "$T/small"; then umount "$T/small"; fi
    servers_teardown
    scenario_teardown
}

# same_documents STATE: the copy has what the store has, but for the timeline: there a batch of a receiver has one time,
# and the copy has each entry's.
same_documents() {
    documents "$1" 'del(.progress)' >"$T/own"
    documents --books 'del(.progress)' >"$T/copied"
    [[ -s $T/own ]]
    diff "$T/own" "$T/copied" >"$T/diff" || fail "the documents differ: $(head -n 20 "$T/diff")"
}

@test "--books reads a copy that follows the log; writing commands refuse it" {
    local code=0
    "$WRITER" "$BOOKS" aaaaaaaaaaaaaaaa 2 2 >/dev/null </dev/null
    status --books --json >"$T/out"
    equal 'what is no JSON' "$(jq .totals.quarantined "$T/out")" 4
    status --books prune --before 1d >"$T/out" 2>&1 || code=$?
    equal 'exit code' "$code" 2
    grep -q 'takes no --books' "$T/out"
}

# bats test_tags=full
@test "--books reads the documents of the receiver's own store" {
    receiver_start --books "$BOOKS"
    nginx_start
    post - < <(notification)
    post - < <(notification)
    post - < <(notification deviceId=other swUpgradeResult=FAIL errorCode=7)
    post_text 'no JSON'
    post_text '{"notifyType":"swUpgradeResultNotify"}'
    status "$T/state" quarantine drop 1 >/dev/null
    wait_for "$PATIENCE" shipped "$T/state"
    same_documents "$T/state"
    status --books >"$T/out"
    grep -q '^shared books: .*, 6 entries$' "$T/out"
}

# copy_in FOLDER [ARGUMENT]...: upgrade-status of the shared books, with the copy in that folder of the test.
copy_in() {
    "$STATUS_BIN" --books "$BOOKS" --copy "$T/$1" "${@:2}"
}

# push SEED COUNT: a campaign, with repeats and in many connections.
push() {
    "$PUSHER" --url "$URL$CALLBACK" --seed "$1" --count "$2" --connections 8 --repeats 20 >"$T/push.$1" 2>&1 ||
        fail "pusher: $(<"$T/push.$1")"
}

# bats test_tags=full
@test "campaigns: documents are equal, and restarts and a reship change nothing" {
    local seed
    receiver_start --books "$BOOKS"
    nginx_start
    for seed in 1 2 3; do
        push "$seed" 700
        post_text "no JSON $seed"
        receiver_stop
        receiver_start --books "$BOOKS"
    done
    same_documents "$T/state"
    copy_in another check >"$T/out"
    grep -q sound "$T/out"
    receiver_stop
    status "$T/state" books reship >"$T/reship"
    grep -q 'will ship' "$T/reship"
    receiver_start --books "$BOOKS"
    wait_for "$PATIENCE" shipped "$T/state"
    same_documents "$T/state"
}

# bats test_tags=full
@test "two receivers: two copies of the log are equal, however they came to be" {
    local i
    receiver_start --books "$BOOKS"
    nginx_start
    background pushing "$PUSHER" --url "$URL$CALLBACK" --seed 1 --count 600 --connections 8
    for i in 1 2 3; do copy_in often --json >/dev/null; done
    wait "$background_pid"
    receiver_stop
    # The other receiver is sent the same, and more.
    mv "$T/state" "$T/first"
    receiver_start --books "$BOOKS"
    push 1 600
    push 2 200
    copy_in often --json | jq 'del(.token, .receiver)' >"$T/often.json"
    copy_in once --json | jq 'del(.token, .receiver)' >"$T/once.json"
    cmp "$T/often.json" "$T/once.json"
    copy_in once check
    equal 'notifications' "$(jq .totals.notifications "$T/once.json")" \
        "$(sql 'SELECT notifications FROM totals')"
}

# bats test_tags=full
@test "another generation, or a server without the last entries: a new copy, and the old one is read until then" {
    local before
    receiver_start --books "$BOOKS"
    nginx_start
    push 1 300
    copy_in copy --json >"$T/one"
    before=$(stat -c %i "$T/copy/upgrades.db")
    books_sql "$DATABASE" --command='UPDATE upgrade_books.about SET generation = gen_random_uuid()'

    # While the log cannot be read, the new copy is not complete, and the old one is there.
    books_sql "$DATABASE" --command='ALTER FUNCTION upgrade_books.read_1 RENAME TO gone'
    copy_in copy --json >"$T/out" 2>&1 && fail 'it read what cannot be read'
    equal 'the old copy' "$(stat -c %i "$T/copy/upgrades.db")" "$before"
    sqlite3 "$T/copy/upgrades.db" 'SELECT count(*) FROM notification' >"$T/out"
    equal 'its notifications' "$(<"$T/out")" "$(jq .totals.notifications "$T/one")"
    books_sql "$DATABASE" --command='ALTER FUNCTION upgrade_books.gone RENAME TO read_1'
    copy_in copy --json >"$T/two"
    [[ $(stat -c %i "$T/copy/upgrades.db") != "$before" && ! -e $T/copy.new ]]
    cmp <(jq -S 'del(.token)' "$T/one") <(jq -S 'del(.token)' "$T/two")

    # A new primary gives the last numbers again, to other entries.
    receiver_stop
    before=$(stat -c %i "$T/copy/upgrades.db")
    books_sql "$DATABASE" --command='DELETE FROM upgrade_books.log WHERE number > (SELECT max(last) - 5 FROM upgrade_books.batch)' \
        --command='DELETE FROM upgrade_books.batch WHERE last > (SELECT max(number) FROM upgrade_books.log)' \
        --command="INSERT INTO upgrade_books.batch SELECT max(l.number), l.life, max(l.life_number) FROM upgrade_books.log l GROUP BY l.life ON CONFLICT DO NOTHING"
    mv "$T/state" "$T/first"
    receiver_start --books "$BOOKS"
    push 2 20
    copy_in copy --json >"$T/three"
    [[ $(stat -c %i "$T/copy/upgrades.db") != "$before" ]]
    copy_in anew --json >"$T/four"
    cmp <(jq -S 'del(.token)' "$T/three") <(jq -S 'del(.token)' "$T/four")
    copy_in copy check
}

# copy_has_grown: the copy that is built has more than $had entries, which it sets; or it is in place.
copy_has_grown() {
    local now
    [[ ! -s $T/copy/upgrades.db ]] || return 0
    now=$(sqlite3 -readonly "$T/copy.new/upgrades.db" 'SELECT number FROM position' 2>/dev/null) || return 1
    ((${now:-0} > had)) && had=$now
}

# bats test_tags=full
@test "kill -9 of a command in the middle of a copy: the next one goes on and ends the same" {
    local i killed=0 had=0
    "$WRITER" "$BOOKS" aaaaaaaaaaaaaaaa 128 160 >/dev/null </dev/null
    for i in 1 2 3 4 5 6; do
        background "copy$i" "$STATUS_BIN" --books "$BOOKS" --copy "$T/copy" --json
        wait_for "$PATIENCE" copy_has_grown
        if kill -s KILL "$background_pid" 2>/dev/null; then killed=$((killed + 1)); fi
        wait "$background_pid" || true
    done
    ((killed > 0))
    copy_in copy check
    copy_in copy --json | jq -S 'del(.token)' >"$T/one"
    copy_in anew --json | jq -S 'del(.token)' >"$T/two"
    cmp "$T/one" "$T/two"
    equal 'entries' "$(jq '.totals.quarantined' "$T/one")" 20480
}

# bats test_tags=full
@test "a copy's disk that is full: the command says so, and goes on when there is room" {
    if ((EUID != 0)); then skip 'mounting takes root'; fi
    receiver_start --books "$BOOKS"
    nginx_start
    push 1 500
    mkdir "$T/small"
    mount -t tmpfs -o size=66m tmpfs "$T/small"
    fallocate -l 8M "$T/small/filling"
    copy_in small/copy --json >"$T/out" 2>&1 && fail 'it had no room'
    grep -q 'the disk has less than 64 MiB left' "$T/out" || fail "$(<"$T/out")"
    mount -o remount,size=200m "$T/small"
    copy_in small/copy --json | jq -S 'del(.token)' >"$T/one"
    copy_in anew --json | jq -S 'del(.token)' >"$T/two"
    cmp "$T/one" "$T/two"
}

# second_start: the receiver of $T/second, whose socket nobody calls. It ships; $second_pid is its process, and
# $second_holder the one that holds its socket and stays if it is killed.
second_start() {
    rm -f "$T/second.pid"
    background second "$HOLD" "$T/second.socket" "$T/second.pid" -- "$RECEIVER_BIN" --state "$T/second" \
        --log "$T/second.log" --books "$BOOKS"
    wait_for "$PATIENCE" test -s "$T/second.pid"
    second_pid=$(<"$T/second.pid")
    second_holder=$background_pid
}

# books_wait_in_list: the server is in the middle of a batch that has pieces of a list.
books_wait_in_list() {
    [[ $(books_sql postgres --command="SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'PgSleep'") == 1 ]]
}

# entries_of_lists: how many the books have.
entries_of_lists() {
    books_sql "$DATABASE" --command='SELECT count(*) FROM upgrade_books.log WHERE kind = 5'
}

more_entries_of_lists() {
    (($(entries_of_lists) > $1))
}

# told COPY: what a copy says of the operation: all of it, and who is missing.
told() {
    local code=0
    copy_in "$1" --json | sorted
    copy_in "$1" operation --json "$operation" | jq 'del(.progress)' | sorted
    copy_in "$1" expect "$operation" --json 2>&1 || code=$?
    echo "exit code $code"
}

# same_copies: two copies of the log say the same. The first has followed it from its beginning.
same_copies() {
    told one >"$T/told.one"
    rm -rf "$T/anew"
    told anew >"$T/told.anew"
    [[ -s $T/told.one ]]
    diff "$T/told.one" "$T/told.anew" >"$T/diff" || fail "the copies differ: $(head -n 20 "$T/diff")"
}

# plan_is NOTE DEVICES MISSING: what the copies say of the operation.
plan_is() {
    same_copies
    equal plan "$(copy_in one operation --json "$operation" | jq -c '[.note, .planned, .missing]')" "[\"$1\",$2,$3]"
}

# bats test_tags=full
@test "a note and a list of one receiver are in all copies; kill -9 of what ships a list, and of what saves one" {
    local operation had
    receiver_start
    nginx_start
    post - < <(notification deviceId=d1)
    operation=$(status "$T/state" --json | jq -r '.operations[0].operationId')
    printf 'd%s\n' 1 2 3 | status "$T/state" expect --save "$operation" - >/dev/null
    status "$T/state" note "$operation" 'told before' >/dev/null
    receiver_stop
    mv "$T/state" "$T/second"
    second_start
    receiver_start --books "$BOOKS"
    post - < <(notification deviceId=d2)
    wait_for "$PATIENCE" shipped "$T/second"
    plan_is 'told before' 3 1

    # The server holds on in the middle of a batch, and the receiver that waits for it is killed.
    status "$T/second" note "$operation" 'told beside it' >/dev/null
    # shellcheck disable=SC2016 # PostgreSQL's quotes
    books_sql "$DATABASE" --command='CREATE FUNCTION hold() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
        IF convert_from(NEW.body, $_$UTF8$_$) LIKE $_$%"d15000"%$_$ THEN PERFORM pg_sleep(600); END IF; RETURN NEW; END $$' \
        --command='CREATE TRIGGER hold BEFORE INSERT ON upgrade_books.log FOR EACH ROW EXECUTE FUNCTION hold()'
    seq -f 'd%.0f' 30000 >"$T/list"
    status "$T/second" expect --save "$operation" "$T/list" >"$T/saved"
    grep -q '^Saved: 30000 devices, 29999 missing' "$T/saved"
    wait_for "$PATIENCE" books_wait_in_list
    kill -s KILL "$second_pid" "$second_holder"
    books_sql postgres --command="SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE wait_event = 'PgSleep'" >/dev/null
    books_sql "$DATABASE" --command='DROP TRIGGER hold ON upgrade_books.log'
    (($(entries_of_lists) < 30))
    same_copies
    second_start
    wait_for "$PATIENCE" shipped "$T/second"
    plan_is 'told beside it' 30000 29998
    # The log knows whose they are, so that they go when the operation is pruned.
    equal 'entries of no operation' \
        "$(books_sql "$DATABASE" --command='SELECT count(*) FROM upgrade_books.log WHERE operation IS NULL')" 0

    # A list that is not saved to its end is none, in the receiver's store and in the copies.
    had=$(entries_of_lists)
    background saving "$STATUS_BIN" --state "$T/second" expect --save "$operation" "$T/list"
    wait_for "$PATIENCE" more_entries_of_lists "$had"
    kill -s KILL "$background_pid" 2>/dev/null || true
    wait "$background_pid" || true
    wait_for "$PATIENCE" shipped "$T/second"
    same_copies
    equal planned "$(copy_in one operation --json "$operation" | jq .planned)" \
        "$(status "$T/second" operation --json "$operation" | jq .planned)"
    status "$T/second" note "$operation" '' >/dev/null
    status "$T/second" expect --forget "$operation" >/dev/null
    wait_for "$PATIENCE" shipped "$T/second"
    same_copies
    equal plan "$(copy_in one operation --json "$operation" | jq -c '[.note, .planned]')" '[null,null]'
    copy_in one check
    "$STATUS_BIN" books check --books "$BOOKS"
}
