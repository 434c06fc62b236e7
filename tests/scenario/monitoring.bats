#!/usr/bin/env bats
# bats file_tags=full
# What nginx/monitoring has for operators works with Debian's Prometheus and a real receiver.

load lib
load faults
load delivery
load views

MONITORING=$SOURCE/nginx/monitoring

# prometheus_start [SED-ARGUMENT...]: one with the shipped example, changed as the arguments say, in where the
# receiver is and in how often it looks. $prometheus is where it answers.
prometheus_start() {
    local port
    port=$(free_port)
    prometheus=http://127.0.0.1:$port
    mkdir "$T/prometheus"
    cp "$MONITORING/alerts.yml" "$T/prometheus/"
    sed -E "$@" -e 's/_interval: 15s/_interval: 1s/' -e "s/localhost:443/${URL#https://}/" \
        -e "s|^( *ca_file:) .*|\1 $CERTIFICATE|" \
        "$MONITORING/prometheus.yml" >"$T/prometheus/prometheus.yml"
    background prometheus prometheus --config.file="$T/prometheus/prometheus.yml" \
        --storage.tsdb.path="$T/prometheus/data" --web.listen-address="127.0.0.1:$port" --log.level=warn
    wait_for 30 ask_prometheus 1
}

# ask_prometheus QUERY: sets $result to what it answers, an array of series; fails if the query is not valid.
ask_prometheus() {
    curl -q -s --get --data-urlencode "query=$1" "$prometheus/api/v1/query" >"$T/prometheus.answer"
    result=$(jq -ce 'select(.status == "success") | .data.result' "$T/prometheus.answer") ||
        fail "$1: $(cat "$T/prometheus.answer")"
}

# prometheus_says QUERY VALUE: of its first series.
prometheus_says() {
    ask_prometheus "$1"
    equal "$1" "$(jq -r '.[0].value[1]' <<<"$result")" "$2"
}

# has_series QUERY
has_series() {
    ask_prometheus "$1" && [[ $result != '[]' ]]
}

# A task of 16 devices, of which 10 have failed and 3 are under way; posted by one process.
failing_campaign() {
    local i words=()
    for ((i = 1; i <= 16; i++)); do
        if ((i <= 10)); then
            notification deviceId="f$i" operationId=campaign swUpgradeResult=FAIL errorCode=4 curVersion=1.0
        elif ((i <= 13)); then
            notification deviceId="f$i" operationId=campaign
        else
            notification deviceId="f$i" operationId=campaign notifyType=swUpgradeStateChangeNotify swUpgradeState=downloading
        fi >"$T/body.$i"
        words+=(--next --silent --cacert "$CERTIFICATE" --data-binary "@$T/body.$i" "$URL$CALLBACK")
    done
    curl -q "${words[@]:1}" >"$T/campaign.out"
    equal "notifications kept" "$(grep -c '"result":"stored"' "$T/campaign.out")" 16
}

@test "each alert is raised and is silent when it should be" {
    # The example is valid. Each alert has a test that it is named after, and promtool finds no test that fails.
    promtool check config "$MONITORING/prometheus.yml"
    equal "alerts without a test, or tests without an alert" \
        "$(sed -n 's/^ *- alert: //p' "$MONITORING/alerts.yml" | sort)" \
        "$(sed -n 's/^ *- name: //p' "$TESTS/scenario/alerts.yml" | grep -v '^none$' | sort)"
    promtool test rules "$TESTS/scenario/alerts.yml"
}

@test "a real Prometheus scrapes the receiver" {
    # Debian's Prometheus reads the metrics through nginx, and its answers to queries are the numbers of the books.
    receiver_start
    nginx_start
    some_history
    push --count 300 --connections 8 --deadline 60
    prometheus_start
    local wanted
    wanted=$(sql 'SELECT count(*) FROM notifications')
    wait_for 30 prometheus_says 'sum(upgrade_receiver_notifications_total)' "$wanted"
    prometheus_says 'up{job="upgrade-receiver"}' 1
    prometheus_says 'upgrade_receiver_upgrades{state="SUCCESS"}' "$(sql "SELECT count(*) FROM upgrades WHERE state = 'SUCCESS'")"
    prometheus_says 'upgrade_receiver_notifications_total{type="swUpgradeResultNotify",result="FAIL"}' \
        "$(sql "SELECT count(*) FROM notifications WHERE json_extract(body, '\$.swUpgradeResult') = 'FAIL'")"
    prometheus_says 'upgrade_receiver_operation_upgrades{operation="op",state="SUCCESS"}' \
        "$(sql "SELECT success FROM operations WHERE operationId = 'op'")"
    prometheus_says 'upgrade_receiver_commit_batch_records_bucket{le="256.0"}' \
        "$(request /metrics && awk '/^upgrade_receiver_batches_total/ {print $2}' <<<"$body")"
    prometheus_says 'histogram_quantile(0.5, upgrade_receiver_commit_seconds_bucket) < bool 60' 1
    curl -q -s "$prometheus/api/v1/targets" | jq -e '.data.activeTargets[0].lastError == ""'
}

@test "ids that are long or have any character do not stop the scrape" {
    # Operations whose ids are equal where they are cut, or have quotes and line ends, have a series each.
    local i long
    long=$(printf 'ü%.0s' {1..2000})
    receiver_start
    nginx_start
    for i in "${long}1" "${long}2" $'line\nend' 'a"b\c' '"} 1' $'\u202eright to left' ' '; do
        jq -nc --arg id "$i" '{notifyType: "swUpgradeResultNotify", deviceId: "d", appId: $id, operationId: $id,
            subOperationId: "s", curVersion: "2", targetVersion: "2", sourceVersion: "1", swUpgradeResult: "SUCCESS",
            upgradeTime: "1", resultDesc: "", errorCode: "0", description: ""}' >"$T/body.json"
        post "$T/body.json"
        expect_answer 200 '.result == "stored"'
    done
    prometheus_start
    wait_for 30 prometheus_says 'count(upgrade_receiver_operation_upgrades{state="SUCCESS"} == 1)' 7
    prometheus_says 'up' 1
    prometheus_says 'upgrade_receiver_operation_upgrades{state="SUCCESS",operation="a\"b\\c",app="a\"b\\c"}' 1
}

@test "each query of the dashboard has an answer, and alerts see what happens" {
    # Of a receiver with an application and a campaign, every panel shows something. The campaign and a wrong path raise their alerts, and no rule fails.
    local query number=0
    app_start "$RECORDER_BIN"
    nginx_start
    failing_campaign
    prometheus_start
    wait_for 30 prometheus_says upgrade_receiver_near_misses_total 0
    request "${CALLBACK,,}" -d '{}'
    expect_answer 404
    push --count 300 --connections 8 --deadline 60
    while IFS= read -r query; do
        query=${query//\$__rate_interval/10s}
        query=${query//\$instance/.*}
        [[ $query != *'$'* ]] || fail "a variable that the dashboard does not have: $query"
        wait_for 30 has_series "$query"
        number=$((number + 1))
    done < <(jq -r '.panels[].targets[].expr' "$MONITORING/dashboard.json")
    ((number > 15)) || fail "only $number queries"
    query=$(jq -r '.templating.list[] | select(.name == "instance").query.query' "$MONITORING/dashboard.json")
    [[ $query =~ ^label_values\(([a-z_]+),\ ([a-z]+)\)$ ]]
    curl -q -s --get --data-urlencode "match[]=${BASH_REMATCH[1]}" "$prometheus/api/v1/label/${BASH_REMATCH[2]}/values" |
        jq -e --arg here "${URL#https://}" '.data == [$here]'

    wait_for 30 prometheus_says 'ALERTS{alertname="UpgradeReceiverOperationFailing",operation="campaign",alertstate="pending"}' 1
    wait_for 30 prometheus_says 'ALERTS{alertname="UpgradeReceiverNearMisses",alertstate="firing"}' 1
    curl -q -s "$prometheus/api/v1/rules" >"$T/rules.json"
    jq -e '[.data.groups[].rules[] | select(.health != "ok")] == []' "$T/rules.json" || fail "$(<"$T/rules.json")"
    # A metric that no receiver has would be silent for ever.
    request /metrics
    while IFS= read -r query; do
        grep -q "^${query}[ {]" <<<"$body" || fail "alerts.yml: there is no metric $query"
    done < <(grep -oE 'upgrade_receiver_[a-z_]+' "$MONITORING/alerts.yml" | sort -u)
}

@test "two receivers have series of their own, and one alert" {
    # With the choices for two receivers in the site file and in the example, each is a target, and what the store says raises one alert.
    receiver_start
    background other "$HOLD" "$T/socket-2" "$T/pid-2" -- "$RECEIVER_BIN" --state "$T/state"
    wait_for "$PATIENCE" grep -q '"event":"start"' "$T/other.out"
    sed -e 's|#\(server unix:\)|\1|' -e 's|#\(location ~ /[12]\$ {\)|\1|' "$SOURCE/nginx/upgrade-receiver.conf" >"$T/two.conf"
    NGINX_SITE=$T/two.conf nginx_start
    failing_campaign
    prometheus_start -e '/^ *- targets: \[localhost:443\]$/d' -e 's/# (- targets: \[.*:443\])$/\1/' -e 's/# (  labels: )/\1/'
    wait_for 30 prometheus_says 'count(up{job="upgrade-receiver"} == 1)' 2
    wait_for 30 prometheus_says 'sum by (job) (upgrade_receiver_answers_total{code="200"})' 16
    prometheus_says 'count(upgrade_receiver_start_time_seconds{receiver=~"1|2"})' 2
    wait_for 30 prometheus_says 'count(ALERTS{alertname="UpgradeReceiverOperationFailing"})' 1
}
