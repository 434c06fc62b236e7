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
