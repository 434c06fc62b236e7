#!/usr/bin/env bats
# nginx/start serves with one command, shows what happens, and leaves nothing behind; the site for
# production answers by itself what is no notification, and never in place of one.

load lib
load faults

setup() {
    scenario_setup
    start_pid=
    # for the curl line that is run as it was printed: the status on a line of its own
    export CURL_HOME=$T no_proxy='*'
    printf 'silent\nshow-error\nwrite-out = "%%{http_code}"\n' >"$T/.curlrc"
}

teardown() {
    if [[ -n $start_pid ]]; then stop_process "$start_pid" TERM; fi
    if [[ -z ${BATS_TEST_COMPLETED:-} ]]; then tail -n 20 "$T"/start.* 2>/dev/null || true; fi
    scenario_teardown
}

# --- nginx/start ------------------------------------------------------------------------------

# never COMMAND...: fails where COMMAND succeeds (a bare ! would not end a test).
never() {
    if "$@"; then fail "this should not have been so: $*"; fi
}

# start OPTION...: nginx/start beside the test. A shell makes what it starts in the background deaf
# to SIGINT; whoever starts it at a terminal does not, and has it in a process group of its own.
start() {
    rm -f "$T/start.out" "$T/start.err" # what an earlier one has said
    setsid env --default-signal=INT "${CLONE:-$SOURCE}/nginx/start" --state "$T/state" "$@" \
        >"$T/start.out" 2>"$T/start.err" 3>&- </dev/null &
    start_pid=$!
}

# serve OPTION...: nginx/start on a free port, $port, until it has printed what is where.
serve() {
    local attempt
    for attempt in 1 2 3; do
        port=$(free_port)
        start --port "$port" "$@"
        wait_for "$PATIENCE" serves_or_ended
        if serves; then break; fi
        grep -q 'in use' "$T/start.err" || fail "it does not serve: $(cat "$T/start.err")"
    done
    # A receiver that has not begun yet would be ended by a signal without a word.
    wait_for "$PATIENCE" grep -q '^{.*"event":"start"' "$T/start.out"
    run_folder=$(sed -n 's/^  nginx  *\([^:]*\):.*/\1/p' "$T/start.out")
    list_served
    # master, two workers or more, and the receiver
    ((${#served[@]} >= 4)) || fail "too few processes: ${served[*]}"
}

list_served() {
    mapfile -t served < <(echo "$start_pid" && descendants "$start_pid")
}

serves() {
    grep -qs "^The receiver's log" "$T/start.out"
}

serves_or_ended() {
    serves || process_is_gone "$start_pid"
}

# descendants PID: and theirs.
descendants() {
    local child
    for child in $(pgrep -P "$1"); do
        echo "$child"
        descendants "$child"
    done
}

# What a terminal does: the signal goes to all that are in its foreground.
press_ctrl_c() {
    kill -s INT -- "-$start_pid"
}

# start_ends STATUS: within five seconds, with that status, and nothing of it is left.
start_ends() {
    local status=0
    wait_for 5 process_is_gone "$start_pid"
    wait "$start_pid" || status=$?
    start_pid=
    equal "exit status ($(cat "$T/start.err"))" "$status" "$1"
    # at once, but for what init has to bury
    wait_for 1 all_have_ended
    [[ ! -e $run_folder ]] || fail "still there: $run_folder"
    never port_answers
}

all_have_ended() {
    local pid
    for pid in "${served[@]}"; do
        [[ $(ps -o stat= -p "$pid") == "" || $(ps -o stat= -p "$pid") == Z* ]] || fail "still there: $(ps -o pid,args -p "$pid")"
    done
}

port_answers() {
    # shellcheck disable=SC2188 # to connect is all that is wanted
    (: <>"/dev/tcp/127.0.0.1/$port") 2>/dev/null
}

# Runs the line that nginx/start has printed, exactly as it stands; sets $body and $status_code.
paste_curl_line() {
    local line
    line=$(grep '^curl ' "$T/start.out")
    bash -c "$line" >"$T/pasted"
    { read -r body && read -r status_code; } <"$T/pasted" || true
}

# The lines of the receiver's log among what nginx/start has printed, for lib.bash's log functions.
shown_log() {
    grep '^{' "$T/start.out" >"$LOG"
    log_has "$@"
}

@test "one command serves, and shows what arrives" {
    # The curl line that nginx/start prints is answered stored, then repeated; log and status file show it.
    serve
    paste_curl_line
    equal status "$status_code" 200
    equal answer "$body" '{"result":"stored","seq":1}'
    paste_curl_line
    equal status "$status_code" 200
    equal answer "$body" '{"result":"repeated","seq":1}'
    wait_for 5 shown_log '.event == "notification" and .body.curVersion == "1.3" and (.repeat | not)'
    wait_for 5 shown_log '.event == "notification" and .repeat and .deliveries == 2'
    wait_for_status '.seq == 1 and .totals.notifications == 1 and .totals.repeats == 1
        and .records[0].body.deviceId == "******" and .operations[0].operationId == "***********"'
    # What it says about reading store and status file is true, word for word.
    bash -c "$(sed -n 's/^  status file *//p' "$T/start.out")" | jq -e '.seq == 1'
    bash -c "$(sed -n 's/^  store *//p' "$T/start.out")" | grep -F '│ *********** │ *********** │'
    # The page's address stands on a line of its own, and the commands name a program.
    grep -qx " *The page: *https://localhost:$port/status/" "$T/start.out"
    equal "commands" "$(grep -c "/upgrade-status --state $T/state" "$T/start.out")" 2
    [[ -x $(sed -n 's/^  operations *\([^ ]*\).*/\1/p' "$T/start.out") ]]
    # It is reached by IPv6 where there is any, and is no other site than that for production.
    for address in 127.0.0.1 $(grep -qs '^0\{31\}1 ' /proc/net/if_inet6 && echo '[::1]'); do
        URL=https://$address:$port CERTIFICATE=$T/state/tls/certificate.pem request "$CALLBACK"
        expect_answer 405
        grep -qi '^allow: POST' "$answer_headers"
    done
}

@test "the receiver and nginx's workers are not root" {
    # Started by root, even from a folder closed to others, only nginx's master stays root, and the private key is closed to others.
    ((EUID == 0)) || skip "only root has something to give up"
    mkdir -m 0700 "$T/closed"
    cp "$RECEIVER_BIN" "$T/closed/upgrade-receiver"
    UPGRADE_RECEIVER_BIN=$T/closed/upgrade-receiver
    serve
    equal users "$(ps -o user= -p "$(IFS=,; echo "${served[*]:1}")" | sort | uniq -c | awk '$2 == "root" {print $1}')" 1
    equal "who owns the state folder" "$(stat -c %U:%a "$T/state")" www-data:750
    equal "who reads the key" "$(stat -c %U:%a "$T/state/tls/key.pem")" www-data:600
}

@test "Ctrl-C ends everything" {
    # Ctrl-C ends nginx/start with status 0 within five seconds, and no process, folder or socket is left.
    serve
    paste_curl_line
    press_ctrl_c
    start_ends 0
    shown_log '.event == "stop"'
    # The second time it begins where it ended, with the same certificate.
    cp "$T/state/tls/certificate.pem" "$T/first.pem"
    serve
    cmp "$T/state/tls/certificate.pem" "$T/first.pem"
    paste_curl_line
    equal answer "$body" '{"result":"repeated","seq":1}'
    kill -s TERM "$start_pid"
    start_ends 0
}

@test "Ctrl-C before it serves is the regular end too" {
    # Told to stop while it prepares, nginx/start exits 0 and leaves nothing behind.
    mkdir "$T/bin" "$T/tmp"
    chmod 1777 "$T/tmp"
    printf '#!/bin/sh\ntouch "%s/state/asked"\nexec sleep 60\n' "$T" >"$T/bin/openssl"
    chmod 0755 "$T/bin/openssl"
    port=$(free_port)
    PATH=$T/bin:$PATH TMPDIR=$T/tmp start --port "$port"
    wait_for "$PATIENCE" test -e "$T/state/asked"
    mapfile -t served < <(descendants "$start_pid")
    run_folder=$(echo "$T"/tmp/*)
    press_ctrl_c
    start_ends 0
}

@test "a demo is alive at once" {
    # Within half a minute of nginx/start --demo, from a folder closed to others, hundreds of upgrades are in the books, with SUCCESS and FAIL, in several operations; Ctrl-C leaves nothing behind.
    mkdir -m 0700 "$T/closed"
    mkdir "$T/closed/tests"
    cp -r "$SOURCE/nginx" "$T/closed/nginx"
    cp -r "$SOURCE/tests/tool" "$T/closed/tests/tool"
    CLONE=$T/closed serve --demo
    grep -qx " *The page: *https://localhost:$port/status/" "$T/start.out"
    never grep '^curl' "$T/start.out"
    PATIENCE=30 wait_for_status '.upgrades | .inProgress > 100 and .success > 100 and .fail > 1'
    status_is '.operations | length > 1'
    # all of it came through nginx, and was answered 200
    [[ -s $run_folder/nginx.pid && ! -s $run_folder/access.log ]]
    # The log says what it has to say, and none of the hundreds of notifications a second.
    shown_log '.event == "start"'
    never shown_log '.event == "notification"'
    list_served
    ps -o args= -p "$(IFS=,; echo "${served[*]}")" | grep -q play_platform.py
    press_ctrl_c
    start_ends 0
    shown_log '.event == "stop"'
    # The second time it goes on with other operations, in the same folder.
    sql 'SELECT operationId FROM operations' >"$T/first"
    serve --demo
    PATIENCE=30 wait_for_status '.operations[0].firstAt > "'"$(date -u +%FT%TZ)"'"'
    never grep -qxF "$(status_json '.operations[0].operationId')" "$T/first"
    kill -s TERM "$start_pid"
    start_ends 0
}

@test "a demo ends with its platform" {
    # If the platform of a demo is killed, nginx/start says so, stops the rest and exits 1; if nginx/start is, the platform ends as well.
    serve --demo
    wait_for 10 platform_runs
    list_served
    kill -s KILL "$(platform_pid)"
    start_ends 1
    grep -q "the demo's platform ended by itself" "$T/start.err"
    serve --demo
    wait_for 10 platform_runs
    list_served
    kill -s KILL "$start_pid"
    wait_for 10 all_have_ended
    start_pid=
    rm -rf "$run_folder"
}

platform_pid() {
    pgrep -P "$start_pid" -f play_platform.py
}

platform_runs() {
    platform_pid >/dev/null
}

@test "a demo's data and real data are never in one store" {
    # nginx/start --demo refuses a folder whose store no demo made, and without --demo one that is a demo's; both stay as they are.
    serve
    paste_curl_line
    kill -s TERM "$start_pid"
    start_ends 0
    refused --demo
    grep -qF "$T/state holds a store that no demo made; use --state" "$T/start.err"
    equal "notifications" "$(sql 'SELECT count(*) FROM notifications')" 1
    [[ ! -e $T/state/demo ]]
    rm -rf "$T/state"
    serve --demo
    kill -s TERM "$start_pid"
    start_ends 0
    refused
    grep -qF "$T/state is a demo's, and what it holds is invented; use --state" "$T/start.err"
    # Where nobody names a folder, the two are not the same.
    "$SOURCE/nginx/start" --help | grep -q 'a state folder of their own'
}

# refused OPTION...: nginx/start does not serve, and ends with status 1.
refused() {
    local status=0
    timeout 20 "$SOURCE/nginx/start" --port "$(free_port)" --state "$T/state" "$@" \
        >"$T/start.out" 2>"$T/start.err" || status=$?
    equal status "$status" 1
    [[ ! -s $T/start.out ]]
}

@test "a stop loses no answer" {
    # A request that waits for the receiver when nginx/start is stopped is kept, and answered 200 before anything ends.
    serve
    notification deviceId=under-way >"$T/under-way.json"
    kill -s STOP "$(shown_pid)"
    background under_way curl -q --silent --cacert "$T/state/tls/certificate.pem" --max-time 10 \
        --data-binary "@$T/under-way.json" "https://localhost:$port$CALLBACK"
    sleep 0.5
    press_ctrl_c
    sleep 0.5
    kill -s CONT "$(shown_pid)"
    wait "$background_pid"
    equal answer "$(cat "$T/under_way.out")" '{"result":"stored","seq":1}'
    start_ends 0
}

# The receiver's process id, which it tells in its log.
shown_pid() {
    shown_log '.event == "start"'
    log_lines '.event == "start"' | jq -r .pid
}

@test "when one program dies, the other is stopped" {
    # If the receiver or nginx is killed, nginx/start says which, stops the other and exits 1.
    serve
    kill -s KILL "$(pgrep -P "$start_pid" nginx)"
    start_ends 1
    grep -q 'nginx ended by itself' "$T/start.err"
    serve
    kill -s KILL "$(shown_pid)"
    start_ends 1
    grep -q 'the receiver ended by itself' "$T/start.err"
    serve
    # Even when it is killed itself nothing goes on running.
    kill -s KILL "$start_pid"
    wait_for 10 all_have_ended
    start_pid=
    rm -rf "$run_folder"
}

@test "a port in use is a clear error" {
    # A port that somebody listens on, or has bound, is named in the message, and nothing is left running.
    local how
    for how in listen bind; do
        background "$how" python3 -c 'import socket, sys, time
s = socket.socket()
s.bind(("127.0.0.1", 0))
if sys.argv[1] == "listen": s.listen()
print(s.getsockname()[1], flush=True)
time.sleep(60)' "$how"
        wait_for 10 test -s "$T/$how.out"
        port=$(<"$T/$how.out")
        status=0
        "$SOURCE/nginx/start" --port "$port" --state "$T/state" >"$T/start.out" 2>"$T/start.err" || status=$?
        equal status "$status" 1
        grep -q "port $port is in use" "$T/start.err"
        never grep '^curl' "$T/start.out"
        never pgrep -f -- "--state $T/state"
    done
}

@test "wrong options are refused" {
    # An unknown option, a wrong port or a state folder that cannot be used is an error, at once.
    local words
    touch "$T/file"
    for words in --bogus "--port 0" "--port 65536" "--port x" --port "--state=" extra; do
        status=0
        # shellcheck disable=SC2086 # words
        "$SOURCE/nginx/start" $words >"$T/start.out" 2>"$T/start.err" || status=$?
        equal "status of $words" "$status" 2
        [[ -s $T/start.err && ! -s $T/start.out ]]
    done
    status=0
    "$SOURCE/nginx/start" --port "$(free_port)" --state "$T/file" 2>"$T/start.err" || status=$?
    equal status "$status" 1
    grep -q "$T/file is no folder" "$T/start.err"
    "$SOURCE/nginx/start" --help | grep -q -- --port
}

@test "a user is told what to install" {
    # Whoever may not install packages is told the command that does, with all that is missing and nothing else.
    local wrap=()
    if ((EUID == 0)); then wrap=(setpriv --reuid nobody --regid nogroup --clear-groups --); fi
    cp -r "$SOURCE/nginx" "$T/nginx"
    echo 'no-such-package # in no archive' >>"$T/nginx/packages.run"
    status=0
    "${wrap[@]}" "$T/nginx/start" --port "$(free_port)" >"$T/start.out" 2>"$T/start.err" || status=$?
    equal status "$status" 1
    grep -qx ' *apt-get update && apt-get install --no-install-recommends no-such-package' "$T/start.err"
}

@test "a certificate that is about to expire is made anew" {
    # A certificate for less than a day, or one without its key, is replaced, and clients accept the new one.
    serve
    kill -s TERM "$start_pid"
    start_ends 0
    openssl req -x509 -new -key "$T/state/tls/key.pem" -subj /CN=localhost -days 1 \
        -addext 'subjectAltName=DNS:localhost' -out "$T/state/tls/certificate.pem" 2>/dev/null
    cp "$T/state/tls/certificate.pem" "$T/old.pem"
    sleep 1.1 # now it has less than the day that is asked of it
    serve
    never cmp -s "$T/state/tls/certificate.pem" "$T/old.pem"
    paste_curl_line
    equal status "$status_code" 200
    kill -s TERM "$start_pid"
    start_ends 0
    openssl ecparam -name prime256v1 -genkey -noout -out "$T/state/tls/key.pem"
    if ((EUID == 0)); then chown www-data "$T/state/tls/key.pem"; fi
    serve
    paste_curl_line
    equal status "$status_code" 200
}

# --- the site for production --------------------------------------------------------------------

# choose WORD...: makes those choices of the site, which are lines that begin with # and no space.
choose() {
    local word
    cp "$SOURCE/nginx/upgrade-receiver.conf" "$T/site"
    for word in "$@"; do
        grep -qE "^ *#$word" "$T/site" || fail "no choice $word"
        sed -i -E "s|^( *)#($word)|\1\2|" "$T/site"
    done
    sed -i "s|/etc/ssl/upgrade-receiver/platform-ca.pem|$T/platform-ca.pem|" "$T/site"
    NGINX_SITE=$T/site
}

# problem STATUS TITLE: the last answer is problem+json of that kind and says nothing about nginx.
problem() {
    expect_answer "$1" ".status == $1 and .title == \"$2\" and .type == \"about:blank\" and (.detail | length > 0)"
    grep -qi '^content-type: application/problem+json' "$answer_headers" || fail "$(cat "$answer_headers")"
    never grep -i nginx <<<"$body"
}

header() {
    sed -n "s/^$1: *\([^\r]*\)\r*$/\1/Ip" "$answer_headers"
}

handshake() {
    openssl s_client -connect "127.0.0.1:$nginx_port" -CAfile "$CERTIFICATE" "$@" \
        </dev/null 2>&1
}

@test "TLS 1.2 and 1.3 only, without a server name" {
    # Handshakes without a server name get the certificate; TLS 1.1 is refused; a session is resumed; no version is told.
    receiver_start
    nginx_start
    handshake -noservername -tls1_2 | grep -q 'Verify return code: 0'
    handshake -noservername -tls1_3 | grep -q 'Verify return code: 0'
    handshake -servername another.example -tls1_3 | grep -q 'Verify return code: 0'
    handshake -tls1_2 -reconnect | grep -q '^Reused, TLSv1.2'
    # Security level 0, so that it is the server who refuses.
    local out
    out=$(handshake -tls1_1 -cipher DEFAULT@SECLEVEL=0 || true)
    grep -qE 'alert (protocol version|handshake failure)' <<<"$out" || fail "$out"
    local path
    for path in / "$CALLBACK" "/$(printf '%09000d' 1)"; do
        request "$path"
        equal Server "$(header server)" nginx
        never grep -E 'nginx/?[0-9]' "$answer_headers"
    done
}

@test "the site is the default of its port" {
    # Beside another site on the same port, a client that sends no server name gets this one, with its certificate.
    local fixed_port
    fixed_port=$(free_port)
    free_port() {
        echo "$fixed_port"
    }
    openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 \
        -subj /CN=other -keyout "$T/other.key" -out "$T/other.pem" 2>/dev/null
    NGINX_EXTRA="server {
        listen 127.0.0.1:$fixed_port ssl;
        server_name other.example;
        ssl_certificate $T/other.pem;
        ssl_certificate_key $T/other.key;
        return 204;
    }" nginx_start
    handshake -noservername | grep -q 'Verify return code: 0'
    handshake -servername other.example | grep -q 'subject=CN = other'
    request "$CALLBACK"
    problem 405 "Method Not Allowed"
}

@test "nginx answers by itself what is no notification" {
    # With no receiver at all: 405 with Allow, 404, 413 and 400 as always, and 503 with Retry-After for a notification.
    nginx_start
    notification >"$T/body"
    local method path
    for path in "$CALLBACK" "$CALLBACK/cmd"; do
        for method in GET PUT DELETE OPTIONS PROPFIND; do
            request "$path" --request "$method"
            problem 405 "Method Not Allowed"
            equal Allow "$(header allow)" POST
        done
        for _ in {1..4}; do
            POST_PATH=$path post "$T/body"
            problem 503 "Service Unavailable"
            [[ $(header retry-after) =~ ^[1-9][0-9]*$ ]]
        done
    done
    request "$CALLBACK" --head
    expect_answer 405
    for path in / /v1.0.0 "$CALLBACK/" "$CALLBACK/cmd/x" /upgrade-receiver-problem; do
        POST_PATH=$path post "$T/body"
        problem 404 "Not Found"
        equal Allow "$(header allow)" ""
    done
    head -c 1048577 /dev/zero >"$T/large"
    post "$T/large"
    problem 413 "Content Too Large"
    request "$CALLBACK" -H 'Content-Length: 1x' --data x
    problem 400 "Bad Request"
    URL=http://127.0.0.1:$nginx_port request "$CALLBACK"
    problem 400 "Bad Request"
    # All of it is in the log, as JSON, and who made the 503 is to be seen.
    jq -es 'map(select(.status == "413")) | length == 1' "$T/nginx/access.log"
    jq -es 'map(select(.status == "503" and (.upstreamStatus | startswith("502")))) | length == 8' "$T/nginx/access.log"
    # The receiver is used as soon as it is there, by each of nginx's workers.
    receiver_start
    for _ in {1..8}; do
        post "$T/body"
        expect_answer 200
    done
}

@test "a misdirected callback is counted, and a near miss told" {
    # POSTs on other paths are 404 without their body; the receiver counts them, names one that is nearly a callback path in one line, also a path that is its callback and not in the site file; GET counts nothing, and nobody reads the pages this way.
    receiver_start --callback "$CALLBACK" --callback /v1.0.0/messageReceiver/secret
    nginx_start
    local path
    for path in "$CALLBACK/" /v1.0.0/messagereceiver "$CALLBACK/secret" "/x/..$CALLBACK%2f?a=1" /wp-login.php /; do
        POST_PATH=$path post_text "$(notification)"
        problem 404 "Not Found"
        request "$path"
        problem 404 "Not Found"
    done
    POST_PATH=/upgrade-receiver-misdirected post_text x
    problem 404 "Not Found"
    for path in /status/ /metrics /health/ready; do
        request "$path"
        expect_answer 200
        POST_PATH=$path post_text x
        expect_answer 405
    done
    wait_for_status '.process.misdirected == 6 and .process.near_misses == 4 and .process.refused_in_a_row == 0'
    wait_for_log '.event == "misdirected"'
    equal "lines" "$(log_lines '.event == "misdirected"' | jq -c '[.path, .callback, .count]')" \
        "[\"$CALLBACK/\",\"$CALLBACK\",1]"
    equal kept "$(sql 'SELECT (SELECT count(*) FROM notifications) + (SELECT count(*) FROM quarantine)')" 0
    request /status/overview.json
    expect_answer 200 '.receiver.nearMisses == 4'
    # A body of which nothing comes is not waited for.
    request "$CALLBACK/" --request POST -H 'Content-Length: 1000' -H 'Expect:'
    expect_answer 404
    # A receiver that is not there is not missed.
    receiver_stop
    POST_PATH=$CALLBACK/ post_text x
    problem 404 "Not Found"
}

@test "the receiver's own answers pass unchanged" {
    # A body of exactly the limit, a chunked one and the receiver's 503 with its Retry-After go through nginx as they are.
    receiver_start
    nginx_start
    printf '%-1048576s' "$(notification deviceId=padded)" >"$T/body"
    post "$T/body"
    expect_answer 200 '.result == "stored"'
    post "$T/body" -H 'Transfer-Encoding: chunked'
    expect_answer 200 '.result == "repeated"'
    # nginx keeps its connection to the receiver.
    grep -qE " 03 +[0-9]+ $T/socket\$" /proc/net/unix || fail "no connection is kept"
    # What is no 200 is logged, and nothing else.
    [[ ! -s $T/nginx/access.log ]] || fail "$(cat "$T/nginx/access.log")"
    mv "$T/state" "$T/elsewhere"
    notification deviceId=later >"$T/body"
    post "$T/body"
    problem 503 "Service Unavailable"
    [[ $(header retry-after) =~ ^[1-9][0-9]*$ ]]
    # The log tells that this one is the receiver's own.
    wait_for 5 jq -es '.[0].upstreamStatus == "503"' "$T/nginx/access.log"
    mv "$T/elsewhere" "$T/state"
}

@test "a second receiver takes what the first cannot" {
    # With a second receiver chosen, notifications are answered 200 though the first one answers 503, or is gone.
    choose 'server unix'
    receiver_start
    background second python3 "$TESTS/tool/hold.py" "$T/socket-2" "$T/pid-2" -- \
        "$RECEIVER_BIN" --state "$T/state-2"
    nginx_start
    mv "$T/state" "$T/elsewhere"
    local i
    for i in {1..6}; do
        post_text "$(notification "deviceId=while-503-$i")"
        expect_answer 200 '.result == "stored"'
    done
    receiver_stop
    for i in {1..6}; do
        post_text "$(notification "deviceId=while-gone-$i")"
        expect_answer 200 '.result == "stored"'
    done
    equal "kept by the second" "$(sqlite3 -readonly "$T/state-2/upgrades.db" 'SELECT count(*) FROM notifications')" 12
    # The choice is for both kinds of connection.
    equal sockets "$(grep -c 'server unix:.*/socket-2' "$T/nginx/site.conf")" 2
}

@test "a request that meets the end of the receiver is sent again" {
    # The receiver is killed over a request, on a new or a kept connection, and comes back on the same socket: the answer is 200 all the same.
    receiver_start
    nginx_start
    killed_over deviceId=on-a-new-connection
    # both of nginx's workers have kept connections then
    for _ in {1..8}; do post_text "$(notification)"; done
    killed_over deviceId=on-a-kept-connection
}

# killed_over NAME=TEXT: the receiver is killed while this notification waits in it for the disk, and
# started again.
killed_over() {
    notification "$1" >"$T/$1"
    lock_store
    background "$1.answer" curl -q --silent --cacert "$CERTIFICATE" --max-time 15 --data-binary "@$T/$1" "$URL$CALLBACK"
    sleep 0.3
    receiver_kill
    unlock_store
    receiver_restart
    wait "$background_pid"
    equal "result ($(cat "$T/$1.answer.out"))" "$(jq -r .result "$T/$1.answer.out")" stored
}

@test "a receiver that does not answer is given up in time" {
    # A receiver that stands still gets the platform a 503 within the 15 seconds that it waits.
    receiver_start
    nginx_start
    kill -s STOP "$(receiver_pid)"
    SECONDS=0
    notification >"$T/body"
    post "$T/body"
    kill -s CONT "$(receiver_pid)"
    problem 503 "Service Unavailable"
    ((SECONDS < 15 * SLOWER)) || fail "took $SECONDS s"
    # and it counts once, though the platform was told to come again
    post "$T/body"
    expect_answer 200 '.result == "repeated"'
}

@test "all choices of the site are well formed" {
    # With every choice in the site made, nginx accepts it.
    make_certificate
    cp "$CERTIFICATE" "$T/platform-ca.pem"
    # The second ssl_ciphers stands instead of the first.
    choose '[^ ]'
    sed -i '0,/^ *ssl_ciphers/{/^ *ssl_ciphers/d}' "$T/site"
    never grep -nE '^ *#[^ ]' "$T/site"
    mkdir -p "$T/nginx"
    nginx_configure "$(free_port)"
    nginx -t -p "$T/nginx" -c "$T/nginx/nginx.conf" -e "$T/nginx/error.log"
}

@test "the choices keep others out" {
    # Mutual TLS, source addresses, rate and unguessable path: each, when chosen, refuses strangers and lets the platform in.
    receiver_start --callback "$CALLBACK" --callback "$CALLBACK/00000000000000000000000000000000"
    notification >"$T/body"
    make_certificate
    cp "$CERTIFICATE" "$T/platform-ca.pem"

    choose ssl_client_certificate ssl_verify
    nginx_start
    post "$T/body"
    problem 400 "Bad Request"
    post "$T/body" --cert "$CERTIFICATE" --key "$CERTIFICATE_KEY"
    expect_answer 200
    nginx_stop

    choose 'allow 192' 'deny all'
    nginx_start
    post "$T/body"
    problem 403 Forbidden
    nginx_stop
    sed -i 's/allow 192.*/allow 127.0.0.1;/' "$T/site"
    nginx_start
    post "$T/body"
    expect_answer 200
    nginx_stop

    choose limit_req
    sed -i -e 's|rate=2000r/s|rate=1r/m|' -e 's/burst=1000/burst=1/' "$T/site"
    nginx_start
    post "$T/body"
    expect_answer 200
    post "$T/body"
    expect_answer 200
    post "$T/body"
    problem 503 "Service Unavailable"
    [[ $(header retry-after) =~ ^[1-9][0-9]*$ ]]
    nginx_stop

    choose 'location = /v1.0.0/messageReceiver/0' include fastcgi_pass '}'
    nginx_start
    POST_PATH=$CALLBACK/00000000000000000000000000000000 post "$T/body"
    expect_answer 200
}
