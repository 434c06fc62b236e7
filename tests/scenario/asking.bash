# asking.bash: the platform's own API, and upgrade-platform, for scenarios. After `load lib`.
#
# shellcheck shell=bash

ASK=${RECEIVER_BIN%/*}/upgrade-platform
APP=Zk3vXq7LmP0aT9sRwE2bYc5uHd8N

# api_start [OPTION...]: starts the platform's API and writes a configuration for it.
api_start() {
    [[ -x $ASK ]] || skip "upgrade-platform is not built: it takes libcurl"
    make_certificate
    rm -f "$T/port"
    : >"$T/api.log"
    background api "$PYTHON" -SB "$TESTS/tool/platform_api.py" --certificate "$CERTIFICATE" --key "$CERTIFICATE_KEY" \
        --port-file "$T/port" --log "$T/api.log" --mood "$T/mood" "$@"
    wait_for "$PATIENCE" test -s "$T/port"
    API=https://127.0.0.1:$(<"$T/port")
    (umask 077 && echo 'se cret&+=' >"$T/secret")
    configure ""
}

# make_client NAME: an authority $T/NAME-ca.pem, and a client's certificate of it, $T/NAME.pem with $T/NAME.key.
make_client() {
    local new=(openssl req -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes)
    {
        "${new[@]}" -x509 -days 2 -subj "/CN=$1 authority" -keyout "$T/$1-ca.key" -out "$T/$1-ca.pem"
        "${new[@]}" -subj "/CN=$1" -keyout "$T/$1.key" -out "$T/$1.csr"
        openssl x509 -req -in "$T/$1.csr" -CA "$T/$1-ca.pem" -CAkey "$T/$1-ca.key" -days 2 -out "$T/$1.pem"
    } 2>"$T/openssl" || fail "no certificate: $(<"$T/openssl")"
    chmod 0600 "$T/$1.key"
}

# configure [LINE...]: the configuration, with further lines.
configure() {
    printf '%s\n' "# of the tests" '' "address $API" "app-id $APP" "secret-file $T/secret" \
        "ca-file $CERTIFICATE" 'throttle-wait 0' 'calls-per-minute 100000' "$@" >"$T/platform.conf"
}

# ask WORD...: runs upgrade-platform; its output is in $T/out and $T/err, its exit code in $code.
ask() {
    code=0
    "$ASK" --state "$T/state" --config "$T/platform.conf" "$@" >"$T/out" 2>"$T/err" || code=$?
}

# ends CODE WORD...: asks, which must end with CODE.
ends() {
    ask "${@:2}"
    equal "exit code of ${*:2} ($(<"$T/err"))" "$code" "$1"
}

# complains PATTERN: what the last one printed on stderr.
complains() {
    [[ $(<"$T/err") =~ $1 ]] || fail "it does not say '$1': $(<"$T/err")"
}

# asked FILTER: what the platform was asked, by jq over an array of requests.
asked() {
    jq -rs "$1" "$T/api.log"
}

logins() {
    grep -c '/login"' "$T/api.log" || true
}
