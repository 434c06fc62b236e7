#!/usr/bin/env bats
# What comes in on the socket can do no harm, however formed.

load lib
load faults

# As many attackers as this at a time, many more than workers.
PEERS=50

setup() {
    scenario_setup
    receiver_start --workers 8
    send deviceId=first
    answered 200 stored
    read_pid
    first=$pid
    rss_before=$(rss_kib "$pid")
}

# unharmed [KIB]: the same process, no larger than before by KIB (32 MiB), with the good bodies and
# nothing of the bad ones in its books.
unharmed() {
    local grown
    read_pid
    equal "process id" "$pid" "$first"
    grown=$(($(rss_kib "$pid") - rss_before))
    ((grown < ${1:-32768})) || fail "memory grew by $grown KiB"
    equal "bodies kept that did not come whole, and quarantine" \
        "$(sql "SELECT count(*) FROM notifications WHERE deviceId LIKE 'half%';
            SELECT id, reason, substr(body, 1, 200) FROM quarantine")" 0
    send "deviceId=last-$RANDOM"
    answered 200 stored
    books_add_up
}

# attack NAME...: 50 at once of each, with good requests in between.
attack() {
    local names
    names=$(printf '%s,' "$@")
    peer trial "${names%,}" --peers "$PEERS" --wait 5
}

@test "unusual but correct requests are answered 200" {
    # Padding, records of one byte, many parameters, no CONTENT_LENGTH, management records: whatever the protocol allows is understood.
    attack one-byte-records byte-by-byte padded padded-ends many-parameters no-length management \
        unknown-management pipelined leaves-before-answer
    unharmed
}

@test "a body whose length is not as announced is never kept" {
    # CONTENT_LENGTH too large, too small, negative, huge or no number: refused, and nothing is kept.
    attack length-larger length-larger-half-close length-smaller length-none-of-body length-garbage \
        length-negative length-hexadecimal length-huge length-over-limit
    unharmed
}

@test "a body over the limit is refused without being gathered" {
    # Bodies over --max-body, announced or not, ended or endless, are refused and cost no memory to speak of.
    PEERS=4
    attack body-over-limit body-over-limit-no-length endless-body
    unharmed 65536
}

@test "peers that stop in the middle delay nobody" {
    # Fifty peers that went silent, or closed, in the middle of a header, of parameters or of a body hold no worker.
    attack silent half-header half-begin half-parameters half-body half-body-half-close \
        half-body-close body-not-begun half-end abort
    unharmed
}

@test "a request cut after any byte leaves nothing behind" {
    # Wherever a request stops, good requests are answered and nothing of it is kept.
    local cuts
    cuts=$(printf 'stop-%d,' {0..56..4} {60..999..35})
    cuts=${cuts%,}
    peer trial "$cuts" --peers 4 --goods 1
    unharmed
}

@test "peers that send a byte now and then delay nobody" {
    # A hundred peers that dribble a byte every 100 ms, in parameters or in the body, hold no worker.
    attack dribble dribble-body
    unharmed
}

@test "peers that do not read their answers delay nobody" {
    # A peer that sends requests and never reads costs a bounded buffer, no worker.
    PEERS=8
    attack never-reads
    unharmed
}

@test "what is no FastCGI is turned away" {
    # HTTP, zeros, noise, another version, other roles, requests out of order: closed or refused, and nothing is kept.
    attack speaks-http zeros ones wrong-version role-authorizer role-filter role-0 role-65535 \
        zero-id begins-twice second-begin stranger-records short-begin never-begun \
        body-before-parameters servers-records
    unharmed
}

@test "parameters that lie or do not end are turned away" {
    # Name and value lengths up to 2^31-1, pairs cut short, parameters of 16 MiB and endless ones allocate nothing to speak of.
    attack name-length-1g name-length-2g value-length-2g cut-pair hostile-parameters
    PEERS=4
    attack huge-parameter endless-parameters
    unharmed 65536
}

# bats test_tags=full
@test "two thousand silent connections delay nobody" {
    # Two thousand connections that say nothing leave room for good requests, while they stay and when they go.
    peer trial silent --peers 2000
    unharmed 65536
}

@test "seconds of mutated requests do no harm, and stuck ones are cut off" {
    # Requests with bytes changed, cut out, doubled or put in, and plain noise, neither stop the process nor make it grow; requests that never become whole are cut off meanwhile.
    # A mutation may leave a correct request, so the books are not judged here.
    local before seconds=${FUZZ_SECONDS:-3}
    if [[ $TEST_FULL == 1 ]]; then seconds=${FUZZ_SECONDS:-10}; fi
    before=$(open_sockets "$pid")
    stay_attack half-body 20
    stay_attack dribble-body 20
    peer fuzz --seconds "$seconds" --seed "${FUZZ_SEED:-1}"
    # those who held out for as long
    wait_for 30 sockets_are_back "$before"
    read_pid
    equal "process id" "$pid" "$first"
    (($(rss_kib "$pid") - rss_before < 32768)) || fail "memory grew to $(rss_kib "$pid") KiB"
    send deviceId=last
    answered 200 stored
    books_add_up
}

# bats test_tags=full
@test "attackers do not wear out the receiver" {
    # After all of it the process has as few connections open as before, and is idle.
    local before ticks
    before=$(open_sockets "$pid")
    attack silent half-body dribble ones
    wait_for "$PATIENCE" sockets_are_back "$before"
    ticks=$(cpu_ticks "$pid")
    pause 1
    ticks=$(($(cpu_ticks "$pid") - ticks))
    ((ticks < 20)) || fail "an idle receiver used $ticks ticks of processor time in a second"
}

sockets_are_back() {
    local fd count=0
    for fd in "/proc/$pid/fd"/*; do if [[ -S $fd ]]; then count=$((count + 1)); fi; done
    ((count <= $1))
}
