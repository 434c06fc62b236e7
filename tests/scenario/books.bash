# books.bash: PostgreSQL servers and shared books for scenarios. A bats file has `load lib` and `load books`, and may call
#
#   books_setup_file, books_teardown_file    in setup_file and teardown_file: one server for all tests of the file
#   books_make DATABASE                      in a test: shared books in a database of their own on that server
#   server VERB NAME [ARGUMENT]...           other servers of the test, in $T/pg (tests/tool/postgres), stopped by
#                                            servers_teardown
#
# shellcheck shell=bash disable=SC2154 # T and TESTS are lib.bash's

STATUS_BIN=${UPGRADE_RECEIVER_BIN%/*}/upgrade-status
# shellcheck disable=SC2034 # scenarios use it
WRITER=${UPGRADE_RECEIVER_BIN%/fcgi/*}/tests/tool/books_writer

books_setup_file() {
    export BOOKS_PG=${TMPDIR:-/tmp}/upgrade-books.$BASHPID.$RANDOM
    "$TESTS/tool/postgres" make "$BOOKS_PG" one 3>&-
}

books_teardown_file() {
    "$TESTS/tool/postgres" kill "$BOOKS_PG" one
    if [[ -z ${KEEP_TEST_FOLDERS:-} ]]; then rm -rf "$BOOKS_PG"; fi
}

# books_make DATABASE: sets $BOOKS, the words of its owner's connection.
books_make() {
    books_sql postgres --command="CREATE DATABASE $1"
    BOOKS="host=$BOOKS_PG/one user=postgres dbname=$1"
    "$STATUS_BIN" books init --books "$BOOKS" >"$T/init.out"
}

# books_sql DATABASE [ARGUMENT]...: psql on the file's server.
books_sql() {
    "$TESTS/tool/postgres" psql "$BOOKS_PG" one --dbname="$1" "${@:2}"
}

server() {
    "$TESTS/tool/postgres" "$1" "$T/pg" "${@:2}" 3>&-
}

servers_teardown() {
    local folder
    for folder in "$T"/pg/*/data; do
        if [[ -d $folder ]]; then
            folder=${folder%/data}
            "$TESTS/tool/postgres" kill "$T/pg" "${folder##*/}"
        fi
    done
}

# at SITE COMMAND...: runs it for a receiver that has a folder, a store and an nginx of its own.
at() {
    local T=$T/$1
    # shellcheck disable=SC2034 # of lib.bash
    local LOG=$T/log URL=''
    if [[ -f $T/url ]]; then URL=$(<"$T/url"); fi
    shift
    "$@"
}

# status STATE|--books [ARGUMENT]...: upgrade-status of a state folder, or of the shared books.
status() {
    local from=(--state "$1")
    if [[ $1 == --books ]]; then from=(--books "$BOOKS"); fi
    "$STATUS_BIN" "${from[@]}" "${@:2}"
}

# sorted: documents whose lists have an order of their own in each store: by hashes under its secret.
sorted() {
    jq -cS 'walk(if type == "object" then del(.token) elif type == "array" then sort_by(tostring) else . end)'
}

# documents STATE|--books [FILTER]: all documents, a line each, each operation's through the jq FILTER. What differs by
# nature is left out: the lives in tokens, and what the process is.
documents() {
    local app operation
    status "$1" --json | sorted
    status "$1" quarantine list --json | sorted
    status "$1" failures --csv | sort
    status "$1" --json | jq -r '.operations[] | [.appId, .operationId] | @tsv' | sort >"$T/operations"
    while IFS=$'\t' read -r app operation; do
        status "$1" operation --json --app "$app" "$operation" | jq "${2:-.}" | sorted
    done <"$T/operations"
}

# shipped STATE: the books have all that the store has.
shipped() {
    [[ $(sqlite3 -readonly -cmd '.timeout 5000' "$1/upgrades.db" 'SELECT count(*) FROM journal') == 0 ]]
}
