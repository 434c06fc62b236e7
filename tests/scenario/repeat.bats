#!/usr/bin/env bats
# What counts as the same notification, and what does not.

load lib
load faults

@test "equal content in another order and with other white space is a repeat" {
    # The same members in another order and with other white space are a repeat of the same seq, and its deliveries are counted.
    receiver_start
    send deviceId=d upgradeTime:=60 'extra:={"a":[1,{"b":2,"c":null}],"d":"é"}'
    answered 200 stored
    equal seq "$(jq .seq <<<"$body")" 1
    jq -S . "$T/sent.json" >"$T/sorted.json"
    send_body "$T/sorted.json"
    answered 200 repeated
    equal seq "$(jq .seq <<<"$body")" 1
    jq -c 'to_entries | reverse | from_entries | .extra |= {d, a}' "$T/sent.json" |
        sed 's/,"/\r\n ,\t"/g' >"$T/reversed.json"
    send_body "$T/reversed.json"
    answered 200 repeated
    equal notifications "$(sql 'SELECT count(*), max(deliveries) FROM notifications')" '1|3'
    equal counters "$(sql 'SELECT success, fail FROM operations')" '1|0'
    wait_for_status '.totals == {notifications: 1, repeats: 2, quarantined: 0, quarantineLogOnly: 0}'
    wait_for_log '.event == "notification" and .repeat and .seq == 1 and .deliveries == 3'
}

@test "a repeat is known after a restart" {
    # A notification that comes again after a stop, or after SIGKILL, is a repeat.
    receiver_start
    send deviceId=d
    answered 200 stored
    receiver_restart
    send deviceId=d
    answered 200 repeated
    receiver_kill
    receiver_restart
    jq -S . "$T/sent.json" >"$T/sorted.json"
    send_body "$T/sorted.json"
    answered 200 repeated
    equal notifications "$(sql 'SELECT seq, deliveries FROM notifications')" '1|3'
    send deviceId=other
    answered 200 stored
    equal seq "$(jq .seq <<<"$body")" 2
}

@test "copies that arrive at once, in one batch, are one notification" {
    # Of many copies that wait for the same transaction exactly one is stored and all others are repeats of it.
    receiver_start
    notification deviceId=d >"$T/body.json"
    jq -S . "$T/body.json" >"$T/sorted.json"
    send deviceId=first
    burst_in_one_batch 16 --body "$T/body.json" --body "$T/sorted.json"
    equal answers "$(jq -cS '[.results, (.seqs | unique | length)]' "$T/burst.out")" \
        '[{"repeated":15,"stored":1},1]'
    equal books "$(sql "SELECT deliveries FROM notifications WHERE deviceId = 'd'")" 16
    for _ in 1 2 3; do
        peer burst --peers 16 --body "$T/body.json" --body "$T/sorted.json" >"$T/again.out"
        equal answers "$(jq -c '[.results, (.seqs | unique | length)]' "$T/again.out")" '[{"repeated":16},1]'
    done
    equal books "$(sql "SELECT deliveries FROM notifications WHERE deviceId = 'd'")" 64
    books_add_up
    status_matches_books
}

# burst_is_stored COUNT: of ${bodies[@]}, sent at once, each is a new notification.
burst_is_stored() {
    peer burst --peers "$1" "${bodies[@]}" >"$T/burst.out"
    equal results "$(jq -c .results "$T/burst.out")" "{\"stored\":$1}" || {
        sql 'SELECT body FROM notifications WHERE deliveries > 1'
        return 1
    }
}

# bats test_tags=full
@test "a member of another value makes a new notification" {
    # Any difference in content, however small, is a new notification for the same key.
    receiver_start
    local change count=0 bodies=()
    for change in x=1 upgradeTime=60 upgradeTime:=60 upgradeTime:=61 description= description=' ' \
        'description=e' $'description=\u00e9' $'description=e\u0301' extra:=null extra:=false extra:=0 extra:='""' \
        extra:='[]' extra:='{}' extra:='[1,2]' extra:='[2,1]' extra:='[[1],2]' extra:=1 extra:=1.5 \
        EXTRA:=1 'extra:={"a":1,"b":2}' 'extra:={"a":2,"b":1}' 'extra:="null"' 'extra:="\u0001"' \
        'extra:="\\u0001"'; do
        count=$((count + 1))
        notification deviceId=d "$change" >"$T/change-$count.json"
        bodies+=(--body "$T/change-$count.json")
    done
    burst_is_stored "$count"
    # numbers that are one and the same as a double
    for change in 9007199254740992 9007199254740993; do
        notification deviceId=d extra=NUMBER | sed "s/\"NUMBER\"/$change/" >"$T/number.json"
        send_body "$T/number.json"
        answered 200 stored || fail "$change was taken for a repeat"
    done
    equal upgrades "$(sql 'SELECT count(*) FROM upgrades')" 1
    equal counters "$(sql 'SELECT success, fail FROM operations')" '1|0'
    books_add_up
}

@test "FAIL, then SUCCESS, moves the counters" {
    # Among the results of one sub-task the last received counts: operation, failures and status follow it there and back.
    receiver_start
    send swUpgradeResult=FAIL curVersion=1.0 errorCode=9
    answered 200 stored
    equal operations "$(sql 'SELECT success, fail FROM operations')" '0|1'
    equal failures "$(sql 'SELECT errorCode, count FROM failures')" '9|1'
    send swUpgradeResult=FAIL curVersion=1.0 errorCode=
    equal failures "$(sql 'SELECT errorCode, count FROM failures WHERE count > 0')" '|1'
    send swUpgradeResult=SUCCESS curVersion=1.5 errorCode=0
    answered 200 stored
    equal operations "$(sql 'SELECT success, fail, contradictory FROM operations')" '1|0|0'
    equal failures "$(sql 'SELECT errorCode, count FROM failures WHERE count > 0')" ''
    # the first result once more: a repeat changes no state
    send swUpgradeResult=FAIL curVersion=1.0 errorCode=9
    answered 200 repeated
    equal operations "$(sql 'SELECT success, fail FROM operations')" '1|0'
    equal upgrades "$(sql 'SELECT state, seq FROM upgrades')" 'SUCCESS|3'
    send swUpgradeResult=FAIL curVersion=1.5 errorCode=9 description=later
    equal operations "$(sql 'SELECT success, fail, contradictory FROM operations')" '0|1|1'
    equal failures "$(sql 'SELECT errorCode, count FROM failures WHERE count > 0')" '9|1'
    books_add_up
    status_matches_books
}

@test "different keys are never merged" {
    # Keys that differ in one part, in case, in normal form or in where one part ends stay apart.
    receiver_start
    local count=0 key bodies=()
    while IFS= read -r key; do
        count=$((count + 1))
        # shellcheck disable=SC2086 # words of a key
        notification $key >"$T/key-$count.json"
        bodies+=(--body "$T/key-$count.json")
    done <<'KEYS'
appId=a deviceId=b operationId=c subOperationId=d
appId=b deviceId=a operationId=c subOperationId=d
appId=a deviceId=b operationId=d subOperationId=c
appId=ab deviceId=b operationId=c subOperationId=d
appId=a deviceId=bb operationId=c subOperationId=d
appId=a deviceId=b operationId=cc subOperationId=d
appId=a deviceId=b operationId=c subOperationId=dd
appId=ab deviceId=c operationId=d subOperationId=e
appId=a deviceId=bc operationId=d subOperationId=e
appId=a deviceId=b operationId=cd subOperationId=e
appId=A deviceId=b operationId=c subOperationId=d
appId=a deviceId=B operationId=c subOperationId=d
appId=a| deviceId=b operationId=c subOperationId=d
appId=a deviceId=|b operationId=c subOperationId=d
appId=1 deviceId=1 operationId=1 subOperationId=1
appId=1.0 deviceId=1 operationId=1 subOperationId=1
appId=01 deviceId=1 operationId=1 subOperationId=1
appId=1 deviceId=1e0 operationId=1 subOperationId=1
appId=é deviceId=b operationId=c subOperationId=d
appId=é deviceId=b operationId=c subOperationId=d
KEYS
    burst_is_stored "$count"
    equal upgrades "$(sql 'SELECT count(*) FROM upgrades')" "$count"
    equal operations "$(sql 'SELECT sum(success) FROM operations')" "$count"
    equal operations "$(sql 'SELECT count(*) FROM operations')" \
        "$(sql 'SELECT count(*) FROM (SELECT DISTINCT appId, operationId FROM notifications)')"
    books_add_up
}
