# serve.sh: the receiver, nginx and a demo's platform, from their start to their end.
#
# shellcheck shell=bash
# shellcheck disable=SC2154 # nginx/start sets the variables in small letters that are not local

# What a demo plays: long enough to watch, and something to see at once.
DEMO_DEVICES=5000
DEMO_SECONDS=240

run=
receiver_pid=
nginx_pid=
platform_pid=

require_free_port() {
    local address
    for address in 127.0.0.1 ::1; do
        # shellcheck disable=SC2188 # to connect is all that is wanted
        if (: <>"/dev/tcp/$address/$port") 2>/dev/null; then port_is_in_use; fi
    done
}

port_is_in_use() {
    die "port $port is in use by another program; choose another one with --port"
}

# wait_until SECONDS COMMAND...
wait_until() {
    local end=$((SECONDS + $1))
    shift
    until "$@"; do
        if ((SECONDS > end)); then return 1; fi
        sleep 0.05
    done
}

# Sets $run, for all that goes when this run ends. The bounds are those of nginx's configuration,
# where some characters mean something, and of a socket's path, which has 107 bytes at most.
make_run_folder() {
    local base=${TMPDIR:-/tmp}
    if ! [[ $base =~ ^/[[:alnum:]/._-]{1,48}$ && -w $base ]] || ! as_service test -x "$base"; then
        base=/tmp
    fi
    run=$(mktemp -d "$base/upgrade-receiver-start.XXXXXX")
    mkdir -m 0750 "$run/receiver"
    if [[ -n $service_user ]]; then
        # nginx's master trusts what is in here: others may pass through, and write to their part.
        chgrp "$service_user" "$run"
        chmod 0750 "$run"
        chown "$service_user:$service_user" "$run/receiver"
    fi
}

# --- the receiver -----------------------------------------------------------------------------

# Both programs get a session of their own, so that Ctrl-C reaches this script alone and finish()
# decides who ends first; and a signal if this script is killed, so that none is ever left behind.
start_receiver() {
    local user=() program=$receiver command
    if [[ -n $service_user ]]; then
        user=(--reuid "$service_user" --regid "$service_user" --init-groups)
        if ! as_service test -x "$receiver"; then
            program=$run/upgrade-receiver
            install -m 0755 -- "$receiver" "$program"
        fi
    fi
    command=(
        setsid setpriv --pdeathsig TERM "${user[@]}" --
        spawn-fcgi -n -s "$run/receiver/socket" -M 0660 -- "$program" --state "$state"
    )
    # Hundreds of lines a second would take the page's address out of sight.
    if [[ -n $demo ]]; then
        "${command[@]}" > >(exec setsid grep --line-buffered -v '"event":"notification"') &
    else
        "${command[@]}" &
    fi
    receiver_pid=$!
    wait_until 10 receiver_listens_or_ended || die "spawn-fcgi makes no socket"
}

receiver_listens_or_ended() {
    [[ -S $run/receiver/socket ]] || ! kill -0 "$receiver_pid" 2>/dev/null
}

# --- nginx ------------------------------------------------------------------------------------

start_nginx() {
    configure_nginx
    setsid setpriv --pdeathsig QUIT -- nginx -p "$run" -c "$run/nginx.conf" -e "$run/error.log" \
        >"$run/nginx.out" 2>&1 </dev/null &
    nginx_pid=$!
    wait_until 10 nginx_listens_or_ended || die "nginx does not get ready"
    if [[ -s $run/nginx.pid ]]; then return 0; fi
    if grep -q 'Address already in use' "$run/error.log"; then port_is_in_use; fi
    cat "$run/nginx.out" >&2
    die "nginx does not start"
}

# nginx writes its pid file when its sockets listen.
nginx_listens_or_ended() {
    [[ -s $run/nginx.pid ]] || ! kill -0 "$nginx_pid" 2>/dev/null
}

# most_files LIMIT: how many open files a process may have, LIMIT at most.
most_files() {
    local most
    most=$(ulimit -Hn)
    if [[ $most == unlimited ]] || ((most > $1)); then most=$1; fi
    echo "$most"
}

# The site for production, changed only in where things are; and / leads to the page, which only this machine can
# reach here.
configure_nginx() {
    # shellcheck disable=SC2016 # for nginx
    local to_page='if ($request_method = GET) { rewrite ^/$ /status/ redirect; }'
    local listen6="/^ *listen +\[/d"
    if grep -qs '^0\{31\}1 ' /proc/net/if_inet6; then
        listen6="s|^( *listen) +\[::\]:[0-9]+|\1 [::1]:$port|"
    fi
    ln -s "$state/tls" "$run/tls"
    cp "$NGINX"/upgrade-receiver*.params "$run/"
    sed -E \
        -e "s|^( *listen) +[0-9]+|\1 127.0.0.1:$port|" -e "$listen6" \
        -e "s|^( *server) +unix:/run/upgrade-receiver/|\1 unix:$run/receiver/|" \
        -e 's|^( *ssl_certificate) .*|\1 tls/certificate.pem;|' \
        -e 's|^( *ssl_certificate_key) .*|\1 tls/key.pem;|' \
        -e 's|^( *access_log) +[^ ;]+|\1 access.log|' \
        -e 's|^( *include) +/etc/nginx/|\1 |' \
        -e "s|^( *)server_name .*|&\n\1absolute_redirect off;\n\1$to_page|" \
        "$NGINX/upgrade-receiver.conf" >"$run/site.conf"
    {
        if [[ -n $service_user ]]; then echo "user $service_user;"; fi
        # The room that the site file asks of nginx.conf, as far as this user may have it.
        echo "worker_rlimit_nofile $(most_files 16384);"
        cat <<'MAIN'
daemon off;
error_log error.log;
pid nginx.pid;
worker_processes auto;
# How long a stop waits for requests under way.
worker_shutdown_timeout 3s;
events { worker_connections 8192; }
http {
    access_log access.log;
    client_body_temp_path client;
    fastcgi_temp_path fastcgi;
    proxy_temp_path proxy;
    scgi_temp_path scgi;
    uwsgi_temp_path uwsgi;
    include site.conf;
}
MAIN
    } >"$run/nginx.conf"
}

# --- the platform -----------------------------------------------------------------------------

# A demo's: like the real one it comes by HTTPS, and knows nothing but the address and the certificate.
start_platform() {
    setsid setpriv --pdeathsig TERM -- \
        python3 -B "$SOURCE/tests/tool/play_platform.py" \
        --url "https://localhost:$port$CALLBACK" --cacert "$state/tls/certificate.pem" \
        --devices "$DEMO_DEVICES" --seconds "$DEMO_SECONDS" --campaigns 0 --results-alone 2 \
        --seed "$EPOCHSECONDS" --began "$EPOCHSECONDS" >"$run/platform.out" 2>&1 </dev/null &
    platform_pid=$!
}

# --- the end ----------------------------------------------------------------------------------

both_are_running() {
    kill -0 "$receiver_pid" 2>/dev/null && kill -0 "$nginx_pid" 2>/dev/null
}

# Never returns: it is left by a signal's trap, or when a program ends by itself.
wait_for_an_end() {
    local ended='' status=0 name=nginx
    # bash would say how it was killed, at length.
    wait -n -p ended "$receiver_pid" "$nginx_pid" ${platform_pid:+"$platform_pid"} 2>/dev/null || status=$?
    case $ended in
    "$receiver_pid") name="the receiver" ;;
    "$platform_pid")
        name="the demo's platform"
        tail -n 10 "$run/platform.out" >&2
        ;;
    esac
    if [[ -s $run/error.log ]]; then tail -n 10 "$run/error.log" >&2; fi
    die "$name ended by itself, with status $status; stopping"
}

# The trap of EXIT. nginx goes first: it takes no more requests and waits for the answers to those
# under way, which the receiver is still there to give.
finish() {
    local status=$?
    trap '' INT TERM HUP
    trap - EXIT
    stop_busy
    let_services_start
    # It keeps nothing that an end of its own making would save.
    if [[ -n $platform_pid ]]; then
        kill -s KILL "$platform_pid" 2>/dev/null || true
        wait "$platform_pid" 2>/dev/null || true
    fi
    stop_program nginx "$nginx_pid" QUIT 5 || status=1
    stop_program "the receiver" "$receiver_pid" TERM 8 || status=1
    if [[ -n $run ]]; then rm -rf "$run"; fi
    exit "$status"
}

# stop_program NAME PID SIGNAL SECONDS: fails if a program that still ran does not end well.
stop_program() {
    local name=$1 pid=$2 signal=$3 status=0
    if [[ -z $pid ]]; then return 0; fi
    if kill -s "$signal" "$pid" 2>/dev/null; then
        wait_until "$4" gone_or_told_again "$pid" "$signal" || say "$name does not end, and is killed"
        kill -s KILL "$pid" 2>/dev/null || true
        wait "$pid" 2>/dev/null || status=$?
    fi
    # nginx's workers outlive a master that was killed.
    kill -s KILL -- "-$pid" 2>/dev/null || true
    # What had not begun yet is ended by the signal itself.
    if ((status == 0 || status == 128 + $(kill -l "$signal"))); then return 0; fi
    say "$name ended with status $status"
    return 1
}

# gone_or_told_again PID SIGNAL: a program that is just starting may have been deaf to it.
gone_or_told_again() {
    if ! kill -0 "$1" 2>/dev/null && ! kill -0 -- "-$1" 2>/dev/null; then return 0; fi
    kill -s "$2" "$1" 2>/dev/null || true
    return 1
}
