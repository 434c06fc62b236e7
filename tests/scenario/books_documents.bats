#!/usr/bin/env bats
# Shared books, seen by those who read them: a copy that follows their log has the documents of a receiver's own store,
# whatever is restarted, rebuilt or put back.
#
# shellcheck disable=SC2153,SC2154 # variables of lib.bash and books.bash

load lib
load books

setup_file() {
    books_setup_file
}

teardown_file() {
    books_teardown_file
}

setup() {
    scenario_setup
    DATABASE=documents$BATS_TEST_NUMBER
    books_make "$DATABASE"
    export XDG_CACHE_HOME=$T/cache
}

teardown() {
    servers_teardown
    scenario_teardown
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

# documents STATE|--books: all documents, a line each. What differs by nature is left out: the lives in tokens; the
# timeline, in which a batch of a receiver has one time and the copy has each entry's; and what the process is.
documents() {
    local app operation
    status "$1" --json | sorted
    status "$1" quarantine list --json | sorted
    status "$1" failures --csv | sort
    status "$1" --json | jq -r '.operations[] | [.appId, .operationId] | @tsv' | sort >"$T/operations"
    while IFS=$'\t' read -r app operation; do
        status "$1" operation --json --app "$app" "$operation" | jq 'del(.progress)' | sorted
    done <"$T/operations"
}

# same_documents STATE: the copy has what the store has.
same_documents() {
    documents "$1" >"$T/own"
    documents --books >"$T/copied"
    [[ -s $T/own ]]
    diff "$T/own" "$T/copied" >"$T/diff" || fail "the documents differ: $(head -n 20 "$T/diff")"
}

@test "--books reads the documents of the receiver's own store; writing commands refuse it" {
    receiver_start --books "$BOOKS"
    nginx_start
    post - < <(notification)
    post - < <(notification)
    post - < <(notification deviceId=other swUpgradeResult=FAIL errorCode=7)
    post_text 'no JSON'
    post_text '{"notifyType":"swUpgradeResultNotify"}'
    same_documents "$T/state"
    status "$T/state" quarantine drop 1 >/dev/null
    post - < <(notification deviceId=third)
    same_documents "$T/state"
    status --books >"$T/out"
    grep -q '^shared books: .*, 7 entries$' "$T/out"
    status --books check >"$T/out"
    grep -q 'sound' "$T/out"
    local code=0
    status --books prune --before 1d >"$T/out" 2>&1 || code=$?
    equal 'exit code' "$code" 2
    grep -q 'takes no --books' "$T/out"
}
