#!/usr/bin/env bats
# An application gets every notification that was kept, in order, and never stands in the platform's way.
#
# DELIVERY_COUNT and DELIVERY_KILLS set the scale of the kills. UPGRADE_RECEIVER_TEST_FULL=1 is 50,000
# notifications and twenty kills; the default 2,000, three kills.

# lib.bash clears the environment of the receiver's options, and of this with them.
export TEST_FULL=${UPGRADE_RECEIVER_TEST_FULL:-${TEST_FULL:-}}
load lib
load faults
load delivery

# --- the example ------------------------------------------------------------------------------------

@test "fcgi/README.md shows the example application that is built here" {
    # The text of the example is there word for word, so what people copy is what is tested.
    awk '/^```c$/ {inside = 1; text = ""; next}
        inside && /^```$/ {inside = 0; if (text ~ /push_message_receiver_run/) {printf "%s", text; exit}}
        inside {text = text $0 "\n"}' "$SOURCE/fcgi/README.md" >"$T/shown.c"
    diff -u "$TESTS/example/failures.c" "$T/shown.c"
}

# Posts one of each kind, and prints what was answered.
answer_all_kinds() {
    local words
    while IFS= read -r words; do
        # shellcheck disable=SC2086 # words of the call
        notification $words >"$T/kind.json"
        post "$T/kind.json"
        printf '%s %s\n' "$status_code" "$body"
    done <<'KINDS'
subOperationId=1
subOperationId=2 swUpgradeResult=FAIL errorCode=4 description==HYPERLINK("x")
subOperationId=2 swUpgradeResult=FAIL errorCode=4 description==HYPERLINK("x")
subOperationId=3 swUpgradeResult=OTHER
subOperationId=4 notifyType=unknown
subOperationId=5 -deviceId
notifyType=swUpgradeStateChangeNotify swUpgradeState=downloading
notifyType=deviceDeleted gatewayId=g
KINDS
    post_text 'no JSON'
    printf '%s %s\n' "$status_code" "$body"
    post_text ''
    printf '%s %s\n' "$status_code" "$body"
    request "$CALLBACK"
    printf '%s %s\n' "$status_code" "$body"
    request /elsewhere -X POST -d '{}'
    printf '%s %s\n' "$status_code" "$body"
}

# bats test_tags=full
@test "the example application answers as the plain receiver does" {
    # The same requests over HTTPS: kept, repeated, quarantined, refused; the same answers, and the same books.
    receiver_start
    nginx_start
    answer_all_kinds >"$T/plain"
    equal "stored" "$(grep -c '"stored"' "$T/plain")" 4
    sql 'SELECT seq, notifyType, subOperationId, deliveries, body FROM notifications' >"$T/plain.books"
    receiver_stop
    empty_state
    FAILURES_CSV=$T/failures.csv app_start "$EXAMPLE_BIN"
    answer_all_kinds >"$T/example"
    diff -u "$T/plain" "$T/example"
    sql 'SELECT seq, notifyType, subOperationId, deliveries, body FROM notifications' |
        diff -u "$T/plain.books" -
    receiver_stop
}

csv_has_lines() {
    (($(wc -l <"$T/failures.csv") >= $1))
}

# csv_rows: the CSV's rows as lines of JSON.
csv_rows() {
    "$PYTHON" -c '
import csv, json, sys
for row in csv.reader(open(sys.argv[1], newline="", encoding="utf-8"), strict=True):
    print(json.dumps(row, ensure_ascii=False, separators=(",", ":")))
' "$T/failures.csv"
}

@test "the example's CSV has each failure once, and no formula" {
    # Failures pushed over HTTPS, some repeatedly, with the characters that spreadsheets and CSV stumble over, and a restart in between: one row each.
    export FAILURES_CSV=$T/failures.csv
    app_start "$EXAMPLE_BIN"
    nginx_start
    local text fails=0 texts=('=cmd|"/c calc"!A1' $'\t=1' 'with "quotes", comma' $'two\nlines' '设备' '')
    for text in "${texts[@]}"; do
        fails=$((fails + 1))
        notification "subOperationId=$fails" "deviceId=device,$fails" swUpgradeResult=FAIL \
            "errorCode=$text" "description=$text" >"$T/fail.json"
        post "$T/fail.json"
        expect_answer 200 '.result == "stored"'
        post_text "$(notification "subOperationId=success-$fails")"
        expect_answer 200 '.result == "stored"'
        if ((fails == 5)); then
            post "$T/fail.json"
            expect_answer 200 '.result == "repeated"'
            receiver_restart
        fi
    done
    post "$T/fail.json"
    expect_answer 200 '.result == "repeated"'
    wait_for_backlog failures 0
    receiver_restart
    post_text "$(notification subOperationId=last swUpgradeResult=FAIL deviceId=last errorCode=0)"
    wait_for_backlog failures 0
    receiver_stop
    # A formula is what begins with one of these characters: the row has an apostrophe before it.
    for ((i = 0; i < fails; i++)); do
        text=${texts[i]}
        if [[ $text == [=+@$'\t\r'-]* ]]; then text="'$text"; fi
        jq -nc --arg text "$text" --arg i "$((i + 1))" --arg seq "$((2 * i + 1))" \
            '[$seq, "operation-1", "device,\($i)", $text, $text]'
    done >"$T/expected"
    jq -nc --arg seq "$((2 * fails + 1))" '[$seq, "operation-1", "last", "0", "***"]' >>"$T/expected"
    csv_rows | diff -u "$T/expected" -
}

# bats test_tags=full
@test "the example builds and runs against an installed tree, which exports two names" {
    # make install into an empty folder, pkg-config from there, the README's compiler line; the library exports push_message_receiver_run and _version, at PUSHRECEIVER_0, and nothing else.
    needs_plain_build "the README's compiler line is for an ordinary library"
    [[ -f $BUILD/Makefile ]] || skip "$BUILD holds no build"
    local root=$T/root library pc flags
    export FAILURES_CSV=$T/failures.csv
    make -C "$BUILD" install DESTDIR="$root" >"$T/install.out" 2>&1 || fail "$(tail "$T/install.out")"
    pc=$(find "$root" -name libpushreceiver.pc)
    [[ -n $pc ]] || fail "no libpushreceiver.pc installed"
    library=$(find "$root" -name 'libpushreceiver.so.0')
    equal "exported" \
        "$(nm -D --defined-only --with-symbol-versions "$library" | awk '{print $3}' | sort | tr '\n' ' ')" \
        "PUSHRECEIVER_0 push_message_receiver_run@@PUSHRECEIVER_0 push_message_receiver_version@@PUSHRECEIVER_0 "
    equal "headers" "$(find "$root" -name '*.h' -printf '%f ')" "push_message_receiver.h "
    export PKG_CONFIG_SYSROOT_DIR=$root PKG_CONFIG_PATH=${pc%/*}
    flags=$(pkg-config --cflags --libs libpushreceiver)
    # shellcheck disable=SC2086 # flags are words
    (cd "$T" && "${CC:-cc}" -Wall -Wextra -Werror -o installed-failures "$TESTS/example/failures.c" \
        $flags -Wl,-rpath,"${library%/*}") || fail "flags: $flags"
    equal "version" "$(pkg-config --modversion libpushreceiver)" \
        "$("$T/installed-failures" --version | awk '{print $NF}')"
    app_start "$T/installed-failures"
    grep -q "${library%/*}/libpushreceiver.so.0" "/proc/$(receiver_pid)/maps" ||
        fail "runs with another library: $(grep libpush "/proc/$(receiver_pid)/maps")"
    send swUpgradeResult=FAIL
    answered 200 stored
    wait_for "$PATIENCE" csv_has_lines 1
    receiver_stop
}

# --- as upgrade-receiver ------------------------------------------------------------------------------

# bats test_tags=full
@test "an application has the options, the log and the status file of upgrade-receiver" {
    # Help, wrong usage and --check are the same but for the name; the log has the same events and members, the status file the same members and an entry for the application.
    local options
    export FAILURES_CSV=$T/failures.csv
    diff -u <("$PLAIN_BIN" --help | sed 's/upgrade-receiver/NAME/g') \
        <("$EXAMPLE_BIN" --help | sed -E 's/\<failures\>/NAME/g; s/upgrade-receiver/NAME/g')
    for options in --nonsense '--workers none' '--callback nowhere' 'word' '--check=1'; do
        # shellcheck disable=SC2086 # options are words
        run_alone "$PLAIN_BIN" $options
        equal "upgrade-receiver $options" "$exit_status" 2
        sed 's/upgrade-receiver/NAME/g' "$T/alone.err" >"$T/plain.err"
        # shellcheck disable=SC2086
        run_alone "$EXAMPLE_BIN" $options
        equal "failures $options" "$exit_status" 2
        sed -E 's/\<failures\>/NAME/g' "$T/alone.err" | diff -u "$T/plain.err" -
    done
    run_alone "$EXAMPLE_BIN" --check --state "$T/state"
    equal "failures --check" "$exit_status" 0

    for RECEIVER_BIN in "$PLAIN_BIN" "$EXAMPLE_BIN"; do
        empty_state
        UPGRADE_RECEIVER_MAX_BODY=500 app_start "$RECEIVER_BIN" --log "$T/log.${RECEIVER_BIN##*/}"
        send
        answered 200 stored
        send_body - < <(printf '%0600d' 0)
        answered 413
        wait_for_status '.seq == 1'
        status_json 'del(.applications) | [paths(scalars | true) | map(strings)] | unique | .[] | tojson' \
            >"$T/members.${RECEIVER_BIN##*/}"
        equal "log on stdout" "$(wc -c <"$T/log")" 0
        receiver_stop
        log_lines | jq -c '[.event, keys]' >"$T/events.${RECEIVER_BIN##*/}"
    done
    diff -u "$T/members.upgrade-receiver" "$T/members.failures"
    diff -u "$T/events.upgrade-receiver" "$T/events.failures"
    equal "application" "$(status_json '.applications | map(del(.token)) | tojson')" \
        '[{"name":"failures","cursor":1,"lost":false,"backlog":0}]'
}

@test "each notification reaches the callback of its notifyType, with its members" {
    # Every type, with all members and with as few as there may be: the typed structs hold the upgrade family's members as text, NULL where one is missing, the others the parsed body.
    app_start "$CALLBACKS_BIN"
    local file count=0 bodies=()
    for file in "$TESTS"/cases/types/full/*.json "$TESTS"/cases/types/minimal/*.json; do
        bodies+=(--body "$file")
        count=$((count + 1))
    done
    peer burst --peers "$count" "${bodies[@]}" >"$T/burst.out"
    equal "answers" "$(jq -c .results "$T/burst.out")" "{\"stored\":$count}"
    wait_for "$PATIENCE" record_has_lines "$count"
    equal "callbacks" "$(jq -s 'map(.callback) | unique | length' "$T/record")" 23
    equal "seqs" "$(jq -s 'map(.seq) == [range(1; length + 1)]' "$T/record")" true
    equal "body and JSON are the same" "$(jq -s 'all(.[]; .parsedIsBody)' "$T/record")" true
    equal "times" "$(jq -s "all(.[]; (.receivedMs / 1000 - $(date +%s) | fabs) < 600)" "$T/record")" true
    # deviceCapabilitiesAdded has handle_device_capabilities_added, and so on.
    jq -c '
        def callback: if . == "" then "command_status" elif contains(".") then "other" else
            sub("Notify$"; "") | gsub("(?<c>[A-Z])"; "_\(.c | ascii_downcase)") end;
        select(.callback != (.notifyType | callback)) | [.callback, .notifyType]' "$T/record" |
        diff /dev/null -
    # Members are named as in the body, and hold what it does; status also stands there as Status.
    jq -c '
        def text: if . == null or type == "string" then . else tostring end;
        .body as $body | select(has("members")) | .members | to_entries[]
        | select(.value != ($body[.key] // (if .key == "status" then $body.Status else null end) | text))
        | [.key, .value]' "$T/record" | diff /dev/null -
    equal "with members" "$(jq -s 'map(select(has("members")).callback) | unique | length' "$T/record")" 4
    receiver_stop
}

record_has_lines() {
    (($(wc -l <"$T/record") >= $1))
}

# --- at least once, in order --------------------------------------------------------------------------

set_scale() {
    if [[ $TEST_FULL == 1 ]]; then
        count=${DELIVERY_COUNT:-50000} times=${DELIVERY_KILLS:-20} deadline=1200
    else
        count=${DELIVERY_COUNT:-2000} times=${DELIVERY_KILLS:-3} deadline=120
    fi
}

@test "an application that is killed at random points gets every notification, in order, none skipped" {
    # SIGKILL while notifications and repeats arrive over HTTPS and are delivered: each one that was answered 200 is taken at least once, first in seq order; a repeat is not delivered.
    set_scale
    local i old starts
    app_start "$RECORDER_BIN" --restart
    nginx_start
    push_behind --count "$count" --repeats $((count / 10)) --connections 32 --deadline "$deadline" \
        --ledger "$T/ledger"
    for ((i = 1; i <= times; i++)); do
        wait_for "$deadline" has_taken $((i * count / (times + 1)))
        sleep "0.$((RANDOM % 2))$((RANDOM % 10))"
        old=$(receiver_pid)
        kill -s KILL "$old"
        wait_for "$PATIENCE" receiver_has_changed "$old"
        wait_for "$PATIENCE" receiver_is_running
    done
    push_end
    equal "killed" "$(<"$T/pid.exit")" 137
    # One that is killed before it has said so leaves no start.
    starts=$(grep -c '^start ' "$T/record")
    ((starts > 1 && starts <= times + 1)) || fail "$starts starts"
    equal "kept" "$(sql 'SELECT count(*), max(seq) FROM notifications')" "$count|$count"
    ((count < 100 || $(pushed .repeated) >= count / 10)) || fail "no repeats: $(<"$T/push.out")"
    wait_for "$deadline" has_taken "$count"
    wait_for_backlog application 0
    took_in_order "$count"
    books_match_ledger "$T/ledger"
}

@test "after a regular end an application goes on where it was" {
    # SIGTERM and a start between notifications: each is taken exactly once.
    local i
    app_start "$RECORDER_BIN"
    for i in 1 2 3 4; do
        keep_many 5
        wait_for "$PATIENCE" has_taken $((5 * i))
        receiver_restart
    done
    receiver_stop
    equal "taken" "$(taken | tr '\n' ' ')" "$(seq -s ' ' 1 20) "
}

# --- callbacks that do not do their work ------------------------------------------------------------

# bats test_tags=full
@test "a callback that always fails costs the platform nothing" {
    # Under load the answers are 200 and as fast as the plain receiver's (a third of its rate is the least that is taken); the status file shows the backlog, the log says undelivered once; and when the callback works again, all is delivered, in order.
    local plain count=1500
    receiver_start
    nginx_start
    push --count 200 --connections 16 --seed 2
    push --count "$count" --connections 16 --seed 3
    plain=$(pushed .requestsPerSecond)
    receiver_stop
    empty_state
    touch "$T/gate"
    APP_NAME=recorder app_start "$RECORDER_BIN"
    push --count 200 --connections 16 --seed 2
    push --count "$count" --connections 16 --seed 3
    echo "plain: $plain requests a second, failing callback: $(<"$T/push.out")"
    equal "answers" "$(pushed '.answers | tojson')" "{\"200\":$count}"
    (($(pushed '.requestsPerSecond') * 3 >= plain)) ||
        fail "$(pushed .requestsPerSecond) requests a second where the plain receiver takes $plain"
    count=$((count + 200))
    wait_for_backlog recorder "$count"
    equal "undelivered" "$(log_lines '.event == "undelivered"' | jq -c '{seq}')" '{"seq":1}'
    equal "refused" "$(awk '$1 == "refused" {print $2 + 0}' "$T/record" | sort -u)" 1
    # pauses of 0.1, 0.2, 0.4 seconds and so on
    (($(grep -c '^refused' "$T/record") <= 12)) || fail "pauses do not grow"
    rm "$T/gate"
    wait_for 60 has_taken "$count"
    wait_for_backlog recorder 0
    took_in_order "$count"
    receiver_stop
}

@test "delivery stands still at the notification that fails, and the cursor there outlives a restart" {
    # What was taken before is not delivered again for ever: after a restart the failing one comes within the last few, and nothing behind it comes before it.
    app_start "$RECORDER_BIN"
    keep_many 10
    wait_for "$PATIENCE" has_taken 10
    wait_for_backlog application 0
    touch "$T/gate"
    keep_many 10
    wait_for_log '.event == "undelivered" and .seq == 11'
    wait_for_backlog application 10
    receiver_restart
    wait_for_log '.event == "undelivered" and .seq == 11' 2
    rm "$T/gate"
    wait_for "$PATIENCE" has_taken 20
    receiver_stop
    equal "taken" "$(taken | tr '\n' ' ')" "$(seq -s ' ' 1 20) "
}

@test "a callback that never returns delays neither answers nor the end" {
    # 200 for every notification meanwhile; SIGTERM still ends the process with status 0 within 5 s; what was not taken is delivered by the next process.
    local began ms
    echo hang >"$T/gate"
    app_start "$RECORDER_BIN"
    keep_many 3
    wait_for "$PATIENCE" grep -q '^refused' "$T/record"
    keep_some behind 3
    in_time "the answer" "$answer_ms" 1000
    began=${EPOCHREALTIME//./}
    receiver_stop
    ms=$(((${EPOCHREALTIME//./} - began) / 1000))
    in_time "the end" "$ms" 5000
    status_is '.seq == 6' || fail "the status file was not written: $(status_json .seq)"
    rm "$T/gate"
    app_start "$RECORDER_BIN"
    wait_for "$PATIENCE" has_taken 6
    took_in_order 6
    receiver_stop
}

# --- several -------------------------------------------------------------------------------------------

@test "of two processes of an application on one store, one delivers, and the other takes over" {
    # Notifications through both: the first takes each exactly once, in order; when it is killed, the second goes on, with none skipped.
    app_start "$RECORDER_BIN"
    second_start "$RECORDER_BIN"
    background load "$PYTHON" "$TESTS/tool/fcgi_peer.py" "$T/socket" keep --requests 15 --pause 0.02
    keep_many 15 "$T/socket2" --pause 0.02
    wait "$background_pid"
    wait_for "$PATIENCE" has_taken 30
    sleep 1.2 # a second deliverer would look for news by then
    equal "taken by the first" "$(taken | tr '\n' ' ')" "$(seq -s ' ' 1 30) "
    equal "taken by the second" "$(taken "$T/record2")" ''
    wait_for_backlog application 0
    receiver_kill
    keep_many 5 "$T/socket2"
    wait_for "$PATIENCE" has_taken 5 "$T/record2"
    equal "taken by the second" "$(taken "$T/record2" | tr '\n' ' ')" "$(seq -s ' ' 31 35) "
}

# bats test_tags=full
@test "an application with a new name starts from the first notification" {
    # Each name has a cursor of its own: one that is new gets everything, and those of others stay where they are.
    APP_NAME=one app_start "$RECORDER_BIN"
    keep_many 70
    wait_for "$PATIENCE" has_taken 70
    wait_for_backlog one 0
    receiver_stop
    mv "$T/record" "$T/record.one"
    APP_NAME=two app_start "$RECORDER_BIN"
    wait_for "$PATIENCE" has_taken 70
    keep_many 3
    wait_for "$PATIENCE" has_taken 73
    took_in_order 73
    wait_for_backlog two 0
    wait_for_backlog one 3
    receiver_stop
    rm "$T/record"
    APP_NAME=one app_start "$RECORDER_BIN"
    wait_for "$PATIENCE" has_taken 3
    equal "taken" "$(taken | tr '\n' ' ')" "71 72 73 "
    receiver_stop
}

@test "a name that cannot be a file's is refused at the start" {
    # Too long, empty or with a slash: exit status 1 and a line that says so.
    local name
    for name in "$(printf '%064d' 0)" '' a/b; do
        export APP_NAME=$name APP_RECORD=$T/record
        run_alone "$RECORDER_BIN" --state "$T/state" --log "$T/log"
        equal "exit status with '$name'" "$exit_status" 1
        grep -q "name" "$T/alone.err" || fail "does not say why: $(<"$T/alone.err")"
    done
    APP_NAME=$(printf '%063d' 0) app_start "$RECORDER_BIN"
    keep_many 1
    wait_for "$PATIENCE" has_taken 1
    receiver_stop
}
