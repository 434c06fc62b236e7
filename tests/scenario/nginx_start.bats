#!/usr/bin/env bats
# nginx/start serves with one command, shows what happens, and leaves nothing behind; the site for
# production answers by itself what is no notification, and never in place of one.

load lib
load faults

setup() {
    scenario_setup
    start_pid=
    expected=() words=()
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
    wait_for "$PATIENCE" has_begun
    [[ $shown =~ $'\n  nginx '\ *([^:]*): ]]
    run_folder=${BASH_REMATCH[1]}
    list_served
    # master, two workers or more, and the receiver
    ((${#served[@]} >= 4)) || fail "too few processes: ${served[*]}"
}

# Sets $served to nginx/start and its descendants, and $owners to whom they belong.
list_served() {
    local pid parent user found=1
    local -A users=() parents=()
    while read -r pid parent user; do users[$pid]=$user parents[$pid]=$parent; done < <(ps -eo pid=,ppid=,user=)
    served=("$start_pid") owners=("${users[$start_pid]:-}")
    while ((found)); do
        found=0
        for pid in "${!parents[@]}"; do
            if [[ " ${served[*]} " == *" ${parents[$pid]} "* ]]; then
                served+=("$pid") owners+=("${users[$pid]}") found=1
                unset "parents[$pid]"
            fi
        done
    done
}

# Sets $shown to what nginx/start has printed so far.
read_shown() {
    shown=
    { IFS= read -r -d '' shown <"$T/start.out"; } 2>/dev/null || true
}

serves() {
    read_shown
    [[ $shown == *$'\n'"The receiver's log"* ]]
}

# The receiver has written its first line; sets $shown_pid to the process id that it tells.
has_begun() {
    read_shown
    [[ $'\n'$shown =~ $'\n{'[^$'\n']*'"event":"start"'[^$'\n']*'"pid":'([0-9]+) ]] && shown_pid=${BASH_REMATCH[1]}
}

serves_or_ended() {
    serves || process_is_gone "$start_pid"
}

# What a terminal does: the signal goes to all that are in its foreground.
press_ctrl_c() {
    kill -s INT -- "-$start_pid"
}

# start_ends STATUS: soon, with that status, and nothing of it is left.
start_ends() {
    local status=0 since=${EPOCHREALTIME//./}
    wait_for "$PATIENCE" process_is_gone "$start_pid"
    in_time "the end" $(((${EPOCHREALTIME//./} - since) / 1000)) 5000
    wait "$start_pid" || status=$?
    start_pid=
    equal "exit status ($(cat "$T/start.err"))" "$status" "$1"
    wait_for "$PATIENCE" all_have_ended
    [[ ! -e $run_folder ]] || fail "still there: $run_folder"
    never port_answers
}

all_have_ended() {
    local running
    running=$(ps -o stat=,pid=,args= -p "$(IFS=,; echo "${served[*]}")") || true
    [[ -z $running || ! $'\n'$running =~ $'\n'[^Z] ]] || fail "still there: $running"
}

port_answers() {
    # shellcheck disable=SC2188 # to connect is all that is wanted
    (: <>"/dev/tcp/127.0.0.1/$port") 2>/dev/null
}

# Runs the line that nginx/start has printed, exactly as it stands; sets $body and $status_code.
paste_curl_line() {
    read_shown
    [[ $shown =~ $'\n'(curl [^$'\n']*) ]]
    bash -c "${BASH_REMATCH[1]}" >"$T/pasted"
    { read -r body && read -r status_code; } <"$T/pasted" || true
}

# The lines of the receiver's log among what nginx/start has printed, for lib.bash's log functions.
shown_log() {
    grep '^{' "$T/start.out" >"$LOG"
    log_has "$@"
}

@test "one command serves, and shows what arrives" {
    # The curl line that nginx/start prints is answered stored, then repeated; log and status file show it. If nginx is killed, the rest ends as well, with status 1.
    local how_status how_store
    serve
    if ((EUID == 0)); then only_the_master_is_root; fi
    paste_curl_line
    equal status "$status_code" 200
    equal answer "$body" '{"result":"stored","seq":1}'
    paste_curl_line
    equal status "$status_code" 200
    equal answer "$body" '{"result":"repeated","seq":1}'
    wait_for "$PATIENCE" shown_has '"repeat":true'
    shown_log '.event == "notification" and .repeat and .deliveries == 2'
    log_has '.event == "notification" and .body.curVersion == "1.3" and (.repeat | not)'
    wait_for_status '.seq == 1 and .totals.notifications == 1 and .totals.repeats == 1
        and .records[0].body.deviceId == "******" and .operations[0].operationId == "***********"'
    # What it says about reading store and status file is true, word for word.
    [[ $shown =~ $'\n  status file '\ *([^$'\n']*) ]] && how_status=${BASH_REMATCH[1]}
    [[ $shown =~ $'\n  store '\ *([^$'\n']*) ]] && how_store=${BASH_REMATCH[1]}
    bash -c "$how_status" | jq -e '.seq == 1'
    [[ $(bash -c "$how_store") == *'│ *********** │ *********** │'* ]]
    # The page's address stands on a line of its own, and the commands name a program.
    [[ $shown =~ $'\n'\ *'The page:'\ *"https://localhost:$port/status/"$'\n' ]]
    [[ $shown == *"/upgrade-status --state $T/state"*"/upgrade-status --state $T/state"* ]]
    [[ $shown =~ $'\n  operations '\ *([^\ ]*) && -x ${BASH_REMATCH[1]} ]]
    # It is reached by IPv6 where there is any, and is no other site than that for production.
    for address in 127.0.0.1 $(grep -qs '^0\{31\}1 ' /proc/net/if_inet6 && echo '[::1]'); do
        URL=https://$address:$port CERTIFICATE=$T/state/tls/certificate.pem request "$CALLBACK"
        expect_answer 405
        equal Allow "$(header allow)" POST
    done
    # / leads to the page.
    URL=https://localhost:$port CERTIFICATE=$T/state/tls/certificate.pem request /
    equal "/" "$status_code $(header location)" '302 /status/'
    kill -s KILL "$(pgrep -P "$start_pid" nginx)"
    start_ends 1
    grep -q 'nginx ended by itself' "$T/start.err"
}

# shown_has TEXT: nginx/start has printed it.
shown_has() {
    read_shown
    [[ $shown == *"$1"* ]]
}

# Of what nginx/start has started only nginx's master is root, and who serves owns the key and the state.
only_the_master_is_root() {
    local user roots=0
    for user in "${owners[@]:1}"; do if [[ $user == root ]]; then roots=$((roots + 1)); fi; done
    equal "processes of root" "$roots" 1
    equal "owners" "$(stat -c %U:%a "$T/state" "$T/state/tls/key.pem")" $'www-data:750\nwww-data:600'
}

# bats test_tags=full
@test "the receiver and nginx's workers are not root" {
    # Started by root, even from a folder closed to others, only nginx's master stays root, and the private key is closed to others.
    ((EUID == 0)) || skip "only root has something to give up"
    mkdir -m 0700 "$T/closed"
    cp "$RECEIVER_BIN" "$T/closed/upgrade-receiver"
    UPGRADE_RECEIVER_BIN=$T/closed/upgrade-receiver
    serve
    only_the_master_is_root
}

# bats test_tags=full
@test "Ctrl-C ends everything" {
    # Ctrl-C ends nginx/start with status 0 soon, and no process, folder or socket is left.
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
    list_served
    run_folder=$(echo "$T"/tmp/*)
    press_ctrl_c
    start_ends 0
}

# make_clone: a clone in which a build takes no compiler, but waits while $T/clone/hold is there; each build adds its
# process id to $T/clone/build/builds.
make_clone() {
    mkdir "$T/clone"
    cp -r "$SOURCE/nginx" "$T/clone/nginx"
    cat >"$T/clone/configure" <<END
#!/bin/sh
cat >Makefile <<'MAKE'
all:
	echo \$\$\$\$ >>builds; while [ -e ../hold ]; do sleep 0.05; done; mkdir -p fcgi; cp -f "$RECEIVER_BIN" fcgi/
MAKE
END
    chmod 0755 "$T/clone/configure"
}

# builds COUNT: so many builds have begun.
builds() {
    [[ $(wc -l <"$T/clone/build/builds") -eq $1 ]]
}

# begin NAME: nginx/start of that clone, which builds.
begin() {
    UPGRADE_RECEIVER_BIN='' TMPDIR=$T/tmp background "$1" setsid env --default-signal=INT,HUP \
        "$T/clone/nginx/start" --port "$(free_port)" --state "$T/state-$1"
}

# ends_well PID: soon, with status 0.
ends_well() {
    local status=0
    wait_for "$PATIENCE" process_is_gone "$1"
    wait "$1" || status=$?
    equal "exit status" "$status" 0
}

# bats test_tags=full
@test "two in one clone build one after the other, and may be told to stop" {
    # While one nginx/start builds, another one says that it waits. Each signal that tells either to stop ends it at once with 0, its build as well; then the next one builds.
    local first second third
    make_clone
    mkdir -m 1777 "$T/tmp"
    touch "$T/clone/hold"
    begin first
    first=$background_pid
    wait_for "$PATIENCE" builds 1
    grep -q 'building, which takes' "$T/first.out"
    begin second
    second=$background_pid
    wait_for "$PATIENCE" grep -q 'waiting for its end' "$T/second.out"
    if [[ $TEST_FULL == 1 ]]; then
        begin third
        third=$background_pid
        wait_for "$PATIENCE" grep -q 'waiting for its end' "$T/third.out"
        kill -s HUP "$third"
        ends_well "$third"
    fi
    builds 1
    kill -s TERM "$first"
    ends_well "$first"
    wait_for "$PATIENCE" builds 2
    process_is_gone "$(sed -n 1p "$T/clone/build/builds")"
    kill -s INT "$second"
    ends_well "$second"
    process_is_gone "$(sed -n 2p "$T/clone/build/builds")"
    equal "left behind" "$(ls "$T/tmp")" ''
}

# bats test_tags=full
@test "what root builds belongs to the clone's owner" {
    # Started by root in a clone that is somebody else's, nginx/start serves and leaves no file of root's in it.
    ((EUID == 0)) || skip "only root builds for others"
    make_clone
    chown -R nobody: "$T/clone"
    UPGRADE_RECEIVER_BIN='' CLONE=$T/clone serve
    builds 1
    equal "files of root" "$(find "$T/clone" ! -user nobody)" ''
    kill -s TERM "$start_pid"
    start_ends 0
}

# bats test_tags=full
@test "a stop while packages are installed lets dpkg end" {
    # Told to stop while apt-get works, nginx/start lets it end what it has begun, exits 0 and leaves nothing behind.
    ((EUID == 0)) || skip "only root installs packages"
    cp -r "$SOURCE/nginx" "$T/nginx"
    echo 'no-such-package # in no archive' >>"$T/nginx/packages.run"
    mkdir -m 1777 "$T/tmp"
    mkdir "$T/bin"
    printf '#!/bin/sh\ntrap "sleep 0.3; touch %s/ended; exit 100" INT\ntouch %s/asked\nwhile :; do sleep 0.05; done\n' \
        "$T" "$T" >"$T/bin/apt-get"
    chmod 0755 "$T/bin/apt-get"
    PATH=$T/bin:$PATH TMPDIR=$T/tmp background start "$T/nginx/start" --port "$(free_port)" --state "$T/state"
    wait_for "$PATIENCE" test -e "$T/asked"
    grep -q 'installing, which takes a minute or two: no-such-package' "$T/start.out"
    kill -s TERM "$background_pid"
    ends_well "$background_pid"
    [[ -e $T/ended ]]
    equal "left behind" "$(ls "$T/tmp")" ''
}

# bats test_tags=full
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

# bats test_tags=full
@test "a demo ends with its platform" {
    # If the platform of a demo is killed, nginx/start says so, stops the rest and exits 1; if nginx/start is, the platform ends as well.
    serve --demo
    wait_for "$PATIENCE" platform_runs
    list_served
    kill -s KILL "$(platform_pid)"
    start_ends 1
    grep -q "the demo's platform ended by itself" "$T/start.err"
    serve --demo
    wait_for "$PATIENCE" platform_runs
    list_served
    kill -s KILL "$start_pid"
    wait_for "$PATIENCE" all_have_ended
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
    if [[ $TEST_FULL == 1 ]]; then
        serve
        paste_curl_line
        kill -s TERM "$start_pid"
        start_ends 0
    else
        receiver_start
        send deviceId=real
        receiver_stop
        give_to_service "$T/state"
    fi
    refused --demo
    grep -qF "$T/state holds a store that no demo made; use --state" "$T/start.err"
    equal "notifications" "$(sql 'SELECT count(*) FROM notifications')" 1
    [[ ! -e $T/state/demo ]]
    rm -rf "$T/state"
    if [[ $TEST_FULL == 1 ]]; then
        serve --demo
        kill -s TERM "$start_pid"
        start_ends 0
    else
        mkdir "$T/state"
        : >"$T/state/demo"
        give_to_service "$T/state"
    fi
    refused
    grep -qF "$T/state is a demo's, and what it holds is invented; use --state" "$T/start.err"
    # Where nobody names a folder, the two are not the same.
    "$SOURCE/nginx/start" --help | grep -q 'a state folder of their own'
}

# give_to_service FOLDER: it belongs to whom nginx/start has the receiver run as.
give_to_service() {
    if ((EUID == 0)); then chown -R www-data: "$1"; fi
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
    kill -s STOP "$shown_pid"
    background under_way curl -q --silent --cacert "$T/state/tls/certificate.pem" --max-time 10 \
        --data-binary "@$T/under-way.json" "https://localhost:$port$CALLBACK"
    # nginx has connected, and nobody has accepted that yet
    wait_for "$PATIENCE" grep -qE " 02 +[0-9]+ $run_folder/receiver/socket\$" /proc/net/unix
    press_ctrl_c
    wait_for "$PATIENCE" port_is_closed
    kill -s CONT "$shown_pid"
    wait "$background_pid"
    equal answer "$(<"$T/under_way.out")" '{"result":"stored","seq":1}'
    start_ends 0
}

port_is_closed() {
    ! port_answers
}

# bats test_tags=full
@test "when one program dies, the other is stopped" {
    # If the receiver or nginx is killed, nginx/start says which, stops the other and exits 1.
    serve
    kill -s KILL "$(pgrep -P "$start_pid" nginx)"
    start_ends 1
    grep -q 'nginx ended by itself' "$T/start.err"
    serve
    kill -s KILL "$shown_pid"
    start_ends 1
    grep -q 'the receiver ended by itself' "$T/start.err"
    serve
    # Even when it is killed itself nothing goes on running.
    kill -s KILL "$start_pid"
    wait_for "$PATIENCE" all_have_ended
    start_pid=
    rm -rf "$run_folder"
}

@test "a port in use is a clear error" {
    # A port that somebody listens on, or has bound, is named in the message, and nothing is left running.
    local how ways=(listen)
    # What is bound and does not listen is seen only when all has been prepared.
    if [[ $TEST_FULL == 1 ]]; then ways+=(bind); fi
    for how in "${ways[@]}"; do
        background "$how" "$PYTHON" -c 'import socket, sys, time
s = socket.socket()
s.bind(("127.0.0.1", 0))
if sys.argv[1] == "listen": s.listen()
print(s.getsockname()[1], flush=True)
time.sleep(60)' "$how"
        wait_for "$PATIENCE" test -s "$T/$how.out"
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

# bats test_tags=full
@test "a certificate that is about to expire is made anew" {
    # A certificate for less than a day, or one without its key, is replaced, and clients accept the new one.
    serve
    kill -s TERM "$start_pid"
    start_ends 0
    openssl req -x509 -new -key "$T/state/tls/key.pem" -subj /CN=localhost -days 1 \
        -addext 'subjectAltName=DNS:localhost' -out "$T/state/tls/certificate.pem" 2>/dev/null
    cp "$T/state/tls/certificate.pem" "$T/old.pem"
    pause 1.1 # now it has less than the day that is asked of it
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
    local headers
    expect_answer "$1" || return
    IFS= read -r -d '' headers <"$answer_headers" || true
    is_problem "$1" "$2"
}

# is_problem STATUS TITLE: $headers and $body are that.
is_problem() {
    [[ ${headers,,} == *$'\ncontent-type: application/problem+json'* ]] || fail "$headers" || return
    [[ $body =~ ^'{"type":"about:blank","title":"'"$2"'","status":'"$1"',"detail":"'[^\"\\]+'"}'[[:space:]]*$ ]] ||
        fail "no problem document '$2': $body" || return
    [[ ${body,,} != *nginx* ]] || fail "$body"
}

# header NAME: its value in the last answer; NAME in small letters.
header() {
    local line
    while IFS= read -r line; do
        line=${line%$'\r'}
        if [[ ${line,,} == "$1: "* ]]; then echo "${line#*: }"; fi
    done <"$answer_headers"
}

# also STATUS TITLE URL [CURL-ARGUMENT...]: one more request for `ask`, to be answered by that status and,
# unless TITLE is empty, a problem of that kind.
also() {
    local number=${#expected[@]}
    expected+=("$1|$2|${*:3}")
    if ((number > 0)); then words+=(--next); fi
    words+=(--silent --show-error --noproxy '*' --cacert "$CERTIFICATE" --max-time "$((PATIENCE * SLOWER))"
        --output "$T/answers/$number" --dump-header "$T/answers/$number.headers"
        --write-out '%{http_code}\n' "${@:4}" "$3")
}

# ask: sends all that, one after the other, by one process. Such a problem allows POST if it is a 405, and
# nothing otherwise; a 503 tells when to come again.
ask() {
    local number status title what codes=() headers body allow wanted
    mkdir -p "$T/answers"
    mapfile -t codes < <(curl -q "${words[@]}" 2>"$T/answers/stderr")
    for number in "${!expected[@]}"; do
        IFS='|' read -r status title what <<<"${expected[number]}"
        body=
        { IFS= read -r -d '' body <"$T/answers/$number"; } 2>/dev/null || true
        equal "status of $what ($body)" "${codes[number]:-}" "$status" || return
        IFS= read -r -d '' headers <"$T/answers/$number.headers" || true
        if [[ -n $title ]]; then
            is_problem "$status" "$title" || fail "($what)" || return
            allow=
            if [[ ${headers,,} =~ $'\nallow: '([^$'\r']*) ]]; then allow=${BASH_REMATCH[1]}; fi
            wanted=
            if ((status == 405)); then wanted=post; fi
            equal "Allow of $what" "$allow" "$wanted" || return
        fi
        if ((status == 503)); then
            [[ ${headers,,} =~ $'\nretry-after: '[1-9][0-9]*$'\r' ]] || fail "no Retry-After: $what" || return
        fi
    done
    expected=() words=()
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
    local path long
    printf -v long '/%09000d' 1
    for path in / "$CALLBACK" "$long"; do
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
    head -c 1048577 /dev/zero >"$T/large"
    local method path
    for path in "$CALLBACK" "$CALLBACK/cmd"; do
        for method in GET PUT DELETE OPTIONS PROPFIND; do
            also 405 "Method Not Allowed" "$URL$path" --request "$method"
        done
        # on connections of their own, for each of nginx's workers
        for _ in {1..4}; do
            also 503 "Service Unavailable" "$URL$path" --data-binary "@$T/body" -H 'Connection: close'
        done
    done
    also 405 '' "$URL$CALLBACK" --head
    for path in / /v1.0.0 "$CALLBACK/" "$CALLBACK/cmd/x" /upgrade-receiver-problem; do
        also 404 "Not Found" "$URL$path" --data-binary "@$T/body"
    done
    also 413 "Content Too Large" "$URL$CALLBACK" --data-binary "@$T/large"
    also 400 "Bad Request" "$URL$CALLBACK" -H 'Content-Length: 1x' --data x
    also 400 "Bad Request" "http://127.0.0.1:$nginx_port$CALLBACK"
    ask
    # All of it is in the log, as JSON, and who made the 503 is to be seen.
    jq -es '(map(select(.status == "413")) | length == 1) and
        (map(select(.status == "503" and (.upstreamStatus | startswith("502")))) | length == 8)' "$T/nginx/access.log"
    # The receiver is used as soon as it is there, by each of nginx's workers.
    receiver_start
    for _ in {1..8}; do
        also 200 '' "$URL$CALLBACK" --data-binary "@$T/body" -H 'Connection: close' -H 'Content-Type: application/json'
    done
    ask
}

@test "a misdirected callback is counted, and a near miss told" {
    # POSTs on other paths are 404 without their body; the receiver counts them, names one that is nearly a callback path in one line, also a path that is its callback and not in the site file; GET counts nothing, and nobody reads the pages this way.
    receiver_start --callback "$CALLBACK" --callback /v1.0.0/messageReceiver/secret
    nginx_start
    local path
    notification >"$T/body"
    for path in "$CALLBACK/" /v1.0.0/messagereceiver "$CALLBACK/secret" "/x/..$CALLBACK%2f?a=1" /wp-login.php /; do
        also 404 "Not Found" "$URL$path" --data-binary "@$T/body"
        also 404 "Not Found" "$URL$path"
    done
    also 404 "Not Found" "$URL/upgrade-receiver-misdirected" --data x
    for path in /status/ /metrics /health/ready; do
        also 200 '' "$URL$path"
        also 405 '' "$URL$path" --data x
    done
    ask
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
    [[ ! -s $T/nginx/access.log ]] || fail "$(<"$T/nginx/access.log")"
    mv "$T/state" "$T/elsewhere"
    notification deviceId=later >"$T/body"
    post "$T/body"
    problem 503 "Service Unavailable"
    [[ $(header retry-after) =~ ^[1-9][0-9]*$ ]]
    # The log tells that this one is the receiver's own.
    wait_for "$PATIENCE" jq -es '.[0].upstreamStatus == "503"' "$T/nginx/access.log"
    mv "$T/elsewhere" "$T/state"
}

@test "a second receiver takes what the first cannot" {
    # With a second receiver chosen, notifications are answered 200 though the first one answers 503, or is gone.
    choose 'server unix'
    receiver_start
    background second "$HOLD" "$T/socket-2" "$T/pid-2" -- \
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

# bats test_tags=full
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
    pause 0.3 # either way it must be answered
    receiver_kill
    unlock_store
    receiver_restart
    wait "$background_pid"
    equal "result ($(cat "$T/$1.answer.out"))" "$(jq -r .result "$T/$1.answer.out")" stored
}

# bats test_tags=full
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
    in_time "the answer" $((SECONDS * 1000)) 15000
    # and it counts once, though the platform was told to come again
    post "$T/body"
    expect_answer 200 '.result == "repeated"'
}

@test "all choices of the site are well formed" {
    # With every choice in the site made, nginx accepts it.
    make_certificate
    cp "$CERTIFICATE" "$T/platform-ca.pem"
    # The second ssl_ciphers stands instead of the first, and the certificate by a variable instead of that by its name.
    choose '[^ ]'
    sed -i -e '0,/^ *ssl_ciphers/{/^ *ssl_ciphers/d}' -e '/^ *ssl_certificate\(_key\)* \//d' "$T/site"
    never grep -nE '^ *#[^ ]' "$T/site"
    mkdir -p "$T/nginx"
    nginx_configure "$(free_port)"
    nginx -t -p "$T/nginx" -c "$T/nginx/nginx.conf" -e "$T/nginx/error.log"
}

# renew SERIAL: another certificate of the same key, as --reuse-key of certbot makes it.
renew() {
    openssl req -x509 -new -key "$T/tls/key.pem" -subj /CN=localhost -days 2 -set_serial "$1" \
        -addext 'subjectAltName=IP:127.0.0.1' -out "$T/tls/new" 2>/dev/null
    mv "$T/tls/new" "$T/tls/fullchain.pem"
}

# bats test_tags=full
@test "a renewed certificate needs no reload, and costs no push" {
    # With the choice of reading it at each handshake the certificate is renewed twenty times under load, on new and on kept connections: each new handshake shows the new one, and every push is answered 200 at once.
    local serial how
    mkdir "$T/tls"
    make_certificate
    cp "$CERTIFICATE_KEY" "$T/tls/key.pem"
    if ((EUID == 0)); then chown www-data "$T/tls/key.pem"; fi
    renew 1
    choose 'ssl_certificate .upgrade' 'ssl_certificate_key .upgrade'
    sed -i -e '/^ *ssl_certificate\(_key\)* \//d' -e "s|default /etc/ssl/upgrade-receiver;|default $T/tls;|" "$T/site"
    receiver_start
    nginx_start
    for how in --fresh ''; do
        # Its certificates change: none is checked.
        background "push$how" "$PUSHER" --url "$URL$CALLBACK" --count 100000 --rate 100 --connections 16 --seed "1${#how}" \
            --deadline 120 $how
        for ((serial = 2; serial <= 11; serial++)); do
            renew "$serial"
            handshake -noservername | openssl x509 -noout -serial >"$T/serial"
            equal serial "$((16#$(cut -d= -f2 "$T/serial")))" "$serial"
        done
        kill -s TERM "$background_pid"
        wait "$background_pid" || true
        jq -e '.answers["200"] > 50 and (.answers | keys == ["200"])' "$T/push$how.out" || fail "$(<"$T/push$how.out")"
    done
}

# bats test_tags=full
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
