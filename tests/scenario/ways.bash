# ways.bash: other web servers than nginx, and what each of them must make of a request. lib.bash and
# faults.bash must be loaded first; its teardown takes the place of lib.bash's.
#
#   $T/apache/    configuration and logs of Apache
#   $T/lighttpd/  the same of lighttpd
#
# shellcheck shell=bash

# Whom a web server started by root gives its requests to; the receivers that it starts itself run as
# this user too.
if ((EUID == 0)); then SERVER_USER=www-data; else SERVER_USER=$(id -un); fi

teardown() {
    local pidfile pid
    if [[ -f $T/spawned ]]; then xargs kill -s TERM <"$T/spawned" 2>/dev/null || true; fi # all at once
    for pidfile in "$T"/apache/master "$T"/lighttpd/master "$T"/spawned; do
        if [[ ! -f $pidfile ]]; then continue; fi
        while read -r pid; do stop_process "$pid" TERM; done < <(grep . "$pidfile")
    done
    scenario_teardown
}

# --- Apache -------------------------------------------------------------------------------------

# apache_start WAY: Apache with the shipped site and its part for WAY: proxy-fcgi, fcgid or cgi.
apache_start() {
    local attempt
    make_certificate || return
    mkdir -p "$T/apache/way"
    if [[ $1 != proxy-fcgi ]]; then give_receiver_to_server; fi
    for attempt in 1 2 3; do
        port=$(free_port)
        URL=https://127.0.0.1:$port
        apache_configure "$1" || return
        rm -f "$T/apache/pid"
        apache2 -f "$T/apache/apache.conf" -D FOREGROUND >"$T/apache/stderr" 2>&1 3>&- </dev/null &
        echo "$!" >"$T/apache/master"
        wait_for "$PATIENCE" apache_listens_or_ended || return
        if server_listens "$port"; then return; fi
        grep -q 'Address already in use' "$T/apache/stderr" "$T/apache/error.log" || break
    done
    fail "Apache does not start: $(tail -n 5 "$T/apache/stderr" "$T/apache/error.log") (attempt $attempt)"
}

apache_listens_or_ended() {
    server_listens "$port" || has_ended "$(<"$T/apache/master")"
}

# server_listens PORT
server_listens() {
    # shellcheck disable=SC2188 # to connect is all that is wanted
    (: <>"/dev/tcp/127.0.0.1/$1") 2>/dev/null
}

# A receiver that the web server starts must be reachable for its user, and the state folder its own.
give_receiver_to_server() {
    receiver_copy "$T/upgrade-receiver"
    if ((EUID == 0)); then chown "$SERVER_USER:" "$T/state"; fi
    LOG=$T/state/log
}

# What Debian's own configuration would set up round the site.
apache_configure() {
    local module modules=(mpm_event authz_core authz_host alias asis deflate env filter headers reqtimeout setenvif socache_shmcb ssl)
    case $1 in
    proxy-fcgi) modules+=(proxy proxy_fcgi) ;;
    fcgid) modules+=(fcgid) ;;
    cgi) modules+=(cgid) ;;
    esac
    {
        for module in "${modules[@]}"; do
            echo "LoadModule ${module}_module /usr/lib/apache2/modules/mod_$module.so"
        done
        cat <<MAIN
ServerRoot $T/apache
ServerName localhost
DefaultRuntimeDir $T/apache
PidFile $T/apache/pid
Mutex file:$T/apache default
ErrorLog $T/apache/error.log
LogLevel warn
Listen 127.0.0.1:$port
StartServers 2
ThreadsPerChild 100
MaxRequestWorkers 400
MinSpareThreads 100
DocumentRoot $T/apache
AddOutputFilterByType DEFLATE text/html application/json
MAIN
        if ((EUID == 0)); then printf 'User %s\nGroup %s\n' "$SERVER_USER" "$(id -gn "$SERVER_USER")"; fi
        case $1 in
        fcgid) printf 'FcgidIPCDir %s/apache\nFcgidProcessTableFile %s/apache/fcgid\n' "$T" "$T" ;;
        cgi) echo "ScriptSock $T/apache/cgid" ;;
        esac
        echo "Include $T/apache/site.conf"
    } >"$T/apache/apache.conf"
    if ((EUID == 0)); then chown "$SERVER_USER" "$T/apache"; fi
    apache_adapt "$SOURCE/nginx/apache.conf" >"$T/apache/site.conf"
    apache_adapt "$SOURCE/nginx/apache-$1.conf" >"$T/apache/way/$1.conf"
    cp "$SOURCE/nginx/apache-unavailable.asis" "$T/apache/way/"
}

# The shipped file, changed only in where things are.
apache_adapt() {
    sed -E \
        -e "s|^(<VirtualHost) .*|\1 127.0.0.1:$port>|" \
        -e "s|^( *SSLCertificateFile) .*|\1 $CERTIFICATE|" \
        -e "s|^( *SSLCertificateKeyFile) .*|\1 $CERTIFICATE_KEY|" \
        -e "s|/etc/apache2/upgrade-receiver/|$T/apache/way/|" \
        -e "s|/var/log/apache2/|$T/apache/|" \
        -e "s|/run/upgrade-receiver/socket|$T/socket|" \
        -e "s|/usr/local/lib/upgrade-receiver/upgrade-receiver|$T/upgrade-receiver|" \
        -e "s|/var/lib/upgrade-receiver|$T/state|" \
        "$1"
}

# --- lighttpd -----------------------------------------------------------------------------------

# lighttpd_start: lighttpd with the shipped site in front of $T/socket.
lighttpd_start() {
    local attempt
    make_certificate || return
    mkdir -p "$T/lighttpd/uploads"
    if ((EUID == 0)); then chown -R "$SERVER_USER" "$T/lighttpd"; fi
    for attempt in 1 2 3; do
        port=$(free_port)
        URL=https://127.0.0.1:$port
        sed -E \
            -e "s|^(server.port *=) .*|\1 $port|" \
            -e "s|^(server.bind *=) .*|\1 \"127.0.0.1\"|" \
            -e "s|^(ssl.pemfile *=) .*|\1 \"$CERTIFICATE\"|" \
            -e "s|^(ssl.privkey *=) .*|\1 \"$CERTIFICATE_KEY\"|" \
            -e "s|/var/log/lighttpd/|$T/lighttpd/|" \
            -e "s|^(server.document-root *=) .*|\1 \"$T/lighttpd/none\"|" \
            -e "s|/var/cache/lighttpd/uploads|$T/lighttpd/uploads|" \
            -e "s|/run/upgrade-receiver/|$T/|" \
            "$SOURCE/nginx/lighttpd.conf" >"$T/lighttpd/lighttpd.conf"
        lighttpd -D -f "$T/lighttpd/lighttpd.conf" >"$T/lighttpd/stderr" 2>&1 3>&- </dev/null &
        echo "$!" >"$T/lighttpd/master"
        wait_for "$PATIENCE" lighttpd_listens_or_ended || return
        if server_listens "$port"; then return; fi
        grep -qs 'Address already in use' "$T/lighttpd/stderr" "$T/lighttpd/error.log" || break
    done
    fail "lighttpd does not start: $(tail -n 5 "$T/lighttpd/stderr" "$T/lighttpd/error.log") (attempt $attempt)"
}

lighttpd_listens_or_ended() {
    server_listens "$port" || has_ended "$(<"$T/lighttpd/master")"
}

# --- what every web server must make of a request -----------------------------------------------

# answers_each_kind_of_request: by way of whatever listens at $URL. Leaves 3 notifications, one of them
# delivered twice, and one body in quarantine.
answers_each_kind_of_request() {
    notification deviceId=each >"$T/each.json"
    post "$T/each.json"
    expect_answer 200 '.result == "stored" and .seq == 1' || return
    post "$T/each.json"
    expect_answer 200 '.result == "repeated" and .seq == 1' || return
    post_text 'no JSON'
    expect_answer 200 '.result == "quarantined" and .id == 1' || return
    answers_chunks || return
    refuses_what_is_none || return
    keeps_no_half || return
    equal "kept" "$(sql 'SELECT count(*), sum(deliveries) FROM notifications')" '3|4' || return
    equal "quarantine" "$(sql 'SELECT count(*), substr(min(CAST(body AS TEXT)), 1, 100) FROM quarantine')" '1|no JSON' || return
    equal "a large body" "$(sql 'SELECT body FROM notifications WHERE seq = 3' | jq -cS .)" \
        "$(jq -cS . "$T/large.json")"
}

# statuses_of ADDRESS PATH...: prints what each path is answered, asked from that address of this machine.
statuses_of() {
    local path words=()
    for path in "${@:2}"; do words+=(--output /dev/null "$URL$path"); done
    curl -q --silent --show-error --noproxy '*' --cacert "$CERTIFICATE" --max-time "$((PATIENCE * SLOWER))" \
        --path-as-is --interface "$1" --write-out '%{http_code} ' "${words[@]}"
}

# answers_readers STATUS OTHERS: this machine can read the page and its documents; metrics and health are answered
# STATUS. Another address is answered 403 (OTHERS for metrics and health), whatever the spelling of the path, and may
# post.
answers_readers() {
    local document='/status/device.json?deviceId=each&limit=1' figures=(/metrics /health/live /health/ready) etag
    equal "this machine" "$(statuses_of 127.0.0.1 /status/ /status/no.json "${figures[@]}")" "200 404 $1 $1 $1 " || return
    request "$document" --compressed
    expect_answer 200 '.deviceId == "each"' || return
    etag=$(sed -nE 's/^etag: (.*)\r$/\1/Ip' "$answer_headers")
    request "$document" --compressed -H "If-None-Match: $etag"
    expect_answer 304 || return
    request /status/ --request DELETE
    expect_answer 405 || return
    equal "others" "$(statuses_of 127.0.0.2 "${figures[@]}" /status /status/ /status/overview.json \
        //status//overview.json /v1.0.0/../status/overview.json "$CALLBACK/../../status/overview.json" \
        /%73tatus/overview.json)" "$2 $2 $2 403 403 403 403 403 403 403 " || return
    post "$T/each.json" --interface 127.0.0.2
    expect_answer 200 '.result == "repeated"'
}

# Bodies without a length, one of them larger than what a web server holds in one piece.
answers_chunks() {
    notification deviceId=chunked >"$T/chunked.json"
    post "$T/chunked.json" -H 'Transfer-Encoding: chunked'
    expect_answer 200 '.result == "stored" and .seq == 2' || return
    notification deviceId=large description@<(head -c 200000 /dev/zero | tr '\0' x) >"$T/large.json"
    post "$T/large.json" -H 'Transfer-Encoding: chunked'
    expect_answer 200 '.result == "stored" and .seq == 3'
}

refuses_what_is_none() {
    head -c 1100000 /dev/zero | tr '\0' ' ' >"$T/huge"
    post "$T/huge"
    expect_answer 413 || return
    # Who is told only while it sends may not hear it: lighttpd closes the connection on what is unread.
    post "$T/huge" -H 'Transfer-Encoding: chunked'
    grep -qE 'Send failure|Recv failure|SSL_write' "$T/answer.stderr" || expect_answer 413 || return
    request "$CALLBACK"
    expect_answer 405 || return
    grep -qi '^allow:.*POST' "$answer_headers" || fail "405 without Allow: $(<"$answer_headers")" || return
    request /elsewhere -d '{}'
    expect_answer 404 || return
    request "$CALLBACK/below" -d '{}'
    expect_answer 404
}

# Half bodies are never answered 200 and leave nothing.
keeps_no_half() {
    local how status
    for how in length chunked reset; do
        notification "deviceId=half-$how" >"$T/half.json"
        status=$("$PYTHON" -S "$TESTS/tool/half_request.py" "${URL##*:}" "$CERTIFICATE" "$how" "$T/half.json") || return
        [[ $status =~ ^(0|400|408)$ ]] || fail "a half body ($how) is answered $status" || return
    done
}

# --- load ---------------------------------------------------------------------------------------

# books_reach COUNT: whether the books hold so many notifications.
books_reach() {
    (($(sql 'SELECT count(*) FROM notifications') >= $1))
}

# every_answer_is_true STATUS: of a load (push_behind) in which receivers were killed: what was not
# answered 200 was answered STATUS, or not at all, and came again; nothing is lost or kept twice.
every_answer_is_true() {
    push_end || return
    cat "$T/push.out"
    [[ $(pushed '.answers | keys | join(" ")') =~ ^(0\ )?200(\ $1)?$ ]] ||
        fail "answers: $(pushed .answers)" || return
    books_match_ledger "$T/ledger" || return
    books_add_up
}

# outlives_kills STATUS: a receiver of receiver_start --restart, killed three times under load, and
# every_answer_is_true.
outlives_kills() {
    local i old
    push_behind --count 3000 --repeats 300 --deadline 60 --ledger "$T/ledger"
    for i in 1 2 3; do
        wait_for 60 books_reach $((i * 800)) || return
        old=$(receiver_pid)
        kill -s KILL "$old"
        wait_for "$PATIENCE" receiver_has_changed "$old" || return
        wait_for "$PATIENCE" receiver_is_running || return
    done
    every_answer_is_true "$1"
}

# every_request_is_answered_200: of a load, as every_answer_is_true says, and the first time.
every_request_is_answered_200() {
    every_answer_is_true 503 || return
    equal answers "$(pushed '.answers | keys | join(" ")')" 200
}
