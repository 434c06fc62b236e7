#!/usr/bin/env bats
# upgrade-status follow and log print the receiver's lines from the store: none is lost, whoever is killed.

load lib
load faults
load delivery
load status_command

# follow NAME WORD...: the command beside the test; its lines go to $T/NAME.out, its complaints to
# $T/NAME.err; $follow_pid is its process id.
follow() {
    local name=$1
    shift
    "$STATUS_BIN" --state "$T/state" follow "$@" >"$T/$name.out" 2>"$T/$name.err" 3>&- </dev/null &
    follow_pid=$!
    echo "$follow_pid" >"$T/background/$name"
}

# follow_end: ends it by SIGTERM.
follow_end() {
    local status=0
    kill "$follow_pid"
    wait "$follow_pid" || status=$?
    equal "exit status of follow" "$status" 143
}

# token SEQ: of that notification.
token() {
    operator log | jq -r "select(.seq == $1) | .token"
}

# refused WORD...: follow with these words prints no line, and exits 7 with a sentence in $T/err.
refused() {
    local status=0
    timeout "$((5 * SLOWER))" "$STATUS_BIN" --state "$T/state" follow "$@" >"$T/out" 2>"$T/err" || status=$?
    equal "exit status of follow $* ($(<"$T/err"))" "$status" 7
    [[ ! -s $T/out ]] || fail "lines: $(<"$T/out")"
}

# said PATTERN: whether the sentence has it.
said() {
    grep -q -- "$1" "$T/err" || fail "no '$1' in: $(<"$T/err")"
}

# seqs FILE: of its whole lines.
seqs() {
    grep -o '^{"time":"[^"]*","event":"notification","seq":[0-9]*' "$1" | sed 's/.*://'
}

# has_seq FILE SEQ
has_seq() {
    seqs "$1" | grep -qx "$2"
}

# without_time: the lines of the notifications, not of their repeats, without the time of the log.
without_time() {
    sed -E 's/^\{"time":"[^"]*",//' | grep '"event":"notification"' | grep '"repeat":false'
}

@test "lines come as they are received, as the receiver's log has them, with the time at which they were received" {
    # The last ten first, then each new one within a moment; bodies as they came; repeats are no lines; also when the log goes nowhere.
    receiver_start
    many 12 swUpgradeResult=SUCCESS curVersion=1.5 >"$T/many"
    printf '{"notifyType": "deviceDeleted",\t"deviceId":"d\\u0041\xe2\x80\xa8", "gatewayId":null, "n":1.50e0}\n' >"$T/odd"
    post_lines "$T/many"
    follow lines
    wait_for "$PATIENCE" has_seq "$T/lines.out" 12
    equal "the last ten" "$(seqs "$T/lines.out" | tr '\n' ' ')" "3 4 5 6 7 8 9 10 11 12 "
    post_lines "$T/odd"
    wait_for "$PATIENCE" has_seq "$T/lines.out" 13
    post_lines "$T/many"
    notification deviceId=last >"$T/last"
    post_lines "$T/last"
    wait_for "$PATIENCE" has_seq "$T/lines.out" 14
    follow_end
    wait_for_log '.seq == 14'
    diff <(without_time <"$LOG" | tail -n +3) <(without_time <"$T/lines.out")
    equal "times" "$(sql 'SELECT receivedAt FROM notifications WHERE seq > 2 ORDER BY seq')" "$(jq -r .time "$T/lines.out")"
    # from the store alone
    receiver_stop
    follow all --since start
    wait_for "$PATIENCE" has_seq "$T/all.out" 14
    follow_end
    diff <(without_time <"$LOG") <(without_time <"$T/all.out")
    follow above --since "$(token 11)"
    wait_for "$PATIENCE" has_seq "$T/above.out" 14
    follow_end
    equal "above 11" "$(seqs "$T/above.out" | tr '\n' ' ')" "12 13 14 "
    operator log | diff - "$T/all.out"
}

@test "log prints what was received in a time" {
    # Between two moments, from one on, before one: exactly those whose receivedAt is in it, in order of seq; the whole log is the same as follow --since start.
    receiver_start
    many 3 >"$T/many"
    post_lines "$T/many"
    sleep 1.1
    many 3 operationId=b >"$T/many"
    post_lines "$T/many"
    sleep 1.1
    many 3 operationId=c >"$T/many"
    post_lines "$T/many"
    local from until
    from=$(sql 'SELECT receivedAt FROM notifications WHERE seq = 4')
    until=$(sql 'SELECT receivedAt FROM notifications WHERE seq = 7')
    logged() {
        operator log "$@" >"$T/log.out"
        seqs "$T/log.out" | tr '\n' ' '
    }
    equal "between" "$(logged --since "$from" --until "$until")" "4 5 6 "
    equal "since" "$(logged --since "$from")" "4 5 6 7 8 9 "
    equal "until" "$(logged --until "$from")" "1 2 3 "
    equal "all" "$(logged)" "1 2 3 4 5 6 7 8 9 "
    equal "an hour" "$(logged --since 1h)" "1 2 3 4 5 6 7 8 9 "
    equal "the future" "$(logged --since 2999-01-01)" ""
    equal "today" "$(logged --since today --until 2999-01-01)" "$(logged --since "$(date -u +%F)")"
    equal "since yesterday, by an hour, a minute and a second" "$(logged --since yesterday --until 1h1m1s)" ""
    equal "as it is printed" "$(logged --since "${from/T/ }" --until "0 s ago")" "4 5 6 7 8 9 "
}

# --- tokens -----------------------------------------------------------------------------------------------

@test "a reader that keeps the token gets each line at least once, whoever is killed" {
    # The recipe of the manual: the token is stored when the line is done with. Reader or command are killed at random, the receiver is restarted meanwhile; every notification is done, in order, and none but the last of a run comes twice.
    receiver_start
    many 900 >"$T/many"
    post_lines "$T/many"
    receiver_restart
    many 100 operationId=more >"$T/many"
    post_lines "$T/many"
    "$PYTHON" - "$STATUS_BIN" "$T/state" 1000 <<'PYTHON'
import json, random, subprocess, sys

program, state, last = sys.argv[1:]
random.seed(7)
kept, done, again, rounds = "start", [], 0, 0
while not done or done[-1] != int(last):
    rounds += 1
    follow = subprocess.Popen([program, "--state", state, "follow", "--since", kept], stdout=subprocess.PIPE)
    for _ in range(random.randrange(1, 120)):
        line = json.loads(follow.stdout.readline())
        if done and line["seq"] == done[-1]:
            again += 1
        elif line["seq"] != (done[-1] if done else 0) + 1:
            sys.exit(f"{line['seq']} came after {done[-1] if done else 0}")
        else:
            done.append(line["seq"])
        if done[-1] == int(last):
            break
        if random.random() < 0.01:
            break  # killed when the line was done with, and before its token was stored
        kept = line["token"]
    follow.kill()
    follow.wait()
    follow.stdout.close()
if rounds < 5 or again > rounds:
    sys.exit(f"{again} came again in {rounds} rounds")
PYTHON
}

@test "after an older copy was put back, follow refuses what is not in it, and says how to go on" {
    # Kept up to 10, a copy of 5 put back, eight new: a reader at 10 is told so, also before the first new one; from the token that it is told, all eight come. What lay in the copy is a token as before. A new store in the place of the old one has none of its tokens.
    local ten five
    receiver_start
    many 5 >"$T/many"
    post_lines "$T/many"
    sqlite3 "$T/state/upgrades.db" ".backup $T/copy.db"
    many 5 operationId=lost >"$T/many"
    post_lines "$T/many"
    five=$(token 5) ten=$(token 10)
    receiver_stop
    rm "$T/state/upgrades.db"*
    mv "$T/copy.db" "$T/state/upgrades.db"
    refused --since "$ten"
    receiver_start
    many 8 operationId=new >"$T/many"
    post_lines "$T/many"
    refused --since "$ten"
    said "an older copy of it was put back"
    said "--since $five"
    equal "the last token" "$(operator --json | jq -r .token)" "$(token 13)"
    equal "in the status file" "$(wait_for_status '.seq == 13' && status_json .token)" "$(token 13)"
    follow on --since "$(grep -o -- '--since [0-9a-f]*:[0-9]*' "$T/err" | cut -d ' ' -f 2)"
    wait_for "$PATIENCE" has_seq "$T/on.out" 13
    equal "from there on" "$(seqs "$T/on.out" | tr '\n' ' ')" "6 7 8 9 10 11 12 13 "
    follow_end
    receiver_stop
    empty_state
    receiver_start
    many 12 >"$T/many"
    post_lines "$T/many"
    refused --since "$five"
    said "it is another store"
    said "--since start"
    ends_with 2 follow --since 5
    said "LIFE:SEQ"
}

@test "follow says that notifications behind a token were pruned, and an application that is gone is forgotten" {
    # What was pruned before the token does not matter; behind it, it is told from where to where, unless --force asks for what is left; --since start does as well. Prune names the application that holds it up.
    local one
    export APP_NAME=gone
    app_start "$RECORDER_BIN"
    many 3 >"$T/many"
    post_lines "$T/many"
    wait_for_backlog gone 0
    receiver_restart
    touch "$T/gate"
    many 2 operationId=old >"$T/many"
    post_lines "$T/many"
    wait_for_backlog gone 2
    ends_with 1 forget gone
    said "stop it first"
    one=$(token 1)
    receiver_stop
    RECEIVER_BIN=$PLAIN_BIN receiver_start
    sleep 0.01
    operator prune --before 0s --force >"$T/out"
    grep -q 'upgrade-status forget gone' "$T/out" || fail "$(<"$T/out")"
    refused --since "$one"
    said "some of 2 to 3 were pruned"
    follow left --since "$one" --force
    wait_for "$PATIENCE" has_seq "$T/left.out" 5
    equal "left" "$(seqs "$T/left.out" | tr '\n' ' ')" "4 5 "
    follow_end
    follow behind --since "${one%:*}:3"
    wait_for "$PATIENCE" has_seq "$T/behind.out" 5
    follow_end
    equal "completion" "$(operator complete -- forget g)" gone
    operator forget gone
    ends_with 6 forget gone
    operator prune --before 0s --force >"$T/out"
    if grep -q forget "$T/out"; then fail "$(<"$T/out")"; fi
    follow none --since start
    many 1 operationId=new >"$T/many"
    post_lines "$T/many"
    wait_for "$PATIENCE" has_seq "$T/none.out" 6
    equal "from the start" "$(seqs "$T/none.out" | tr '\n' ' ')" "6 "
    follow_end
}

# --- what happens meanwhile -------------------------------------------------------------------------------

@test "follow goes on when the receiver is killed, restarted, or the store is busy" {
    # Across SIGKILL, a stop, another program's lock on the store and a checkpoint, each line comes once.
    receiver_start
    follow lines --since start
    local i
    for i in 1 2 3 4; do
        many 20 operationId="round-$i" >"$T/many"
        post_lines "$T/many"
        wait_for "$PATIENCE" has_seq "$T/lines.out" $((i * 20))
        case $i in
        1)
            receiver_kill
            receiver_restart
            ;;
        2) receiver_restart ;;
        3)
            lock_store EXCLUSIVE
            sleep 1.5
            unlock_store
            ;;
        esac
    done
    follow_end
    equal "lines" "$(seqs "$T/lines.out" | tr '\n' ' ')" "$(seq 80 | tr '\n' ' ')"
}

@test "follow waits while the store is away, and refuses another one in its place" {
    # Moved away and back, it goes on; another store in its place ends it with exit code 7, and none of the other's lines.
    receiver_start
    many 3 >"$T/many"
    post_lines "$T/many"
    receiver_stop
    follow lines --since start
    wait_for "$PATIENCE" has_seq "$T/lines.out" 3
    mv "$T/state" "$T/away"
    wait_for "$PATIENCE" grep -q waiting "$T/lines.err"
    sleep 0.5
    equal "said" "$(wc -l <"$T/lines.err")" 1
    mv "$T/away" "$T/state"
    receiver_start
    notification deviceId=new >"$T/one"
    post_lines "$T/one"
    wait_for "$PATIENCE" has_seq "$T/lines.out" 4
    receiver_stop
    mv "$T/state" "$T/away"
    mkdir "$T/state"
    receiver_start
    many 9 >"$T/many"
    post_lines "$T/many"
    local status=0
    wait_for "$PATIENCE" has_ended "$follow_pid"
    wait "$follow_pid" || status=$?
    equal "exit status" "$status" 7
    grep -q 'another store' "$T/lines.err" || fail "$(<"$T/lines.err")"
    equal "lines" "$(seqs "$T/lines.out" | tr '\n' ' ')" "1 2 3 4 "
}

# bats test_tags=full
@test "follow ends at once on SIGTERM and when nobody reads any more" {
    # Idle, and with a reader that does not read; a reader that goes away is no error, with lines or without one to tell it by; a full disk is.
    local status=0
    receiver_start
    many 1200 >"$T/many"
    post_lines "$T/many"
    follow idle
    wait_for "$PATIENCE" has_seq "$T/idle.out" 1200
    follow_end
    # a reader that stalls: the pipe is full
    mkfifo "$T/stalled"
    tail -f /dev/null 4<"$T/stalled" 3>&- &
    echo "$!" >"$T/background/stalled"
    "$STATUS_BIN" --state "$T/state" follow --since start >"$T/stalled" 2>"$T/err" 3>&- &
    follow_pid=$!
    wait_for "$PATIENCE" grep -qs upgrade-status "/proc/$follow_pid/comm"
    follow_end
    kill "$(<"$T/background/stalled")"
    operator follow --since start 2>"$T/err" | head -n 5 >"$T/out"
    equal "into head" "${PIPESTATUS[*]} $(wc -l <"$T/out") $(<"$T/err")" "0 0 5 "
    # idle, and the reader goes away without a line to tell it by: it ends, or the test hangs
    operator follow --since "$(token 1200)" > >(exec sleep 0.1)
    operator follow --since start >/dev/full 2>"$T/err" || status=$?
    equal "a full disk" "$status" 1
    said 'cannot write'
}
