#!/usr/bin/env bats
# Slow and hostile peers on HTTPS, in front of the web server with the shipped site.

load lib
load faults

setup() {
    scenario_setup
    receiver_start
    if [[ $BATS_TEST_DESCRIPTION == *"default size"* ]]; then
        # The least that a Debian machine has.
        NGINX_WORKERS=1 NGINX_CONNECTIONS=768
    fi
    nginx_start
    send deviceId=first
    answered 200 stored
    pid=$(receiver_pid)
    rss_before=$(rss_kib "$pid")
}

# attack PEERS NAME...: so many at once of each, with good requests in between.
attack() {
    local names
    names=$(printf '%s,' "${@:2}")
    "$PYTHON" "$TESTS/tool/https_attacks.py" "$nginx_port" "$CERTIFICATE" "${names%,}" --peers "$1"
}

# unharmed [BAD]: the same process, no larger than before by 32 MiB, and BAD (none) of what the attackers
# sent is in its books, nothing in quarantine.
unharmed() {
    equal "process id" "$(receiver_pid)" "$pid"
    (($(rss_kib "$pid") - rss_before < 32768)) || fail "memory grew to $(rss_kib "$pid") KiB"
    equal "kept of the attackers'" \
        "$(sql "SELECT count(*) FROM notifications WHERE deviceId LIKE 'bad-%'")" "${1:-0}"
    equal quarantine "$(sql 'SELECT reason, substr(body, 1, 200) FROM quarantine')" ''
    equal "lines about requests" "$(log_count '.event == "broken" or .event == "rejected"')" 0
    books_add_up
}

@test "slow peers on HTTPS delay nobody" {
    # Hundreds of connections that say nothing, or send headers, bodies and chunks byte by byte, or stop in the middle, delay no good request, and nothing of them reaches the receiver.
    if [[ $TEST_FULL == 1 ]]; then attack 200 silent no-handshake half-handshake; fi
    attack 60 slow-headers slow-body slow-chunks half-body half-chunks
    unharmed
}

# bats test_tags=full
@test "slow bodies of one address leave room at nginx's default size" {
    # With all of Debian's 768 worker connections asked for by one address's slow bodies, which come again when sent away, another's 800 requests a second, from 64 connections, are each answered 200.
    slow_peers_stay 765 slow-body
    # Those over the limit are sent away, which the log tells.
    wait_for 60 sent_away 509
    push --count 1600 --connections 64 --rate 800 --deadline 60
    equal answers "$(pushed '.answers | keys | join(" ")')" 200
    unharmed
}

# slow_peers_stay COUNT ATTACK: until the test ends.
slow_peers_stay() {
    background attack "$PYTHON" "$TESTS/tool/https_attacks.py" "$nginx_port" "$CERTIFICATE" "$2" \
        --peers "$1" --stay --source 127.0.0.2
    wait_for 60 grep -q here "$T/attack.out"
}

# sent_away COUNT: whether so many requests were, for being too many of one address.
sent_away() {
    jq -es "map(select(.status == \"503\" and .limit == \"REJECTED\" and .from == \"127.0.0.2\")) | length >= $1" \
        "$T/nginx/access.log" >/dev/null
}

# The slow request is ended after 5 s, which on a busy machine is before another one is looked at.
# bats test_tags=full
@test "an IPv6 network counts as one address" {
    # While an address has as many requests under way as it may, others of its /64 are answered 503 with Retry-After, and those beyond it are answered 200.
    sed 's/limit_conn upgrade_receiver_open .*/limit_conn upgrade_receiver_open 1;/' \
        "$SOURCE/nginx/upgrade-receiver.conf" >"$T/one"
    NGINX_SITE=$T/one NGINX_EXTRA="set_real_ip_from 127.0.0.1; real_ip_header X-From;" nginx_start
    background unfinished slow_post "$nginx_port" "X-From: 2001:db8:0:1::a"
    notification deviceId=second >"$T/body"
    wait_for "$PATIENCE" posted_from 2001:db8:0:1:2::b 503
    jq -e '.detail == "too many requests at once from this address"' <<<"$body"
    grep -qi '^retry-after: 5' "$answer_headers"
    posted_from 2001:db8::1 200
    posted_from 192.0.2.1 200
    stop_process "$background_pid" KILL
    wait_for "$PATIENCE" posted_from 2001:db8:0:1::c 200
}

@test "malformed and outsized requests on HTTPS are turned away" {
    # Headers without end, bodies over the limit, contradictory lengths, noise instead of TLS or HTTP: refused with a status of 400 to 414 or a closed connection, and nothing of them reaches the receiver.
    attack 8 bad-chunks length-and-chunks two-lengths negative-length huge-length large-body huge-header \
        many-headers huge-uri odd-method no-host nul-in-header noise plain-http plain-noise
    unharmed
}

@test "unusual but correct requests on HTTPS are answered 200" {
    # Another name than the certificate's, and requests sent before the answer to the one before: all kept, once.
    attack 20 other-host pipelined
    unharmed 40
}

@test "hundreds of connections at once are all answered" {
    # As many connections as one address may have (a third of them on a machine that may be busy, and late with its handshakes) post at the same moment: all are answered 200, and each notification is kept.
    local count=1000 connections=85
    if [[ $TEST_FULL == 1 ]]; then count=3000 connections=256; fi
    push --count "$count" --connections "$connections" --deadline 60
    equal answers "$(pushed '.answers | keys | join(" ")')" 200
    equal kept "$(sql 'SELECT count(*) FROM notifications')" $((count + 1))
    unharmed
}
