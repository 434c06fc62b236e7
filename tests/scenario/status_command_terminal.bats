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
    grep -q '█' "$T/shown"
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

# fits WIDTH: no line of a table in $T/shown is wider. What stands above a table is sentences.
fits() {
    sed -n '/^[A-Z]* .* [A-Z]/,$p' "$T/shown" | "$PYTHON" -c '
import sys, unicodedata
lines = sys.stdin.read().splitlines()
for line in lines:
    columns = sum(2 if unicodedata.east_asian_width(c) in "WF" else 1 for c in line)
    if columns > int(sys.argv[1]):
        sys.exit(f"{columns} columns: {line}")
if len(lines) < 3:
    sys.exit("no table")' "$1"
}

@test "a table fits the terminal, whatever its width and however long the ids are" {
    # Ids of 300 characters and of wide ones: no line is wider than the terminal, and in a pipe the id is whole.
    receiver_start
    local long wide width words
    long=$(head -c 300 /dev/zero | tr '\0' o)
    wide=漢字漢字漢字漢字漢字漢字漢字漢字漢字漢字漢字漢字漢字漢字漢字漢字漢字漢字漢字漢字漢字漢字漢字漢字漢字
    notification deviceId="$long" operationId="$long" errorCode="${long:0:250}" swUpgradeResult=FAIL curVersion=1.0 >"$T/long"
    notification deviceId="$wide" operationId="$wide" swUpgradeResult=FAIL curVersion=1.0 >>"$T/long"
    post_lines "$T/long"
    for width in 60 80 100 200; do
        for words in '' failures; do
            # shellcheck disable=SC2086
            on_terminal "$width" $words --color=never
            fits "$width" || fail "'$words'"
        done
    done
    COLUMNS=70 on_terminal 200 failures --color=never
    fits 70 || fail "COLUMNS does not count"
    operator failures >"$T/out"
    grep -q "^$long  $long  ${long:0:250} " "$T/out" || fail "cut in a pipe"
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
