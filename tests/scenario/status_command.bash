# status_command.bash: what the scenarios of upgrade-status share; lib.bash, faults.bash and delivery.bash
# must be loaded first.
#
# shellcheck shell=bash
# shellcheck disable=SC2154 # lib.bash sets T, TESTS and the like

export TERM=xterm PAGER=''
unset NO_COLOR COLUMNS LESS

# campaign: three operations of two applications, with every state, failures by code, a repeat, a
# contradictory result, a body in quarantine and news, on the receiver that runs.
campaign() {
    local i
    for ((i = 1; i <= 12; i++)); do
        case $((i % 4)) in
        0) notification deviceId="d-$i" operationId=one swUpgradeResult=FAIL curVersion=1.0 errorCode=$((i % 3)) \
            description="cause $((i % 3))" ;;
        1) notification deviceId="d-$i" operationId=one notifyType=swUpgradeStateChangeNotify \
            swUpgradeState=downloading ;;
        *) notification deviceId="d-$i" operationId=one curVersion=1.5 ;;
        esac
    done >"$T/campaign"
    {
        notification deviceId=d-1 operationId=two swUpgradeResult=FAIL curVersion=1.0 errorCode=4
        notification deviceId=d-2 operationId=two
        notification deviceId=d-1 operationId=one appId=another curVersion=1.5
        notification deviceId=d-3 operationId=one curVersion=1.5
        printf '{"notifyType":"deviceDeleted","deviceId":"d-1","gatewayId":null}\n'
        printf 'no notification\n'
    } >>"$T/campaign"
    post_lines "$T/campaign"
}

# post_lines FILE: each of its lines is a body, posted one after the other, and answered 200.
post_lines() {
    "$PYTHON" -S - "$TESTS/tool" "$T/socket" "$1" <<'PYTHON'
import sys

sys.path.insert(0, sys.argv[1])
import fcgi_peer

with open(sys.argv[3], "rb") as lines:
    for line in lines:
        answer, _ = fcgi_peer.post(sys.argv[2], line.rstrip(b"\n"))
        if answer.status != 200:
            sys.exit(f"{line!r}: {answer.status}")
PYTHON
}

# many COUNT [NAME=VALUE...]: prints so many results of devices n-1, n-2 ... in operation "many".
many() {
    "$PYTHON" -S - "$@" <<'PYTHON'
import json, sys

body = dict(notifyType="swUpgradeResultNotify", deviceId="", appId="app-1", operationId="many", subOperationId="s",
            curVersion="1.0", targetVersion="1.5", sourceVersion="1.0", swUpgradeResult="FAIL", upgradeTime="3",
            resultDesc="r", errorCode="7", description="d")
body.update(word.split("=", 1) for word in sys.argv[2:])
for number in range(1, int(sys.argv[1]) + 1):
    body["deviceId"] = f"n-{number}"
    print(json.dumps(body))
PYTHON
}

# ends_with STATUS WORD...: the operator's command ends with it; its output is in $T/out and $T/err.
ends_with() {
    local expected=$1 status=0
    shift
    operator "$@" >"$T/out" 2>"$T/err" || status=$?
    equal "exit status of '$*' ($(<"$T/err"))" "$status" "$expected"
}

# on_terminal COLUMNS WORD...: the operator's command on a terminal; what it wrote is in $T/shown, without
# the carriage returns that a terminal puts before line feeds.
on_terminal() {
    local status=0
    "$PYTHON" -S "$TESTS/tool/on_terminal.py" "$1" "$STATUS_BIN" --state "$T/state" "${@:2}" >"$T/raw" || status=$?
    tr -d '\r' <"$T/raw" >"$T/shown"
    return "$status"
}
