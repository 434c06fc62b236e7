# shellcheck shell=bash
# The three subjects in Go. KEEPER (sqlite.go or file.go) is linked with receiver.go, which terminates TLS
# itself where its address is no path.

packages() {
    echo golang-go
    if [[ $KEEPER == sqlite.go ]]; then
        printf '%s\n' golang-github-mattn-go-sqlite3-dev libsqlite3-dev gcc sqlite3
    fi
}

# Debian ships libraries as a GOPATH; nothing is fetched.
build() {
    needs go
    cp "$SUBJECTS/go.src/receiver.go" "$SUBJECTS/go.src/$KEEPER" "$1"
    if [[ $KEEPER == sqlite.go ]]; then cp "$SUBJECTS/schema.sql" "$1"; fi
    cd "$1" || return
    GO111MODULE=off GOPATH=/usr/share/gocode GOCACHE=$1/cache GOFLAGS='' GOTOOLCHAIN=local \
        go build -tags 'libsqlite3 sqlite_omit_load_extension' -o receiver receiver.go "$KEEPER"
    rm -rf "$1/cache"
}

start() {
    exec "$1/receiver" "$2" "$3"
}
