# views.bash: what scenarios of what can be read have beside lib.bash and faults.bash, which must be
# loaded first.
#
# shellcheck shell=bash

# header NAME: its value in the last answer, empty where it has none.
header() {
    local line
    while IFS= read -r line; do
        line=${line%$'\r'}
        if [[ ${line,,} == "${1,,}: "* ]]; then echo "${line#*: }"; fi
    done <"$answer_headers"
}

# problem STATUS PART: the last answer is a problem that says so.
problem() {
    expect_answer "$1" ".status == $1 and (.detail | contains(\"$2\"))" || return
    equal Content-Type "$(header Content-Type)" application/problem+json
    equal nosniff "$(header X-Content-Type-Options)" nosniff
}

# some_history: an operation of five upgrades, with a repeat, and a body in quarantine.
some_history() {
    local i
    for i in 1 2 3; do post - < <(notification deviceId="d$i" operationId=op); done
    post - < <(notification deviceId=d3 operationId=op)
    post - < <(notification deviceId=d4 operationId=op swUpgradeResult=FAIL errorCode=4 curVersion=1.0)
    post_text '{"notifyType":"swUpgradeStateChangeNotify","deviceId":"d5","appId":"a","operationId":"op2","subOperationId":"s","swUpgradeState":"downloading"}'
    expect_answer 200
    post_text '{"notifyType":"unheard-of"}'
    expect_answer 200 '.result == "quarantined"'
}
