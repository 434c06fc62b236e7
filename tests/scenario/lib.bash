# lib.bash: a receiver, a web server and a client for scenarios. A bats file begins with `load lib`.
#
# Each test has a folder of its own, $T, and stops whatever it started, also when it fails:
#
#   $T/state    the state folder      $T/log         what the receiver printed
#   $T/socket   its listening socket  $T/stderr      its complaints
#   $T/pid      its process id, while it runs; $T/pid.exit the last one's exit status
#   $T/nginx/   configuration and logs of nginx
#
#   $T/reports  what a tool found under which the receiver runs (tests/run --under), if it does
#
# A scenario that needs more in setup or teardown defines its own and calls scenario_setup and
# scenario_teardown from them.
#
# shellcheck shell=bash

TESTS=$(cd "${BASH_SOURCE[0]%/*}/.." && pwd)
SOURCE=${TESTS%/*}
RECEIVER_BIN=${UPGRADE_RECEIVER_BIN:-$SOURCE/build/fcgi/upgrade-receiver}
CALLBACK=/v1.0.0/messageReceiver
HOLD=${HOLD:-${RECEIVER_BIN%/*/*}/tests/tool/hold}

# tests/run --full: the size of what is long, and whether times are compared (in_time).
export TEST_FULL=${UPGRADE_RECEIVER_TEST_FULL:-${TEST_FULL:-}}

# An option in the environment of whoever runs the tests must not reach the receiver.
unset "${!UPGRADE_RECEIVER_@}"
export UPGRADE_RECEIVER_BIN=$RECEIVER_BIN LC_ALL=C.UTF-8 TZ=UTC
# How long the receiver waits at most for what should happen at once, in seconds: generous, because
# it is only ever reached by a failure.
PATIENCE=${PATIENCE:-20}

# A build folder made by tests/tool/under: the tool under which our programs run, empty where there is
# none, and how many times longer everything may take. wait_for and the tools in tests/tool look at that
# by themselves; a scenario that compares a time says `ms < 300 * SLOWER`.
UNDER=
SLOWER=1
UNDER_TREE=${RECEIVER_BIN%/*/*}
if [[ -f $UNDER_TREE/under ]]; then read -r UNDER SLOWER <"$UNDER_TREE/under"; fi
export SLOWER

# --- life of a test ---------------------------------------------------------------------------

scenario_setup() {
    trace_tests_alone
    # Not under bats' own folder: the path of a Unix socket has 107 bytes at most.
    T=${TMPDIR:-/tmp}/upgrade-receiver.$BASHPID.$RANDOM
    while [[ -e $T ]]; do T+=$RANDOM; done
    mkdir -m 0755 "$T" "$T/state" "$T/background" || return
    # Some of what is started runs as another user.
    if [[ -n $UNDER ]]; then mkdir -m 1777 "$T/reports"; fi
    export UNDER_REPORTS=$T/reports
    LOG=$T/log
    POST_PATH=$CALLBACK
    RECEIVER_WRAP=()
    receiver_command=()
    : >"$LOG"
    : >"$T/stderr"
}

# bats notes the place of each command before it runs, which takes a third of a millisecond of processor
# time. From here on it does so for the commands of the test itself, not for those of functions: a failure
# names the line of the test that called them. Its own two that end the noting must still be able to.
trace_tests_alone() {
    set +T
    if [[ -n ${BATS_TEST_NAME:-} ]]; then declare -ft bats_error_trap bats_check_status_from_trap; fi
}

# What bats --timing asks twice for each test, without a process for it.
get_mills_since_epoch() {
    echo "$((${EPOCHREALTIME//./} / 1000))"
}

scenario_teardown() {
    local pidfile status=0
    if [[ -z ${T:-} || ! -d $T ]]; then return; fi
    if [[ -z ${BATS_TEST_COMPLETED:-} && -n ${BATS_TEST_NAME:-} ]]; then show_what_happened; fi
    for pidfile in "$T"/background/*; do
        if [[ -f $pidfile ]]; then stop_process "$(<"$pidfile")" KILL; fi
    done
    if [[ -f $T/nginx/master ]]; then stop_process "$(<"$T/nginx/master")" TERM; fi
    if [[ -f $T/holder ]]; then stop_process "$(<"$T/holder")" TERM; fi
    if [[ -n $UNDER ]]; then nothing_reported || status=$?; fi
    if [[ -z ${KEEP_TEST_FOLDERS:-} ]]; then rm -rf "$T"; else echo "# kept $T" >&2; fi
    return "$status"
}

setup() {
    scenario_setup
}

teardown() {
    scenario_teardown
}

# needs_plain_build WHY [TOOL]...: leaves the test out where it runs under one of these tools, or any.
needs_plain_build() {
    if [[ -n $UNDER && (-z ${2:-} || " ${*:2} " == *" $UNDER "*) ]]; then skip "not under $UNDER: $1"; fi
}

# nothing_reported: fails if the tool has something to report of any process of this test, or of one
# that did not know which test it belonged to, and prints it.
nothing_reported() {
    local file found=
    for file in "$T/reports"/* "$UNDER_TREE/reports"/*; do
        if [[ ! -s $file ]]; then continue; fi
        found=1
        echo "--- $UNDER: ${file##*/}"
        head -n 80 "$file" | cut -c 1-400
        if [[ $file == "$UNDER_TREE"/* ]]; then rm -f "$file"; fi
    done
    [[ -z $found ]] || fail "$UNDER has something to report"
}

# Prints the ends of all logs: bats shows what a failed test printed.
show_what_happened() {
    local file
    for file in "$LOG" "$T/stderr" "$T/nginx/stderr" "$T/nginx/error.log"; do
        if [[ -s $file ]]; then
            echo "--- ${file#"$T/"}"
            tail -n 12 "$file" | cut -c 1-400
        fi
    done
}

# fail TEXT...: ends the test with a reason.
fail() {
    printf '%s\n' "$*" >&2
    return 1
}

# equal WHAT FOUND EXPECTED: fails, naming both, where they differ.
equal() {
    [[ $2 == "$3" ]] || fail "$1: found '$2', expected '$3'"
}

# in_time WHAT MS MAX: fails if WHAT took MS milliseconds, and MAX are allowed. Anything takes long on a busy
# machine, so times are compared by tests/run --full alone.
in_time() {
    [[ $TEST_FULL != 1 ]] || (($2 < $3 * SLOWER)) || fail "$1 took $2 ms"
}

# wait_for SECONDS COMMAND...: until COMMAND succeeds, or fails after SECONDS (times $SLOWER).
wait_for() {
    local begin=${EPOCHREALTIME//./} limit=$(($1 * SLOWER * 1000000)) waited
    shift
    until "$@" 2>/dev/null; do
        waited=$((${EPOCHREALTIME//./} - begin))
        if ((waited > limit)); then
            fail "waited in vain for: $*"
            return
        fi
        # The longer it takes, the less often is looked; each look may take processes.
        if ((waited < 200000)); then pause 0.01; else pause 0.05; fi
    done
}

# pause SECONDS: like sleep, but takes no process. Nothing ever comes from there.
pause() {
    if [[ -z ${PAUSE_FD:-} ]]; then exec {PAUSE_FD}<>/dev/udp/127.0.0.1/9; fi
    read -r -t "$1" -u "$PAUSE_FD" || true
}

# background NAME COMMAND...: runs COMMAND until it ends or the test does; $background_pid is its
# process id, its output goes to $T/NAME.out.
background() {
    local name=$1
    shift
    "$@" >"$T/$name.out" 2>&1 3>&- &
    background_pid=$!
    echo "$background_pid" >"$T/background/$name"
}

# stop_process PID SIGNAL: and waits until it has gone; kills it when that takes longer than a
# stopping receiver may need.
stop_process() {
    if ! kill -s "$2" "$1" 2>/dev/null; then return 0; fi
    if ! wait_for 15 process_is_gone "$1" 2>/dev/null; then
        kill -s KILL "$1" 2>/dev/null || true
        wait_for 5 process_is_gone "$1"
    fi
}

process_is_gone() {
    ! kill -0 "$1" 2>/dev/null
}

# --- the receiver -----------------------------------------------------------------------------

# receiver_start [--restart] [OPTION...]: starts the receiver and waits until it says so in its log.
# --restart: the holder starts it again whenever it ends. RECEIVER_WRAP=(prlimit --nofile=20) puts a
# command before it, which must become the receiver (exec). RECEIVER_STDOUT=FILE takes its stdout
# instead of $T/log. $LOG is where the log then goes: that file or the one of --log.
receiver_start() {
    local holder_options=() word previous="" stdout=${RECEIVER_STDOUT:-$T/log}
    if [[ ${1:-} == --restart ]]; then
        holder_options=(--restart)
        shift
    fi
    [[ -x $RECEIVER_BIN ]] || {
        fail "$RECEIVER_BIN: no such program; build it or set UPGRADE_RECEIVER_BIN"
        return
    }
    LOG=$stdout
    for word in "$@"; do
        case $word in --log=*) LOG=${word#--log=} ;; esac
        if [[ $previous == --log ]]; then LOG=$word; fi
        previous=$word
    done
    receiver_command=("${RECEIVER_WRAP[@]}" "$RECEIVER_BIN" --state "$T/state" "$@")
    if [[ -e $T/pid || -e $T/pid.exit ]]; then rm -f "$T/pid" "$T/pid.exit"; fi
    "$HOLD" "$T/socket" "$T/pid" "${holder_options[@]}" -- \
        "${receiver_command[@]}" >>"$stdout" 2>>"$T/stderr" 3>&- </dev/null &
    echo "$!" >"$T/holder"
    receiver_wait_ready
}

# program_file PROGRAM: the file that runs in the end; under a tool PROGRAM is a script.
program_file() {
    if [[ -z $UNDER ]]; then
        echo "$1"
    else
        sed -n 's/^exec .* run [a-z]* "\(.*\)" "$@"$/\1/p' "$1"
    fi
}

# receiver_copy FILE [MARK]: another file of the same program, which ends in MARK.
receiver_copy() {
    install -m 0755 "$(program_file "$RECEIVER_BIN")" "$1"
    printf '%s' "${2:-}" >>"$1"
    take_under "$1"
}

# take_under PROGRAM: has a program that the test has made run under the tool, where there is one.
take_under() {
    if [[ -n $UNDER ]]; then "$TESTS/tool/under" wrap "$UNDER" "$1" "$T/reports"; fi
}

# Waits until the receiver whose id is in $T/pid has written its start line. Where the log is a pipe
# or a device there is nothing to read: being there must do, the socket makes clients wait.
receiver_wait_ready() {
    wait_for "$PATIENCE" receiver_started_or_ended || return
    if [[ -f $LOG || ! -e $LOG ]]; then
        wait_for "$PATIENCE" receiver_says_start_or_ended || return
    fi
    receiver_is_running ||
        fail "the receiver ended with status $(cat "$T/pid.exit"): $(tail -n 5 "$T/stderr")"
}

receiver_started_or_ended() {
    [[ -f $T/pid || -f $T/pid.exit ]]
}

# A look at a short log takes no process.
receiver_says_start_or_ended() {
    local pid begin='' line_end=$'\n'
    read_pid
    if [[ -z $pid ]]; then return 0; fi
    IFS= read -r -d '' -n 4096 begin <"$LOG" || true
    if ((${#begin} == 4096)); then
        grep -q "\"event\":\"start\".*\"pid\":$pid,.*}\$" "$LOG"
        return
    fi
    [[ $begin =~ \"event\":\"start\"[^$line_end]*\"pid\":$pid,[^$line_end]*\}$line_end ]]
}

receiver_is_running() {
    local pid
    read_pid
    [[ -n $pid ]] && kill -0 "$pid" 2>/dev/null
}

# Sets $pid to the receiver's process id, or to nothing while none runs: between a look at the file and
# its being read the receiver may have ended.
read_pid() {
    pid=
    { read -r pid <"$T/pid"; } 2>/dev/null || true
}

# receiver_pid: prints it.
receiver_pid() {
    local pid
    read_pid
    echo "$pid"
}

# receiver_stop: SIGTERM to the receiver, through its holder; fails unless it exits 0.
receiver_stop() {
    local holder status=0
    holder=$(<"$T/holder")
    kill -s TERM "$holder"
    wait "$holder" || status=$?
    rm -f "$T/holder"
    ((status == 0)) || fail "the receiver ended with status $status: $(tail -n 5 "$T/stderr")"
}

# receiver_kill: SIGKILL. The socket stays; without --restart, receiver_restart starts it again.
receiver_kill() {
    local pid
    pid=$(receiver_pid)
    kill -s KILL "$pid"
    wait_for "$PATIENCE" receiver_has_changed "$pid"
}

receiver_has_changed() {
    local pid
    read_pid
    [[ $pid != "$1" ]]
}

# receiver_restart: starts it again on the same socket, with the same options. One that still runs
# is stopped with SIGTERM first, and must exit 0.
receiver_restart() {
    local pid
    pid=$(receiver_pid)
    if [[ -n $pid ]]; then
        kill -s TERM "$pid"
        wait_for "$PATIENCE" receiver_has_ended || return
        equal "exit status" "$(<"$T/pid.exit")" 0 || return
    fi
    rm -f "$T/pid.exit"
    kill -s USR1 "$(<"$T/holder")"
    receiver_wait_ready
}

receiver_has_ended() {
    [[ ! -f $T/pid ]]
}

# --- nginx ------------------------------------------------------------------------------------

# A port of 127.0.0.1 that is free now: whoever binds it must be ready to lose it and ask again.
free_port() {
    local port
    while port=$((10000 + RANDOM % 20000)) && (: <>"/dev/tcp/127.0.0.1/$port") 2>/dev/null; do :; done
    echo "$port"
}

# Makes $CERTIFICATE and $CERTIFICATE_KEY for localhost, once for all tests of a run.
make_certificate() {
    local run=${TEST_RUN_DIR:-${BATS_RUN_TMPDIR:-$T}} new
    CERTIFICATE=$run/tls/certificate.pem
    # shellcheck disable=SC2034 # for whoever configures a web server
    CERTIFICATE_KEY=$run/tls/key.pem
    if [[ -d $run/tls ]]; then return; fi
    new=$(mktemp -d "$run/tls.XXXXXX")
    openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 \
        -subj /CN=localhost -addext 'subjectAltName=DNS:localhost,IP:127.0.0.1' \
        -keyout "$new/key.pem" -out "$new/certificate.pem" 2>"$new/openssl" || {
        cat "$new/openssl" >&2
        return 1
    }
    # Tests that run side by side may both have made one: the first to arrive counts.
    mv -T "$new" "$run/tls" 2>/dev/null || rm -rf "$new"
}

# nginx_start: real nginx with the shipped site in front of $T/socket; $URL is where it listens.
# NGINX_EXTRA holds further directives for its http block, NGINX_SITE names another site file,
# NGINX_WORKERS (2) and NGINX_CONNECTIONS (1024, for each) are its size.
nginx_start() {
    local attempt
    # One that still runs would be forgotten.
    if [[ -f $T/nginx/master ]]; then nginx_stop; fi
    make_certificate || return
    mkdir -p "$T/nginx"
    for attempt in 1 2 3; do
        nginx_port=$(free_port)
        URL=https://127.0.0.1:$nginx_port
        nginx_configure "$nginx_port" || return
        rm -f "$T/nginx/pid"
        nginx -p "$T/nginx" -c "$T/nginx/nginx.conf" -e "$T/nginx/error.log" \
            >"$T/nginx/stderr" 2>&1 3>&- </dev/null &
        echo "$!" >"$T/nginx/master"
        wait_for "$PATIENCE" nginx_listens_or_ended || return
        if [[ -s $T/nginx/pid ]]; then return; fi
        grep -q 'Address already in use' "$T/nginx/stderr" "$T/nginx/error.log" || break
    done
    fail "nginx does not start: $(tail -n 5 "$T/nginx/stderr") (attempt $attempt)"
}

# nginx writes its pid file once its sockets listen.
nginx_listens_or_ended() {
    [[ -s $T/nginx/pid ]] || process_is_gone "$(<"$T/nginx/master")"
}

# The shipped site, changed only in where things are: port, socket, certificate, files.
nginx_configure() {
    local shipped=$SOURCE/nginx
    {
        if ((EUID == 0)); then echo "user root root;"; fi
        cat <<MAIN
daemon off;
worker_processes ${NGINX_WORKERS:-2};
pid $T/nginx/pid;
error_log $T/nginx/error.log notice;
events { worker_connections ${NGINX_CONNECTIONS:-1024}; }
http {
    access_log $T/nginx/access.log;
    client_body_temp_path $T/nginx/client;
    fastcgi_temp_path $T/nginx/fastcgi;
    proxy_temp_path $T/nginx/proxy;
    scgi_temp_path $T/nginx/scgi;
    uwsgi_temp_path $T/nginx/uwsgi;
    ${NGINX_EXTRA:-}
    include $T/nginx/site.conf;
}
MAIN
    } >"$T/nginx/nginx.conf"
    sed -E \
        -e "s|^( *listen) +443|\1 127.0.0.1:$1|" \
        -e '/^ *listen +\[::\]/d' \
        -e "s#\\<(server|fastcgi_pass) +unix:/run/upgrade-receiver/#\\1 unix:$T/#" \
        -e "s|^( *ssl_certificate) /.*;|\1 $CERTIFICATE;|" \
        -e "s|^( *ssl_certificate_key) /.*;|\1 $CERTIFICATE_KEY;|" \
        -e "s|^( *access_log) +[^ ;]+|\1 $T/nginx/access.log|" \
        -e "s|^( *error_log) +[^ ;]+|\1 $T/nginx/error.log|" \
        -e "s|^( *include) +/etc/nginx/upgrade-receiver|\1 $shipped/upgrade-receiver|" \
        "${NGINX_SITE:-$shipped/upgrade-receiver.conf}" >"$T/nginx/site.conf"
}

# nginx_stop: SIGTERM, and waits.
nginx_stop() {
    stop_process "$(<"$T/nginx/master")" TERM
    rm -f "$T/nginx/master"
}

# --- the client -------------------------------------------------------------------------------

# post FILE|- [CURL-ARGUMENT...]: posts FILE (or stdin) to $POST_PATH; sets $status_code (000 where
# no answer came), $body, and $answer_headers, the file with the answer's headers.
post() {
    local file=$1
    shift
    request "$POST_PATH" -H 'Content-Type: application/json' --data-binary "@$file" "$@"
}

# post_text TEXT [CURL-ARGUMENT...]: the same with the body itself.
post_text() {
    local text=$1
    shift
    post - "$@" < <(printf '%s' "$text")
}

# request PATH [CURL-ARGUMENT...]: any request, with post's results.
request() {
    local path=$1
    shift
    answer_headers=$T/answer.headers
    : >"$T/answer.body"
    # -q first: no .curlrc.
    status_code=$(curl -q --silent --show-error --noproxy '*' --cacert "$CERTIFICATE" \
        --max-time "$((PATIENCE * SLOWER))" --output "$T/answer.body" --dump-header "$answer_headers" \
        --write-out '%{http_code}' "$@" "$URL$path" 2>"$T/answer.stderr") || true
    # shellcheck disable=SC2034 # for the caller
    body=
    IFS= read -r -d '' body <"$T/answer.body" || true
}

# expect_answer STATUS [JQ-FILTER]: the last answer has that status, and FILTER is true of its body. What the
# platform is answered is looked at without jq.
expect_answer() {
    [[ $status_code == "$1" ]] ||
        fail "answered $status_code, not $1: $body $(cat "$T/answer.stderr")" || return
    if [[ ${2:-} =~ ^\.result\ ==\ (\"[a-z]+\")$ ]]; then
        [[ $body == "{\"result\":${BASH_REMATCH[1]},"* ]] || fail "the answer is not '$2': $body"
    elif (($# > 1)); then
        jq -e "$2" <<<"$body" >/dev/null || fail "the answer is not '$2': $body"
    fi
}

# notification: see there.
# shellcheck source=../cases/notification
. "$TESTS/cases/notification"

# --- what was kept and said --------------------------------------------------------------------

# sql QUERY: what the store says, columns separated by |.
sql() {
    sqlite3 -readonly -cmd '.timeout 5000' "$T/state/upgrades.db" "$1"
}

# log_lines [FILTER]: the log's lines of which the jq FILTER is true, compact. What stands behind
# the last newline is still being written and left out.
log_lines() {
    jq -cRs "split(\"\\n\")[:-1][] | fromjson | select(${1:-true})" "$LOG"
}

# log_count [FILTER]: how many there are.
log_count() {
    jq -Rs "[split(\"\\n\")[:-1][] | fromjson | select(${1:-true})] | length" "$LOG"
}

# log_has FILTER [COUNT]: whether there are at least COUNT (1).
log_has() {
    jq -eRs "[split(\"\\n\")[:-1][] | fromjson | select($1)] | length >= ${2:-1}" "$LOG" >/dev/null
}

# wait_for_log FILTER [COUNT]
wait_for_log() {
    local seen=
    wait_for "$PATIENCE" log_has_now "$@"
}

# is_news FILE: whether it says something else than at the last look, which the caller's $seen is.
is_news() {
    local now=
    IFS= read -r -d '' now <"$1" || true
    [[ $now != "$seen" ]] || return
    seen=$now
}

# The same as log_has, of a log that says more than at the last look.
log_has_now() {
    is_news "$LOG" && log_has "$@"
}

# status_json FILTER: jq on the status file.
status_json() {
    jq -r "$1" "$T/state/status.json"
}

status_is() {
    jq -e "$1" "$T/state/status.json" >/dev/null
}

# wait_for_status FILTER: until FILTER is true of the status file.
wait_for_status() {
    local seen=
    wait_for "$PATIENCE" status_is_now "$1"
}

# The same as status_is, of a status file that says something else than at the last look.
status_is_now() {
    is_news "$T/state/status.json" && jq -e "$1" <<<"$seen" >/dev/null
}
