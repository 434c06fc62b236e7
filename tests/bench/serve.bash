# shellcheck shell=bash
# shellcheck disable=SC2154,SC2153 # run sets what is asked for
# A subject and the nginx in front of it: started, looked at, stopped by process id. Read by run.
#
# Each is the leader of a session of its own, by which all that belongs to it is found.

subject_pid=
nginx_pid=

# about NAME KEY: what a subject says of itself.
about() {
    "$BENCH/subjects/$1" about | sed -n "s/^$2 //p"
}

free_port() {
    python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'
}

process_is_gone() {
    ! kill -0 "$1" 2>/dev/null
}

# wait_for SECONDS COMMAND...
wait_for() {
    local end=$((${EPOCHREALTIME//./} + $1 * 1000000))
    shift
    until "$@" 2>/dev/null; do
        if ((${EPOCHREALTIME//./} > end)); then return 1; fi
        sleep 0.02
    done
}

# end_session PID: SIGTERM to its leader; whatever is left of it after 20 seconds is killed.
end_session() {
    local pid
    kill -s TERM "$1" 2>/dev/null || true
    wait_for 20 process_is_gone "$1" || say "process $1 does not end"
    for pid in $(ps -s "$1" -o pid= || true); do kill -s KILL "$pid" 2>/dev/null || true; done
    wait "$1" 2>/dev/null || true
}

stop_subject() {
    if [[ -n $subject_pid ]]; then end_session "$subject_pid"; fi
    subject_pid=
}

stop_nginx() {
    if [[ -n $nginx_pid ]]; then end_session "$nginx_pid"; fi
    nginx_pid=
}

stop_all() {
    local pid
    for pid in $(jobs -p); do
        if [[ $pid != "$subject_pid" && $pid != "$nginx_pid" ]]; then kill -s TERM "$pid" 2>/dev/null || true; fi
    done
    stop_nginx
    stop_subject
    rm -rf "$DATA"
}

# What nginx does for one kind of front: the only difference between subjects. What is behind it gets
# the same few parameters from it that the shipped site sends.
location_of() {
    local script keep=on
    case $1 in
    nginx-only)
        cat <<'CONF'
default_type application/json;
return 200 '{"result":"stored"}';
CONF
        ;;
    http)
        cat <<'CONF'
proxy_http_version 1.1;
proxy_set_header Connection "";
proxy_pass http://subject;
CONF
        ;;
    fastcgi)
        # PHP-FPM must be told the file: a subject says which, in its folder. And each of its processes
        # serves one connection, so that one which is kept idle would keep a process.
        script=$(about "$2" script)
        if [[ -n $script ]]; then keep=off; fi
        cat <<CONF
fastcgi_keep_conn $keep;
fastcgi_pass_request_headers off;
fastcgi_param REQUEST_METHOD \$request_method;
fastcgi_param REQUEST_URI \$uri;
fastcgi_param QUERY_STRING \$query_string if_not_empty;
fastcgi_param CONTENT_LENGTH \$content_length if_not_empty;
fastcgi_param HTTP_IF_NONE_MATCH \$http_if_none_match if_not_empty;
${script:+fastcgi_param CONTENT_TYPE \$content_type;}
${script:+fastcgi_param SCRIPT_FILENAME $BUILD/subjects/$2/$script;}
fastcgi_pass subject;
CONF
        ;;
    esac
}

# nginx_configuration FRONT NAME
nginx_configuration() {
    if ((EUID == 0)); then echo "user $(id -un) $(id -gn);"; fi
    cat <<CONF
daemon off;
worker_processes auto;
worker_rlimit_nofile 8192;
pid $WORK/nginx/pid;
error_log $WORK/nginx/error.log;
events { worker_connections 4096; }
http {
    access_log off;
    client_body_temp_path $WORK/nginx/client;
    fastcgi_temp_path $WORK/nginx/fastcgi;
    proxy_temp_path $WORK/nginx/proxy;
    scgi_temp_path $WORK/nginx/scgi;
    uwsgi_temp_path $WORK/nginx/uwsgi;
    client_max_body_size 1m;
    client_body_buffer_size 64k;
    keepalive_timeout 600s;
    keepalive_requests 100000000;
    ssl_certificate $BENCH_CERTIFICATE;
    ssl_certificate_key $BENCH_KEY;
    ssl_protocols TLSv1.3;
    upstream subject {
        server unix:$WORK/socket max_fails=0;
        keepalive 256;
        keepalive_requests 100000000;
    }
    server {
        listen 127.0.0.1:$port$([[ $scheme == http ]] || echo ' ssl');
        location / {
            $(location_of "$1" "$2")
        }
    }
}
CONF
}

nginx_listens_or_ended() {
    [[ -s $WORK/nginx/pid ]] || process_is_gone "$nginx_pid"
}

start_nginx() {
    mkdir -p "$WORK/nginx"
    rm -f "$WORK/nginx/pid"
    nginx_configuration "$(about "$1" front)" "$1" >"$WORK/nginx/nginx.conf"
    setsid nginx -p "$WORK/nginx" -c "$WORK/nginx/nginx.conf" -e "$WORK/nginx/error.log" \
        >"$WORK/nginx/stderr" 2>&1 </dev/null &
    nginx_pid=$!
    wait_for 10 nginx_listens_or_ended || true
    [[ -s $WORK/nginx/pid ]] || die "nginx does not start: $(tail -n 3 "$WORK/nginx/stderr")"
}

# start_subject NAME DATA: and nginx before it, unless it needs none. Sets $port.
start_subject() {
    local name=$1 data=$2 address=$WORK/socket
    port=$(free_port)
    if [[ $(about "$name" front) == direct ]]; then address=127.0.0.1:$port; fi
    mkdir -p "$data"
    rm -f "$WORK/socket"
    setsid "$BENCH/subjects/$name" start "$BUILD/subjects/$name" "$data" "$address" \
        >"$WORK/$name.out" 2>&1 </dev/null &
    subject_pid=$!
    if [[ $address == "$WORK/socket" ]]; then start_nginx "$name"; fi
}

# processes [SESSION]: what its processes take now; where there is no nginx, nothing.
processes() {
    if [[ -z ${1:-} ]]; then
        echo '{"cpuSeconds":0,"rssKb":0,"pssKb":0,"processes":0}'
    else
        python3 "$BENCH/processes.py" "$1"
    fi
}
