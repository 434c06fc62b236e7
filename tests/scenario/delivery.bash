# delivery.bash: applications and the operator's command, for scenarios; lib.bash and faults.bash must
# be loaded first.
#
# shellcheck shell=bash
# shellcheck disable=SC2154 # lib.bash sets T, TESTS, LOG and the like

BUILD=${RECEIVER_BIN%/*/*}
PLAIN_BIN=$RECEIVER_BIN
RECORDER_BIN=${APP_RECORDER_BIN:-$BUILD/tests/tool/app_recorder}
CALLBACKS_BIN=${APP_CALLBACKS_BIN:-$BUILD/tests/tool/app_callbacks}
EXAMPLE_BIN=${EXAMPLE_BIN:-$BUILD/tests/example/failures}
export PLAIN_BIN RECORDER_BIN CALLBACKS_BIN EXAMPLE_BIN
unset APP_NAME

# --- applications ---------------------------------------------------------------------------------

# app_start PROGRAM [ARGUMENT...]: receiver_start with an application in the receiver's place, whose
# record is $T/record and whose gate is $T/gate.
app_start() {
    RECEIVER_BIN=$1
    shift
    export APP_RECORD=$T/record APP_GATE=$T/gate
    receiver_start "$@"
}

# taken [RECORD]: the seqs that the recorder took, in the order in which it did.
taken() {
    awk '$1 == "taken" {print $2 + 0}' "${1:-$T/record}"
}

# has_taken COUNT [RECORD]: whether it took every notification up to that seq.
has_taken() {
    (($(taken "${2:-}" | sort -nu | wc -l) >= $1))
}

# took_in_order COUNT [RECORD]: each seq from 1 to COUNT was taken; while one process ran, each was
# followed by the next; and a process that was started went on where the last one was, or with one of
# the last thousand that were taken before it.
took_in_order() {
    local wrong
    wrong=$(awk -v count="$1" '
        $1 == "start" {fresh = 1; next}
        $1 != "taken" {next}
        {
            seq = $2 + 0
            if (!fresh && seq != last + 1) print seq " came after " last
            if (fresh && seq > most + 1) print "from " most + 1 " on, skipped to " seq
            if (fresh && seq < most - 1000) print "back to " seq " from " most
            fresh = 0
            last = seq
            if (seq > most) most = seq
        }
        END {if (most != count) print "the last one is " most ", not " count}
    ' "${2:-$T/record}" | head -n 5)
    [[ -z $wrong ]] || fail "taken: $wrong"
}

# backlog_is NAME COUNT: whether the status file says so.
backlog_is() {
    status_is "any(.applications[]; .name == \"$1\" and .backlog == $2)"
}

wait_for_backlog() {
    wait_for "$PATIENCE" backlog_is "$@" || fail "applications: $(status_json '.applications | tojson')"
}

# second_start PROGRAM: another process on the same store, on $T/socket2, with its record in $T/record2.
second_start() {
    APP_RECORD=$T/record2 background second "$HOLD" "$T/socket2" "$T/pid2" -- \
        "$1" --state "$T/state" --log "$T/log2"
    wait_for "$PATIENCE" grep -qs '"event":"start"' "$T/log2"
}

# keep_many COUNT [SOCKET [OPTION...]]: so many new notifications, each answered 200.
keep_many() {
    "$PYTHON" -S "$TESTS/tool/fcgi_peer.py" "${2:-$T/socket}" keep --requests "$1" "${@:3}" \
        >"$T/keep.out" || fail "keep: $(<"$T/keep.out")"
}

# empty_state: as if nothing had ever been received. The receiver must not run.
empty_state() {
    rm -rf "$T/state"
    mkdir "$T/state"
}

# --- programs without a web server ------------------------------------------------------------------

# run_alone PROGRAM [ARGUMENT...]: runs it on a listening socket of its own, for 3 s at most (times $SLOWER). Sets
# $exit_status (124: it did not end by itself); its output is in $T/alone.out and $T/alone.err.
run_alone() {
    exit_status=0
    "$PYTHON" -S -c '
import socket, subprocess, sys
listening = socket.socket(socket.AF_UNIX)
listening.bind(sys.argv[1])
listening.listen(1)
with open(sys.argv[2], "wb") as out, open(sys.argv[3], "wb") as err:
    try:
        code = subprocess.run(sys.argv[5:], stdin=listening, stdout=out, stderr=err,
                              timeout=3 * int(sys.argv[4])).returncode
    except subprocess.TimeoutExpired:
        code = 124
sys.exit(code if code >= 0 else 128 - code)
' "$T/alone.socket" "$T/alone.out" "$T/alone.err" "$SLOWER" "$@" 3>&- || exit_status=$?
    rm -f "$T/alone.socket"
}

# --- the operator -----------------------------------------------------------------------------------

# operator WORD...: upgrade-status on the test's state folder.
operator() {
    "$STATUS_BIN" --state "$T/state" "$@"
}

# operator_fails STATUS WORD...: it ends with that, says why in one line (or prints its usage), and
# nothing on stdout.
operator_fails() {
    local expected=$1 status=0
    shift
    operator "$@" >"$T/operator.out" 2>"$T/operator.err" || status=$?
    equal "exit status of '$*'" "$status" "$expected" || return
    equal "stdout of '$*'" "$(<"$T/operator.out")" '' || return
    [[ -s $T/operator.err ]] || fail "'$*' does not say why"
}

# retry [ID]...: reads quarantine again; what it says is in $T/retry.out, and without seqs and
# pointers in $retried: "1 stored, 2 quarantined".
retry() {
    operator quarantine retry --json "$@" >"$T/retry.out" || fail "retry $*: exit status $?" || return
    # shellcheck disable=SC2034 # for the caller
    retried=$(jq -rs 'map("\(.id) \(.result)") | join(", ")' "$T/retry.out")
}

# held: how many bodies are in quarantine.
held() {
    sql 'SELECT count(*) FROM quarantine'
}
