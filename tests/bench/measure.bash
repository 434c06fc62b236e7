# shellcheck shell=bash
# shellcheck disable=SC2154 # variables of run
# Measurements, each a line in $RESULTS. Read by run.

# What the subject under way must have kept, and what it may have kept beside that: where a request had
# no good answer, nobody knows.
must_keep=0
may_keep=0
repeats_sent=0
all_clean=1
# Further members of the lines, as JSON.
more={}

# load OPTION...: posts, notes what that leaves behind, and leaves the summary in $WORK/load.
load() {
    local clean=1 counts
    local options=(--port "$port" "${bodies[@]}")
    if [[ $scheme == https ]]; then options+=(--cacert "$BENCH_CERTIFICATE"); fi
    rm -f "$WORK/load"
    "$LOAD" "${options[@]}" "$@" >"$WORK/load" 2>"$WORK/load.err" || clean=
    [[ -s $WORK/load ]] || return 1
    counts=$(jq -r '[.sent, .sentRepeats, .statuses["200"] // 0] | join(" ")' "$WORK/load")
    read -r sent sent_repeats good <<<"$counts"
    may_keep=$((may_keep + sent - sent_repeats))
    if ((good > sent_repeats)); then must_keep=$((must_keep + good - sent_repeats)); fi
    repeats_sent=$((repeats_sent + sent_repeats))
    if [[ -z $clean ]]; then all_clean=; fi
    [[ -n $clean ]]
}

# Until the subject answers, and what it does only once is done.
warm_up() {
    local try
    for ((try = 0; try < 40; try++)); do
        if process_is_gone "$subject_pid"; then break; fi
        # one until it is there: of what has no answer nobody knows whether it was kept
        if load --connections 1 --count 1 --seed "$((EPOCHSECONDS * 100 + try))"; then
            load --connections 16 --count 500 --seed "$((EPOCHSECONDS * 100 + 99))" && return 0
        fi
        sleep 0.25
    done
    say "$1 does not answer: $(tail -n 3 "$WORK/$1.out" "$WORK/nginx/error.log" "$WORK/load.err" 2>/dev/null)"
    return 1
}

# measure NAME ROUND OPTION...: one line of results.
measure() {
    local name=$1 round=$2 before after nginx_before nginx_after
    shift 2
    before=$(processes "$subject_pid")
    nginx_before=$(processes "$nginx_pid")
    load "$@" || say "$name: not all was answered 200: $(cut -c 1-300 "$WORK/load" 2>/dev/null) $(<"$WORK/load.err")"
    after=$(processes "$subject_pid")
    nginx_after=$(processes "$nginx_pid")
    if [[ ! -s $WORK/load ]]; then return 0; fi
    jq -c --arg subject "$name" --argjson round "$round" --argjson before "$before" --argjson after "$after" \
        --argjson nginxBefore "$nginx_before" --argjson nginxAfter "$nginx_after" --argjson more "$more" \
        '{kind: "measurement", subject: $subject, round: $round} + $more + . + {
            cpuSeconds: ($after.cpuSeconds - $before.cpuSeconds), rssKb: $after.rssKb, pssKb: $after.pssKb,
            processes: $after.processes, nginxCpuSeconds: ($nginxAfter.cpuSeconds - $nginxBefore.cpuSeconds)}' \
        "$WORK/load" >>"$RESULTS"
    say "$(jq -r --arg name "$name" '"\($name) at \(.connections): \(.perSecond) a second, p50 \(.latencyUs.p50) us, p99 \(.latencyUs.p99) us"' "$WORK/load")"
}

# check_kept NAME DATA: whether what was answered 200 is there, once. A line of results.
check_kept() {
    local said kept repeats verdict=kept
    said=$("$BENCH/subjects/$1" kept "$2")
    read -r _ kept _ repeats <<<"$said"
    if [[ $kept == - ]]; then return 0; fi
    if ((kept < must_keep || kept > may_keep)); then verdict=lost; fi
    if [[ -n $all_clean && $repeats != - ]] && ((repeats != repeats_sent)); then verdict="repeats miscounted"; fi
    jq -cn --arg subject "$1" --arg verdict "$verdict" --arg said "$said" --argjson must "$must_keep" \
        --argjson may "$may_keep" --argjson repeats "$repeats_sent" '{kind: "kept", subject: $subject,
        verdict: $verdict, said: $said, mustKeep: $must, mayKeep: $may, repeats: $repeats}' >>"$RESULTS"
    if [[ $verdict != kept ]]; then
        say "$1: $verdict: $said, but $must_keep to $may_keep and $repeats_sent repeats were answered"
        broken_promises=1
    fi
}

# turn NAME ROUND: one subject's part of a round, with data of its own.
turn() {
    local name=$1 round=$2 number=0 n
    must_keep=0 may_keep=0 repeats_sent=0 all_clean=1
    start_subject "$name" "$DATA/$name"
    if warm_up "$name"; then
        for n in "${connection_counts[@]}"; do
            number=$((number + 1))
            measure "$name" "$round" --connections "$n" --count "$count" --seconds "$seconds" \
                --repeats "$repeats" --seed "$((round * 100 + number))"
        done
    fi
    stop_nginx
    stop_subject
    check_kept "$name" "$DATA/$name"
    rm -rf "${DATA:?}/$name"
}

begin_results() {
    local name
    "$BENCH/machine" "$DATA" >>"$RESULTS"
    jq -cn --arg commit "$(git -c safe.directory='*' -C "$SOURCE" describe --always --dirty 2>/dev/null || true)" \
        --arg scheme "$scheme" --argjson repeats "$repeats" --argjson seconds "$seconds" --argjson rounds "$rounds" \
        '{kind: "run", commit: $commit, scheme: $scheme, repeats: $repeats, seconds: $seconds, rounds: $rounds}' \
        >>"$RESULTS"
    for name in "${wanted[@]}"; do
        "$BENCH/subjects/$name" about | jq -cRn --arg subject "$name" '{kind: "about", subject: $subject}
            + ([inputs | capture("(?<key>[^ ]+) (?<value>.*)")] | from_entries)' >>"$RESULTS"
    done
}

# All subjects side by side. Each round begins with another one, so that none always has the same
# neighbour.
compare() {
    local round place broken_promises=''
    for ((round = 1; round <= rounds; round++)); do
        say "round $round of $rounds"
        for ((place = 0; place < ${#wanted[@]}; place++)); do
            turn "${wanted[(place + round - 1) % ${#wanted[@]}]}" "$round"
        done
    done
    if [[ -n $broken_promises ]]; then die "not all that was answered 200 was kept; see $RESULTS"; fi
}
