#!/usr/bin/env bats
# A power cut at any moment costs nothing that was answered 200: by the order of system calls, and by
# laying out what a disk would hold that loses whatever was not synced (tests/tool/disk.c, powercut.py).
#
# POWERCUT_CUTS is how many cuts, POWERCUT_SEED which. UPGRADE_RECEIVER_TEST_FULL=1 is 2,000; the
# default 200.

# lib.bash clears the environment of the receiver's options, and of this with them.
export TEST_FULL=${UPGRADE_RECEIVER_TEST_FULL:-${TEST_FULL:-}}
load lib
load faults

setup() {
    scenario_setup
    if [[ $TEST_FULL == 1 ]]; then cuts=${POWERCUT_CUTS:-2000}; else cuts=${POWERCUT_CUTS:-200}; fi
    seed=${POWERCUT_SEED:-$RANDOM}
}

# record_load COUNT [VARIABLE=VALUE...]: a receiver on the recording disk takes so many notifications
# and repeats, and bodies for quarantine, is killed, stopped and started again meanwhile, and stopped.
record_load() {
    local count=$1 third
    third=$((count / 3))
    preload disk "DISK_FOLDER=$T/state" "DISK_JOURNAL=$T/journal" "${@:2}"
    receiver_start
    nginx_start
    echo '{"notifyType":"unknown"}' >"$T/unknown.json"
    push --count "$third" --repeats $((third / 10)) --seed 1 --deadline 60
    sleep 1.2 # the status file, and a checkpoint
    receiver_kill
    receiver_restart
    push --count "$third" --repeats $((third / 10)) --seed 2 --deadline 60
    send_body "$T/unknown.json"
    answered 200 quarantined
    receiver_restart
    push_behind --count "$third" --repeats $((third / 10)) --seed 3 --deadline 60 --rate 400
    sleep 0.5
    push --count 200 --repeats 20 --seed 1 --deadline 60 # all repeats of the first ones
    push_end
    receiver_stop
}

# cut OPTION...: cuts the power in what was recorded; the summary goes to $T/cuts.out.
cut_power() {
    rm -rf "$T/cuts"
    "$PYTHON" "$TESTS/tool/powercut.py" cuts "$T/journal" "$T/cuts" --receiver "$RECEIVER_BIN" \
        --books "$TESTS/scenario/books.sql" --final "$T/state/upgrades.db" --seed "$seed" "$@" \
        >"$T/cuts.out" 2>"$T/cuts.err"
}

cuts_said() {
    jq -r "$1" "$T/cuts.out"
}

@test "a power cut at any moment loses nothing that was answered 200" {
    # Hundreds of cuts under load, many just behind an answer, each dropping or tearing whatever was not synced: the store opens, all that was answered is there, the books add up, the status file is whole.
    record_load 1500
    cut_power --count "$cuts" || fail "$(<"$T/cuts.out") $(<"$T/cuts.err")"
    cat "$T/cuts.out"
    equal "cuts" "$(cuts_said .cuts)" "$cuts"
    (($(cuts_said .answered) >= 1700)) || fail "not under load: $(<"$T/cuts.out")"
    (($(cuts_said .notSyncedAtCuts) > cuts)) || fail "nothing was there to lose: $(<"$T/cuts.out")"
}

@test "the simulation sees a sync that is left out" {
    # With a disk that forgets syncs of files, or of the folder, as if the receiver left them out, cuts do lose what was answered: the simulation can tell.
    local what
    for what in data folder; do
        rm -rf "$T/state" "$T/journal" && mkdir "$T/state"
        record_load 300 "DISK_FORGETS=$what"
        if cut_power --count 20; then fail "$what: nothing lost: $(<"$T/cuts.out")"; fi
        grep -Eq 'is lost|does not open' "$T/cuts.err" || fail "$what: $(<"$T/cuts.err")"
    done
}

@test "a power cut after a sync that failed loses nothing that was answered 200" {
    # Syncs fail now and then, and have then lost what they were to write, as on Linux: what is answered 200 before and after survives a cut all the same.
    preload disk "DISK_FOLDER=$T/state" "DISK_JOURNAL=$T/journal" "DISK_CONTROL=$T/control"
    receiver_start
    nginx_start
    push_behind --count 2000 --repeats 200 --deadline 60 --rate 250
    local i
    for i in 1 2 3 4; do
        sleep 0.3
        echo 'sync EIO once' >"$T/control"
        wait_for 10 test ! -e "$T/control"
        wait_for 10 log_has '.event == "recovered"' "$i"
    done
    push_end
    receiver_stop
    equal "other answers than 200 and 503" "$(pushed '.answers | keys - ["200", "503"] | length')" 0
    cut_power --count $((cuts / 2)) || fail "$(<"$T/cuts.out") $(<"$T/cuts.err")"
    cat "$T/cuts.out"
    books_add_up
}
