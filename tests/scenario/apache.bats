#!/usr/bin/env bats
# bats file_tags=full
# Behind Apache, in each of its three ways, the receiver keeps its promises.

load lib
load faults
load ways

# own_receivers: the process ids of the receivers that Apache has started.
own_receivers() {
    if [[ -z $UNDER ]]; then
        pgrep -f "^$T/upgrade-receiver" || true
    else
        pgrep -f "$T/.wrapped/upgrade-receiver" || true
    fi
}

# kills_along TIMES STEP: under the load of push_behind, one of Apache's own receivers is killed each time
# that STEP more are kept.
kills_along() {
    local i pid killed=0
    for ((i = 1; i <= $1; i++)); do
        wait_for 60 books_reach $((i * $2)) || return
        until pid=$(own_receivers | shuf -n 1) && [[ -n $pid ]] && kill -s KILL "$pid" 2>/dev/null; do
            if has_ended "$pusher_pid"; then break; fi
        done
        killed=$((killed + 1))
    done
    ! has_ended "$pusher_pid" || fail "the load ended before the last kill"
}

@test "mod_proxy_fcgi: each kind of request has its answer, also while the receiver is away" {
    # By way of mod_proxy_fcgi notifications, repeats, chunks, half bodies and what is none are answered as by way of nginx; while there is no receiver and no socket, 503 with Retry-After, and 200 at once when there is. A body that comes a byte at a time is cut off.
    receiver_start
    apache_start proxy-fcgi
    background slow slow_post "$port" 'Accept: */*'
    answers_each_kind_of_request
    answers_readers 200 403
    receiver_stop
    post "$T/each.json"
    expect_answer 503 '.status == 503'
    grep -qi '^retry-after: 5' "$answer_headers"
    receiver_start
    post "$T/each.json"
    expect_answer 200 '.result == "repeated"'
    wait_for "$PATIENCE" grep -qE '^HTTP/1.1 40[08]' "$T/slow.out"
    books_add_up
}

@test "mod_proxy_fcgi: a receiver killed under load costs nothing" {
    # Three times killed under load and started again on the held socket: whatever was answered 200 is kept once.
    receiver_start --restart
    apache_start proxy-fcgi
    outlives_kills 503
}

@test "mod_fcgid: each kind of request has its answer, and the log is in its file" {
    # By way of mod_fcgid, which starts the receiver, all is answered as by way of nginx.
    apache_start fcgid
    answers_each_kind_of_request
    answers_readers 200 403
    equal "lines about notifications" "$(log_count '.event == "notification"')" 5
    books_add_up
}

@test "mod_fcgid: its processes, several at once, may be killed under load" {
    # Under load several processes serve one store; some are killed, and whatever was answered 200 is kept once.
    apache_start fcgid
    push_behind --count 2000 --repeats 200 --connections 16 --deadline 60 --ledger "$T/ledger"
    kills_along 4 400
    every_answer_is_true 503
    (($(grep -c '"event":"start"' "$LOG") > 5)) || fail "only $(grep -c '"event":"start"' "$LOG") starts"
}

@test "mod_cgid: each kind of request has its answer, one process for each" {
    # By way of mod_cgid, with a process for each request, all is answered as by way of nginx, and a query is no command line.
    apache_start cgi
    answers_each_kind_of_request
    answers_readers 404 404
    request "$CALLBACK?--state+/nowhere" --data-binary "@$T/each.json"
    expect_answer 200 '.result == "repeated"'
    request "$CALLBACK?--version" --data-binary "@$T/each.json"
    expect_answer 200 '.result == "repeated"'
    equal "receivers left" "$(own_receivers)" ''
    books_add_up
}

@test "mod_cgid: processes killed under load cost nothing" {
    # Some of the processes are killed under load: whatever was answered 200 is kept once.
    apache_start cgi
    push_behind --count 250 --repeats 25 --connections 8 --deadline 60 --ledger "$T/ledger"
    kills_along 5 40
    every_answer_is_true 503
}
