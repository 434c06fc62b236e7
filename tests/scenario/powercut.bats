#!/usr/bin/env bats
# A power cut at any moment costs nothing that was answered 200: by the order of system calls, and by
# laying out what a disk would hold that loses whatever was not synced (tests/tool/disk.c, powercut.py).
#
# POWERCUT_CUTS is how many cuts, POWERCUT_SEED which. UPGRADE_RECEIVER_TEST_FULL=1 is 2,000; the
# default 20.

# lib.bash clears the environment of the receiver's options, and of this with them.
export TEST_FULL=${UPGRADE_RECEIVER_TEST_FULL:-${TEST_FULL:-}}
load lib
load faults

setup() {
    scenario_setup
    if [[ $TEST_FULL == 1 ]]; then cuts=${POWERCUT_CUTS:-2000}; else cuts=${POWERCUT_CUTS:-20}; fi
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
    pause 1.2 # the status file, and a checkpoint
    receiver_kill
    receiver_restart
    push --count "$third" --repeats $((third / 10)) --seed 2 --deadline 60
    send_body "$T/unknown.json"
    answered 200 quarantined
    receiver_restart
    push_behind --count "$third" --repeats $((third / 10)) --seed 3 --deadline 60 --rate 400
    pause 0.5
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

# check_trace TRACE STATE: no answer of what is kept goes out while the store's log is not synced, or the
# name of a file of the store; the log is not begun anew before what it was copied to is synced; the
# status file is synced before it is renamed, its folder after. Prints what it saw.
check_trace() {
    "$PYTHON" - "$@" <<'PYTHON'
import re, sys

trace, state = sys.argv[1:]
parent = state.rsplit("/", 1)[0]
CALL = re.compile(r"^(\d+) +(\w+)\((.*)$")
PLACE = re.compile(r"(\d+|AT_FDCWD)<([^>]*)>")
begun = {}  # the call that each thread is in
dirty, names = {}, set()  # files not synced: when they were last written; names not synced
clock = answers = syncs = renames = 0


def path_of(arguments):
    found = PLACE.match(arguments)
    return found[2].removesuffix("(deleted)") if found else ""


def is_lasting(path):
    return path.startswith(state + "/") and not path.endswith(("-shm", ".lock", "probe.tmp"))


def enter(thread, call, arguments):
    global answers
    begun[thread] = (call, arguments, clock)
    if call in ("write", "sendto", "writev") and '\\"result\\":\\"' in arguments:
        answers += 1
        assert state + "/upgrades.db-wal" not in dirty, f"an answer before the sync of the log: {arguments}"
        lacking = [name for name in names if "status.json" not in name]
        assert not lacking, f"an answer before the sync of the folder of {lacking}"


def leave(thread, result):
    global syncs, renames
    call, arguments, since = begun.pop(thread)
    path = path_of(arguments)
    if result.startswith("-1"):
        return
    if call in ("pwrite64", "write", "ftruncate") and is_lasting(path):
        if path.endswith("-wal") and arguments.rsplit(")", 1)[0].endswith(", 0"):
            assert state + "/upgrades.db" not in dirty, "the log begins anew, and its copy is not synced"
            if call == "ftruncate":
                return  # what comes back after a cut is copied once more
        dirty[path] = clock
    elif call in ("fsync", "fdatasync"):
        syncs += 1
        if path == state or path == parent:
            for name in [n for n in names if n.rsplit("/", 1)[0] == path]:
                names.discard(name)
        elif dirty.get(path, clock) <= since:
            dirty.pop(path, None)
    elif call == "openat" and "O_CREAT" in arguments:
        made = re.search(r"= \d+<([^>]*)>", "= " + result)
        if made and is_lasting(made[1]) and made[1] not in seen:
            names.add(made[1])
        if made:
            seen.add(made[1])
    elif call.startswith("unlink"):
        name = re.search(r'"([^"]*)"', arguments)[1]
        for forgotten in (name, f"{path}/{name}"):
            names.discard(forgotten)
            dirty.pop(forgotten, None)
            seen.discard(forgotten)
    elif call == "mkdir":
        names.add(re.match(r'"([^"]*)"', arguments)[1])
    elif call.startswith("rename"):
        renames += 1
        assert "status.json.tmp" in arguments, arguments
        assert state + "/status.json.tmp" not in dirty, "status.json.tmp renamed before its sync"
        names.discard(state + "/status.json.tmp")
        names.add(state + "/status.json")


seen = set()
for line in open(trace, encoding="utf-8", errors="replace"):
    clock += 1
    resumed = re.match(r"^(\d+) +<\.\.\. \w+ resumed>(.*)$", line)
    found = CALL.match(line)
    if resumed and resumed[1] in begun:
        leave(resumed[1], resumed[2].rsplit(" = ", 1)[-1])
    elif found:
        enter(found[1], found[2], found[3])
        if not line.rstrip().endswith("<unfinished ...>"):
            leave(found[1], found[3].rsplit(" = ", 1)[-1])
assert not dirty, f"never synced: {dirty}"
assert not names, f"names never synced: {names}"
print(f"{answers} answers, {syncs} syncs, {renames} renames")
PYTHON
}

@test "no answer goes out before its commit is synced, and no name is left to chance" {
    # By system call trace, from the making of the state folder to the stop: each answer comes behind the sync of the store and of the folder that names its files; the status file is synced, renamed, and its folder synced.
    needs_plain_build "a program has one tracer, and the tool's own calls are none of the receiver's"
    command -v strace >/dev/null || skip "no strace"
    strace -o "$T/trial" true 2>/dev/null || skip "tracing is not permitted"
    rmdir "$T/state"
    RECEIVER_WRAP=(strace -D -f -y -s 400 -o "$T/trace"
        -e 'trace=openat,mkdir,unlink,unlinkat,rename,renameat,renameat2,write,writev,sendto,pwrite64,ftruncate,fsync,fdatasync')
    receiver_start
    keep_some a 3
    peer keep --requests 20 --peers 4 >"$T/keep.out"
    send_body "$T/sent.json"
    answered 200 repeated
    send_body - <<<'no JSON'
    answered 200 quarantined
    wait_for_status '.totals.notifications == 83'
    receiver_stop
    check_trace "$T/trace" "$T/state" >"$T/seen"
    cat "$T/seen"
    grep -Eq '^85 answers, [0-9]{2,} syncs, [1-9]' "$T/seen" || fail "saw $(<"$T/seen")"
    # and that the check can tell: without the syncs of one file, or of the folder
    grep -v 'f.*sync([0-9]*<.*upgrades.db-wal>' "$T/trace" >"$T/trace.data"
    if check_trace "$T/trace.data" "$T/state" 2>"$T/error"; then fail "a sync left out is not seen"; fi
    grep -q 'before the sync' "$T/error"
    grep -v "f.*sync([0-9]*<$T/state>" "$T/trace" >"$T/trace.folder"
    if check_trace "$T/trace.folder" "$T/state" 2>"$T/error"; then fail "a folder not synced is not seen"; fi
    grep -q 'of the folder' "$T/error"
}

@test "a power cut at any moment loses nothing that was answered 200" {
    # Many cuts under load, half of them just behind an answer, each dropping or tearing whatever was not synced: the store opens, all that was answered is there, the books add up, the status file is whole.
    record_load 1500
    cut_power --count "$cuts" || fail "$(<"$T/cuts.out") $(<"$T/cuts.err")"
    # as many as were asked for, under load, and with something to lose
    jq --argjson cuts "$cuts" -e '., .cuts == $cuts and .answered >= 1700 and .notSyncedAtCuts > $cuts' "$T/cuts.out"
}

# bats test_tags=full
@test "the simulation sees a sync that is left out" {
    # With a disk that forgets syncs of files, or of the folder, as if the receiver left them out, cuts do lose what was answered: the simulation can tell.
    local what count=20
    for what in data folder; do
        rm -rf "$T/state" "$T/journal" && mkdir "$T/state"
        record_load 300 "DISK_FORGETS=$what"
        if cut_power --count "$count"; then fail "$what: nothing lost: $(<"$T/cuts.out")"; fi
        grep -Eq 'is lost|does not open' "$T/cuts.err" || fail "$what: $(<"$T/cuts.err")"
    done
}

# bats test_tags=full
@test "a power cut after a sync that failed loses nothing that was answered 200" {
    # Syncs fail now and then, and have then lost what they were to write, as on Linux: what is answered 200 before and after survives a cut all the same.
    preload disk "DISK_FOLDER=$T/state" "DISK_JOURNAL=$T/journal" "DISK_CONTROL=$T/control"
    receiver_start
    nginx_start
    push_behind --count 100000 --repeats 10000 --deadline 120 --rate 120
    local i
    for i in 1 2 3; do
        pause 0.3
        echo 'sync EIO once' >"$T/control"
        wait_for "$PATIENCE" store_has_failed "$i"
        wait_for "$PATIENCE" has_recovered "$i"
    done
    # For longer, so that all let go of the store and take up from its log what was refused.
    for i in 4 5; do
        echo 'sync EIO' >"$T/control"
        pause 2.2
        if ((i == 5)); then
            receiver_kill
            receiver_restart
        fi
        rm "$T/control"
        wait_for "$PATIENCE" stores_one
        pause 0.5
    done
    push_stop
    receiver_stop
    equal "other answers than 200 and 503" "$(pushed '.answers | keys - ["200", "503"] | length')" 0
    cut_power --count $((cuts / 2)) || fail "$(<"$T/cuts.out") $(<"$T/cuts.err")"
    cat "$T/cuts.out"
    books_add_up
}

# store_has_failed COUNT: so many times, says the log. If it was the status file that met the one sync that
# fails, one more does.
store_has_failed() {
    if (($(grep '"event":"fault"' "$LOG" | grep -vc 'state/status\.') >= $1)); then return; fi
    if [[ ! -e $T/control ]]; then echo 'sync EIO once' >"$T/control"; fi
    return 1
}

# has_recovered COUNT: so many times, says the log.
has_recovered() {
    (($(grep -c '"event":"recovered"' "$LOG") >= $1))
}
