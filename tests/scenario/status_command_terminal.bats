#!/usr/bin/env bats
# On a terminal upgrade-status draws bars, colours and progress, and pages what is long; in a pipe it does not.

load lib
load faults
load delivery
load status_command

# has_colours FILE: whether there is an escape sequence in it.
has_colours() {
    grep -q $'\e\\[' "$1"
}

@test "bars and colours are for terminals, and NO_COLOR, TERM, --color and the locale are respected" {
    # On a terminal: blocks, colours, ages; without UTF-8: letters; NO_COLOR, TERM=dumb, --color=never: no escape; --color=always: also in a pipe, where there is no bar.
    receiver_start
    campaign
    on_terminal 140
    has_colours "$T/shown" || fail "no colours: $(cat -v "$T/shown")"
    grep -q '█' "$T/shown" || fail "no bar: $(<"$T/shown")"
    grep -qE ' [0-9]+ s ago| just now' "$T/shown" || fail "no age: $(<"$T/shown")"
    NO_COLOR=1 on_terminal 140
    if has_colours "$T/shown"; then fail "NO_COLOR: $(cat -v "$T/shown")"; fi
    grep -qE '█ +100.0% ' "$T/shown" || fail "no percentage beside the bar: $(<"$T/shown")"
    NO_COLOR='' on_terminal 140
    has_colours "$T/shown" || fail "an empty NO_COLOR does not count"
    TERM=dumb on_terminal 140
    if has_colours "$T/shown"; then fail "TERM=dumb"; fi
    on_terminal 140 --color=never
    if has_colours "$T/shown"; then fail "--color=never"; fi
    NO_COLOR=1 on_terminal 140 --color always
    has_colours "$T/shown" || fail "--color always"
    LC_ALL=C on_terminal 140 --color=never
    grep -qE '^one +app-1 +#+x+\.+ ' "$T/shown" || fail "no letters: $(<"$T/shown")"
    if LC_ALL=C grep -q '[^[:print:]]' "$T/shown"; then fail "not ASCII: $(cat -v "$T/shown")"; fi
    operator >"$T/out"
    if has_colours "$T/out" || grep -qE '█| ago$|#' "$T/out"; then fail "decoration in a pipe: $(<"$T/out")"; fi
    operator --color=always >"$T/out"
    has_colours "$T/out" || fail "--color=always in a pipe"
}

# fits WIDTH: no line of a table in $T/shown is wider, except one of ids alone. What stands above a table is
# sentences.
fits() {
    sed -n '/^[A-Z]* .* [A-Z]/,$p' "$T/shown" | "$PYTHON" -c '
import sys, unicodedata
lines = sys.stdin.read().splitlines()
for line in lines:
    columns = sum(2 if unicodedata.east_asian_width(c) in "WF" else 1 for c in line)
    if columns > int(sys.argv[1]) and any(c not in "oL-1.app漢字 :Z0123456789" for c in line):
        sys.exit(f"{columns} columns: {line}")
if len(lines) < 2:
    sys.exit("no table")' "$1"
}

@test "a table fits the terminal, and shows every id whole" {
    # Ids of 10, 40, 120 and 300 characters, and of wide ones: no line is wider than the terminal, but for one of ids alone; each id is shown whole.
    receiver_start
    local id width words ids=(op-0000001 op-"$(printf '%037d' 1)" o-"$(printf '%0118d' 1)" "$(printf '%0300d' 0 | tr 0 o)")
    ids+=("$(printf '漢字%.0s' {1..24})")
    for id in "${ids[@]}"; do
        notification deviceId="$id" operationId="$id" errorCode="${id:0:250}" swUpgradeResult=FAIL curVersion=1.0
    done >"$T/some"
    post_lines "$T/some"
    for width in 80 120; do
        for words in '' failures log; do
            # shellcheck disable=SC2086
            on_terminal "$width" $words --color=never
            fits "$width" || fail "'$words' at $width"
            for id in "${ids[@]}"; do
                grep -qF -- "$id" "$T/shown" || fail "'$words' at $width cuts $id: $(<"$T/shown")"
            done
        done
    done
    on_terminal 80 upgrades --operation o-0 --color=never
    grep -qF -- "${ids[2]}" "$T/shown" || fail "upgrades cuts it: $(<"$T/shown")"
    COLUMNS=70 on_terminal 200 failures --color=never
    fits 70 || fail "COLUMNS does not count"
    operator failures >"$T/out"
    grep -q "^${ids[3]}  ${ids[3]}  ${ids[3]:0:250} " "$T/out" || fail "cut in a pipe"
}

@test "on a terminal log and follow show a line for people, and with --json those of the receiver's log" {
    # Result, versions, cause and contradiction of each notification, its time with the zone; the time that is shown is taken by --since; below the line of the receiver.
    receiver_start
    campaign
    notification deviceId=odd operationId=two curVersion=0.9 targetVersion=1.5 >"$T/odd"
    post_lines "$T/odd"
    on_terminal 160 log --color=never
    grep -q '^receiver: running since .*Z, pid ' "$T/shown" || fail "$(<"$T/shown")"
    local zoned='[0-9]{4}-[0-9-]{5} [0-9:]{8}Z'
    grep -qE "^$zoned  d-4 +one +FAIL +1.0 +1.5 +code 1; cause 1\$" "$T/shown" || fail "$(<"$T/shown")"
    grep -qE "^$zoned  d-1 +one +downloading\$" "$T/shown" || fail "$(<"$T/shown")"
    grep -qE "^$zoned  odd +two +SUCCESS +1.0 +1.5 +contradictory: now at 0.9\$" "$T/shown" || fail "$(<"$T/shown")"
    grep -qE "^$zoned  d-1 +deviceDeleted\$" "$T/shown" || fail "$(<"$T/shown")"
    equal "lines" "$(grep -cE "^$zoned  " "$T/shown")" "$(sql 'SELECT count(*) FROM notifications')"
    equal "since the first" "$(operator log --since "$(grep -oE "^$zoned" "$T/shown" | head -n 1)" | wc -l)" \
        "$(sql 'SELECT count(*) FROM notifications')"
    on_terminal 160 log --json
    equal "json" "$(jq -r .event "$T/shown" | sort -u)" notification
    on_terminal 160 log --since 2999-01-01 --color=never
    grep -q '^No notification was received in that time.$' "$T/shown" || fail "$(<"$T/shown")"
    background follow "$PYTHON" "$TESTS/tool/on_terminal.py" 160 "$STATUS_BIN" --state "$T/state" \
        follow --since 1h --color never
    wait_for "$PATIENCE" grep -qa 'odd .*contradictory' "$T/follow.out"
    notification deviceId=later operationId=two >"$T/later"
    post_lines "$T/later"
    wait_for "$PATIENCE" grep -qa 'later .*SUCCESS' "$T/follow.out"
    pkill -TERM -f -- "--state $T/state follow"
    wait "$background_pid" || true
    tr -d '\r' <"$T/follow.out" >"$T/shown"
    equal "followed" "$(grep -cE "^$zoned  " "$T/shown")" "$(sql 'SELECT count(*) FROM notifications')"
}

@test "long output goes through the pager on a terminal, and only there" {
    # $PAGER as git has it: with LESS=FRX unless set, not in a pipe, not with --no-pager, not when it is empty or cat; a pager that ends early or cannot run is no trouble; the exit code is the command's.
    receiver_start
    campaign
    local words
    export PAGER="sed 's/^/paged: /'"
    for words in '' failures log 'operation one' 'device d-1' 'quarantine list' 'expect one -'; do
        # shellcheck disable=SC2086
        printf 'd-2\n' >"$T/list"
        # shellcheck disable=SC2086
        on_terminal 100 ${words/ -/ $T/list} --color=never || [[ $words == expect* ]]
        grep -q '^paged: ' "$T/shown" || fail "'$words' is not paged: $(<"$T/shown")"
        # shellcheck disable=SC2086
        on_terminal 100 ${words/ -/ $T/list} --color=never --no-pager || [[ $words == expect* ]]
        if grep -q '^paged: ' "$T/shown"; then fail "'$words' with --no-pager"; fi
    done
    operator >"$T/out"
    if grep -q '^paged: ' "$T/out"; then fail "paged in a pipe"; fi
    PAGER='' on_terminal 100
    PAGER=/bin/cat on_terminal 100
    # shellcheck disable=SC2016 # for the pager's shell
    PAGER='cat >/dev/null; echo "LESS=$LESS"' on_terminal 100
    equal "LESS" "$(<"$T/shown")" "LESS=FRX"
    # shellcheck disable=SC2016
    LESS=M PAGER='cat >/dev/null; echo "LESS=$LESS"' on_terminal 100
    equal "LESS" "$(<"$T/shown")" "LESS=M"
    PAGER=/bin/true on_terminal 100 log
    local status=0
    PAGER='head -n 1' on_terminal 100 operation two --fail-above 5% || status=$?
    equal "exit status" "$status" 3
    PAGER=/no/such/program on_terminal 100 || status=$?
    # follow is not paged: it has no end
    equal "still" "$status" 3
}

@test "long works show how far they are, on a terminal and on stderr alone" {
    # check draws its progress on the terminal and takes it away; with stderr in a file there is none.
    receiver_start
    campaign
    on_terminal 100 check
    grep -q 'checking' "$T/raw" || fail "no progress: $(cat -v "$T/raw")"
    equal "what stays" "$(sed -E 's/.*\r\x1b\[K//' "$T/raw" | tr -d '\r' | tail -n 1)" "The store is sound, and its counters are right."
    on_terminal 100 prune --before 7d
    grep -q '^.*Taken out from before ' "$T/shown" || fail "$(cat -v "$T/shown")"
    operator check 2>"$T/err" >"$T/out"
    [[ ! -s $T/err ]] || fail "stderr: $(<"$T/err")"
}
