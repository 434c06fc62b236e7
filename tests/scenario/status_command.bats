#!/usr/bin/env bats
# upgrade-status tells what is in the books, to people and to programs, and its exit code says what it found.

load lib
load faults
load delivery
load status_command

# --- the numbers ------------------------------------------------------------------------------------------

# counted SQL: what the store says, as JSON in canonical form.
counted() {
    sql "$1" | jq -cS .
}

# told FILTER WORD...: what the command says with --json, filtered, in canonical form.
told() {
    operator "${@:2}" --json | jq -cS "$1"
}

same_numbers() {
    equal "operations" "$(told '[.operations[] | {appId, operationId, inProgress, success, fail, contradictory, firstAt, lastAt}]')" \
        "$(counted "SELECT json_group_array(json_object('appId', appId, 'operationId', operationId, 'inProgress',
            inProgress, 'success', success, 'fail', fail, 'contradictory', contradictory, 'firstAt', firstAt,
            'lastAt', lastAt)) FROM (SELECT * FROM operations o ORDER BY (SELECT max(seq) FROM notifications n
            WHERE n.appId = o.appId AND n.operationId = o.operationId) DESC)")" || return
    equal "totals" "$(told '[.seq, .totals.notifications, .totals.repeats, .quarantine.held, .upgrades.fail]')" \
        "$(counted "SELECT json_array(max(seq), count(*), sum(deliveries - 1), (SELECT count(*) FROM quarantine),
            (SELECT count(*) FROM upgrades WHERE state = 'FAIL')) FROM notifications")" || return
    equal "failures by code" "$(told '[.failures[] | [.errorCode, .count, .firstAt, .lastAt]] | sort' operation one --app app-1)" \
        "$(counted "SELECT json_group_array(json_array(errorCode, count, firstAt, lastAt)) FROM (SELECT * FROM failures
            WHERE operationId = 'one' AND appId = 'app-1' ORDER BY errorCode)")" || return
    equal "failed devices" "$(told '[.failures[] | [.deviceId, .operationId, .errorCode]] | sort' failures)" \
        "$(counted "SELECT json_group_array(json_array(deviceId, operationId, errorCode)) FROM (SELECT * FROM upgrades
            WHERE state = 'FAIL' ORDER BY deviceId, operationId)")" || return
    equal "a device" "$(told '[.history[] | [.appId, .operationId, .state]] | sort' device d-1)" \
        "$(counted "SELECT json_group_array(json_array(appId, operationId, state)) FROM (SELECT * FROM upgrades
            WHERE deviceId = 'd-1' ORDER BY appId, operationId)")" || return
    equal "quarantine" "$(told '[.bodies[] | [.id, .reason, .receivedAt]]' quarantine list)" \
        "$(counted "SELECT json_group_array(json_array(id, reason, receivedAt)) FROM quarantine")"
}

@test "documents and tables have the numbers that the store's views have, beside the receiver and after its end" {
    # Operations, failures by code, failed devices, a device's history, quarantine: equal to a count in SQL; and what people read shows the same numbers.
    receiver_start
    campaign
    same_numbers
    operator >"$T/out"
    local line words
    while IFS='|' read -r -a line; do
        words=$(grep -E "^${line[1]} +${line[0]} " "$T/out" | awk '{print $3, $4, $5, $7}')
        equal "shown of ${line[1]} of ${line[0]}" "$words" "${line[3]} ${line[4]} ${line[2]} ${line[5]}"
    done < <(sql 'SELECT appId, operationId, inProgress, success, fail, contradictory FROM operations')
    equal "lines" "$(grep -cE '^(one|two) ' "$T/out")" 3
    operator operation one --app app-1 >"$T/out"
    grep -qE '^  fail +3  33.3% of those finished$' "$T/out" || fail "$(<"$T/out")"
    grep -qE '^1 +1 +33.3% .* cause 1$' "$T/out" || fail "$(<"$T/out")"
    equal "failures" "$(operator failures | tail -n +2 | wc -l)" "$(sql "SELECT count(*) FROM upgrades WHERE state = 'FAIL'")"
    receiver_stop
    same_numbers
}

@test "a list longer than a page is one document, and one table" {
    # 1,100 failures: with --json, as CSV with one header line and for people, each of them once.
    receiver_start
    many 1100 >"$T/many"
    post_lines "$T/many"
    equal "json" "$(operator failures --json | jq -c '[(.failures | length), ([.failures[].deviceId] | unique | length), .next]')" '[1100,1100,null]'
    operator failures --csv --operation many --code 7 >"$T/csv"
    equal "csv" "$(wc -l <"$T/csv") $(grep -c '^appId,' "$T/csv") $(tr -cd '\r' <"$T/csv" | wc -c)" "1101 1 1101"
    equal "csv devices" "$(cut -d, -f4 "$T/csv" | tail -n +2 | sort -u | wc -l)" 1100
    operator failures >"$T/out"
    equal "table" "$(grep -c DEVICE "$T/out") $(grep -c '^n-' "$T/out")" "1 1100"
    equal "upgrades" "$(operator upgrades --operation many --json | jq -c '[(.upgrades | length), ([.upgrades[].deviceId] | unique | length), .next]')" '[1100,1100,null]'
    operator upgrades --operation many --csv >"$T/csv"
    equal "csv" "$(wc -l <"$T/csv") $(grep -c '^appId,' "$T/csv")" "1101 1"
    equal "operations as csv" "$(operator --csv | cut -d, -f2,6 | tail -n +2)" '"many","0"'
    equal "upgrades" "$(operator upgrades --operation many | grep -cE '^n-[0-9]+ +7 +FAIL ')" 1100
    equal "another code" "$(operator failures --json --code 8 | jq -c .failures)" '[]'
    equal "no code" "$(operator failures --json --operation many --code '' | jq -c .failures)" '[]'
}

# --- exit codes -------------------------------------------------------------------------------------------

@test "each exit code comes where it is documented" {
    # 0 done, 1 no store, 2 a command line that makes no sense, 3 too many failed, 4 some have not reported, 5 not sound, 6 not there.
    receiver_start
    campaign
    local words
    for words in '' 'operation one' 'device d-1' 'failures' 'failures --csv' 'log' 'quarantine list' 'quarantine show 1' \
        'check' 'help' 'help operation' '--help' '--version' 'operation two --fail-above 50%'; do
        # shellcheck disable=SC2086
        ends_with 0 $words
        [[ -s $T/out && ! -s $T/err ]] || fail "'$words' says: $(<"$T/out")$(<"$T/err")"
    done
    printf 'd-2\nd-3\n' | ends_with 0 expect one - --app app-1
    for words in '' 'operation one' 'device d-1' 'failures' 'log' 'check' 'prune --before 7d' 'expect one /dev/null'; do
        # shellcheck disable=SC2086
        UPGRADE_RECEIVER_STATE=$T/nowhere no_state_ends_with 1 $words
    done
    local long
    printf -v long '%501s' ''
    printf 'd-\xe4\n' >"$T/latin"
    while IFS= read -r words; do
        eval "ends_with 2 $words"
        [[ -s $T/err && ! -s $T/out ]] || fail "'$words' does not say why"
    done <<'USAGE'
nonsense
operation
operation one two
device
failures one
operation one --nonsense
operation one --csv
failures --csv --json
failures --app a
follow --before 1d
follow --since tomorrow
--code 7
--csv --json
upgrades
upgrades --operation one --app app-1 --only nothing
upgrades --operation one --app app-1 --longer-than 2999-01-01
quarantine nothing
-x
follow --since 11
forget
log --since 1
log --until 2026-02-30
expect
expect one "$T/no such file"
expect one --save
expect one --forget --save
expect one "$T/out" --forget
expect one "$T/campaign" --save
expect nowhere "$T/campaign" --save
expect one "$T/latin" --save --app app-1
note one
note one text
note nowhere text
note '' text --app app-1
note one "$long" --app app-1
note one $'\xff' --app app-1
expect one /dev/null
prune
prune --before tomorrow
prune --before 1h
prune --before 2999-01-01
quarantine
quarantine show x
help nonsense
--color maybe
--state
--json=yes
--app
operation one --app a --app b
operation one --longer-than soon
operation one --longer-than 2999-01-01
complete
USAGE
    ends_with 3 operation two --fail-above 49%
    equal "why" "$(<"$T/err")" "upgrade-status: FAIL is 50.0% of the finished (1 of 2), above --fail-above 49%"
    printf 'd-2\nd-1\n' | ends_with 4 expect one - --app app-1
    printf 'd-2\nd-99\n' | ends_with 4 expect one - --app app-1
    ends_with 6 operation three
    ends_with 6 operation one --app nobody
    ends_with 6 device d-99
    ends_with 6 failures --operation three
    ends_with 6 quarantine show 99
    printf 'd-2\n' | ends_with 6 expect three -
    ends_with 6 expect one --app app-1
    ends_with 6 expect one --app app-1 --forget
    ends_with 6 note three ''
    receiver_stop
    sqlite3 "$T/state/upgrades.db" 'UPDATE operation SET fail = fail + 1 WHERE id = 1'
    ends_with 5 check
}

@test "a command that is not understood is told what it takes" {
    # The command is named, or what it is without a name; what is half a command is told the other half.
    local words said
    while IFS='|' read -r words said; do
        # shellcheck disable=SC2086
        ends_with 2 $words
        equal "$words" "$(head -n 1 "$T/err")" "upgrade-status: $said"
    done <<'SAID'
--code 7|--code: not an option of the list of all operations
follow --csv|--csv: not an option of follow
quarantine show --csv 1|--csv: not an option of quarantine show
operation|operation: takes ID
quarantine show|quarantine show: takes ID
check now|check: takes no further word
quarantine|quarantine: takes one of list, show, retry, drop
help quarantine lost|quarantine lost: takes one of list, show, retry, drop
nonsense of all kinds|nonsense: no such command
upgrades|upgrades: takes --operation ID
SAID
    equal "-h" "$(operator -h)" "$(operator --help)"
    equal "-h of a command" "$(operator prune -h)" "$(operator help prune)"
}

@test "the beginning of an id is enough if no other begins so, but not for a verdict" {
    # A whole id always means itself; what begins several ids names them; --fail-above takes a whole id of one application, because the one that is meant may not have reported yet.
    receiver_start
    {
        notification operationId=alpha-1
        notification operationId=alpha-1-b appId=other swUpgradeResult=FAIL curVersion=1.0
        notification operationId=beta deviceId=d-1
        notification operationId=beta deviceId=d-2 appId=other swUpgradeResult=FAIL curVersion=1.0
    } >"$T/some"
    post_lines "$T/some"
    equal "alpha-1" "$(operator operation alpha-1 --json | jq -r .operationId)" alpha-1
    equal "alpha-1-" "$(operator operation alpha-1- --json | jq -r .operationId)" alpha-1-b
    equal "alpha of other" "$(operator operation alpha --app other --json | jq -r .operationId)" alpha-1-b
    equal "b" "$(operator operation b --json | jq -r .operationId)" beta
    equal "failures" "$(operator failures --operation b --app other --json | jq -r '.failures[].operationId')" beta
    equal "upgrades" "$(operator upgrades --operation b --app app-1 --json | jq -r '.upgrades[].deviceId')" d-1
    equal "device d-2" "$(operator device d-2 --json | jq -r .deviceId)" d-2
    equal "device dev" "$(operator device dev --json | jq -r .deviceId)" device-1
    local words said
    while IFS='|' read -r words said; do
        # shellcheck disable=SC2086
        ends_with 6 $words
        [[ ! -s $T/out ]] || fail "$words: $(<"$T/out")"
        equal "$words" "$(<"$T/err")" "upgrade-status: $said"
    done <<'SAID'
operation a|a: the beginning of 2 operations: alpha-1-b, alpha-1
failures --operation alpha|alpha: the beginning of 2 operations: alpha-1-b, alpha-1
upgrades --operation beta|beta: an operation of several applications, name one with --app: other, app-1
operation alpha-1- --fail-above 5%|alpha-1-: the beginning of 1 operation: alpha-1-b; --fail-above takes the whole ID
operation beta --fail-above 5%|beta: an operation of several applications, name one with --app: other, app-1
operation gamma|no operation gamma has been heard of
device d-|d-: the beginning of 2 devices: d-1, d-2
device gamma|no device gamma has been heard of
SAID
    ends_with 3 operation beta --app other --fail-above 5%
}

@test "upgrades lists those of an operation, and of these what is asked for" {
    # Against the store's view: by state, by code, contradictory, stuck, and by two of these at once.
    receiver_start
    campaign
    listed() {
        equal "$1" "$(operator upgrades --operation one --app app-1 --json "${@:2}" | jq -r '.upgrades[].deviceId' | sort)" \
            "$(sql "SELECT deviceId FROM upgrades WHERE operationId = 'one' AND appId = 'app-1' AND $1" | sort)"
    }
    listed "1 = 1"
    listed "state = 'FAIL'" --only FAIL
    listed "state = 'SUCCESS'" --only success
    listed "state = 'IN_PROGRESS'" --only IN_PROGRESS
    listed "state = 'IN_PROGRESS'" --longer-than 0s
    listed "state = 'FAIL' AND errorCode = '1'" --code 1
    listed "contradictory = 1" --contradictory
    listed "contradictory = 1 AND state = 'SUCCESS'" --contradictory --only SUCCESS
    listed "1 = 0" --stuck
    ends_with 0 upgrades --operation one --app app-1 --stuck
    equal "none" "$(<"$T/out")" "No such upgrade is in the store."
    operator upgrades --operation one --app app-1 --only FAIL >"$T/out"
    equal "shown" "$(tail -n +2 "$T/out" | awk '{print $1, $2, $3}' | sort | tr '\n' ' ')" "d-12 0 FAIL d-4 1 FAIL d-8 2 FAIL "
}

# no_state_ends_with STATUS WORD...: without --state.
no_state_ends_with() {
    local expected=$1 status=0
    shift
    printf 'd-1\n' | "$STATUS_BIN" "$@" >"$T/out" 2>"$T/err" || status=$?
    [[ $1 != expect ]] || expected=2
    equal "exit status of '$*' without a store" "$status" "$expected"
    [[ -s $T/err && ! -s $T/out ]] || fail "'$*' without a store does not say why"
    equal "made" "$(find "$T/nowhere" 2>/dev/null)" ''
}

@test "a campaign is stopped when a larger share than the threshold has failed, and not before enough have finished" {
    # 5 of 100 failed is not above 5%, 6 of 101 is; --min-finished holds back; the document is printed all the same; a threshold that cannot be understood is wrong usage, whatever the store.
    receiver_start
    { many 5 operationId=c && many 100 operationId=c swUpgradeResult=SUCCESS curVersion=1.5 | tail -n 95; } >"$T/many"
    post_lines "$T/many"
    ends_with 0 operation c --fail-above 5%
    ends_with 3 operation c --fail-above 4.9999%
    notification deviceId=n-101 operationId=c swUpgradeResult=FAIL curVersion=1.0 appId=app-1 >"$T/one"
    post_lines "$T/one"
    ends_with 3 operation c --fail-above 5%
    equal "the document" "$(operator operation c --fail-above 5% --json | jq -c '[.fail, .success, .failureShare]' || true)" '[6,95,0.0594]'
    ends_with 3 operation c --fail-above 5% --min-finished 101
    ends_with 0 operation c --fail-above 5% --min-finished 102
    ends_with 3 operation c --fail-above 0%
    local word
    for word in 5 5.0 0.05 five '' % -5% '5 %' 5%% 100% 101% 1000% 0.00001% nan% 1e1% 5,5%; do
        ends_with 2 operation c --fail-above "$word"
        ends_with 2 operation c --fail-above="$word"
        ends_with 2 operation nowhere --fail-above "$word"
    done
    for word in 0 -1 1.5 x '' 99999999999999999999; do
        ends_with 2 operation c --fail-above 5% --min-finished "$word"
    done
    ends_with 2 operation c --min-finished 20
}

# bats test_tags=full
@test "upgrades in progress for longer than a time are shown, the oldest first" {
    # One began before the time and one after it: only the first counts; a time is a duration, a date or a moment.
    receiver_start
    notification deviceId=old operationId=o notifyType=swUpgradeStateChangeNotify swUpgradeState=downloading >"$T/old"
    notification deviceId=young operationId=o notifyType=swUpgradeStateChangeNotify swUpgradeState=updating >"$T/young"
    post_lines "$T/old"
    local between long=$((2 * SLOWER))
    sleep "$long.2"
    between=$(date -u +%FT%TZ)
    sleep 1.1
    post_lines "$T/young"
    equal "by moment" "$(operator operation o --longer-than "$between" --json | jq -c '[.stuck.upgrades[].deviceId]')" '["old"]'
    equal "by duration" "$(operator operation o --longer-than 0s --json | jq -c '[.stuck.upgrades[].deviceId]')" '["old","young"]'
    equal "too long" "$(operator operation o --longer-than 1d --json | jq -c .stuck.count)" 0
    operator operation o --longer-than "${long}s" >"$T/out"
    grep -q "^In progress for longer than $long s: 1\$" "$T/out" || fail "$(<"$T/out")"
    grep -qE '^old +downloading ' "$T/out" || fail "$(<"$T/out")"
    operator operation o >"$T/out"
    if grep -q 'In progress for' "$T/out"; then fail "$(<"$T/out")"; fi
}

# --- who has not reported ---------------------------------------------------------------------------------

@test "expect tells who of a list has not reported, and who has not finished" {
    # Comments, blanks, CRs and duplicates in the list; a device with one upgrade in progress has not finished; who was not expected is counted.
    receiver_start
    campaign
    printf '# all of them\r\n\r\n  d-1\t\r\nd-2\nd-2\nd-3\nd-4\n\nd-98\nd-99' >"$T/list"
    ends_with 4 expect one "$T/list" --app app-1
    cat >"$T/expected" <<'TEXT'
6 devices: 3 finished (2 SUCCESS, 1 FAIL), 1 in progress, 2 missing
not in the list, but reported: 8
missing     d-98
missing     d-99
in progress d-1
TEXT
    diff "$T/expected" "$T/out"
    equal "json" "$(operator expect one "$T/list" --app app-1 --json || true)" \
        '{"appId":"app-1","operationId":"one","expected":6,"success":2,"fail":1,"inProgress":1,"missing":2,"unexpected":8,"unexpectedMore":false,"missingDevices":["d-98","d-99"],"inProgressDevices":["d-1"]}'
    printf 'd-2\nd-3\nd-4\n' | ends_with 0 expect one - --app app-1
    equal "summary" "$(head -n 1 "$T/out")" "3 devices: 3 finished (2 SUCCESS, 1 FAIL), 0 in progress, 0 missing"
    # a retry under another sub-operation succeeds, and the list begins with a byte order mark
    send deviceId=d-4 operationId=one subOperationId=again curVersion=1.5
    answered 200 stored
    printf '\xef\xbb\xbfd-4\n' | ends_with 0 expect one - --app app-1
    equal "summary" "$(head -n 1 "$T/out")" "1 device: 1 finished (1 SUCCESS, 0 FAIL), 0 in progress, 0 missing"
    head -c 100000 /dev/zero | tr '\0' x >"$T/long"
    ends_with 2 expect one "$T/long"
    ends_with 2 expect one /
}

@test "a saved list and a note stay with the operation, and say who is missing" {
    # --save keeps a list beside a running receiver, also of an operation that is to come; who reports is not missing any more; without FILE the saved list is compared; --forget, erase and '' take out again.
    receiver_start
    campaign
    printf 'd-1\nd-2\nd-98\nd-99\n' >"$T/list"
    equal "saved" "$(operator expect one "$T/list" --save --app app-1)" "Saved: 4 devices, 2 missing"
    equal "to come" "$(operator expect next "$T/list" --save --app app-1 --json)" '{"planned":4,"missing":4}'
    send deviceId=d-98 operationId=one curVersion=1.5
    send deviceId=d-98 operationId=next curVersion=1.5
    ends_with 4 expect one --app app-1
    equal "compared" "$(head -n 1 "$T/out"; grep ^missing "$T/out")" "4 devices: 2 finished (2 SUCCESS, 0 FAIL), 1 in progress, 1 missing
missing     d-99"
    equal "kept" "$(sql 'SELECT operation_id, planned, missing FROM operation WHERE planned > 0 ORDER BY 1')" 'next|4|3
one|4|1'
    ends_with 0 note one $'\u6697\u591c' --app app-1
    equal "note" "$(sql "SELECT note FROM operation WHERE operation_id = 'one' AND app_id = 'app-1'")" $'\u6697\u591c'
    operator operation one --app app-1 >"$T/out"
    grep -qE '^  missing +1  of 4 planned$' "$T/out" || fail "$(<"$T/out")"
    grep -qE $'^  note +\u6697\u591c$' "$T/out" || fail "$(<"$T/out")"
    equal "listed" "$(operator | awk '$1 == "one" && $2 == "app-1" {print $10, $11, $12}')" $'1 missing, \u6697\u591c'
    operator check
    ends_with 0 erase d-99
    ends_with 4 expect one --app app-1
    equal "after it" "$(head -n 1 "$T/out")" "3 devices: 2 finished (2 SUCCESS, 0 FAIL), 1 in progress, 0 missing"
    ends_with 0 expect one --app app-1 --forget
    ends_with 0 note one '' --app app-1
    equal "left" "$(sql 'SELECT operation_id, planned FROM operation WHERE planned NOTNULL OR note NOTNULL')" 'next|3'
    operator check
}

# --- whatever strangers say -------------------------------------------------------------------------------

@test "a hostile id moves no cursor and forges no line, wherever it is shown" {
    # Escapes, line ends, bidirectional marks and separators in ids, codes and descriptions: no command prints one of them, nor a line more than it should; the completion does not offer them.
    receiver_start
    local evil=$'x\e[2J\e]0;t\a\r\nFAIL d-2 \u202e\u2028\u009b31m\t`id`$(id);'
    {
        notification deviceId="$evil" operationId="$evil" subOperationId="$evil" errorCode="$evil" \
            description="$evil" swUpgradeResult=FAIL sourceVersion="$evil" targetVersion="$evil"
        notification deviceId="$evil" operationId="$evil" subOperationId=two notifyType=swUpgradeStateChangeNotify \
            swUpgradeState="$evil"
        printf '{"notifyType":"deviceDeleted","deviceId":"d","gatewayId":null,"%s":1}\n' 'a\u001b[2J'
        printf '{"notifyType":"swUpgradeResultNotify","a\\u001b\\nb":1,"a\\u001b\\nb":2}\n'
    } >"$T/evil"
    post_lines "$T/evil"
    printf '%s\nd\n' "other" >"$T/list"
    local words number=0
    show() {
        number=$((number + 1))
        operator "$@" --color never >"$T/out" || [[ $? == 4 ]]
        if LC_ALL=C.UTF-8 grep -nP '[\x00-\x09\x0b-\x1f\x7f-\x9f\x{2028}-\x{202e}\x{2066}-\x{2069}]' "$T/out"; then
            fail "'$*' prints it: $(cat -A "$T/out")"
        fi
        if grep -q '^FAIL d-2' "$T/out"; then fail "'$*' prints a line that is none"; fi
    }
    for words in '' '--json' failures 'failures --json' log 'quarantine list' 'quarantine list --json' check; do
        # shellcheck disable=SC2086
        show $words
    done
    show operation "$evil" --longer-than 0s
    show device "$evil"
    show operation "$evil" --longer-than 0s --json
    show device "$evil" --json
    show expect "$evil" "$T/list"
    equal "shown" "$number" 13
    equal "lines" "$(operator failures | wc -l)" 2
    grep -qF '\u001b[2J' <<<"$(operator failures)" || fail "the id is not shown at all"
    for words in operation device "quarantine show" expect "failures --operation"; do
        # shellcheck disable=SC2086
        if operator complete -- $words '' | grep -vE '^[[:alnum:]._~@+,/%-]+$'; then fail "'$words' offers it"; fi
    done
}

@test "on a terminal nothing that a stranger wrote is obeyed, whatever shows it" {
    # Every C0 and C1 control, DEL, bidirectional marks, separators and bytes that are no UTF-8, in every member and in quarantine: on a terminal no command prints one; in a pipe, and with --raw, a body is as it came.
    RECEIVER_STDOUT=/dev/null receiver_start
    local evil words
    evil=$("$PYTHON" -c '
points = [*range(1, 32), 0x7f, *range(0x80, 0xa0), 0x61c, 0x200e, 0x200f, *range(0x2028, 0x202f), *range(0x2066, 0x206a), 0xfeff]
print("x" + "".join(map(chr, points)) + "\x1b]0;t\x07z", end="")')
    {
        notification deviceId="$evil" operationId="$evil" appId="$evil" subOperationId="$evil" errorCode="$evil" \
            description="$evil" resultDesc="$evil" swUpgradeResult=FAIL sourceVersion="$evil" targetVersion="$evil"
        notification deviceId="$evil" operationId="$evil" appId="$evil" subOperationId=two \
            notifyType=swUpgradeStateChangeNotify swUpgradeState="$evil"
        printf '{"notifyType":"deviceDeleted","deviceId":"d","gatewayId":null,"%s":1}\n' 'a\u001b[2J'
        printf '%s\xff\xfe\x80\x00\xc2\n' "${evil//$'\n'/}"
    } >"$T/evil"
    post_lines "$T/evil"
    printf 'other\n' >"$T/list"
    obeys_nothing() {
        on_terminal 200 "$@" --color never || true
        is_harmless "$@"
    }
    is_harmless() {
        sed 's/\x1b\[K//g' "$T/shown" >"$T/seen" # of the progress line
        [[ -s $T/seen ]] || fail "'$*' shows nothing"
        iconv -f UTF-8 -t UTF-8 "$T/seen" >"$T/iconv" || fail "'$*' is no UTF-8: $(cat -A "$T/seen")"
        if LC_ALL=C.UTF-8 grep -nP '[\x00-\x09\x0b-\x1f\x7f-\x9f\x{61c}\x{200e}\x{200f}\x{2028}-\x{202e}\x{2066}-\x{2069}\x{feff}]' "$T/seen"; then
            fail "'$*' prints it: $(cat -A "$T/seen")"
        fi
    }
    for words in '' --json failures 'failures --json' log 'quarantine list' 'quarantine list --json' \
        'quarantine show 1' 'quarantine show 2' check 'failures --csv' 'complete -- device '; do
        # shellcheck disable=SC2086
        obeys_nothing $words
    done
    for words in operation device; do
        obeys_nothing "$words" "$evil"
        obeys_nothing "$words" "$evil" --json
        obeys_nothing "$words" "no$evil"
    done
    obeys_nothing operation "$evil" --longer-than 0s --app "$evil"
    obeys_nothing failures --operation "$evil" --code "no$evil"
    obeys_nothing expect "$evil" "$T/list"
    obeys_nothing "$evil"
    background follow "$PYTHON" "$TESTS/tool/on_terminal.py" 200 "$STATUS_BIN" --state "$T/state" \
        follow --since start --color never
    wait_for "$PATIENCE" grep -qa deviceDeleted "$T/follow.out"
    pkill -TERM -f -- "--state $T/state follow"
    wait "$background_pid" || true
    tr -d '\r' <"$T/follow.out" >"$T/shown"
    is_harmless follow
    tail -n 1 "$T/evil" | head -c -1 >"$T/body"
    words=$(sql 'SELECT max(id) FROM quarantine')
    operator quarantine show "$words" | cmp - "$T/body"
    "$PYTHON" "$TESTS/tool/on_terminal.py" 80 "$STATUS_BIN" --state "$T/state" quarantine show "$words" --raw >"$T/raw"
    grep -qa $'\x1b]0;t' "$T/raw" || fail "--raw: $(cat -A "$T/raw")"
    obeys_nothing quarantine retry
    obeys_nothing prune --before 2020-01-01
}

# --- output that cannot be written ------------------------------------------------------------------------

@test "a reader that goes away ends the command quietly, a full disk does not" {
    # head takes one line of many: no complaint, exit code 0; /dev/full: exit code 1 and a reason.
    receiver_start
    many 1100 >"$T/many"
    post_lines "$T/many"
    local words
    for words in failures 'failures --json' 'failures --csv' log; do
        # shellcheck disable=SC2086
        operator $words 2>"$T/err" | head -n 1 >"$T/out"
        equal "'$words' into head" "${PIPESTATUS[*]} $(<"$T/err")" "0 0 "
        # shellcheck disable=SC2086
        if operator $words >/dev/full 2>"$T/err"; then fail "'$words' into a full disk"; fi
        grep -q 'cannot write' "$T/err" || fail "$(<"$T/err")"
    done
    # Where stdout is closed, valgrind's own file takes its place.
    if [[ $UNDER != valgrind ]]; then
        if operator >&- 2>"$T/err"; then fail "without a stdout"; fi
        grep -q 'cannot write' "$T/err" || fail "$(<"$T/err")"
        if operator follow >&- 2>"$T/err"; then fail "follow without a stdout"; fi
        grep -q 'cannot write' "$T/err" || fail "$(<"$T/err")"
    fi
    if operator --help >/dev/full 2>"$T/err"; then fail "help into a full disk"; fi
    # The command ends with what it found, whether that could be read or not.
    local status=0
    operator operation many --fail-above 5% > >(exec true) || status=$?
    equal "exit status" "$status" 3
}

# --- stores -----------------------------------------------------------------------------------------------

@test "a store that is empty, missing, or of another version is named in a sentence" {
    # Nothing has come yet; there is no file; an older or newer receiver made it; it is something else. Nothing is changed in any of them.
    receiver_start
    ends_with 0
    grep -q '^No operations yet.$' "$T/out" || fail "$(<"$T/out")"
    ends_with 0 failures
    equal "failures" "$(<"$T/out")" "No upgrade that failed is in the store."
    ends_with 0 check
    ends_with 0 log
    [[ ! -s $T/out ]] || fail "log: $(<"$T/out")"
    ends_with 6 device d-1
    printf 'no notification\n' >"$T/one"
    post_lines "$T/one"
    wait_for "$PATIENCE" receiver_line "running since .*: no notification yet, all that came is in quarantine"
    receiver_stop
    sqlite3 "$T/state/upgrades.db" 'PRAGMA user_version = 99'
    ends_with 1
    grep -q 'newer' "$T/err" || fail "$(<"$T/err")"
    sqlite3 "$T/state/upgrades.db" 'PRAGMA user_version = 1'
    ends_with 1
    grep -q 'version 1' "$T/err" || fail "$(<"$T/err")"
    ends_with 1 follow
    printf 'no database at all, but some text of more than sixteen bytes' >"$T/state/upgrades.db"
    rm -f "$T/state"/upgrades.db-*
    ends_with 1
    rm "$T/state/upgrades.db"
    ends_with 1
    grep -q 'No such file' "$T/err" || fail "$(<"$T/err")"
    equal "left" "$(find "$T/state" -name 'upgrades.db*')" ''
}

@test "whoever may read the files can ask, and who may not is told which permission is missing" {
    # Another user, beside a running receiver and after its end: with the group's permissions everything is shown; without one of them the complaint names it.
    ((EUID == 0)) || skip "takes another user"
    local running
    as_other() {
        local status=0
        setpriv --reuid 65534 --regid 54321 --clear-groups -- "$STATUS_BIN" --state "$T/state" "${@:2}" \
            >"$T/out" 2>"$T/err" || status=$?
        equal "exit status of '${*:2}' as another user ($(<"$T/err"))" "$status" "$1"
    }
    # All that is made in the folder has its group.
    chgrp 54321 "$T/state"
    chmod g+s "$T/state"
    receiver_start
    campaign
    for running in yes no; do
        if [[ $running == no ]]; then receiver_stop; fi
        chmod 0750 "$T/state"
        as_other 0
        grep -q '^one ' "$T/out" || fail "$(<"$T/out")"
        as_other 0 operation one
        as_other 0 log
        as_other 0 check
        chmod 0700 "$T/state"
        as_other 1
        grep -q 'may not look into the folder' "$T/err" || fail "$(<"$T/err")"
        chmod 0750 "$T/state"
        chmod 0600 "$T/state/upgrades.db"
        as_other 1
        grep -q 'may not read the store' "$T/err" || fail "$(<"$T/err")"
        chmod 0640 "$T/state/upgrades.db"
        # What writes is refused to who may not.
        as_other 1 prune --before 7d
        as_other 1 quarantine retry
    done
    rm "$T/state"/upgrades.db-*
    as_other 1
    grep -q 'may not make upgrades.db-shm' "$T/err" || fail "$(<"$T/err")"
}

@test "asking changes nothing in the store" {
    # All commands that show: main file and log are byte for byte what they were, beside a receiver and without one.
    receiver_start
    campaign
    local before words
    for running in yes no; do
        if [[ $running == no ]]; then receiver_stop; fi
        wait_for "$PATIENCE" store_rests
        before=$(sha256sum "$T/state"/upgrades.db "$T/state"/upgrades.db-wal 2>&1)
        for words in '' 'operation one' 'device d-1' failures log 'quarantine list' 'quarantine show 1' check \
            'expect one /dev/stdin --app app-1' 'complete -- operation o'; do
            # shellcheck disable=SC2086
            printf 'd-2\n' | operator $words >"$T/out"
        done
        equal "the files" "$(sha256sum "$T/state"/upgrades.db "$T/state"/upgrades.db-wal 2>&1)" "$before"
    done
}

# store_rests: the receiver's housekeeping has nothing left to copy.
store_rests() {
    local before
    before=$(sha256sum "$T/state"/upgrades.db*)
    sleep 1.2
    [[ $before == "$(sha256sum "$T/state"/upgrades.db*)" ]]
}

# --- how the receiver is ----------------------------------------------------------------------------------

# receiver_line PATTERN: what the first line of all operations says.
receiver_line() {
    operator | head -n 1 | grep -qE "^receiver: $1"
}

@test "the first line says how the receiver is, and an old status file is told from a new one" {
    # Running since, keeping; the log into nowhere; 503 and why; a status file that is not written any more; killed; stopped: the file says so as well.
    RECEIVER_STDOUT=/dev/null receiver_start
    local pid
    pid=$(receiver_pid)
    wait_for "$PATIENCE" receiver_line "running since .*, pid $pid: keeping notifications; stdout is /dev/null"
    status_is '.nextBefore > (now | todate) and .startedAt <= .time'
    lock_store
    send deviceId=a
    answered 503
    wait_for "$PATIENCE" receiver_line "running since .*, pid $pid: answers 503 since .*Z: "
    unlock_store
    wait_for "$PATIENCE" receiver_line "running since .*, pid $pid: keeping notifications; answers other than 200 since the last 200: 1;"
    kill -s STOP "$pid"
    jq '.nextBefore = "2026-01-01T00:00:00.000Z"' "$T/state/status.json" >"$T/old"
    cp "$T/old" "$T/state/status.json"
    receiver_line "running since .*, pid $pid: does not write its status file, the last is from " || fail "$(operator)"
    kill -s CONT "$pid"
    receiver_kill
    receiver_line "not running, its last status file is from " || fail "$(operator)"
    receiver_restart
    wait_for "$PATIENCE" receiver_line "running since .*, pid $(receiver_pid): keeping"
    receiver_stop
    receiver_line "not running, its last status file is from " || fail "$(operator)"
    status_is '.nextBefore == null'
}

@test "digits that no double holds, and a NUL, are in no command's way" {
    # Of a body with a number of 23 digits, one beyond a double and a NUL in a name, the device and the state of the receiver are told as of any other.
    receiver_start
    local body
    body=$(notification deviceId=d1)
    printf '%s' "${body%\}},\"ex\\u0000tra\":[12345678901234567890123,1e400]}" >"$T/body"
    send_body "$T/body"
    answered 200 stored
    wait_for_status '.seq == 1'
    operator device d1 >"$T/out"
    grep -q SUCCESS "$T/out" || fail "$(<"$T/out")"
    operator device d1 --json | grep -qF 12345678901234567890123 || fail "other digits"
    operator >"$T/out"
    grep -q 'keeping notifications' "$T/out" || fail "$(<"$T/out")"
}

@test "a byte order mark for spreadsheets is there when it is asked for" {
    # --csv --bom begins with one, --csv with none; --bom without --csv is a mistake; numbers with a sign stay numbers.
    receiver_start
    notification swUpgradeResult=FAIL curVersion=1.0 errorCode=-1 description=-x >"$T/one"
    post_lines "$T/one"
    operator failures --csv >"$T/plain"
    operator failures --csv --bom >"$T/marked"
    { printf '\xef\xbb\xbf' && cat "$T/plain"; } | cmp - "$T/marked"
    grep -q '"-1"' "$T/plain"
    grep -q "\"'-x\"" "$T/plain"
    ends_with 2 failures --bom
}
