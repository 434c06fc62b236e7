#!/usr/bin/env bats
# Readiness is whether a notification can be kept, and asking for it costs nothing.

load lib
load faults
load views

@test "ready is whether a notification can be kept" {
    # While another program locks the store readiness fails and says why, to whoever asks again, and passes again when the store works; being alive does not depend on it, and reading goes on.
    receiver_start
    nginx_start
    some_history
    request /health/ready
    expect_answer 200 '.status == "pass"'
    lock_store
    wait_for "$PATIENCE" is_not_ready
    expect_answer 503 '.status == "fail" and (.output | contains("locked"))'
    equal retry "$(header Retry-After)" 1
    # It is a fault like any other: the next notification is refused without a wait, and it was logged once.
    send
    answered 503
    in_time "the refusal" "$answer_ms" 300
    local i
    for i in 1 2 3 4 5; do
        request /health/ready
        expect_answer 503
    done
    request /health/live
    expect_answer 200
    request /status/overview.json
    expect_answer 200 '.seq == 5 and (.receiver.storeFault | contains("locked"))'
    request /metrics
    grep -q '^upgrade_receiver_store_writable 0$' <<<"$body" || fail "no word of it in the metrics"
    equal "fault lines" "$(log_count '.event == "fault"')" 1
    unlock_store
    wait_for "$PATIENCE" is_ready
    wait_for_log '.event == "recovered"'
    stores_one
}

is_not_ready() {
    request /health/ready && [[ $status_code == 503 ]]
}

is_ready() {
    request /health/ready && [[ $status_code == 200 ]]
}

@test "asking for health costs nothing but a write a second" {
    # A thousand questions whether it is ready change nothing in the books and make no more than a write a second.
    receiver_start
    nginx_start
    some_history
    local i wrote began=$SECONDS
    wrote=$(bytes_written)
    for i in {1..10}; do
        curl -q -s --fail --cacert "$CERTIFICATE" -o /dev/null "$URL/health/ready?[1-100]"
    done
    wrote=$(($(bytes_written) - wrote))
    echo "wrote $wrote bytes in $((SECONDS - began)) s"
    # 64 KiB and what goes with it, into the store's log and from there into the store
    ((wrote < 400000 * (SECONDS - began + 2))) || fail "a write for each question"
    equal seq "$(sql 'SELECT max(seq) FROM notifications')" 5
}

# What the receiver has written since it began.
bytes_written() {
    awk '/^wchar:/ {print $2}' "/proc/$(receiver_pid)/io"
}
