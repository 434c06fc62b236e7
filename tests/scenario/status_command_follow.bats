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

# follow_end [SIGNAL]: ends it; it must exit 0.
follow_end() {
    local status=0
    kill -s "${1:-TERM}" "$follow_pid"
    wait "$follow_pid" || status=$?
    equal "exit status of follow" "$status" 0
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
    wait_for 5 has_seq "$T/lines.out" 12
    equal "the last ten" "$(seqs "$T/lines.out" | tr '\n' ' ')" "3 4 5 6 7 8 9 10 11 12 "
    post_lines "$T/odd"
    wait_for 1 has_seq "$T/lines.out" 13
    post_lines "$T/many"
    notification deviceId=last >"$T/last"
    post_lines "$T/last"
    wait_for 1 has_seq "$T/lines.out" 14
    follow_end
    wait_for_log '.seq == 14'
    diff <(without_time <"$LOG" | tail -n +3) <(without_time <"$T/lines.out")
    equal "times" "$(sql 'SELECT receivedAt FROM notifications WHERE seq > 2 ORDER BY seq')" "$(jq -r .time "$T/lines.out")"
    # from the store alone
    receiver_stop
    follow all --since 0
    wait_for 5 has_seq "$T/all.out" 14
    follow_end INT
    diff <(without_time <"$LOG") <(without_time <"$T/all.out")
    follow above --since 11
    wait_for 5 has_seq "$T/above.out" 14
    follow_end
    equal "above 11" "$(seqs "$T/above.out" | tr '\n' ' ')" "12 13 14 "
    operator log | diff - "$T/all.out"
}

@test "log prints what was received in a time" {
    # Between two moments, from one on, before one: exactly those whose receivedAt is in it, in order of seq; the whole log is the same as follow --since 0.
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
    equal "today" "$(logged --since "$(date -u +%F)" --until 2999-01-01)" "1 2 3 4 5 6 7 8 9 "
}

# --- the cursor -------------------------------------------------------------------------------------------

@test "with a cursor each line comes at least once, whenever the command is killed" {
    # Under load, killed with SIGKILL at random moments and started again: every notification is in what the reader took, in order within each run; the cursor's file is always whole.
    receiver_start
    nginx_start
    push_behind --count 4000 --rate 500 --connections 8
    local round=0
    while ! has_ended "$pusher_pid" || ((round < 12)); do
        round=$((round + 1))
        "$STATUS_BIN" --state "$T/state" follow --cursor "$T/cursor" 3>&- </dev/null 2>>"$T/follow.err" >"$T/run.$round" &
        follow_pid=$!
        echo "$follow_pid" >"$T/background/follow"
        sleep "0.$((RANDOM % 9))$((RANDOM % 10))"
        kill -s KILL "$follow_pid"
        { wait "$follow_pid" || true; } 2>/dev/null
        if [[ -e $T/cursor ]]; then jq -e '.seq >= 0 and (.store | length == 16)' "$T/cursor" >"$T/out"; fi
    done
    push_end
    round=$((round + 1))
    follow rest --cursor "$T/cursor"
    wait_for 20 jq -e ".seq == $(sql 'SELECT max(seq) FROM notifications')" "$T/cursor"
    follow_end
    mv "$T/rest.out" "$T/run.$round"
    for ((; round > 0; round--)); do
        seqs "$T/run.$round" | sort -cnu || fail "run $round is not in order"
        seqs "$T/run.$round" >>"$T/seqs"
    done
    equal "lines" "$(sort -nu "$T/seqs" | wc -l)" "$(sql 'SELECT count(*) FROM notifications')"
    (($(wc -l <"$T/seqs") < 3 * $(sort -nu "$T/seqs" | wc -l))) || fail "most came again and again"
    if [[ -s $T/follow.err ]]; then fail "$(<"$T/follow.err")"; fi
}

@test "a reader that is killed loses nothing that it had not read" {
    # The reader takes whole lines and dies at random: what lay in the pipe comes again with the next one, and what it had read does not.
    receiver_start
    many 1500 >"$T/many"
    post_lines "$T/many"
    "$PYTHON" - "$STATUS_BIN" "$T/state" "$T/cursor" "$T/read" 1500 <<'PYTHON'
import json, os, random, subprocess, sys, time

program, state, cursor, read, last = sys.argv[1:]
random.seed(7)
slower = min(int(os.environ["SLOWER"]), 5)
taken, again, rounds = [], 0, 0
while not taken or taken[-1] != int(last):
    rounds += 1
    follow = subprocess.Popen([program, "--state", state, "follow", "--cursor", cursor], stdout=subprocess.PIPE)
    rest = b""
    for _ in range(random.randrange(1, 8)):
        if taken and taken[-1] == int(last):
            break
        # whole lines alone count as read, as with a program that works through them one by one
        rest += os.read(follow.stdout.fileno(), random.randrange(1, 40000))
        *lines, rest = rest.split(b"\n")
        for line in lines:
            seq = json.loads(line)["seq"]
            if taken and seq <= taken[-1]:
                again += 1
            elif seq != (taken[-1] if taken else 0) + 1:
                sys.exit(f"{seq} came after {taken[-1] if taken else 0}")
            else:
                taken.append(seq)
    settled = taken[-1] if taken else 0
    time.sleep(0.5 * slower)  # the cursor follows within a fifth of a second
    kept = json.load(open(cursor))["seq"]
    if kept > settled + (1 if rest else 0) or kept < settled - 1:
        sys.exit(f"the reader took {settled}, the cursor says {kept}")
    follow.stdout.close()
    if follow.wait(timeout=10 * slower) != 0:
        sys.exit("follow did not end well")
print(rounds, again)
if rounds < 3 or again > rounds:
    sys.exit("another number came again than can have been cut")
PYTHON
}

@test "a cursor of another store, one that is none and one that is taken are refused" {
    # Each with exit code 1, a sentence, no line and the file as it was; the beginning of a cursor that is not there yet is the first notification, or what --since says.
    receiver_start
    many 3 >"$T/many"
    post_lines "$T/many"
    follow first --cursor "$T/cursor"
    wait_for 5 has_seq "$T/first.out" 3
    equal "from the beginning" "$(seqs "$T/first.out" | tr '\n' ' ')" "1 2 3 "
    ends_with 1 follow --cursor "$T/cursor"
    grep -q 'another process' "$T/err" || fail "$(<"$T/err")"
    [[ ! -s $T/out ]] || fail "lines: $(<"$T/out")"
    wait_for 5 jq -e '.seq == 3' "$T/cursor"
    follow_end
    follow second --cursor "$T/second" --since 2
    wait_for 5 has_seq "$T/second.out" 3
    equal "above 2" "$(seqs "$T/second.out" | tr '\n' ' ')" "3 "
    follow_end
    receiver_stop
    cp "$T/cursor" "$T/before"
    empty_state
    receiver_start
    post_lines "$T/many"
    ends_with 1 follow --cursor "$T/cursor"
    grep -q 'another store' "$T/err" || fail "$(<"$T/err")"
    [[ ! -s $T/out ]] || fail "lines: $(<"$T/out")"
    cmp "$T/cursor" "$T/before"
    echo nonsense >"$T/cursor"
    ends_with 1 follow --cursor "$T/cursor"
    grep -q 'no cursor' "$T/err" || fail "$(<"$T/err")"
    equal "the file" "$(<"$T/cursor")" nonsense
    ends_with 1 follow --cursor "$T/no/such/folder/cursor"
}

# --- what happens meanwhile -------------------------------------------------------------------------------

@test "follow goes on when the receiver is killed, restarted, or the store is busy" {
    # Across SIGKILL, a stop, another program's lock on the store and a checkpoint, each line comes once.
    receiver_start
    follow lines --since 0
    local i
    for i in 1 2 3 4; do
        many 20 operationId="round-$i" >"$T/many"
        post_lines "$T/many"
        wait_for 5 has_seq "$T/lines.out" $((i * 20))
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
    # Moved away and back, it goes on; another store in its place ends it with exit code 1, and none of the other's lines.
    receiver_start
    many 3 >"$T/many"
    post_lines "$T/many"
    receiver_stop
    follow lines --since 0
    wait_for 5 has_seq "$T/lines.out" 3
    mv "$T/state" "$T/away"
    wait_for 5 grep -q waiting "$T/lines.err"
    sleep 0.5
    equal "said" "$(wc -l <"$T/lines.err")" 1
    mv "$T/away" "$T/state"
    receiver_start
    notification deviceId=new >"$T/one"
    post_lines "$T/one"
    wait_for 5 has_seq "$T/lines.out" 4
    receiver_stop
    mv "$T/state" "$T/away"
    mkdir "$T/state"
    receiver_start
    many 9 >"$T/many"
    post_lines "$T/many"
    local status=0
    wait_for 10 has_ended "$follow_pid"
    wait "$follow_pid" || status=$?
    equal "exit status" "$status" 1
    grep -q 'another store' "$T/lines.err" || fail "$(<"$T/lines.err")"
    equal "lines" "$(seqs "$T/lines.out" | tr '\n' ' ')" "1 2 3 4 "
}

@test "follow ends at once and quietly on SIGTERM, SIGINT and when nobody reads any more" {
    # Idle, in the middle of many lines, and with a reader that does not read: exit code 0, within a second, without a complaint.
    receiver_start
    many 1200 >"$T/many"
    post_lines "$T/many"
    local signal status began
    for signal in TERM INT; do
        follow idle
        wait_for 5 has_seq "$T/idle.out" 1200
        began=${EPOCHREALTIME//./}
        follow_end "$signal"
        ((${EPOCHREALTIME//./} - began < 1000000 * SLOWER)) || fail "took long"
        # a reader that stalls: the pipe is full
        mkfifo "$T/stalled"
        tail -f /dev/null 4<"$T/stalled" 3>&- &
        echo "$!" >"$T/background/stalled"
        "$STATUS_BIN" --state "$T/state" follow --since 0 --cursor "$T/cursor.$signal" >"$T/stalled" 2>"$T/err" 3>&- &
        follow_pid=$!
        sleep "$SLOWER"
        began=${EPOCHREALTIME//./}
        follow_end "$signal"
        ((${EPOCHREALTIME//./} - began < 1000000 * SLOWER)) || fail "took long with a full pipe"
        equal "what was read" "$(jq .seq "$T/cursor.$signal")" 0
        kill "$(<"$T/background/stalled")"
        rm "$T/stalled"
    done
    operator follow --since 0 2>"$T/err" | head -n 5 >"$T/out"
    equal "into head" "${PIPESTATUS[*]} $(wc -l <"$T/out") $(<"$T/err")" "0 0 5 "
    # idle, and the reader goes away without a line to tell it by
    began=${EPOCHREALTIME//./}
    operator follow --since 1200 2>"$T/err" > >(exec sleep 0.5)
    ((${EPOCHREALTIME//./} - began < 3000000 * SLOWER)) || fail "does not notice"
    status=0
    operator follow --since 0 >/dev/full 2>"$T/err" || status=$?
    equal "a full disk" "$status" 1
    grep -q 'cannot write' "$T/err"
}
