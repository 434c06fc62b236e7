# faults.bash: what scenarios of faults and attacks need beside lib.bash, which must be loaded first.
#
# shellcheck shell=bash

# Through a version manager's wrapper python3 takes four times as long to start.
PYTHON=${PYTHON:-/usr/bin/python3}
export PYTHON
PUSHER=${PUSHER:-${RECEIVER_BIN%/*/*}/tests/tool/pusher}
STATUS_BIN=${UPGRADE_STATUS_BIN:-${RECEIVER_BIN%/*/*}/fcgi/upgrade-status}
export STATUS_BIN

# --- the raw client ---------------------------------------------------------------------------

# peer COMMAND...: fcgi_peer.py on the receiver's socket.
peer() {
    "$PYTHON" -S "$TESTS/tool/fcgi_peer.py" "$T/socket" "$@"
}

# send_body FILE|- [OPTION...]: posts a body straight to the receiver's socket. Sets $status_code
# (empty where no answer came), $body, $answer_ms and $retry_after.
send_body() {
    local file=$1
    shift
    if [[ $file == - ]]; then
        read_answer < <(peer post --plain --body "$file" "$@") || true
        return
    fi
    if [[ -z ${poster_of:-} ]]; then start_poster; fi
    if [[ $poster_of == "$BASHPID" ]]; then
        printf '%s\0' "$(($# + 2))" --body "$file" "$@" >&"${POSTER[1]}"
        read_answer <&"${POSTER[0]}" || true
    else
        read_answer < <(peer post --plain --body "$file" "$@") || true
    fi
}

read_answer() {
    status_code='' answer_ms='' retry_after='' body=''
    read -r status_code answer_ms retry_after && IFS= read -r -d '' body
}

# start_poster: a peer that posts all bodies of the test, until the test ends: to start one for each costs far
# more than to post. A subshell cannot use it.
start_poster() {
    coproc POSTER { exec "$PYTHON" -S "$TESTS/tool/fcgi_peer.py" "$T/socket" serve 3>&-; }
    poster_of=$BASHPID
    # shellcheck disable=SC2153 # coproc sets it
    echo "$POSTER_PID" >"$T/background/poster"
}

# send [NAME=TEXT...]: the same with a notification, which is then in $T/sent.json.
send() {
    notification "$@" >"$T/sent.json"
    send_body "$T/sent.json"
}

# answered STATUS [RESULT]: the last answer was that.
answered() {
    equal "status ($body)" "$status_code" "$1" || return
    if (($# > 1)); then [[ $body == *"\"result\":\"$2\""* ]] || fail "the result is not '$2': $body"; fi
}

# slow_post PORT HEADER: a POST over HTTPS whose body comes a byte each second; prints what is answered.
slow_post() {
    exec openssl s_client -quiet -connect "127.0.0.1:$1" < <(
        printf 'POST %s HTTP/1.1\r\nHost: localhost\r\n%s\r\nContent-Length: 100\r\n\r\n' "$CALLBACK" "$2"
        for _ in {1..99}; do printf x && sleep 1 || exit; done
    )
}

# --- load ---------------------------------------------------------------------------------------

# push OPTION...: the pusher, through nginx; its summary goes to $T/push.out.
push() {
    push_options "$@"
    "$PUSHER" "${options[@]}" >"$T/push.out" 3>&-
}

# push_behind OPTION...: the same, beside the test; finish with push_end.
push_behind() {
    push_options "$@"
    background push "$PUSHER" "${options[@]}"
    pusher_pid=$background_pid
}

# push_options OPTION...: sets $options, with more time up to --deadline where everything takes longer.
push_options() {
    local previous="" word
    options=(--url "$URL$CALLBACK" --cacert "$CERTIFICATE")
    for word; do
        if [[ $previous == --deadline ]]; then word=$((word * SLOWER)); fi
        options+=("$word")
        previous=$word
    done
}

# push_end: waits for the pusher; fails unless all was answered 200 in the end.
push_end() {
    wait_for 300 has_ended "$pusher_pid" || return
    wait "$pusher_pid" || fail "the pusher ended with $?: $(cat "$T/push.out")"
}

# push_stop: ends the pusher, however much of its count is left; what is under way may stay unanswered.
push_stop() {
    kill -s TERM "$pusher_pid" || fail "the load ended too soon: $(cat "$T/push.out")" || return
    wait "$pusher_pid" || true
    [[ -s $T/push.out ]] || fail "the pusher said nothing"
}

# pushed FILTER: of the pusher's summary.
pushed() {
    jq -r "$1" "$T/push.out"
}

# books_match_ledger LEDGER: every notification answered 200 is kept exactly once, under the seq that
# was answered, with as many deliveries as were answered at least and were sent at most. (nginx sends
# again by itself what met the end of a receiver, and says so in its error log.)
books_match_ledger() {
    local wrong resent
    resent=$(grep -cs 'upstream: "fastcgi:' "$T/nginx/error.log") || true
    resent=${resent:-0} # where it is another web server, there is no such file
    wrong=$(sqlite3 -cmd '.timeout 5000' :memory: 2>&1 <<SQL
.mode tabs
.import $1 ledger
ATTACH 'file:$T/state/upgrades.db?mode=ro' AS books;
CREATE TEMP TABLE kept AS SELECT seq, deliveries,
  substr(json_extract(body, '\$.description'), instr(json_extract(body, '\$.description'), '(report')) AS report
  FROM books.notifications WHERE body LIKE '%(report %';
CREATE INDEX temp.kept_report ON kept (report);
CREATE UNIQUE INDEX ledger_report ON ledger (report);
SELECT 'lost', report FROM ledger WHERE stored + repeated > 0
  AND report NOT IN (SELECT report FROM kept) LIMIT 3;
SELECT 'kept twice', report FROM kept GROUP BY report HAVING count(*) > 1 LIMIT 3;
SELECT 'never sent', report FROM kept WHERE report NOT IN (SELECT report FROM ledger) LIMIT 3;
SELECT 'another seq', report FROM ledger JOIN kept USING (report)
  WHERE ledger.stored + ledger.repeated > 0 AND ledger.seq <> kept.seq LIMIT 3;
SELECT 'two seqs answered', report FROM ledger WHERE unlike > 0 LIMIT 3;
SELECT 'stored answered twice', report FROM ledger WHERE CAST(stored AS INTEGER) > 1 LIMIT 3;
SELECT 'answered something else', report FROM ledger WHERE other > 0 LIMIT 3;
SELECT 'deliveries', report, deliveries, sent, stored, repeated FROM ledger JOIN kept USING (report)
  WHERE deliveries < stored + repeated OR deliveries > sent + $resent LIMIT 3;
SELECT 'deliveries that nobody sent', sum(deliveries - sent) FROM ledger JOIN kept USING (report)
  WHERE deliveries > CAST(sent AS INTEGER) HAVING sum(deliveries - sent) > $resent;
SQL
    ) || true
    [[ -z $wrong ]] || fail "ledger and books differ: $wrong"
}

# books_add_up: the counters are those of a recount of the notifications, and the file is sound; and so
# says upgrade-status, which recounts what those of the views were made of, too.
books_add_up() {
    local wrong
    wrong=$(sqlite3 -cmd '.timeout 5000' -cmd "ATTACH 'file:$T/state/upgrades.db?mode=ro' AS books" \
        :memory: <"$TESTS/scenario/books.sql" 2>&1) || true
    [[ -z $wrong ]] || fail "the books do not add up: $wrong" || return
    # After another store took the place of one, the status file tells of the old one for a moment.
    wait_for "$PATIENCE" check_is_over || return
    [[ -z $wrong ]] || fail "upgrade-status check: $wrong"
}

check_is_over() {
    if wrong=$("$STATUS_BIN" --state "$T/state" check 2>&1); then wrong=; fi
    [[ $wrong != 'status.json was written'* ]]
}

# status_matches_books: the status file's totals are a recount's, now or within its two seconds. (What a
# web server sends once more may arrive after the load has ended.)
status_matches_books() {
    wait_for "$PATIENCE" status_is_a_recount ||
        fail "status: $(status_json '{seq, totals, upgrades} | tojson'), counted: $counted_totals $counted_upgrades"
}

status_is_a_recount() {
    counted_totals=$(sql "SELECT json_object('notifications', count(*), 'repeats',
        coalesce(sum(deliveries - 1), 0), 'seq', coalesce(max(seq), 0)) FROM notifications")
    counted_upgrades=$(sql "SELECT json_object('success', coalesce(sum(success), 0),
        'fail', coalesce(sum(fail), 0), 'contradictory', coalesce(sum(contradictory), 0),
        'inProgress', coalesce(sum(inProgress), 0)) FROM operations")
    status_is "{notifications: .totals.notifications, repeats: .totals.repeats, seq} == $counted_totals and
        .upgrades == $counted_upgrades"
}

# --- programs that stay until told to go ----------------------------------------------------------

# global: bats loads this file within a function
declare -gA stays=()

# stay NAME COMMAND...: runs COMMAND in the background until leave NAME. Its
# output goes to $T/NAME.out, its process id is in $T/background/NAME.
stay() {
    local name=$1 fd
    shift
    mkfifo "$T/$name.in"
    # opened for both, so that neither end waits for the other
    exec {fd}<>"$T/$name.in"
    stays[$name]=$fd
    background "$name" stay_reading "$T/$name.in" "$fd" "$@"
}

stay_reading() {
    local fifo=$1 fd=$2
    shift 2
    exec {fd}>&-
    exec "$@" <"$fifo"
}

# leave NAME [LINE]: tells it to end, by an empty line or by LINE, and waits for it. (Its stdin does not
# end where a receiver started since then has inherited the other side.)
leave() {
    local fd=${stays[$1]} pid
    pid=$(<"$T/background/$1")
    printf '%s\n' "${2:-}" >&"$fd"
    exec {fd}>&-
    wait_for "$PATIENCE" has_ended "$pid" || return
    rm -f "$T/$1.in" "$T/background/$1"
    wait "$pid" || fail "$1 ended with $?: $(cat "$T/$1.out")"
}

# has_ended PID: whether a child of the test has, waited for or not.
has_ended() {
    local stat=
    { read -r stat <"/proc/$1/stat"; } 2>/dev/null || return 0
    [[ ${stat##*) } == Z* ]]
}

# stay_attack NAME PEERS: peers that misbehave until leave NAME.
stay_attack() {
    stay "$1" "$PYTHON" -S "$TESTS/tool/fcgi_peer.py" "$T/socket" hold "$1" --peers "$2"
    wait_for 20 grep -q ready "$T/$1.out"
}

# --- faults -------------------------------------------------------------------------------------

# lock_store [IMMEDIATE|EXCLUSIVE]: another program holds the store's write lock, until unlock_store.
# shellcheck disable=SC2120 # some of those who read this file say nothing
lock_store() {
    stay locker sqlite3 "$T/state/upgrades.db"
    printf '.timeout 10000\nBEGIN %s;\n.print locked\n' "${1:-IMMEDIATE}" >&"${stays[locker]}"
    wait_for "$PATIENCE" grep -q locked "$T/locker.out"
}

unlock_store() {
    leave locker $'ROLLBACK;\n.quit'
}

# burst_in_one_batch COUNT OPTION...: so many requests, 16 at most, are sent while the receiver is stopped, and
# are then kept in one transaction. The answers go to $T/burst.out.
burst_in_one_batch() {
    local pid
    pid=$(receiver_pid)
    rm -f "$T/burst.sent"
    kill -s STOP "$pid"
    background burst "$PYTHON" -S "$TESTS/tool/fcgi_peer.py" "$T/socket" burst --sent "$T/burst.sent" --peers "$@"
    wait_for "$PATIENCE" test -e "$T/burst.sent"
    kill -s CONT "$pid"
    wait "$background_pid"
}

# sockets_reached COUNT: whether the receiver has so many, or the burst is over.
sockets_reached() {
    has_ended "$background_pid" || (($(open_sockets "$(receiver_pid)") >= $1))
}

# refuses_steadily [COUNT]: the first notification is answered 503 within 2.5 s, COUNT (4: past the
# receiver's next probe) following ones within 0.3 s, each with Retry-After.
refuses_steadily() {
    local i
    send "subOperationId=refused-$RANDOM-0"
    answered 503 || return
    in_time "the first 503" "$answer_ms" 2500 || return
    for ((i = 1; i <= ${1:-4}; i++)); do
        pause 0.2
        send "subOperationId=refused-$RANDOM-$i"
        answered 503 || return
        in_time "503 number $i" "$answer_ms" 300 || return
        [[ $retry_after =~ ^[0-9]+$ ]] || fail "503 without Retry-After" || return
    done
    [[ $(jq .status <<<"$body") == 503 ]] || fail "no problem document: $body"
}

# serves_again: within 5 s a notification is stored, by the process $1.
serves_again() {
    wait_for "$PATIENCE" stores_one || return
    equal "process id" "$(receiver_pid)" "$1"
}

stores_one() {
    send "subOperationId=again-$RANDOM-$RANDOM" && answered 200 stored
}

# keep_some PREFIX COUNT: sends so many, each answered 200.
keep_some() {
    local i
    for ((i = 1; i <= $2; i++)); do
        send "subOperationId=$1-$i"
        answered 200 stored || return
    done
}

# kept PREFIX: how many of them the books hold.
kept() {
    sql "SELECT count(*) FROM notifications WHERE subOperationId LIKE '$1-%'"
}

# Under a tool it is 0: what the tool takes for itself is nothing to measure.
rss_kib() {
    if [[ -n $UNDER ]]; then
        echo 0
        return
    fi
    awk '/^VmRSS/ {print $2}' "/proc/$1/status"
}

open_descriptors() {
    find "/proc/$1/fd" -mindepth 1 2>/dev/null | wc -l
}

# open_sockets PID: the listening one and all connections.
open_sockets() {
    find "/proc/$1/fd" -lname 'socket:*' 2>/dev/null | wc -l
}

# cpu_ticks PID: clock ticks of processor time it has had.
cpu_ticks() {
    sed 's/.*) //' "/proc/$1/stat" | awk '{print $12 + $13}'
}

# --- what is preloaded into the receiver ------------------------------------------------------------

# preload NAME [VARIABLE=VALUE...]: receivers started from now on run with tests/tool/NAME.c and those
# variables.
preload() {
    local library
    library=${RECEIVER_BIN%/*/*}/tests/tool/$1.so
    shift
    [[ -f $library ]] || fail "$library: no such library; make check TESTS= builds it" || return
    if [[ -n $UNDER ]]; then
        RECEIVER_WRAP=(env "$@" "UNDER_PRELOAD=$library")
    else
        RECEIVER_WRAP=(env "$@" "LD_PRELOAD=$library")
    fi
}

# step_to SECONDS: how far the clock is off from now on (preload clock "CLOCK_STEP=$T/step").
step_to() {
    local ms=$(($1 * 1000)) byte bytes=
    for byte in 0 8 16 24 32 40 48 56; do printf -v bytes '%s\\x%02x' "$bytes" $((ms >> byte & 255)); done
    printf '%b' "$bytes" 1<>"$T/step"
}
