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

# says_year OFFSET: the last notification in the log has the time of a clock that is off by so much.
says_year() {
    local said expected
    said=$(grep '"event":"notification".*}$' "$LOG" | tail -n 1)
    printf -v expected '%(%Y)T' $((EPOCHSECONDS + $1))
    [[ $said == '{"time":"'"$expected"-* ]] || fail "not of $expected: $said"
}

@test "steps of the clock change neither order nor books" {
    # With steps of years back and forth under load, seq and log stay in the order of arrival, repeats of upgrades are repeats, the books add up, and the status file is right soon.
    local off i=0 count=1500 year
    if [[ $TEST_FULL == 1 ]]; then count=3000; fi
    nginx_start
    push_behind --count "$count" --repeats $((count / 10)) --rate $((count / 8)) --deadline 60 --ledger "$T/ledger"
    for off in 0 -10 10 -1 30 -30 0; do
        i=$((i + 1))
        step_to $((off * YEAR))
        send "subOperationId=step-$i"
        answered 200 stored
        equal "latest" "$(sql "SELECT json_extract(body, '\$.subOperationId') FROM notifications
            WHERE json_extract(body, '\$.subOperationId') LIKE 'step-%' ORDER BY seq DESC LIMIT 1")" "step-$i"
        wait_for "$PATIENCE" grep -q "\"event\":\"notification\".*\"subOperationId\":\"step-$i\"" "$LOG"
        # what was sent years ago, or will have been
        send "subOperationId=step-1"
        answered 200 repeated
        says_year $((off * YEAR))
        printf -v year '%(%Y)T' $((EPOCHSECONDS + off * YEAR))
        wait_for_status ".seq >= $(sql 'SELECT max(seq) FROM notifications') - 2000 and .time[:4] == \"$year\""
    done
    push_end
    books_match_ledger "$T/ledger"
    books_add_up
    status_matches_books
    equal "in order" "$(log_lines '.event == "notification" and .repeat == false' |
        jq -s 'map(.seq) | . == (sort | unique)')" true
}

# bats test_tags=full
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
    pause 1
    (($(open_sockets "$pid") > 10)) || fail "requests were cut off at once"
    wait_for 40 sockets_are_few
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
    local fd count=0
    for fd in "/proc/$pid/fd"/*; do if [[ -S $fd ]]; then count=$((count + 1)); fi; done
    ((count < 10))
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
