# shellcheck shell=bash
# The source tree for a build of its own. Read by what builds.

# copy_source FROM TO: with its uncommitted changes and nothing that a build has left there, ready for
# configure.
copy_source() {
    mkdir -p "$2"
    if [[ -e $1/.git ]]; then
        # what is listed may have been removed, and not committed yet
        git -c safe.directory='*' -C "$1" ls-files -z --cached --others --exclude-standard |
            tar -C "$1" --null --files-from=- --ignore-failed-read -cf - 2>/dev/null | tar -C "$2" -xf -
    else
        (cd "$1" && find . -mindepth 1 -maxdepth 1 ! \( -name 'build*' ! -name build-aux \) -print0) |
            tar -C "$1" --null --files-from=- -cf - | tar -C "$2" -xf -
    fi
    if [[ ! -x $2/configure ]]; then (cd "$2" && autoreconf -i); fi
}
