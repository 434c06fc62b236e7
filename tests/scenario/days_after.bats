#!/usr/bin/env bats
# bats file_tags=full
# What an operator does on later days, as nginx/README.md tells it ("The days after").

load lib
load faults

teardown() {
    if [[ -n ${new:-} ]]; then
        (T=$new scenario_teardown)
    fi
    scenario_teardown
}

# relay_to URL: the old machine's site, whose callbacks go to the new machine from now on.
relay_to() {
    awk -v to="$1" '
        /^    location = .*messageReceiver/ {callback = 1}
        callback && /include/ {next}
        callback && /fastcgi_pass/ {
            print "        proxy_pass " to ";"
            print "        proxy_set_header Host $host;"
            callback = 0
            next
        }
        {print}' "$SOURCE/nginx/upgrade-receiver.conf" >"$T/relay.conf"
    equal "relayed paths" "$(grep -c proxy_pass "$T/relay.conf")" 2
}

@test "another machine takes over, and the old one relays to it" {
    # The state folder is copied once the old receiver has ended. Then the old machine's nginx relays: pushes to either machine are in the same books, and what was answered before is a repeat on both.
    local i old_url new_url
    receiver_start
    nginx_start
    old_url=$URL
    for i in 1 2 3; do
        notification "subOperationId=before-$i" >"$T/before-$i.json"
        post "$T/before-$i.json"
        expect_answer 200 '.result == "stored"'
    done
    receiver_stop
    post "$T/before-1.json"
    expect_answer 503

    new=$T/new
    mkdir -p "$new/background" "$new/reports"
    cp -a "$T/state" "$new/state"
    (T=$new LOG=$new/log && : >"$LOG" && receiver_start)
    T=$new nginx_start
    new_url=$URL
    URL=$new_url post "$T/before-1.json"
    expect_answer 200 '.result == "repeated"'

    relay_to "$new_url"
    nginx_port=${old_url##*:}
    NGINX_SITE=$T/relay.conf nginx_configure "$nginx_port"
    kill -s HUP "$(<"$T/nginx/master")"
    wait_for "$PATIENCE" relays
    notification subOperationId=after >"$T/after.json"
    URL=$old_url post "$T/after.json"
    expect_answer 200 '.result == "stored" and .seq == 4'
    URL=$new_url post "$T/after.json"
    expect_answer 200 '.result == "repeated"'
    equal "kept on the old machine" "$(sql 'SELECT count(*) FROM notifications')" 3
    equal "kept on the new one" "$(T=$new sql 'SELECT count(*) FROM notifications')" 4
}

# Until the old workers of nginx have ended, one of them may take a connection.
relays() {
    URL=$old_url post "$T/before-2.json"
    expect_answer 200 '.result == "repeated"'
}

@test "both callback paths are taken while the platform changes from one to the other" {
    # Between subscribing the new path and the end of the old one, both are 200; afterwards a push to the old path is 404 and told in the log.
    local secret=$CALLBACK/5f0c
    export UPGRADE_RECEIVER_CALLBACK="$CALLBACK $secret"
    receiver_start
    sed "s|^    location = $CALLBACK {|    location = $secret {\n        include /etc/nginx/upgrade-receiver.params;\n        fastcgi_pass upgrade_receiver;\n    }\n&|" \
        "$SOURCE/nginx/upgrade-receiver.conf" >"$T/both.conf"
    NGINX_SITE=$T/both.conf nginx_start
    notification >"$T/one.json"
    post "$T/one.json"
    expect_answer 200 '.result == "stored"'
    POST_PATH=$secret post "$T/one.json"
    expect_answer 200 '.result == "repeated"'

    export UPGRADE_RECEIVER_CALLBACK=$secret
    receiver_stop
    receiver_start
    sed "s|^    location = $CALLBACK {|    location = $secret {|" "$SOURCE/nginx/upgrade-receiver.conf" >"$T/new.conf"
    NGINX_SITE=$T/new.conf nginx_start
    POST_PATH=$secret post "$T/one.json"
    expect_answer 200 '.result == "repeated"'
    post "$T/one.json"
    expect_answer 404
    wait_for_log '.event == "misdirected"'
}

@test "all times are UTC, whatever the time zones of receiver and operator" {
    # The log, the status file and the command tell the same moment, and with the same words, from Nepal and from Hawaii.
    local begin=$EPOCHSECONDS moment
    TZ=Asia/Kathmandu receiver_start
    send deviceId=there
    answered 200 stored
    wait_for_log '.event == "notification"'
    wait_for_status '.totals.notifications == 1'
    for moment in "$(log_lines '.event == "notification"' | jq -r .time)" "$(status_json '.operations[0].lastAt')" \
        "$("$STATUS_BIN" --state "$T/state" device there --json | jq -r '.history[0].lastAt')"; do
        [[ $moment == *Z ]] || fail "'$moment' does not say UTC"
        moment=$(date -d "$moment" +%s)
        ((begin <= moment && moment <= EPOCHSECONDS)) || fail "$moment is not between $begin and $EPOCHSECONDS"
    done
    equal "from Hawaii" "$(TZ=Pacific/Honolulu "$STATUS_BIN" --state "$T/state" log --since 1h)" \
        "$(TZ=Asia/Kathmandu "$STATUS_BIN" --state "$T/state" log --since 1h)"
}
