#!/usr/bin/env bats
# Whose notifications are taken can be narrowed down, by appId and by the platform's signature.
load lib
load faults
load delivery

TOKEN=Kq7vTo3nW9xYz2aBcDeF
SECOND_TOKEN=abc

# --- appIds -----------------------------------------------------------------------------------------------

@test "with --app-id, notifications of other applications are quarantined with that reason" {
    # Only the very same appId is accepted; what has no appId (device data, the status of a command) is taken; --refuse-invalid answers 422, and it is quarantined all the same.
    local id
    receiver_start --app-id app-1 --app-id app-2
    for id in app-1 app-2; do
        send "appId=$id"
        answered 200 stored
    done
    for id in app-3 app App-1 app-11 'app-1 ' 'app-1 app-2'; do
        send "appId=$id"
        answered 200 quarantined
        equal "reason for '$id'" "$(jq -c '[.reason, .pointer]' <<<"$body")" '["appId not accepted","/appId"]'
    done
    for id in deviceDataChanged commandStatus; do
        send_body "$TESTS/cases/types/full/$id.json"
        answered 200 stored
    done
    send appId=app-3 -deviceId
    answered 200 quarantined
    equal "a body that is wrong as well" "$(jq -r .pointer <<<"$body")" /deviceId
    equal "kept" "$(sql 'SELECT count(*) FROM notifications')" 4
    equal "quarantined" "$(sql "SELECT count(*) FROM quarantine WHERE reason = 'appId not accepted'")" 6
    equal "operations" "$(sql 'SELECT appId FROM operations ORDER BY 1' | tr '\n' ' ')" 'app-1 app-2 '
    wait_for_status '.totals.quarantined == 7 and .totals.notifications == 4'
    receiver_stop

    UPGRADE_RECEIVER_APP_ID=$'app-3\n app-4' receiver_start --refuse-invalid
    send appId=app-4
    answered 200 stored
    send appId=app-1
    answered 422
    equal "pointer" "$(jq -r .pointer <<<"$body")" /appId
    equal "quarantined" "$(sql 'SELECT count(*) FROM quarantine')" 8
}

# --- the signature ------------------------------------------------------------------------------------------

# sign TOKEN TIMESTAMP NONCE: as the successor platform does.
sign() {
    printf '%s\n' "$@" | LC_ALL=C sort | tr -d '\n' | sha256sum | cut -d' ' -f1
}

# post_signed TOKEN [CURL-ARGUMENT...]: posts $T/signed.json as someone with TOKEN would.
post_signed() {
    local timestamp nonce=n0nce$RANDOM
    timestamp=$(date +%s)
    post "$T/signed.json" -H "timestamp: $timestamp" -H "nonce: $nonce" \
        -H "signature: $(sign "$1" "$timestamp" "$nonce")" "${@:2}"
}

write_tokens() {
    printf '# tokens of the platform\n\n%s\n%s\n' "$TOKEN" "$SECOND_TOKEN" >"$T/tokens"
    chmod 0600 "$T/tokens"
}

nothing_was_kept() {
    equal "notifications" "$(sql 'SELECT count(*) FROM notifications')" 0 || return
    equal "quarantine" "$(sql 'SELECT count(*) FROM quarantine')" 0 || return
    equal "totals" "$(sql 'SELECT sum(quarantined + quarantine_log_only + repeats) FROM totals')" 0 || return
    equal "log" "$(log_count '.event == "notification" or .event == "quarantined"')" 0
}

@test "with --token-file only signed requests are taken, and of others nothing is kept" {
    # Over HTTPS: the right signature with any of the tokens is 200; wrong, missing, in capitals or of another request is 401, with neither notification nor quarantine, whatever the body is.
    local headers signature
    write_tokens
    receiver_start --token-file "$T/tokens"
    nginx_start
    # of 1700000000Kq7vTo3nW9xYz2aBcDeFnonce, by sha256sum
    signature=002196119bdf96d97e5b2d244e41854777ddf4ee53f010226694f50235949d53
    notification >"$T/signed.json"
    local wrong=(
        ''
        "signature: $signature"
        "timestamp: 1700000001|nonce: nonce|signature: $signature"
        "timestamp: 1700000000|nonce: nonce|signature: ${signature^^}"
        "timestamp: 1700000000|nonce: nonce|signature: $(sign anotherToken 1700000000 nonce)"
        "timestamp;|nonce;|signature: $(sign "$TOKEN" '' x)"
    )
    for headers in "${wrong[@]}"; do
        post "$T/signed.json" -K <(printf '%s' "$headers" | tr '|' '\n' | sed 's/.*/header = "&"/')
        expect_answer 401 '.status == 401 and .type == "about:blank"' || fail "with '$headers'"
        grep -qi '^www-authenticate:' "$answer_headers" || fail "401 without WWW-Authenticate"
    done
    printf 'no JSON' >"$T/signed.json"
    post_signed wrongToken
    expect_answer 401
    : >"$T/signed.json"
    post_signed wrongToken
    expect_answer 401
    notification >"$T/signed.json"
    POST_PATH=$CALLBACK/cmd post_signed wrongToken
    expect_answer 401
    nothing_was_kept
    wait_for_log '.event == "rejected" and .status == 401'

    post "$T/signed.json" -H 'timestamp: 1700000000' -H 'nonce: nonce' -H "signature: $signature"
    expect_answer 200 '.result == "stored"'
    post_signed "$TOKEN"
    expect_answer 200 '.result == "repeated"'
    post_signed "$SECOND_TOKEN"
    expect_answer 200 '.result == "repeated"'
    printf 'no JSON' >"$T/signed.json"
    post_signed "$SECOND_TOKEN"
    expect_answer 200 '.result == "quarantined"'
    cp "$TESTS/cases/types/full/commandStatus.json" "$T/signed.json"
    POST_PATH=$CALLBACK/cmd post_signed "$TOKEN"
    expect_answer 200 '.result == "stored"'
    request "$CALLBACK"
    expect_answer 405
    receiver_stop
}

@test "without --token-file nobody has to sign" {
    # Signatures are off by default: none, or a wrong one, is 200.
    receiver_start
    nginx_start
    notification >"$T/signed.json"
    post "$T/signed.json"
    expect_answer 200 '.result == "stored"'
    post_signed wrongToken
    expect_answer 200 '.result == "repeated"'
}

@test "a token stands in its file and nowhere else" {
    # Not in the process list, not in the log, the status file, the store, stderr or nginx's logs, after right and wrong requests.
    write_tokens
    receiver_start --token-file "$T/tokens"
    nginx_start
    notification >"$T/signed.json"
    post_signed wrongToken
    expect_answer 401
    post_signed "$TOKEN"
    expect_answer 200
    wait_for_status '.seq == 1'
    tr '\0' '\n' <"/proc/$(receiver_pid)/cmdline" >"$T/cmdline"
    grep -qx -- --token-file "$T/cmdline"
    tr '\0' '\n' <"/proc/$(receiver_pid)/environ" >"$T/environ"
    receiver_stop
    rm "$T/tokens"
    if grep -rlaF "$TOKEN" "$T"; then fail "the token stands in these files"; fi
}

# --- the token file -----------------------------------------------------------------------------------------

# refuses_tokens WHAT: neither a start nor --check takes $T/tokens; both say so in a line that names the
# file, and that holds none of what is in it.
refuses_tokens() {
    local options word
    for options in '' --check; do
        # shellcheck disable=SC2086 # none, or one
        run_alone "$PLAIN_BIN" --state "$T/state" --log "$T/log" --token-file "$T/tokens" $options
        equal "exit status with $1 ($options)" "$exit_status" 1 || return
        equal "lines" "$(wc -l <"$T/alone.err")" 1 || return
        grep -qF -- "--token-file $T/tokens" "$T/alone.err" ||
            fail "with $1 ($options) it says: $(<"$T/alone.err")" || return
        if [[ -f $T/tokens ]]; then
            while IFS= read -r word; do
                if ((${#word} >= 6)) && grep -qF -- "${word:0:6}" "$T/alone.err" "$T/alone.out" "$T/log"; then
                    fail "with $1 ($options) it tells what is in the file: $(<"$T/alone.err")" || return
                fi
            done < <(tr -d '\0' <"$T/tokens")
        fi
    done
}

# bats test_tags=full
@test "a token file that is no good is an error at the start and in --check" {
    # Missing, a folder, empty, comments alone, a token too short, too long or of other characters, too many, an endless line: exit status 1, the file's name and no word of its content.
    refuses_tokens "no file"
    mkdir "$T/tokens"
    refuses_tokens "a folder"
    rmdir "$T/tokens"
    : >"$T/tokens"
    refuses_tokens "an empty file"
    printf '# zxcvbnm\n\n#\n' >"$T/tokens"
    refuses_tokens "comments"
    printf 'zx\n' >"$T/tokens"
    refuses_tokens "two letters"
    printf 'goodToken1\n%s\n' zxcvbnmasdfghjklqwertyuiop1234567 >"$T/tokens"
    refuses_tokens "33 letters"
    grep -q 'line 2' "$T/alone.err" || fail "no line number: $(<"$T/alone.err")"
    printf 'zxcvbnm-asdf\n' >"$T/tokens"
    refuses_tokens "a hyphen"
    printf 'zxcvbnm asdf\n' >"$T/tokens"
    refuses_tokens "a blank"
    printf 'zxcvbnmä\n' >"$T/tokens"
    refuses_tokens "a letter beyond ASCII"
    printf 'zxcvbnm\0asdf\nqwertzu\n' >"$T/tokens"
    refuses_tokens "a NUL"
    printf 'zxcvbnm%d\n' 1 2 3 4 5 6 7 8 9 >"$T/tokens"
    refuses_tokens "nine"
    head -c 100000 /dev/zero | tr '\0' z >"$T/tokens"
    refuses_tokens "an endless line"
    if ((EUID != 0)); then
        printf 'zxcvbnm\n' >"$T/tokens"
        chmod 0 "$T/tokens"
        refuses_tokens "a file that cannot be read"
        chmod 0600 "$T/tokens"
    fi
    printf 'zxcvbnm1\r\nzxcvbnm2' >"$T/tokens"
    run_alone "$PLAIN_BIN" --state "$T/state" --token-file "$T/tokens" --check
    equal "exit status with a good file" "$exit_status" 0
}
