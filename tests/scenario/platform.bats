#!/usr/bin/env bats
# A whole upgrade campaign, played as the platform plays it, ends in the books as the words say.

load lib
load faults
load recount

# play OPTION...: the platform, beside the test; its recount goes to $T/expected.json.
play() {
    background platform "$PYTHON" "$TESTS/tool/play_platform.py" --url "$URL$CALLBACK" --cacert "$CERTIFICATE" \
        --expect "$T/expected.json" --expect-upgrades "$@"
    platform_pid=$background_pid
}

# play_end [STATUS]: waits for its end, which must be with that status.
play_end() {
    local status=0
    wait_for 120 has_ended "$platform_pid"
    wait "$platform_pid" || status=$?
    equal "exit status ($(<"$T/platform.out"))" "$status" "${1:-0}"
}

summary() {
    jq -r "$1" "$T/platform.out"
}

seq_reached() {
    (($(sql 'SELECT coalesce(max(seq), 0) FROM notifications') >= $1))
}

@test "a campaign ends in the books as it was played" {
    # A campaign of 500 devices over HTTPS, in which the receiver is killed once, ends with the books equal to a plain recount of what was pushed, upgrade by upgrade.
    local old
    receiver_start --restart
    nginx_start
    play --devices 500 --seconds 8 --seed 3
    wait_for 60 seq_reached 1200
    old=$(receiver_pid)
    kill -s KILL "$old"
    wait_for "$PATIENCE" receiver_has_changed "$old"
    kill -0 "$platform_pid" || fail "the campaign was over before the kill"
    play_end
    equal "killed" "$(<"$T/pid.exit")" 137
    books_match_recount
    # what such a campaign is made of is all there
    expected '.upgrades | .inProgress > 0 and .success > 400 and .fail > 10 and .contradictory > 0' | grep -qx true
    expected '.totals | .repeats > 30 and .quarantined >= 9' | grep -qx true
    # the status file says the same
    wait_for_status ".upgrades == $(expected '.upgrades | tojson')"
}

# bats test_tags=full
@test "the same campaign once more is nothing new" {
    # Whatever was pushed before is a repeat, and changes no upgrade, operation or failure.
    receiver_start
    nginx_start
    play --devices 100 --no-broken --no-news
    play_end
    books_match_recount
    cp "$T/expected.json" "$T/first.json"
    play --devices 100 --no-broken --no-news
    play_end
    jq -e '(.results | keys) == ["repeated"]' "$T/platform.out"
    jq --argjson repeats "$(sql 'SELECT sum(deliveries - 1) FROM notifications')" \
        '.totals.repeats = $repeats' "$T/first.json" >"$T/expected.json"
    books_match_recount
}

@test "the platform tells what was not answered 200" {
    # While no receiver answers, the campaign counts the failures in a row and ends with status 1; when one is there, all that failed comes again.
    nginx_start
    play --devices 20 --deadline 2
    play_end 1
    jq -e '.answers["200"] == null and .answers["503"] >= 10 and .silenced == 1 and .failuresInARow >= 10
        and .lanesLeft > 20' "$T/platform.out"
    equal "notifications that are expected" "$(expected .totals.notifications)" 0
    : >"$T/nginx/access.log"
    play --devices 20 --fail 0.5 --no-broken
    wait_for "$PATIENCE" grep -q '"status":"503"' "$T/nginx/access.log"
    receiver_start
    play_end
    jq -e '.answers["503"] >= 1 and .lanesLeft == 0' "$T/platform.out"
    books_match_recount
}

# bats test_tags=full
@test "campaigns follow one another" {
    # With --campaigns each has operations of its own, and a summary; a recount is of one campaign only. The second one has results alone.
    receiver_start
    nginx_start
    "$PYTHON" "$TESTS/tool/play_platform.py" --url "$URL$CALLBACK" --cacert "$CERTIFICATE" --devices 20 \
        --campaigns 2 --results-alone 2 >"$T/platform.out"
    equal "operations" "$(jq -s '[.[].operations[]] | unique | length' "$T/platform.out")" 6
    equal "operations in the books" "$(sql 'SELECT count(*) FROM operations')" 6
    # different ones all: the only repeats are those that each has of itself
    jq -es '.[0].results.stored > 100 and .[1].results.stored > 20 and all(.lanesLeft == 0)' "$T/platform.out"
    sql "SELECT DISTINCT notifyType LIKE '%StateChange%' FROM notifications
        WHERE operationId IN (SELECT value FROM json_each('$(jq -sc '.[1].operations' "$T/platform.out")'))" >"$T/second"
    equal "whether the second has state changes" "$(<"$T/second")" 0
    status=0
    "$PYTHON" "$TESTS/tool/play_platform.py" --url "$URL" --campaigns 2 --expect "$T/x" 2>"$T/platform.err" || status=$?
    equal status "$status" 2
}

# bats test_tags=full
@test "a campaign can be stopped at any time" {
    # SIGINT and SIGTERM end the campaign within a second; its summary and recount tell how far it came.
    local signal
    receiver_start
    nginx_start
    for signal in INT TERM; do
        play --devices 200 --seconds 30 --seed "$RANDOM"
        wait_for "$PATIENCE" seq_reached $(($(sql 'SELECT count(*) FROM notifications') + 10))
        kill -s "$signal" "$platform_pid"
        wait_for "$PATIENCE" has_ended "$platform_pid"
        play_end 1
        equal "stopped by" "$(summary .stoppedBy)" "SIG$signal"
        between "answered 200" "$(summary '.answers["200"]')" 10 2000
        # each of its connections may have had one push under way
        between "kept" "$(summary '.results | add')" "$(expected '.totals | add')" 0
    done
}

@test "the model of the platform is what it says" {
    # The model, the recount and the sending keep their unit tests.
    "$PYTHON" -B "$TESTS/unit/platform_test.py"
}
