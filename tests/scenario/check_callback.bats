#!/usr/bin/env bats
# nginx/check-callback finds what would keep the platform's notifications from arriving.

load lib

# check STATUS ARGUMENT...: runs it, which must end with STATUS; its lines are in $output.
check() {
    run "$SOURCE/nginx/check-callback" "${@:2}"
    echo "$output"
    equal "exit status" "$status" "$1"
}

# says LINE...: among its lines are these (patterns of how they begin), and no other line is "FAILED".
says() {
    local line expected=0 found=0
    for line; do
        [[ $'\n'$output =~ $'\n'$line ]] || fail "it does not say: $line" || return
        if [[ $line == FAILED* ]]; then expected=$((expected + 1)); fi
    done
    while read -r line; do
        if [[ $line == FAILED* ]]; then found=$((found + 1)); fi
    done <<<"$output"
    equal "failed" "$found" "$expected"
}

# issue NAME ISSUER CN OPTION...: a key and a certificate, $T/NAME.key and $T/NAME.pem, by ISSUER; its own if that is empty.
issue() {
    local by=()
    if [[ -n $2 ]]; then by=(-CA "$T/$2.pem" -CAkey "$T/$2.key"); fi
    openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -subj "/O=Test/CN=$3" "${by[@]}" \
        -keyout "$T/$1.key" -out "$T/$1.pem" "${@:4}" 2>"$T/openssl" || fail "$(<"$T/openssl")"
}

# Makes a root, an intermediate and a server's certificate, in $T/full.pem with the intermediate behind it.
make_chain() {
    local ca=(-days 90 -addext "basicConstraints=critical,CA:TRUE")
    issue root '' Root "${ca[@]}"
    issue middle root Middle "${ca[@]}"
    issue leaf middle Server -days 60 -addext basicConstraints=critical,CA:FALSE -addext subjectAltName=IP:127.0.0.1
    cat "$T/leaf.pem" "$T/middle.pem" >"$T/full.pem"
}

# lib.bash's takes this one for nginx.
make_certificate() {
    CERTIFICATE=$T/full.pem
    CERTIFICATE_KEY=$T/leaf.key
}

# also_serve FILE KEY: nginx_start has one more port, $other, with another certificate.
also_serve() {
    other=$(free_port)
    NGINX_EXTRA+="server {
        listen 127.0.0.1:$other ssl;
        ssl_certificate $1;
        ssl_certificate_key $2;
        location = $CALLBACK { add_header Allow POST always; return 405; }
    }"
}

@test "a complete chain is ok, the server's certificate alone is not" {
    # With root, intermediate and server's certificate everything is ok. Without the intermediate the check fails and names it. Nothing is posted.
    make_chain
    also_serve "$T/leaf.pem" "$T/leaf.key"
    receiver_start
    nginx_start
    post_text "$(notification)"
    check 0 --ca "$T/root.pem" "$URL$CALLBACK"
    says "ok +URL" "ok +name" "ok +TCP" "ok +chain: certificates sent: 2" "ok +names" "ok +dates" "ok +path" "ok +receiver"
    equal "notifications" "$(sql 'SELECT count(*) FROM notifications')" 1
    check 1 --ca "$T/root.pem" "https://127.0.0.1:$other$CALLBACK"
    says 'FAILED +chain: the certificate of "CN=Middle,O=Test", which issued "CN=Server,O=Test", is not sent: append it' \
        "ok +names" "ok +path" "unknown receiver"
}

# bats test_tags=full
@test "wrong chains, names and dates are told" {
    # A wrong order, an unknown root, another name, an expired certificate and one that is about to expire: each fails, with what to do, and nothing else does.
    make_chain
    nginx_start
    check 1 "$URL$CALLBACK"
    grep -qE '^FAILED +chain: the certificate of "CN=Root,O=Test".*name it with --ca' <<<"$output"
    check 1 --ca "$T/root.pem" --days 61 "$URL$CALLBACK"
    grep -qE '^FAILED +dates: "CN=Server,O=Test" expires' <<<"$output"
    nginx_stop

    cat "$T/leaf.pem" "$T/root.pem" "$T/middle.pem" >"$T/order.pem"
    also_serve "$T/order.pem" "$T/leaf.key"
    local order=$other name old
    issue name middle Name -days 60 -addext subjectAltName=DNS:other.example
    cat "$T/name.pem" "$T/middle.pem" >"$T/name.full"
    also_serve "$T/name.full" "$T/name.key"
    name=$other
    issue new middle Old -days 60
    openssl req -new -key "$T/new.key" -subj /O=Test/CN=Old -addext subjectAltName=IP:127.0.0.1 |
        openssl x509 -req -days -1 -copy_extensions copy -CA "$T/middle.pem" -CAkey "$T/middle.key" -out "$T/old.pem"
    cat "$T/old.pem" "$T/middle.pem" >"$T/old.full"
    also_serve "$T/old.full" "$T/new.key"
    old=$other
    nginx_start
    check 1 --ca "$T/root.pem" "https://127.0.0.1:$order$CALLBACK"
    says "FAILED +chain: certificate 2 that is sent did not issue certificate 1" "ok +names" "ok +dates"
    check 1 --ca "$T/root.pem" "https://127.0.0.1:$name$CALLBACK"
    says 'FAILED +names: without SNI the certificate of "CN=Name,O=Test" comes, which is not for 127.0.0.1' "ok +chain"
    check 1 --ca "$T/root.pem" "https://127.0.0.1:$old$CALLBACK"
    says 'FAILED +dates: "CN=Old,O=Test" expired' "ok +chain" "ok +names"
}

# bats test_tags=full
@test "what is no callback URL is told" {
    # No https, no port, no path, no such name, nobody who listens, no TLS, another path, a receiver that cannot keep and none: each fails, with what to do.
    local plain
    make_chain
    receiver_start
    plain=$(free_port)
    NGINX_EXTRA="server { listen 127.0.0.1:$plain; }" nginx_start
    local ca=(--ca "$T/root.pem")
    check 1 "http://127.0.0.1:443$CALLBACK"
    says "FAILED +URL: http is not encrypted"
    check 1 "https://127.0.0.1$CALLBACK"
    says "FAILED +URL: no port.*https://127.0.0.1:443$CALLBACK"
    check 1 https://127.0.0.1:443/
    says "FAILED +URL: no path"
    check 1 "https://127.0.0.1:443$CALLBACK?a=1"
    says "FAILED +URL: not understood"
    check 1 "https://no-such-name.invalid:443$CALLBACK"
    says "FAILED +name: no-such-name.invalid has no address"
    check 1 "https://127.0.0.1:$(free_port)$CALLBACK"
    says "FAILED +TCP: no connection to 127.0.0.1"
    check 1 "${ca[@]}" "$URL${CALLBACK}s"
    says "FAILED +path: there is no ${CALLBACK}s" "ok +receiver"
    check 1 "${ca[@]}" "$URL/status/"
    says "FAILED +path: GET is answered 200" "ok +receiver"
    mv "$T/state" "$T/elsewhere"
    post_text "$(notification)" --insecure
    check 1 "${ca[@]}" "$URL$CALLBACK"
    says "ok +path" "FAILED +receiver: it cannot keep notifications"
    mv "$T/elsewhere" "$T/state"
    receiver_stop
    check 1 "${ca[@]}" "$URL$CALLBACK"
    says "ok +chain" "ok +path" "FAILED +receiver: it cannot be reached"
    check 1 "https://127.0.0.1:$plain$CALLBACK"
    says "FAILED +TLS: no certificate comes"
    check 2
    check 2 --no "$URL"
    check 2 --ca "$T/nowhere" "$URL"
    # Without a program that it needs it judges nothing.
    mkdir "$T/few"
    ln -s "$(command -v bash)" "$(command -v openssl)" "$T/few"
    PATH=$T/few check 2 "$URL$CALLBACK"
    [[ $output == *"needs curl"* && $output != *FAILED* ]] || fail "$output"
}
