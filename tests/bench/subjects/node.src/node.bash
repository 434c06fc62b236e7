# shellcheck shell=bash
# The two subjects in Node.js: the program terminates TLS itself where its address is no path.

# Another Node.js than Debian's, which is too old for better-sqlite3, brings an npm and headers of its own.
packages() {
    printf '%s\n' g++ make sqlite3
    if ! command -v node >/dev/null; then echo nodejs; fi
    if ! command -v npm >/dev/null; then echo npm; fi
}

# npm compiles better-sqlite3 where no binary for this Node.js can be had, with its headers where they are.
build() {
    needs node npm
    local major headers
    major=$(node -p 'process.versions.node.split(".")[0]')
    if ((major < 20)); then cannot_be_had "better-sqlite3 12 takes Node.js 20, this is $(node --version)"; fi
    headers=$(dirname "$(dirname "$(readlink -f "$(command -v node)")")")
    if [[ -e $headers/include/node/node.h ]]; then export npm_config_nodedir=$headers; fi
    cp "$SUBJECTS"/node.src/*.{mjs,json} "$SUBJECTS/schema.sql" "$1"
    cd "$1" || return
    if ! npm ci --no-audit --no-fund --loglevel=error >npm.out 2>&1; then
        cannot_be_had "npm cannot install better-sqlite3: $(grep -m 1 -i error npm.out)"
    fi
}

start() {
    exec node "$1/receiver.mjs" "$2" "$3"
}

kept() {
    kept_in_store "$1"
}
