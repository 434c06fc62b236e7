# soak.bash: what the soaks share; lib.bash and faults.bash must be loaded first. A soak sets $seed, $minutes,
# $rate, and CALM_MOST_S, the longest that nothing goes wrong, and has a function go_wrong.
#
# shellcheck shell=bash
# shellcheck disable=SC2154 # what the soak and lib.bash set

# Seconds of traffic in one campaign.
ROUND_S=30
declare -A happened=()

count() {
    happened[$1]=$((${happened[$1]:-0} + 1))
}

# pause_between LEAST MOST: for a random number of seconds, with a decimal.
pause_between() {
    local tenths=$(($1 * 10 + RANDOM % (($2 - $1) * 10 + 1)))
    pause "$((tenths / 10)).$((tenths % 10))"
}

# One campaign, with things going wrong until its last notification is answered 200.
run_campaign() {
    background push "$PUSHER" --url "$URL$CALLBACK" --cacert "$CERTIFICATE" --seed "$1" --rate "$rate" \
        --count $((ROUND_S * rate)) --repeats $((ROUND_S * rate / 10)) --connections 32 --deadline 600 \
        --ledger "$T/ledger.$1"
    pusher_pid=$background_pid
    while ! has_ended "$pusher_pid"; do
        pause_between 1 "$CALM_MOST_S"
        go_wrong || return
    done
    wait "$pusher_pid" || fail "not all were answered 200: $(<"$T/push.out")" || return
    cat "$T/push.out" >>"$T/campaigns"
    if [[ ! -s $T/ledger ]]; then head -n 1 "$T/ledger.$1" >"$T/ledger"; fi
    tail -n +2 "$T/ledger.$1" >>"$T/ledger"
    rm "$T/ledger.$1"
}

# The sums over all campaigns, and what went wrong how often.
print_sums() {
    local name
    jq -cs --argjson seed "$seed" --argjson minutes "$minutes" '{seed: $seed, minutes: $minutes,
        campaigns: length, sent: (map(.sent) | add), stored: (map(.stored) | add),
        repeated: (map(.repeated) | add),
        answers: (map(.answers | to_entries) | add | group_by(.key) |
            map({key: .[0].key, value: (map(.value) | add)}) | from_entries)}' "$T/campaigns"
    for name in "${!happened[@]}"; do printf '%s: %d\n' "$name" "${happened[$name]}"; done | sort
}
