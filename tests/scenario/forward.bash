# forward.bash: upgrade-forward and its other side, for scenarios; lib.bash, faults.bash and delivery.bash must be
# loaded first.
#
# shellcheck shell=bash
# shellcheck disable=SC2154 # lib.bash sets T, TESTS and the like

FORWARD_BIN=${RECEIVER_BIN%/*}/upgrade-forward

# No proxy of whoever runs the tests, and none of their secrets.
export NO_PROXY='*' no_proxy='*'

# A new secret in $T/secret.
make_secret() {
    printf 'whsec_%s\n' "$(head -c 32 /dev/urandom | base64)" >"$T/secret"
    chmod 0400 "$T/secret"
}

# other_start [OPTION...]: the other side, over HTTPS, whose record is $T/record; $HOOK is its URL. It keeps its
# port when it is started again.
other_start() {
    local port=()
    make_certificate
    if [[ ! -f $T/secret ]]; then make_secret; fi
    if [[ -s $T/port ]]; then port=(--port "$(<"$T/port")"); fi
    rm -f "$T/port"
    background other "$PYTHON" -S "$TESTS/tool/webhook.py" "$T/port" "$T/record" --secret "$T/secret" \
        --certificate "$CERTIFICATE" --key "$CERTIFICATE_KEY" "${port[@]}" "$@"
    wait_for "$PATIENCE" test -s "$T/port" || fail "$(<"$T/other.out")" || return
    if [[ -n ${record_fd:-} ]]; then exec {record_fd}<&-; fi
    exec {record_fd}<"$T/record"
    taken=0 arrived=
    HOOK=https://localhost:$(<"$T/port")/hook
}

# other_fails WORD...: what becomes of the next requests (tests/tool/webhook.py).
other_fails() {
    echo "$*" >"$T/fail" && mv "$T/fail" "$T/record.fail"
}

# forward_start [OPTION...]: $forward_pid is its process id; what it says is in $T/forward.out.
forward_start() {
    background forward "$FORWARD_BIN" --state "$T/state" --to "$HOOK" --secret-file "$T/secret" \
        --ca-file "$CERTIFICATE" "$@"
    forward_pid=$background_pid
}

# forward_stop: SIGTERM; it must exit 0.
forward_stop() {
    local status=0
    kill -s TERM "$forward_pid"
    wait "$forward_pid" || status=$?
    equal "exit status of upgrade-forward ($(tail -n 3 "$T/forward.out"))" "$status" 0
}

# forward_kill: SIGKILL.
forward_kill() {
    kill -s KILL "$forward_pid"
    wait "$forward_pid" 2>/dev/null || true
}

# forward WORD...: a command of it.
forward() {
    "$FORWARD_BIN" --state "$T/state" "$@"
}

# said EVENT [COUNT]: whether the forwarder's log has it so often.
said() {
    (($(grep -c "\"event\":\"$1\"" "$T/forward.out") >= ${2:-1}))
}

# took SEQ: whether the other side, since its start, has answered 200 for it or a later one. Reads on in the record,
# whose last whole line is $arrived then.
took() {
    local line
    while IFS= read -r -u "$record_fd" line; do
        line=${record_rest:-}$line record_rest=
        arrived=$line
        if [[ $line =~ '"seq": '([0-9]+), && $line == *'"status": 200,'* ]]; then taken=${BASH_REMATCH[1]}; fi
    done
    record_rest=${record_rest:-}$line # it is being written
    ((taken >= $1))
}

# first_arrivals COUNT: each seq from 1 to COUNT was taken, those of first arrivals in order, each signed well; one
# that was taken before comes again with the same id.
first_arrivals() {
    local wrong
    wrong=$("$PYTHON" -S - "$T/record" "$1" <<'PYTHON'
import json, sys

ids, last = {}, 0
for line in open(sys.argv[1], encoding="utf-8"):
    said = json.loads(line)
    seq = said["seq"]
    if seq is None:
        continue
    if not said["signed"]:
        print("badly signed", line)
    if ids.setdefault(seq, said["id"]) != said["id"]:
        print("another id", line)
    if said["status"] in (200, "long") and seq > last:
        if seq != last + 1:
            print(seq, "came after", last)
        last = seq
if last != int(sys.argv[2]):
    print("the last one is", last)
if len(set(ids.values())) != len(ids):
    print("two have the same id")
PYTHON
) || return
    [[ -z $wrong ]] || fail "arrivals: $(head -n 5 <<<"$wrong")"
}
