# recount.bash: compares a store with the recount of play_platform.py (--expect). lib.bash must be loaded first.
#
# shellcheck shell=bash

expected() {
    jq -r "$1" "$T/expected.json"
}

# same WHAT QUERY FILTER: the rows of QUERY are the lines of FILTER, in any order.
same() {
    sql "$2" | sort >"$T/found"
    expected "$3" | sort >"$T/wanted"
    [[ -s $T/wanted ]] || fail "$1: nothing is expected"
    diff "$T/found" "$T/wanted" >"$T/differs" || fail "$1 (found <, expected >): $(head -n 6 "$T/differs")"
}

# between WHAT FOUND LEAST MORE: what was kept but not answered comes again, so there may be so many more.
between() {
    (($2 >= $3 && $2 <= $3 + $4)) || fail "$1: found $2, expected $3 to $(($3 + $4))"
}

books_match_recount() {
    local more
    same operations 'SELECT appId, operationId, inProgress, success, fail, contradictory FROM operations' \
        '.operations[] | [.appId, .operationId, .inProgress, .success, .fail, .contradictory] | join("|")'
    same failures 'SELECT operationId, errorCode, count FROM failures' \
        '.operations[] | {operationId} + .failures[] | [.operationId, .errorCode, .count] | join("|")'
    same versions "SELECT operationId, sourceVersion, targetVersion, sum(state = 'SUCCESS'), sum(state = 'FAIL')
            FROM upgrades WHERE state <> 'IN_PROGRESS' GROUP BY 1, 2, 3" \
        '.operations[] | {operationId} + .versions[] | [.operationId, .from, .to, .success, .fail] | join("|")'
    same upgrades "SELECT appId, operationId, subOperationId, deviceId, state, coalesce(step, ''),
            coalesce(curVersion, ''), coalesce(targetVersion, ''), coalesce(sourceVersion, ''),
            coalesce(errorCode, ''), contradictory FROM upgrades" \
        '.list[] | [.appId, .operationId, .subOperationId, .deviceId, .state, .step, .curVersion,
            .targetVersion, .sourceVersion, .errorCode, (if .contradictory then 1 else 0 end)] | join("|")'
    same kinds "SELECT notifyType, coalesce(json_extract(body, '\$.swUpgradeResult'),
            CASE notifyType WHEN 'fwUpgradeResultNotify' THEN coalesce(json_extract(body, '\$.status'),
            json_extract(body, '\$.Status')) END, ''), count(*) FROM notifications GROUP BY 1, 2" \
        '.kinds[] | [.notifyType, .result, .count] | join("|")'
    equal notifications "$(sql 'SELECT count(*) FROM notifications')" "$(expected .totals.notifications)"
    # nginx sends once more by itself what met the end of a receiver, and says so
    more=$(($(expected .unanswered) + $(grep -c 'upstream: "fastcgi:' "$T/nginx/error.log" || true)))
    between repeats "$(sql 'SELECT sum(deliveries - 1) FROM notifications')" "$(expected .totals.repeats)" "$more"
    between quarantined "$(sql 'SELECT count(*) FROM quarantine')" "$(expected .totals.quarantined)" "$more"
}
