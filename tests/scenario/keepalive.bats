#!/usr/bin/env bats
# Connections that the web server keeps open never starve anybody.

load lib
load faults

@test "kept connections may be many more than workers" {
    # 200 kept connections, used in turn and then idle, leave two workers free for everybody else.
    receiver_start
    stay keep "$PYTHON" "$TESTS/tool/fcgi_peer.py" "$T/socket" keep --peers 200 --requests 3 --idle
    wait_for 20 grep -q answers "$T/keep.out"
    local i
    for i in 1 2 3; do
        send "subOperationId=$i"
        answered 200 stored
        in_time "an answer" "$answer_ms" 1000
    done
    peer burst --peers 100 >"$T/burst.out"
    equal answers "$(jq -c .answers "$T/burst.out")" '{"200":100}'
    equal "connections kept" "$(($(open_sockets "$(receiver_pid)") >= 200))" 1
    leave keep
    equal wrong "$(jq .wrong "$T/keep.out")" 0
}

@test "requests that follow each other on one connection are all answered" {
    # A thousand requests on one kept connection are answered one by one, without growing the process.
    receiver_start
    local before pid
    peer keep --requests 100 >/dev/null
    read_pid
    before=$(rss_kib "$pid")
    peer keep --peers 2 --requests 500 >"$T/keep.out"
    equal wrong "$(jq .wrong "$T/keep.out")" 0
    (($(rss_kib "$pid") - before < 8192)) || fail "memory grew"
    equal notifications "$(sql 'SELECT count(*) FROM notifications')" 1100
}

# bats test_tags=full
@test "kept connections can be used again after a pause, and nginx's are" {
    # Connections kept idle for longer than a request may take are still served; through real nginx, 64 clients on few kept connections to two workers are all answered 200, then and after a pause.
    receiver_start
    background keep "$PYTHON" "$TESTS/tool/fcgi_peer.py" "$T/socket" keep --peers 8 --requests 2 --pause 11
    nginx_start
    push --count 2000 --connections 64 --deadline 30
    equal answers "$(pushed '.answers | keys[]')" 200
    (($(open_sockets "$(receiver_pid)") > 2)) || fail "nginx keeps no connection"
    wait "$background_pid" || fail "a kept connection was not served: $(cat "$T/keep.out")"
    equal wrong "$(jq .wrong "$T/keep.out")" 0
    push --seed 2 --count 500 --connections 64 --deadline 30
    equal answers "$(pushed '.answers | keys[]')" 200
    equal notifications "$(sql 'SELECT count(*) FROM notifications')" 2516
}
