# shellcheck shell=bash
# What the subjects built from this tree share. $BENCH_OURS is the folder of that build.

packages() {
    : # what it takes to build them is there before
}

# link_program NAME DIR: the program, as it will be started.
link_program() {
    local program=$BENCH_OURS/tests/bench/$1
    if [[ $1 == upgrade-receiver ]]; then program=${UPGRADE_RECEIVER_BIN:-$BENCH_OURS/fcgi/$1}; fi
    [[ -x $program ]] || cannot_be_had "$program is not built"
    ln -sf "$(realpath "$program")" "$2/$1"
}

# become ADDRESS PROGRAM [ARGUMENT]...: PROGRAM with the listening socket as its file descriptor 0.
become() {
    local address=$1
    shift
    rm -f "$address"
    exec spawn-fcgi -n -s "$address" -M 0666 -b 4096 -- "$@"
}
