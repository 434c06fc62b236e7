#!/usr/bin/env bats
# What was not understood is kept byte for byte, and can become a notification later, once.
load lib
load faults
load delivery

# kept_aside FILE [REASON]: posts it, it must be quarantined (for that reason); $quarantine_id is its number.
kept_aside() {
    send_body "$1"
    answered 200 quarantined || return
    quarantine_id=
    if [[ $body =~ \"id\":([0-9]+) ]]; then quarantine_id=${BASH_REMATCH[1]}; fi
    if (($# > 1)); then [[ $body == *"\"reason\":\"$2\""* ]] || fail "the reason is not '$2': $body"; fi
}

# refuse_app [NAME=TEXT...]: a correct notification of an application that is not accepted.
refuse_app() {
    notification appId=stranger "$@" >"$T/stranger.json"
    kept_aside "$T/stranger.json" "appId not accepted"
}

# agrees: view, list and status file tell the same bodies, now or soon.
agrees() {
    local counted listed
    counted=$(sql "SELECT json_object('held', count(*), 'bytes', coalesce(sum(length(body)), 0)) FROM quarantine")
    wait_for_status ".quarantine | {held, bytes} == $counted" ||
        fail "status: $(status_json '.quarantine | tojson'), counted: $counted" || return
    # the sums, and the bodies, one a line
    operator quarantine list --json |
        jq -c '.bodies | {held: length, bytes: (map(.bytes) | add // 0)}, .[]' >"$T/listed"
    {
        read -r listed
        cat >"$T/list.out"
    } <"$T/listed"
    equal "listed" "$listed" "$counted"
}

# --- list and show --------------------------------------------------------------------------------------

@test "show prints a body byte for byte, and list tells all of them in a line each" {
    # NUL, invalid UTF-8, terminal escapes, nothing at all, and the largest body that is taken: exactly what was received, while the receiver runs and after its end.
    local i=0 file
    mkdir "$T/bodies"
    printf '{"a":\0"b"}\0' >"$T/bodies/1-nul"
    printf '{"notifyType":"\xff\xfe\xc3"}' >"$T/bodies/2-utf8"
    printf '\r\n{"notifyType":"\x1b[2J\x07unknown\x1b[0m","x":"\xe2\x80\xae"}\r\n\r\n' >"$T/bodies/3-escapes"
    : >"$T/bodies/4-empty"
    head -c 1048576 /dev/urandom >"$T/bodies/5-large"
    head -c 300 /dev/zero >"$T/bodies/6-zeroes"
    receiver_start
    for file in "$T"/bodies/*; do
        i=$((i + 1))
        kept_aside "$file"
        equal "number" "$quarantine_id" "$i"
    done
    agrees
    all_are_shown
    receiver_stop
    all_are_shown
    operator quarantine list --json | jq -c '.bodies[]' | cmp - "$T/list.out"
    equal "ids and bytes" "$(jq -c '[.id, .bytes]' "$T/list.out" | tr '\n' ' ')" \
        "$(stat -c %s "$T"/bodies/* | awk '{printf "[%d,%d] ", NR, $1}')"
    jq -e 'has("reason") and (.receivedAt | test("^20..-..-..T..:..:..[.]...Z$"))' "$T/list.out" >"$T/out" ||
        fail "list: $(<"$T/list.out")"
    if LC_ALL=C grep -q '[[:cntrl:]]' "$T/list.out"; then fail "control characters: $(cat -v "$T/list.out")"; fi
}

all_are_shown() {
    local i=0 file
    for file in "$T"/bodies/*; do
        i=$((i + 1))
        operator quarantine show "$i" | cmp - "$file" || return
    done
}

# --- retry ----------------------------------------------------------------------------------------------

# build_with_more_schemas: the receiver and the operator's command from the same objects and a schema
# more, deviceMoodChanged, in $T/new.
build_with_more_schemas() {
    local program flags
    [[ -f $BUILD/fcgi/libreceiver.a ]] || skip "$BUILD holds no build"
    mkdir -p "$T/new/schema" "$T/new/notification"
    cp "$SOURCE"/schema/* "$T/new/schema"
    cat >"$T/new/schema/deviceMoodChanged.schema.json" <<'SCHEMA'
{
  "$schema": "https://json-schema.org/draft/2020-12/schema",
  "title": "Device mood changed",
  "description": "Pushed when a device feels different.",
  "type": "object",
  "properties": {
    "notifyType": {"description": "The notification type.", "type": "string", "const": "deviceMoodChanged"},
    "deviceId": {"description": "Identifies the device.", "type": "string", "minLength": 1},
    "mood": {"description": "How it feels.", "type": "string"}
  },
  "required": ["notifyType", "deviceId", "mood"]
}
SCHEMA
    "$PYTHON" "$SOURCE/schema/generate.py" "$T/new/schema" >"$T/new/notification/schema_table.inc"
    flags=$(sed -n 's/^SANITIZER_CFLAGS = *//p; s/^JANSSON_CFLAGS = *//p' "$BUILD/Makefile" | tr '\n' ' ')
    # shellcheck disable=SC2086 # flags are words
    "${CC:-cc}" -std=gnu11 $flags -fPIE -pthread -DHAVE_CONFIG_H -I "$T/new" -I "$BUILD" -I "$SOURCE/fcgi" \
        -c -o "$T/new/schema.o" "$SOURCE/fcgi/notification/schema.c"
    # the new object comes before the archives, whose own is then not needed
    for program in main:upgrade-receiver command/command:upgrade-status; do
        # shellcheck disable=SC2086
        "${CC:-cc}" $flags -pthread -o "$T/new/${program#*:}" "$BUILD/fcgi/${program%:*}.o" "$T/new/schema.o" \
            "$BUILD/fcgi/libstatus.a" "$BUILD/fcgi/libreceiver.a" -lfcgi -lsqlite3 -ljansson -lsodium -lm
        take_under "$T/new/${program#*:}"
    done
}

@test "after a schema was added, retry makes notifications of what was not known before, once" {
    # In quarantine with the old programs, retry changes nothing; the new command moves it into the books with the time when it was received, the running application gets it, what is still wrong stays; a second retry finds nothing.
    build_with_more_schemas
    app_start "$RECORDER_BIN"
    printf '{"notifyType": "deviceMoodChanged", "deviceId": "d-1", "mood": "good"}\n' >"$T/mood"
    printf '{"notifyType": "deviceMoodChanged", "deviceId": "d-1"}' >"$T/moodless"
    kept_aside "$T/mood" "notifyType unknown"
    kept_aside "$T/moodless" "notifyType unknown"
    keep_many 2
    agrees
    local received
    received=$(jq -r 'select(.id == 1).receivedAt' "$T/list.out")
    retry
    equal "retried by the old command" "$retried" "1 quarantined, 2 quarantined"
    equal "held" "$(held)" 2

    STATUS_BIN=$T/new/upgrade-status
    retry
    equal "retried" "$retried" "1 stored, 2 quarantined"
    equal "said of both" "$(jq -sc '[.[0].id, .[0].result, .[0].seq, .[1].reason, .[1].pointer]' "$T/retry.out")" \
        '[1,"stored",3,"missing","/mood"]'
    wait_for_status '.seq == 3 and .totals.notifications == 3 and .quarantine.held == 1' ||
        fail "status: $(<"$T/state/status.json")"
    agrees
    equal "kept" "$(sql 'SELECT receivedAt, notifyType, deviceId, deliveries FROM notifications WHERE seq = 3')" \
        "$received|deviceMoodChanged|d-1|1"
    sql 'SELECT body FROM notifications WHERE seq = 3' | cmp - <(printf '%s\n\n' "$(<"$T/mood")")
    wait_for "$PATIENCE" has_taken 3
    equal "taken" "$(taken | tr '\n' ' ')" "1 2 3 "

    retry
    equal "retried once more" "$retried" "2 quarantined"
    operator_fails 6 quarantine retry 1
    operator_fails 6 quarantine show 1
    equal "notifications" "$(sql 'SELECT count(*), max(seq) FROM notifications')" "3|3"
    receiver_stop
    # What was requeued is known to be there: the same body again is a repeat.
    RECEIVER_BIN=$T/new/upgrade-receiver receiver_start
    send_body "$T/mood"
    answered 200 repeated
    [[ $body == *'"seq":3'[,\}]* ]] || fail "repeats another: $body"
    receiver_stop
}

@test "retry lets no appId past that the receiver does not accept, unless the operator says so" {
    # Neither what was refused for its appId nor what had another fault then enters the books, named or not; with --app its upgrade and operation are there, others are passed over; --any-app takes the rest, and so does the receiver's list in the environment.
    app_start "$RECORDER_BIN" --app-id ours
    refuse_app swUpgradeResult=FAIL errorCode=7
    refuse_app subOperationId=2
    notification appId=another subOperationId=3 >"$T/another"
    kept_aside "$T/another" "appId not accepted"
    retry
    equal "retried" "$retried" "1 quarantined, 2 quarantined, 3 quarantined"
    retry 1
    equal "retried" "$retried" "1 quarantined"
    equal "held" "$(held)" 3
    retry 1 3 --app stranger
    equal "retried" "$retried" "1 stored"
    equal "upgrades" "$(sql 'SELECT appId, subOperationId, state, errorCode, seq FROM upgrades')" \
        "stranger|subOperation-1|FAIL|7|1"
    equal "failures" "$(sql 'SELECT appId, operationId, errorCode, count FROM failures')" "stranger|operation-1|7|1"
    UPGRADE_RECEIVER_APP_ID="x another" retry
    equal "retried" "$retried" "2 quarantined, 3 stored"
    retry --any-app
    equal "retried" "$retried" "2 stored"
    wait_for_status '.upgrades.fail == 1 and .totals.notifications == 3 and .quarantine.held == 0' ||
        fail "status: $(<"$T/state/status.json")"
    agrees
    wait_for "$PATIENCE" has_taken 3
    receiver_stop
}

# bats test_tags=full
@test "retry works while the receiver is stopped, and with several at once nothing is stored twice" {
    # Two commands go through the same bodies at the same time, under load as well as without a receiver: each body becomes one notification.
    local first app
    app=$("$PUSHER" --print 0 --seed 9 | jq -r .appId)
    notification appId=stranger >"$T/one.json"
    receiver_start --app-id "$app"
    nginx_start
    for first in 1 11; do
        refuse_ten "$first"
        if ((first == 1)); then
            push_behind --count 3000 --connections 16 --seed 9 --rate 800
        else
            receiver_stop
        fi
        background other retry_each "$first"
        retry_each "$first" >>"$T/mine.out" 2>"$T/mine.err"
        wait "$background_pid"
        cat "$T/other.out" >>"$T/others.out"
        if ((first == 1)); then push_end; fi
    done
    (($(sql "SELECT min(seq) FROM notifications WHERE appId = 'stranger'") < 3000)) || fail "the load was over"
    equal "held" "$(held)" 0
    equal "kept" "$(sql "SELECT count(*), count(DISTINCT subOperationId), sum(deliveries)
        FROM notifications WHERE appId = 'stranger'")" "20|20|20"
    equal "said to be stored" "$(cat "$T/mine.out" "$T/others.out" | grep -c '"stored"')" 20
    equal "all" "$(sql 'SELECT count(*), max(seq) FROM notifications')" "3020|3020"
    books_add_up
    # A receiver that starts now says so, and goes on from there.
    receiver_start --app-id "$app"
    wait_for_status '.seq == 3020 and .quarantine.held == 0 and .totals.notifications == 3020'
    send "appId=$app"
    answered 200 stored
    [[ $body == *'"seq":3021'[,\}]* ]] || fail "not the next: $body"
}

# refuse_ten FIRST: ten correct notifications of an application that is not accepted, at the same time.
refuse_ten() {
    local i one files=()
    one=$(<"$T/one.json")
    for ((i = $1; i < $1 + 10; i++)); do
        printf '%s\n' "${one/subOperation-1/$i}" >"$T/refused-$i.json"
        files+=(--body "$T/refused-$i.json")
    done
    peer burst --peers 10 "${files[@]}" >"$T/burst.out"
    equal "answers" "$(jq -c .results "$T/burst.out")" '{"quarantined":10}'
}

# retry_each FIRST: ten bodies, one after the other; some are gone already.
retry_each() {
    local id
    for ((id = $1; id < $1 + 10; id++)); do
        operator quarantine retry --json --any-app "$id" || true
    done
}

# bats test_tags=full
@test "what is in the books already becomes a repeat" {
    # A notification is quarantined, then the same one is stored: retry counts the first as a delivery of the second, and the application does not get it again.
    app_start "$RECORDER_BIN" --app-id ours
    refuse_app
    receiver_stop
    app_start "$RECORDER_BIN"
    send_body "$T/stranger.json"
    answered 200 stored
    retry 1 --any-app
    equal "retried" "$retried" "1 repeated"
    equal "deliveries" "$(sql 'SELECT seq, deliveries FROM notifications')" "1|2"
    agrees
    keep_many 1
    wait_for "$PATIENCE" has_taken 2
    equal "taken" "$(taken | tr '\n' ' ')" "1 2 "
}

@test "a result that was received earlier does not win because it was requeued later" {
    # FAIL goes to quarantine, SUCCESS is stored, FAIL is requeued: among results the last received counts, so the upgrade stays SUCCESS; the operation's times do not run backwards.
    receiver_start --app-id ours
    refuse_app swUpgradeResult=FAIL errorCode=7
    receiver_stop
    receiver_start
    send appId=stranger curVersion=1.5
    answered 200 stored
    retry 1 --any-app
    equal "retried" "$retried" "1 stored"
    equal "upgrade, operation, failures, lastAt" "$(sql 'SELECT state, errorCode, contradictory FROM upgrades;
        SELECT success, fail, firstAt <= lastAt FROM operations; SELECT count(*) FROM failures;
        SELECT lastAt = (SELECT max(receivedAt) FROM notifications) FROM operations')" \
        $'SUCCESS|***|0\n1|0|1\n0\n1'
}

# --- the bounds -----------------------------------------------------------------------------------------

# log_only FILE: posts it; it is answered 200, and stands in the log alone.
log_only() {
    local before
    before=$(log_only_count)
    send_body "$1"
    answered 200 quarantined || return
    [[ $body == *'"id":null'* ]] || fail "it has a number: $body" || return
    wait_for "$PATIENCE" log_only_reached $((before + 1)) || return
    grep '"event":"quarantined","id":null' "$LOG" | tail -n 1 | jq -j .body | cmp - "$1"
}

log_only_count() {
    grep -c '"event":"quarantined","id":null.*}$' "$LOG" || true
}

log_only_reached() {
    (($(log_only_count) >= $1))
}

full_was_said() {
    grep -c '"event":"fault","fault":"[^"]*quarantine is full' "$LOG" || true
}

@test "the bound on the number of bodies is reported when it is reached, and again when it is reached again" {
    # With --quarantine-max 3: three are held, the next go to the log alone and are counted; the log says so once; room made by retry is used, and its end is reported anew.
    local i
    receiver_start --app-id ours --quarantine-max 3
    for i in 1 2 3; do refuse_app "subOperationId=$i"; done
    equal "reported" "$(full_was_said)" 0
    for i in 4 5; do
        notification appId=stranger "subOperationId=$i" >"$T/over"
        log_only "$T/over"
    done
    equal "reported" "$(full_was_said)" 1
    wait_for_status '.quarantine.held == 3 and .totals.quarantined == 5 and .totals.quarantineLogOnly == 2'
    operator | grep -qE '; 3 in quarantine, full since 2[0-9-]+T[0-9:.]+Z, 2 more went to the log alone$' ||
        fail "overview: $(operator)"
    agrees
    retry 2 --any-app
    refuse_app subOperationId=6
    equal "number" "$quarantine_id" 4
    log_only "$T/over"
    equal "reported" "$(full_was_said)" 2
    wait_for_status '.quarantine.held == 3 and .totals.quarantineLogOnly == 3 and .seq == 1'
    agrees
    equal "ids" "$(jq -sc 'map(.id)' "$T/list.out")" "[1,3,4]"
    receiver_stop
}

# bats test_tags=full
@test "the bound on bytes holds, whatever the number of bodies" {
    # With --quarantine-bytes 2000, half of it for known types: other bodies are held until the next one would pass it; a smaller one still fits; retry gives the bytes back.
    receiver_start --quarantine-bytes 2000 --app-id ours
    head -c 400 /dev/zero | tr '\0' a >"$T/400"
    head -c 200 /dev/zero | tr '\0' b >"$T/200"
    head -c 1 /dev/zero | tr '\0' c >"$T/1"
    kept_aside "$T/400"
    kept_aside "$T/400"
    log_only "$T/400"
    kept_aside "$T/200"
    equal "number" "$quarantine_id" 3
    log_only "$T/1"
    wait_for_status '.quarantine.held == 3 and .quarantine.bytes == 1000 and .quarantine.unknownFullSince and .totals.quarantineLogOnly == 2'
    agrees
    (($(full_was_said) >= 1)) || fail "not reported"
    operator | grep -qE '; 3 in quarantine, full for unknown notifyTypes since 2.*, 2 more went to the log alone$' ||
        fail "overview: $(operator)"
    refuse_app # noise has not used up its room
    retry 4 --any-app
    wait_for_status '.quarantine == {held: 3, bytes: 1000, fullSince: null, unknownFullSince: null} and .seq == 1'
    # drop says how many it took out, the counters stay true, and there is room again
    equal "dropped" "$(operator quarantine drop 2)" "Dropped from quarantine: 1."
    operator_fails 6 quarantine drop 2
    kept_aside "$T/400"
    equal "dropped" "$(operator quarantine drop --before 1d --json)" '{"dropped":0}'
    equal "dropped" "$(operator quarantine drop --reason 'not JSON' --before "$(date -u -d tomorrow +%F)" --json)" '{"dropped":3}'
    agrees
    operator check >"$T/out" || fail "check: $(<"$T/out")"
    receiver_stop
}

@test "what can be kept nowhere is answered 503, body by body, and everything else is kept as ever" {
    # Quarantine is full and stdout is /dev/null: a real result with a null description and noise are answered 503, steadily, and count for nothing; notifications are stored; with the log in a file they are answered 200.
    local null='"description":null' i
    RECEIVER_STDOUT=/dev/null receiver_start --quarantine-max 2
    notification >"$T/good"
    sed 's/"description": *"[^"]*"/'"$null"'/' "$T/good" >"$T/result"
    grep -q "$null" "$T/result"
    printf 'noise' >"$T/noise"
    kept_aside "$T/noise"
    kept_aside "$T/result"
    for i in 1 2; do
        send_body "$T/result"
        answered 503
        [[ $retry_after =~ ^[0-9]+$ ]] || fail "503 without Retry-After"
        send_body "$T/noise"
        answered 503
        send "subOperationId=$i"
        answered 200 stored
    done
    equal "kept" "$(sql 'SELECT (SELECT count(*) FROM quarantine), (SELECT count(*) FROM notifications)')" "2|2"
    wait_for_status '.totals.quarantined == 2 and .totals.quarantineLogOnly == 0 and .seq == 2
        and .process.quarantine_refused == 4 and .process.refused_in_a_row == 0 and .quarantine.fullSince'
    receiver_stop
    receiver_start --quarantine-max 2
    log_only "$T/result"
    receiver_stop
}

# --- the command line -------------------------------------------------------------------------------------

@test "upgrade-status says what is wrong, and its exit status which kind of wrong" {
    # 2 for a command line that makes no sense, 1 for a store that is not there or cannot be used, 6 for a number that is not there; 0 for an empty quarantine; nothing is made where there was nothing.
    receiver_start
    wait_for_status '.seq == 0'
    local words
    while IFS= read -r words; do
        # shellcheck disable=SC2086 # words of the command line
        operator_fails 2 $words
    done <<'USAGE'
quarantine
quarantine show
quarantine show 1 2
quarantine list 1
quarantine empty
quarantine drop
quarantine drop 1 --reason x
quarantine drop --before never
list
quarantine list --state
--nonsense quarantine list
USAGE
    operator_fails 6 quarantine show 1
    operator_fails 6 quarantine retry 1
    equal "list" "$(operator quarantine list --json)" '{"held":0,"bytes":0,"fullSince":null,"unknownFullSince":null,"reasons":[],"bodies":[],"next":null}'
    operator quarantine retry | cmp - /dev/null
    operator --help | grep -q 'quarantine retry'
    equal "environment" "$(UPGRADE_RECEIVER_STATE=$T/state "$STATUS_BIN" quarantine list)" \
        'Nothing is in quarantine.'
    printf x >"$T/x"
    kept_aside "$T/x"
    if operator quarantine list >/dev/full 2>"$T/err"; then fail "a full disk is no error"; fi
    receiver_stop
    # nothing there, then something that is none of ours
    local word
    mkdir "$T/nothing" "$T/other"
    sqlite3 "$T/other/upgrades.db" 'CREATE TABLE mine (a)'
    for word in nothing other missing; do
        for words in list 'show 1' retry 'retry 1'; do
            # shellcheck disable=SC2086
            operator_fails_in "$T/$word" $words
        done
    done
    equal "made" "$(find "$T/nothing" "$T/missing" 2>/dev/null)" "$T/nothing"
    equal "tables" "$(sqlite3 "$T/other/upgrades.db" .tables)" mine
}

operator_fails_in() {
    local status=0
    "$STATUS_BIN" --state "$1" quarantine "${@:2}" >"$T/out" 2>"$T/err" || status=$?
    equal "exit status of '${*:2}' in ${1##*/}" "$status" 1 || return
    [[ -s $T/err && ! -s $T/out ]] || fail "'${*:2}' in ${1##*/} does not say why"
}

# bats test_tags=full
@test "a number that is none touches nothing" {
    # Signs, blanks, other notations, 0, numbers beyond 64 bits, SQL: refused as wrong usage by show and retry, also behind a number that is good; what is in quarantine stays there.
    local id words
    receiver_start --app-id ours
    refuse_app
    refuse_app subOperationId=2
    for id in 0 00 -1 +1 ' 1' '1 ' 1.0 1e0 0x1 abc '' $'1\n' '1;DELETE FROM quarantined' "1' OR '1'='1" '*' '%d%n' \
        9223372036854775808 99999999999999999999 '１'; do
        for words in show retry 'retry 1' 'drop 1'; do
            # shellcheck disable=SC2086 # words of the command line
            if operator quarantine $words "$id" >"$T/out" 2>"$T/err" || (($? != 2)); then
                fail "exit status of quarantine $words '$id'"
            fi
            [[ ! -s $T/out && -s $T/err ]] || fail "quarantine $words '$id' does not say why"
        done
    done
    operator_fails 6 quarantine show 9223372036854775807
    operator_fails 6 quarantine retry 3
    equal "held" "$(held)" 2
    equal "kept" "$(sql 'SELECT count(*) FROM notifications')" 0
}
