#!/usr/bin/env bats
# Slow and hostile peers on HTTPS, in front of the web server with the shipped site.

load lib
load faults

setup() {
    scenario_setup
    receiver_start --workers 2
    nginx_start
    send deviceId=first
    answered 200 stored
    pid=$(receiver_pid)
    rss_before=$(rss_kib "$pid")
}

# attack PEERS NAME...: so many at once of each, with good requests in between.
attack() {
    local name
    for name in "${@:2}"; do
        "$PYTHON" "$TESTS/tool/https_attacks.py" "$nginx_port" "$CERTIFICATE" "$name" --peers "$1" ||
            return
    done
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
    attack 200 silent no-handshake half-handshake
    attack 60 slow-headers slow-body slow-chunks half-body half-chunks
    unharmed
}

@test "malformed and outsized requests on HTTPS are turned away" {
    # Headers without end, bodies over the limit, contradictory lengths, noise instead of TLS or HTTP: refused with a status of 400 to 414 or a closed connection, and nothing of them reaches the receiver.
    attack 20 bad-chunks length-and-chunks two-lengths negative-length huge-length large-body huge-header \
        many-headers huge-uri odd-method no-host nul-in-header noise plain-http plain-noise
    unharmed
}

@test "unusual but correct requests on HTTPS are answered 200" {
    # Another name than the certificate's, and requests sent before the answer to the one before: all kept, once.
    attack 20 other-host pipelined
    unharmed 40
}

@test "hundreds of connections at once are all answered" {
    # Three hundred connections that post at the same moment are all answered 200, and each notification is kept.
    push --count 3000 --connections 300 --deadline 60
    equal answers "$(pushed '.answers | keys | join(" ")')" 200
    equal kept "$(sql 'SELECT count(*) FROM notifications')" 3001
    unharmed
}
