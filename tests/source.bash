# shellcheck shell=bash
# The source tree for a build of its own. Read by what builds.

# copy_files FROM TO: with its uncommitted changes and nothing that a build has left there.
copy_files() {
    mkdir -p "$2"
    if [[ -e $1/.git ]]; then
        # what is listed may have been removed, and not committed yet
        git -c safe.directory='*' -C "$1" ls-files -z --cached --others --exclude-standard |
            tar -C "$1" --null --files-from=- --ignore-failed-read -cf - 2>/dev/null | tar -C "$2" -xf -
    else
        (cd "$1" && find . -mindepth 1 -maxdepth 1 ! \( -name 'build*' ! -name build-aux \) -print0) |
            tar -C "$1" --null --files-from=- -cf - | tar -C "$2" -xf -
    fi
}

# copy_source FROM TO: the same, ready for configure.
copy_source() {
    copy_files "$1" "$2"
    if [[ ! -x $2/configure ]]; then (cd "$2" && autoreconf -i); fi
}
