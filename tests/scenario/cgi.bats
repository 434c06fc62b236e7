#!/usr/bin/env bats
# Started for one request by plain CGI the receiver keeps the same promises. (By way of a web server:
# apache.bats.)

load lib
load faults

setup() {
    scenario_setup
    # Nothing but what a web server gives; where a tool leaves its reports is the tool's alone.
    bare=(env -i "UNDER_REPORTS=$UNDER_REPORTS")
}

# cgi [NAME=VALUE]... [-- ARGUMENT...]: one request with stdin as the body, as a web server would start
# it. Sets $status_code, $body and $head; the answer is in $T/answer, its log in $T/cgi.log.
cgi() {
    local environment=(REQUEST_METHOD=POST "REQUEST_URI=$CALLBACK" GATEWAY_INTERFACE=CGI/1.1
        "UPGRADE_RECEIVER_STATE=$T/state")
    while (($# > 0)) && [[ $1 != -- ]]; do
        environment+=("$1")
        shift
    done
    "${bare[@]}" "${environment[@]}" "$RECEIVER_BIN" "${@:2}" >"$T/answer" 2>>"$T/cgi.log" || true
    head=$(sed '/^\r$/q' "$T/answer")
    status_code=$(sed -n '1s/^Status: \([0-9]*\) .*/\1/p' <<<"$head")
    body=$(sed '1,/^\r$/d' "$T/answer")
    LOG=$T/cgi.log
}

# cgi_file FILE [NAME=VALUE]...: the same with a body and its length.
cgi_file() {
    local file=$1
    shift
    cgi "CONTENT_LENGTH=$(wc -c <"$file")" "$@" <"$file"
}

kept_and_quarantined() {
    sql "SELECT (SELECT count(*) FROM notifications), (SELECT count(*) FROM quarantine)"
}

@test "each kind of request has its answer on stdout, and its log line on stderr" {
    # Notification, repeat, quarantine, half, too large, wrong method and path, one process each, are answered as by FastCGI; stdout has the answer and nothing else.
    notification deviceId=first >"$T/body.json"
    cgi_file "$T/body.json"
    answered 200 stored
    equal "bytes on stdout" "$(($(sed '1,/^\r$/d' "$T/answer" | wc -c)))" \
        "$(sed -n 's/^Content-Length: \([0-9]*\)\r$/\1/p' <<<"$head")"
    cgi_file "$T/body.json" HTTP_TRANSFER_ENCODING=gzip
    answered 200 repeated
    cgi CONTENT_LENGTH=7 < <(printf 'no JSON')
    answered 200 quarantined
    cgi REQUEST_METHOD=GET </dev/null
    answered 405
    grep -q '^Allow: POST' <<<"$head"
    cgi REQUEST_URI=/elsewhere </dev/null
    answered 404
    head -c 1100000 /dev/zero >"$T/huge"
    cgi_file "$T/huge"
    answered 413
    cgi <"$T/huge"
    answered 413
    equal "kept" "$(sql 'SELECT count(*), sum(deliveries) FROM notifications')" '1|2'
    equal "lines" "$(log_lines | jq -r .event | sort | uniq -c | tr -s ' \n' ' ')" \
        ' 2 notification 1 quarantined 2 rejected '
    books_add_up
    equal "status" "$(status_json '.seq, .totals.repeats' | paste -sd ' ')" '1 1'
}

@test "a server that knows no REQUEST_URI gives the path in two pieces" {
    notification >"$T/body.json"
    "${bare[@]}" PATH="$PATH" REQUEST_METHOD=POST SCRIPT_NAME=/v1.0.0 PATH_INFO=/messageReceiver \
        UPGRADE_RECEIVER_STATE="$T/state" CONTENT_LENGTH="$(wc -c <"$T/body.json")" \
        "$RECEIVER_BIN" <"$T/body.json" >"$T/answer" 2>/dev/null
    grep -q '"stored"' "$T/answer"
}

@test "with --log the line goes to the file, and stderr has nothing" {
    notification >"$T/body.json"
    cgi_file "$T/body.json" "UPGRADE_RECEIVER_LOG=$T/log"
    answered 200 stored
    equal "stderr" "$(<"$T/cgi.log")" ''
    LOG=$T/log
    log_has '.event == "notification" and .seq == 1'
}

@test "no more of stdin is read than CONTENT_LENGTH says, and a body that is not so long is not kept" {
    # What stands behind the body is no part of it, and a server that leaves stdin open is not waited for; half bodies, announced or in chunks, are 400 and leave nothing.
    notification >"$T/body.json"
    local length half
    length=$(wc -c <"$T/body.json")
    half=$((length / 2))
    mkfifo "$T/stdin"
    exec {open}<>"$T/stdin"
    cat "$T/body.json" >"$T/stdin"
    local start=${EPOCHREALTIME//./}
    cgi "CONTENT_LENGTH=$length" <"$T/stdin"
    exec {open}>&-
    answered 200 stored
    in_time "an answer before the end of stdin" $(((${EPOCHREALTIME//./} - start) / 1000)) 3000
    cgi "CONTENT_LENGTH=$length" < <(cat "$T/body.json" "$T/body.json")
    answered 200 repeated
    equal "stored as announced" "$(kept_and_quarantined)" '1|0'
    head -c "$half" "$T/body.json" >"$T/half"
    cgi "CONTENT_LENGTH=$length" <"$T/half"
    answered 400
    cgi HTTP_TRANSFER_ENCODING=chunked <"$T/half"
    answered 400
    cgi HTTP_TRANSFER_ENCODING=chunked </dev/null
    answered 400
    cgi CONTENT_LENGTH=-1 <"$T/body.json"
    answered 400
    equal "kept of halves" "$(kept_and_quarantined)" '1|0'
    cgi HTTP_TRANSFER_ENCODING=chunked <"$T/body.json"
    answered 200 repeated
    cgi HTTP_TRANSFER_ENCODING=chunked <<<'no JSON'
    answered 200 quarantined
}

@test "a body that is too large is read to its end, so that its server can take the answer" {
    # A server whose write fails because the process has answered may give up the answer as well: three times the limit is read and refused.
    local length
    for length in CONTENT_LENGTH=3145728 HTTP_TRANSFER_ENCODING=chunked; do
        { head -c 3145728 /dev/zero && echo "$?" >"$T/written"; } | {
            cgi "$length"
            answered 413
        }
        equal "the writer's exit status" "$(cat "$T/written")" 0
        rm "$T/written"
    done
}

@test "the sender does not write the command line" {
    # A query without = becomes the words of a CGI program's command line: none of them is looked at.
    notification >"$T/body.json"
    mkdir "$T/other"
    cgi "CONTENT_LENGTH=$(wc -c <"$T/body.json")" 'QUERY_STRING=--state+other' \
        -- --state "$T/other" --refuse-invalid --nonsense <"$T/body.json"
    answered 200 stored
    cgi -- --version </dev/null
    equal "answered" "$status_code" 200
    equal "files in another folder" "$(ls "$T/other")" ''
    equal "kept" "$(sql 'SELECT count(*) FROM notifications')" 1
}

@test "what cannot be served is 503, and the web server's log tells why" {
    # A state folder that is none, a store of a newer version, an option that is wrong, a locked store: 503 with Retry-After, no 200, nothing lost.
    notification >"$T/body.json"
    cgi_file "$T/body.json" "UPGRADE_RECEIVER_STATE=$T/body.json"
    answered 503
    grep -q '^Retry-After' <<<"$head"
    cgi_file "$T/body.json" UPGRADE_RECEIVER_MAX_BODY=much
    answered 503
    grep -q 'UPGRADE_RECEIVER_MAX_BODY' "$T/cgi.log"
    cgi_file "$T/body.json"
    answered 200 stored
    lock_store
    notification deviceId=second >"$T/second.json"
    cgi_file "$T/second.json"
    answered 503
    unlock_store
    local version
    version=$(sql 'PRAGMA user_version')
    sqlite3 "$T/state/upgrades.db" 'PRAGMA user_version = 99'
    cgi_file "$T/second.json"
    answered 503
    grep -q 'newer' "$T/cgi.log"
    sqlite3 "$T/state/upgrades.db" "PRAGMA user_version = $version"
    cgi_file "$T/second.json"
    answered 200 stored
    equal "kept" "$(kept_and_quarantined)" '2|0'
}

# cgi_numbered N: one request of its own, whose answer is in $T/many/N.
cgi_numbered() {
    sed "s/many/many-$1/" "$T/any.json" | "${bare[@]}" REQUEST_METHOD=POST REQUEST_URI="$CALLBACK" \
        HTTP_TRANSFER_ENCODING=chunked UPGRADE_RECEIVER_STATE="$T/state" "$RECEIVER_BIN" \
        >"$T/many/$1" 2>/dev/null
}

@test "many at once are all kept, each once, and a stalled body ends" {
    # Processes that all start at the same time on a new folder make one store and take turns; the last one leaves a status file that is right and an empty write-ahead log. One whose body never comes is answered 400 in time.
    needs_plain_build "each of them waits a second for its turn" valgrind
    mkdir "$T/many"
    notification deviceId=many >"$T/any.json"
    mkfifo "$T/stalled.in"
    exec {stalled}<>"$T/stalled.in"
    "${bare[@]}" REQUEST_METHOD=POST REQUEST_URI="$CALLBACK" CONTENT_LENGTH=10 \
        UPGRADE_RECEIVER_STATE="$T/state" "$RECEIVER_BIN" <"$T/stalled.in" >"$T/stalled" 2>/dev/null 3>&- &
    local stalled_pid=$! i pids=() many=8
    if [[ $TEST_FULL == 1 ]]; then many=40; fi
    for ((i = 1; i <= many; i++)); do
        cgi_numbered "$i" 3>&- &
        pids+=("$!")
    done
    wait "${pids[@]}"
    equal "stored" "$(cat "$T"/many/* | grep -c '"stored"')" "$many"
    equal "numbers" "$(sql 'SELECT count(*), count(DISTINCT seq), max(seq) FROM notifications')" "$many|$many|$many"
    books_add_up
    equal "status" "$(status_json .seq)" "$many"
    equal "bytes in the write-ahead log" "$(wc -c <"$T/state/upgrades.db-wal")" 0
    wait_for "$PATIENCE" has_ended "$stalled_pid"
    exec {stalled}>&-
    grep -q '^Status: 400' "$T/stalled"
    equal "kept" "$(kept_and_quarantined)" "$many|0"
}

@test "killed at any moment, what was answered 200 is kept" {
    # Processes, each killed a few milliseconds after its start: whatever said 200 is in the books, and nothing is there twice.
    mkdir "$T/many"
    local i pid many=12
    if [[ $TEST_FULL == 1 ]]; then many=40; fi
    notification deviceId=many >"$T/any.json"
    for ((i = 1; i <= many; i++)); do
        sed "s/many/many-$i/" "$T/any.json" >"$T/body.json"
        "${bare[@]}" REQUEST_METHOD=POST REQUEST_URI="$CALLBACK" CONTENT_LENGTH="$(wc -c <"$T/body.json")" \
            UPGRADE_RECEIVER_STATE="$T/state" "$RECEIVER_BIN" \
            <"$T/body.json" >"$T/many/$i" 2>/dev/null 3>&- &
        pid=$!
        sleep "0.0$((RANDOM % 3))$((RANDOM % 10))"
        kill -s KILL "$pid" 2>/dev/null || true
        wait "$pid" 2>/dev/null || true
    done
    for ((i = 1; i <= many; i++)); do
        if grep -q '"stored"' "$T/many/$i"; then
            equal "kept of $i" "$(sql "SELECT count(*) FROM notifications WHERE deviceId = 'many-$i'")" 1
        fi
    done
    equal "kept twice" "$(sql 'SELECT deviceId FROM notifications GROUP BY 1 HAVING count(*) > 1')" ''
    echo "$(grep -l '"stored"' "$T"/many/* | wc -l) answered, $(sql 'SELECT count(*) FROM notifications') kept"
    notification >"$T/body.json"
    cgi_file "$T/body.json"
    answered 200 stored
    books_add_up
    status_matches_books
}
