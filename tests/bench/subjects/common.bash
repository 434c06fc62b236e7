# shellcheck shell=bash
# What the subjects share. A subject defines the functions about, packages, build, start and kept, and
# ends with `subject "$@"`:
#
#     NAME about                      lines "key value"
#     NAME packages                   Debian packages it takes, one a line
#     NAME build DIR                  builds into DIR; 77: it cannot be had here
#     NAME start DIR DATA ADDRESS     becomes the server
#     NAME kept DATA                  "kept N repeats M" of what is in DATA

SUBJECTS=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
export SUBJECTS

subject() {
    case "${1:-} $#" in
    'about 1' | 'packages 1' | 'build 2' | 'start 4' | 'kept 2') "$@" ;;
    *)
        echo "usage: ${0##*/} about | packages | build DIR | start DIR DATA ADDRESS | kept DATA" >&2
        exit 2
        ;;
    esac
}

# cannot_be_had WHY...: ends `build` so that the subject is reported as left out.
cannot_be_had() {
    printf '%s: %s\n' "${0##*/}" "$*" >&2
    exit 77
}

# needs COMMAND...
needs() {
    local command
    for command; do
        command -v "$command" >/dev/null || cannot_be_had "there is no $command"
    done
}

# make_store DATA: the store of schema.sql, where it is not there yet.
make_store() {
    sqlite3 "$1/store.db" <"$SUBJECTS/schema.sql" >/dev/null
}

# kept_in_store DATA
kept_in_store() {
    if [[ ! -e $1/store.db ]]; then
        echo "kept 0 repeats 0"
        return
    fi
    sqlite3 -separator ' ' "$1/store.db" \
        "SELECT 'kept', count(*), 'repeats', coalesce(sum(deliveries - 1), 0) FROM notifications"
}

# kept_in_file DATA: a line without its end was never answered. Repeats are lines like others.
kept_in_file() {
    local kept=0
    if [[ -e $1/bodies ]]; then
        kept=$(head -c "$(whole_bytes "$1/bodies")" "$1/bodies" | LC_ALL=C sort -u | wc -l)
    fi
    echo "kept $kept repeats -"
}

# whole_bytes FILE: the size of FILE up to the end of its last whole line.
whole_bytes() {
    local size rest
    size=$(stat -c %s "$1")
    rest=$(tail -n 1 "$1" | wc -c)
    if [[ -z $(tail -c 1 "$1") ]]; then rest=0; fi
    echo $((size - rest))
}
