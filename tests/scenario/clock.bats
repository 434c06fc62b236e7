#!/usr/bin/env bats
# The wall clock may step by years, backwards and forwards: seq orders, not time, and nothing that waits
# looks at it (tests/tool/clock.c).

load lib
load faults

setup() {
    scenario_setup
    step_to 0
    preload clock "CLOCK_STEP=$T/step"
    receiver_start
}

YEAR=31556952

# step_to SECONDS: how far the clock is off from now on.
step_to() {
    "$PYTHON" -c '
import struct, sys
with open(sys.argv[1], "r+b" if int(sys.argv[3]) else "wb") as out:
    out.write(struct.pack("<q", int(sys.argv[2]) * 1000))
' "$T/step" "$1" "$([[ -e $T/step ]] && echo 1 || echo 0)"
}

# says_year OFFSET: the last notification in the log has the time of a clock that is off by so much.
says_year() {
    local said expected
    said=$(log_lines '.event == "notification"' | tail -n 1 | jq -r '.time[:4]')
    expected=$(date -u -d "@$(($(date +%s) + $1))" +%Y)
    equal year "$said" "$expected"
}

@test "steps of the clock change neither order nor books" {
    # With steps of years back and forth under load, seq and log stay in the order of arrival, repeats of upgrades are repeats, the books add up, and the status file is right within its two seconds.
    local off i=0
    nginx_start
    push_behind --count 3000 --repeats 300 --rate 400 --deadline 60 --ledger "$T/ledger"
    for off in 0 -10 10 -1 30 -30 0; do
        i=$((i + 1))
        step_to $((off * YEAR))
        send "subOperationId=step-$i"
        answered 200 stored
        equal "latest" "$(sql "SELECT json_extract(body, '\$.subOperationId') FROM notifications
            WHERE json_extract(body, '\$.subOperationId') LIKE 'step-%' ORDER BY seq DESC LIMIT 1")" "step-$i"
        wait_for_log ".event == \"notification\" and .body.subOperationId == \"step-$i\""
        # what was sent years ago, or will have been
        send "subOperationId=step-1"
        answered 200 repeated
        says_year $((off * YEAR))
        wait_for 4 status_is ".seq >= $(sql 'SELECT max(seq) FROM notifications') - 2000 and
            .time[:4] == \"$(date -u -d "@$(($(date +%s) + off * YEAR))" +%Y)\""
    done
    push_end
    books_match_ledger "$T/ledger"
    books_add_up
    status_matches_books
    equal "in order" "$(log_lines '.event == "notification" and .repeat == false' |
        jq -s 'map(.seq) | . == (sort | unique)')" true
}

@test "steps of the clock hold up nothing that waits" {
    # While the clock runs years off, a request that never becomes whole is still cut off after its ten seconds and no earlier, a fault of the store ends with the next probe, and a stop takes no longer.
    local start=$SECONDS pid off
    pid=$(receiver_pid)
    stay_attack half-body 10
    step_to $((-20 * YEAR))
    lock_store
    send deviceId=refused
    answered 503
    step_to $((20 * YEAR))
    unlock_store
    serves_again "$pid"
    sleep 1
    (($(open_sockets "$pid") > 10)) || fail "requests were cut off at once"
    wait_for 20 sockets_are_few
    ((SECONDS - start >= 9)) || fail "requests were cut off after $((SECONDS - start)) s"
    for off in -20 20; do
        step_to $((off * YEAR))
        receiver_restart
        keep_some "after$off" 1
    done
    receiver_stop
    books_add_up
}

sockets_are_few() {
    (($(open_sockets "$pid") < 10))
}

@test "news repeated across a step of the clock costs no more than a record" {
    # The window in which equal news is a repeat is measured by the clock: a step may record it once more, never lose it, and what is of an upgrade is never recorded twice.
    local news='notifyType=deviceDeleted gatewayId=g'
    # shellcheck disable=SC2086 # words of the call
    send $news
    answered 200 stored
    step_to $((-5 * YEAR))
    send_body "$T/sent.json"
    answered 200 stored
    send_body "$T/sent.json"
    answered 200 repeated
    step_to 0
    send_body "$T/sent.json"
    answered 200
    equal "news" "$(sql "SELECT count(*) BETWEEN 2 AND 3, sum(deliveries) FROM notifications")" "1|4"
}
