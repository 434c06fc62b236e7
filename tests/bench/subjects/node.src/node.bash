# shellcheck shell=bash
# The two subjects in Node.js: the program terminates TLS itself where its address is no path.

# Another Node.js than Debian's brings an npm and headers of its own.
packages() {
    printf '%s\n' g++ make python3 sqlite3
    if ! command -v node >/dev/null; then printf '%s\n' nodejs libnode-dev; fi
    if ! command -v npm >/dev/null; then echo npm; fi
}

# What is in DIR of an earlier build, or was built for the other subject beside it, is not built again:
# where no binary for this Node.js can be had, npm compiles better-sqlite3 for minutes.
build() {
    local beside
    needs node npm
    cp "$SUBJECTS"/node.src/*.mjs "$SUBJECTS/schema.sql" "$1"
    for beside in "$1" "$(dirname "$1")/node"; do
        if ! is_installed "$beside"; then continue; fi
        if [[ $beside != "$1" ]]; then cp -R "$beside"/{node_modules,package.json,package-lock.json} "$1"; fi
        return
    done
    install_libraries "$1"
}

# is_installed DIR: whether what package-lock.json names is there, and this Node.js can load it.
is_installed() {
    cmp -s "$SUBJECTS/node.src/package-lock.json" "$1/package-lock.json" &&
        (cd "$1" && node --input-type=module -e \
            'import Database from "better-sqlite3"; new Database(":memory:");') 2>/dev/null
}

# install_libraries DIR: with the headers of this Node.js, where they are beside it.
install_libraries() {
    local headers
    headers=$(dirname "$(dirname "$(readlink -f "$(command -v node)")")")
    if [[ -e $headers/include/node/node.h ]]; then export npm_config_nodedir=$headers; fi
    cp "$SUBJECTS"/node.src/*.json "$1"
    cd "$1" || return
    if ! npm ci --no-audit --no-fund --loglevel=error >npm.out 2>&1 || ! is_installed .; then
        cannot_be_had "npm cannot install better-sqlite3: $(grep -m 1 -i error npm.out)"
    fi
}

start() {
    exec node "$1/receiver.mjs" "$2" "$3"
}

kept() {
    kept_in_store "$1"
}
