#!/usr/bin/env bats
# Metrics are what the books and the process say, in a form that Prometheus takes.

load lib
load faults
load views

# metric NAME[{LABELS}]: its value in the last answer, empty where it has none.
metric() {
    awk -v name="$1" '{ at = length($0) - length($NF) - 1 } substr($0, 1, at) == name { print $NF }' <<<"$body"
}

# metric_is NAME VALUE
metric_is() {
    equal "$1" "$(metric "upgrade_receiver_$1")" "$2"
}

@test "promtool has nothing to say against the metrics" {
    # With an empty store, a full one and none that can be read, promtool check metrics is silent.
    receiver_start
    nginx_start
    request /metrics
    quiet_promtool
    metric_is store_up 1
    some_history
    lock_store
    send
    answered 503
    unlock_store
    # Without this the probe may find no file, and begin a new store.
    wait_for_log '.event == "recovered"'
    request /metrics
    quiet_promtool
    rm "$T/state/upgrades.db"*
    request /metrics
    quiet_promtool
    metric_is store_up 0
    metric_is 'answers_total{code="503"}' 1
}

quiet_promtool() {
    expect_answer 200 || return
    printf '%s' "$body" | promtool check metrics >"$T/promtool" 2>&1 || fail "$(<"$T/promtool")" || return
    equal "promtool's words" "$(<"$T/promtool")" ''
}

# A checkpoint may have changed it between the two looks.
store_size_is_told() {
    request /metrics
    equal "store_bytes" "$(metric upgrade_receiver_store_bytes)" \
        "$(cat "$T/state/upgrades.db" "$T/state/upgrades.db-wal" | wc -c)"
}

@test "the metrics are what is in the books" {
    # After a campaign with repeats, failures and quarantine each number equals a count of the store's rows.
    receiver_start
    nginx_start
    some_history
    push --count 600 --connections 8 --deadline 60 --repeats 60
    local row count
    request /metrics
    while IFS='|' read -r row count; do
        metric_is "notifications_total{$row}" "$count"
    done < <(sql "SELECT 'type=\"' || notifyType || '\"' || coalesce(',result=\"' || json_extract(body, '\$.swUpgradeResult') || '\"', ''),
        count(*) FROM notifications GROUP BY 1")
    equal "notifications in all" "$(grep '^upgrade_receiver_notifications_total' <<<"$body" | awk '{ n += $NF } END { print n }')" \
        "$(sql 'SELECT count(*) FROM notifications')"
    metric_is repeats_total "$(sql 'SELECT sum(deliveries - 1) FROM notifications')"
    metric_is quarantined_total 1
    metric_is quarantine_held "$(sql 'SELECT count(*) FROM quarantine')"
    metric_is quarantine_bytes "$(sql 'SELECT sum(length(CAST(body AS BLOB))) FROM quarantine')"
    metric_is 'upgrades{state="IN_PROGRESS"}' "$(sql "SELECT count(*) FROM upgrades WHERE state = 'IN_PROGRESS'")"
    metric_is 'upgrades{state="SUCCESS"}' "$(sql "SELECT count(*) FROM upgrades WHERE state = 'SUCCESS'")"
    metric_is 'upgrades{state="FAIL"}' "$(sql "SELECT count(*) FROM upgrades WHERE state = 'FAIL'")"
    metric_is upgrades_contradictory "$(sql "SELECT count(*) FROM upgrades WHERE contradictory")"
    metric_is commit_batch_records_sum "$(sql 'SELECT sum(deliveries) + (SELECT count(*) FROM quarantine) FROM notifications')"
    equal "batches" "$(metric upgrade_receiver_commit_batch_records_count)" "$(metric upgrade_receiver_batches_total)"
    wait_for "$PATIENCE" store_size_is_told
    awk -v age="$(metric upgrade_receiver_last_notification_age_seconds)" 'BEGIN { exit !(age >= 0 && age < 30) }' ||
        fail "the last notification is said to be old"
}

@test "answers are counted by status, and refusals in a row" {
    # Every kind of answer to the platform is counted under its status; what is refused on a callback path counts up until a 200, and nothing that is read counts at all.
    echo tokentoken >"$T/tokens"
    receiver_start --max-body 1000 --refuse-invalid --token-file "$T/tokens"
    nginx_start
    local i signed
    signed=(--param HTTP_TIMESTAMP=1 --param HTTP_NONCE=2
        --param HTTP_SIGNATURE="$(printf 12tokentoken | sha256sum | cut -d' ' -f1)")
    peer post --path /nothing >"$T/out"
    peer post --method PUT >"$T/out"
    peer post >"$T/out"
    send_body - "${signed[@]}" <<<'[]'
    answered 400
    send_body - "${signed[@]}" <<<'{"notifyType":"x"}'
    answered 422
    send_body - "${signed[@]}" < <(head -c 2000 /dev/zero)
    answered 413
    for ((i = 0; i < 3; i++)); do request /status/nothing; done
    request /metrics
    metric_is 'answers_total{code="404"}' 1
    metric_is 'answers_total{code="405"}' 1
    metric_is 'answers_total{code="401"}' 1
    metric_is 'answers_total{code="400"}' 1
    metric_is 'answers_total{code="422"}' 1
    metric_is 'answers_total{code="413"}' 1
    metric_is 'answers_total{code="200"}' 0
    metric_is refused_in_a_row 3
    notification >"$T/sent.json"
    send_body "$T/sent.json" "${signed[@]}"
    answered 200
    request /metrics
    metric_is 'answers_total{code="200"}' 1
    metric_is refused_in_a_row 0
    metric_is views_total 5
    wait_for_status '.process.answers_422 == 1 and .process.refused_in_a_row == 0'
}
