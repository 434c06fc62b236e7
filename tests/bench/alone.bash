# shellcheck shell=bash
# shellcheck disable=SC2154,SC2034 # variables of run and of its other parts
# upgrade-receiver alone: for long at a fixed rate, and with stores of several sizes. Read by run.

# People with the status page open, and what each of them waits between two looks, as the page does.
VIEWERS=2
VIEWERS_PAUSE=2

# Stores of more bytes than this are not copied for each round: they grow by a little.
COPIED_MOST=$((4 << 30))

GROWTH_CONNECTIONS=64

url() {
    printf '%s://127.0.0.1:%s' "$scheme" "$port"
}

# The operation that was changed last, once there is one.
last_operation() {
    curl -q --silent --fail --noproxy '*' --cacert "$BENCH_CERTIFICATE" "$(url)/status/overview.json?limit=1" |
        jq -er '.operations[0].operationId'
}

# watch_memory FILE: the most that was resident, once a second, until it is ended.
watch_memory() {
    local most=0 now
    while :; do
        now=$(processes "$subject_pid" | jq .rssKb)
        if ((now > most)); then
            most=$now
            echo "$most" >"$1"
        fi
        sleep 1
    done
}

# Watches, and has people look at, what load is doing to the subject.
begin_watching() {
    watch_memory "$WORK/most" &
    watcher=$!
    exec {viewers_stdin}> >(exec python3 "$SOURCE/tests/tool/viewers.py" "$(url)" --cacert "$BENCH_CERTIFICATE" \
        --viewers "$VIEWERS" --pause "$VIEWERS_PAUSE" /status/overview.json \
        "/status/operation.json?operationId=$(last_operation)" >"$WORK/viewers" 2>&1)
    viewers=$!
}

end_watching() {
    echo >&"$viewers_stdin"
    exec {viewers_stdin}>&-
    wait "$viewers" || say "the status page: $(tail -n 1 "$WORK/viewers")"
    kill -s TERM "$watcher"
    wait "$watcher" 2>/dev/null || true
}

endure() {
    local total=$((rate * minutes * 60)) broken_promises=''
    [[ $scheme == https ]] || die "--rate and --http do not go together: the status page is looked at over HTTPS"
    start_subject u "$DATA/u"
    warm_up u || die "nothing to measure"
    # what was warmed up with is what people look at
    begin_watching
    say "$rate requests a second for $minutes minutes"
    RESULTS=$WORK/measured measure u 1 --connections 64 --rate "$rate" --count "$total" --repeats "$repeats" --seed 1
    end_watching
    jq -c --argjson most "$(<"$WORK/most")" --argjson viewers "$VIEWERS" \
        --argjson looks "$(tail -n 1 "$WORK/viewers")" \
        '. + {kind: "endurance", rssMostKb: $most, viewers: $viewers, looks: $looks}' "$WORK/measured" >>"$RESULTS"
    stop_nginx
    stop_subject
    check_kept u "$DATA/u"
    if [[ -n $broken_promises ]]; then die "not all that was answered 200 was kept; see $RESULTS"; fi
}

# make_store SIZE: sets $store to the folder of a store of so many notifications.
make_store() {
    store=$STORES/$1
    if [[ -e $store ]]; then return 0; fi
    say "building a store of $1 notifications"
    rm -rf "$store.new"
    "$BENCH_OURS/tests/tool/growth" build "$store.new" "$1"
    mv "$store.new" "$store"
}

# read_us DOCUMENT FOLDER: how long it takes to make one.
read_us() {
    "$BENCH_OURS/tests/tool/growth" read "$2" "$1" 20 | cut -d ' ' -f 1
}

# grow_turn SIZE ROUND: the same campaign, whatever is there already.
grow_turn() {
    local size=$1 round=$2 folder more bytes
    make_store "$size"
    bytes=$(stat -c %s "$store/upgrades.db")
    folder=$store
    if ((bytes < COPIED_MOST)); then
        folder=$DATA/u
        rm -rf "$folder"
        cp -r "$store" "$folder"
    fi
    more=$(jq -cn --argjson size "$size" --argjson bytes "$bytes" \
        --argjson start "$(python3 "$BENCH/start_time.py" "$BUILD/subjects/u/upgrade-receiver" "$folder")" \
        --argjson overview "$(read_us overview.json "$folder")" --argjson status "$(read_us status.json "$folder")" \
        '{kind: "growth", size: $size, storeBytes: $bytes, startMs: $start, overviewUs: $overview, statusUs: $status}')
    read -r _ must_keep _ repeats_sent <<<"$("$BENCH/subjects/u" kept "$folder")"
    may_keep=$must_keep all_clean=1
    # the copies and the reading before must not be what is measured
    sync
    start_subject u "$folder"
    if warm_up u; then
        measure u "$round" --connections "$GROWTH_CONNECTIONS" --count "$count" --seconds "$seconds" \
            --repeats "$repeats" --seed "$((EPOCHSECONDS % 1000000 + 1000000))"
    fi
    stop_nginx
    stop_subject
    check_kept u "$folder"
    rm -f "$folder/log"
    rm -rf "${DATA:?}/u"
}

grow() {
    local round size broken_promises=''
    # those of another layout are refused
    STORES=$(dirname "$DATA")/stores.$(cksum <"$SOURCE/fcgi/store/sql/layout.sql" | cut -d ' ' -f 1)
    mkdir -p "$STORES"
    for ((round = 1; round <= rounds; round++)); do
        say "round $round of $rounds"
        for size in ${sizes//,/ }; do grow_turn "$size" "$round"; done
    done
    if [[ -n $broken_promises ]]; then die "not all that was answered 200 was kept; see $RESULTS"; fi
}
