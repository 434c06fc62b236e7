#!/usr/bin/env bats
# The four notifications of upgrades are understood as a whole, and news that is pushed again is told from news.
load lib
load faults

# --- bodies -------------------------------------------------------------------------------------------------

# sw_state STATE [NAME=TEXT...], fw_state STEP ..., sw_result RESULT ..., fw_result RESULT ...: push it
# over HTTPS, it must be stored.
sw_state() {
    push_family swUpgradeStateChangeNotify "swUpgradeState=$1" "${@:2}"
}

fw_state() {
    push_family fwUpgradeStateChangeNotify "step=$1" "stepDesc=step $1" "${@:2}"
}

sw_result() {
    push_family swUpgradeResultNotify "swUpgradeResult=$1" targetVersion=1.5 sourceVersion=1.0 \
        "curVersion=$(version_after "$1")" upgradeTime:=30 resultDesc=desc errorCode=0 description=text "${@:2}"
}

fw_result() {
    push_family fwUpgradeResultNotify "status=$1" targetVersion=1.5 sourceVersion=1.0 \
        "curVersion=$(version_after "$1")" upgradeTime=30 statusDesc=desc "${@:2}"
}

version_after() {
    if [[ $1 == SUCCESS ]]; then echo 1.5; else echo 1.0; fi
}

# The members of the seed's example that only a software upgrade's result has are left out.
push_family() {
    post_text "$(notification -curVersion -targetVersion -sourceVersion -swUpgradeResult -upgradeTime \
        -resultDesc -errorCode -description "notifyType=$1" "${@:2}")"
    expect_answer 200 ".result == \"${EXPECTED:-stored}\""
}

# --- what the books say ---------------------------------------------------------------------------------------

# upgrade_is STATE STEP [subOperationId]
upgrade_is() {
    equal "upgrade" "$(sql "SELECT state, step FROM upgrades WHERE subOperationId = '${3:-subOperation-1}'")" "$1|$2"
}

# operation_is IN-PROGRESS SUCCESS FAIL CONTRADICTORY: the only operation has so many upgrades.
operation_is() {
    equal "operation" "$(sql 'SELECT inProgress, success, fail, contradictory FROM operations')" "$1|$2|$3|$4"
}

# books_agree: the views agree with one another and with the status file, now or within its two seconds.
books_agree() {
    local operations failures totals
    equal "operations and a recount" \
        "$(sql 'SELECT appId, operationId, inProgress, success, fail, contradictory FROM operations ORDER BY 1, 2')" \
        "$(sql "SELECT appId, operationId, sum(state = 'IN_PROGRESS'), sum(state = 'SUCCESS'), sum(state = 'FAIL'),
            sum(contradictory) FROM upgrades GROUP BY 1, 2 ORDER BY 1, 2")" || return
    equal "failures and a recount" \
        "$(sql 'SELECT appId, operationId, errorCode, count FROM failures ORDER BY 1, 2, 3')" \
        "$(sql "SELECT appId, operationId, coalesce(errorCode, ''), count(*) FROM upgrades
            WHERE state = 'FAIL' GROUP BY 1, 2, 3 ORDER BY 1, 2, 3")" || return
    operations=$(sql "SELECT json_group_array(json_object('appId', appId, 'operationId', operationId,
        'inProgress', inProgress, 'success', success, 'fail', fail, 'contradictory', contradictory,
        'firstAt', firstAt, 'lastAt', lastAt)) FROM (SELECT * FROM operations ORDER BY appId, operationId)")
    failures=$(sql "SELECT json_group_array(json_object('errorCode', errorCode, 'count', count,
        'firstAt', firstAt, 'lastAt', lastAt)) FROM (SELECT * FROM failures ORDER BY appId, operationId, errorCode)")
    totals=$(sql "SELECT json_object('inProgress', coalesce(sum(inProgress), 0), 'success', coalesce(sum(success), 0),
        'fail', coalesce(sum(fail), 0), 'contradictory', coalesce(sum(contradictory), 0)) FROM operations")
    wait_for "$PATIENCE" status_is "
        .upgrades == $totals
        and (.operations | sort_by(.appId, .operationId) | map({appId, operationId, inProgress, success, fail, contradictory,
            firstAt, lastAt})) == $operations
        and (.operations | sort_by(.appId, .operationId) | map(.failures | sort_by(.errorCode)) | add // []
            | map({errorCode, count, firstAt, lastAt})) == $failures" ||
        fail "status: $(status_json '[.upgrades, .operations] | tojson'), views: $totals $operations $failures"
}

# --- software -------------------------------------------------------------------------------------------------

@test "a software upgrade is in progress with its step, then it has its result" {
    # downloading, downloaded, a state of a later edition, SUCCESS: one upgrade all the time, in view and status file.
    receiver_start
    nginx_start
    local state
    for state in downloading downloaded RequestDownload; do
        sw_state "$state"
        upgrade_is IN_PROGRESS "$state"
        operation_is 1 0 0 0
    done
    books_agree
    sw_result SUCCESS
    upgrade_is SUCCESS RequestDownload
    operation_is 0 1 0 0
    books_agree
    equal "history" "$(sql 'SELECT count(*), max(seq) FROM notifications')" '4|4'
    equal "upgrades" "$(sql 'SELECT count(*), seq, curVersion, upgradeTime, resultDesc FROM upgrades')" '1|4|1.5|30|desc'
}

@test "FAIL then SUCCESS ends as SUCCESS, SUCCESS then FAIL as FAIL, and a late state change undoes neither" {
    # Among results the last received counts, the failures by errorCode follow; state changes that come after a result, the platform's backlog, leave it alone.
    receiver_start
    nginx_start
    sw_state updating
    sw_result FAIL errorCode=4
    operation_is 0 0 1 0
    equal "failures" "$(sql 'SELECT errorCode, count FROM failures')" '4|1'
    sw_state downloading
    upgrade_is FAIL downloading
    operation_is 0 0 1 0
    books_agree
    sw_result SUCCESS
    upgrade_is SUCCESS downloading
    operation_is 0 1 0 0
    equal "failures" "$(sql 'SELECT count(*) FROM failures')" 0
    sw_state idle
    upgrade_is SUCCESS idle
    books_agree
    # one result more, which disagrees; and the first one again, which is a repeat and no news
    sw_result FAIL errorCode=9
    EXPECTED=repeated sw_result SUCCESS
    EXPECTED=repeated sw_result FAIL errorCode=4
    upgrade_is FAIL idle
    operation_is 0 0 1 0
    equal "failures" "$(sql 'SELECT errorCode, count FROM failures')" '9|1'
    equal "history" "$(sql "SELECT seq, deliveries FROM notifications
        WHERE notifyType = 'swUpgradeResultNotify' ORDER BY seq" | tr '\n' ' ')" '2|2 4|2 6|1 '
    books_agree
}

# --- firmware ---------------------------------------------------------------------------------------------------

# bats test_tags=full
@test "a firmware upgrade's result is read from status and from Status, and comes in any order" {
    # A result before its steps; steps as text and as a number; failures without an errorCode are counted in the bucket for none.
    receiver_start
    nginx_start
    fw_result FAIL
    fw_state 1
    upgrade_is FAIL 1
    operation_is 0 0 1 0
    equal "failures" "$(sql 'SELECT errorCode, count FROM failures')" '|1'
    fw_result SUCCESS -status Status=SUCCESS subOperationId=capital
    upgrade_is SUCCESS '' capital
    fw_result FAIL -status Status=FAIL subOperationId=capital-fail
    upgrade_is FAIL '' capital-fail
    push_family fwUpgradeStateChangeNotify step:=3 subOperationId=number
    upgrade_is IN_PROGRESS 3 number
    fw_state 2 subOperationId=number
    upgrade_is IN_PROGRESS 2 number
    operation_is 1 1 2 0
    equal "failures" "$(sql 'SELECT errorCode, count FROM failures')" '|2'
    books_agree
    EXPECTED=quarantined fw_result OTHER subOperationId=wrong
    equal "pointer" "$(jq -r .pointer <<<"$body")" /status
    equal "resultDesc" "$(sql "SELECT resultDesc, upgradeTime, curVersion FROM upgrades WHERE subOperationId = 'capital'")" \
        'desc|30|1.5'
}

# bats test_tags=full
@test "versions that contradict a result are flagged, software and firmware alike" {
    # SUCCESS without the target version, FAIL with it: counted as what the result says, and as contradictory, until a result comes that agrees.
    receiver_start
    nginx_start
    sw_result SUCCESS curVersion=1.3
    operation_is 0 1 0 1
    fw_result FAIL curVersion=1.5 subOperationId=fw
    operation_is 0 1 1 2
    books_agree
    sw_result SUCCESS
    fw_result FAIL subOperationId=fw
    operation_is 0 1 1 0
    equal "flags" "$(sql 'SELECT count(*), sum(contradictory) FROM upgrades')" '2|0'
    books_agree
}

# bats test_tags=full
@test "several operations, devices and applications stay apart" {
    # The same ids under another appId, operation, device or sub-operation are another upgrade; views and status file agree over all of them.
    receiver_start
    nginx_start
    local words
    while IFS= read -r words; do
        # shellcheck disable=SC2086 # words of the call
        $words
    done <<'PUSHES'
sw_state downloading
sw_state downloading appId=app-2
sw_state downloading operationId=operation-2
sw_state downloading deviceId=device-2
sw_state downloading subOperationId=subOperation-2
sw_result FAIL errorCode=4 operationId=operation-2
sw_result FAIL errorCode=5 deviceId=device-2
sw_result FAIL errorCode=4 subOperationId=subOperation-2
fw_state 3 appId=app-2 operationId=operation-3
fw_result FAIL appId=app-2 operationId=operation-3 deviceId=device-2
fw_result SUCCESS appId=app-2
PUSHES
    equal "operations" "$(sql 'SELECT appId, operationId, inProgress, success, fail FROM operations ORDER BY 1, 2' | tr '\n' ' ')" \
        'app-1|operation-1|1|0|2 app-1|operation-2|0|0|1 app-2|operation-1|0|1|0 app-2|operation-3|1|0|1 '
    books_agree
}

# --- news -------------------------------------------------------------------------------------------------------

# bats test_tags=full
@test "device data that is pushed again within the window is a repeat, later it is news" {
    # With --repeat-window 1: an equal body is repeated, in other spelling too; other data is stored; after the window the same body is stored anew; upgrades stay repeats for ever.
    receiver_start --repeat-window 1
    nginx_start
    local file=$TESTS/cases/types/full/deviceDataChanged.json
    jq -c '.service.data.batteryLevel = 65' "$file" >"$T/other.json"
    sw_result SUCCESS
    post "$file"
    expect_answer 200 '.result == "stored" and .seq == 2'
    jq -cS . "$file" >"$T/sorted.json"
    post "$T/sorted.json"
    expect_answer 200 '.result == "repeated" and .seq == 2'
    post "$T/other.json"
    expect_answer 200 '.result == "stored" and .seq == 3'
    sleep 1.2
    post "$file"
    expect_answer 200 '.result == "stored" and .seq == 4'
    post "$file"
    expect_answer 200 '.result == "repeated" and .seq == 4'
    EXPECTED=repeated sw_result SUCCESS
    equal "deliveries" "$(sql 'SELECT deliveries FROM notifications ORDER BY seq' | tr '\n' ' ')" '2 2 1 2 '
    equal "notification" "$(sql 'SELECT notifyType, deviceId, appId, operationId FROM notifications WHERE seq = 4')" \
        'deviceDataChanged|types-data||'
    operation_is 0 1 0 0
    books_agree
    receiver_stop
    # by default the window is minutes, and it spans a restart
    receiver_start
    post "$file"
    expect_answer 200 '.result == "repeated" and .seq == 4'
}

@test "the status of a command is taken on /cmd, and means nothing to the upgrades" {
    # A body without a notifyType, known by its commandId, its detail null or an object; each status of a command is news, the same again a repeat; a body with neither goes to quarantine.
    receiver_start
    nginx_start
    POST_PATH=$CALLBACK/cmd
    post_text '{"deviceId":"d-1","commandId":"c-1","result":{"resultCode":"DELIVERED","resultDetail":null}}'
    expect_answer 200 '.result == "stored" and .seq == 1'
    post_text '{"deviceId":"d-1","commandId":"c-1","result":{"resultCode":"SUCCESSFUL","resultDetail":{"opened":true}}}'
    expect_answer 200 '.result == "stored" and .seq == 2'
    post_text '{"commandId":"c-1","deviceId":"d-1","result":{"resultDetail":null,"resultCode":"DELIVERED"}}'
    expect_answer 200 '.result == "repeated" and .seq == 1'
    post_text '{"deviceId":"d-1","result":{"resultCode":"DELIVERED","resultDetail":null}}'
    expect_answer 200 '.result == "quarantined" and .reason == "notifyType missing"'
    post_text '{"deviceId":"d-1","commandId":"","result":{"resultCode":"DELIVERED"}}'
    expect_answer 200 '.result == "quarantined" and .pointer == "/commandId"'
    sw_state downloading
    equal "kept" "$(sql "SELECT seq, coalesce(notifyType, ''), deviceId, deliveries FROM notifications ORDER BY seq" | tr '\n' ' ')" \
        '1||d-1|2 2||d-1|1 3|swUpgradeStateChangeNotify|device-1|1 '
    operation_is 1 0 0 0
    wait_for_log '.event == "notification" and .seq == 2 and .body.commandId == "c-1"'
    books_agree
}
