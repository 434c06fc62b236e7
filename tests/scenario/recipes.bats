#!/usr/bin/env bats
# bats file_tags=full
# The commands of nginx/README.md, Forwarding, against real servers: MQTT, Kafka and mail get what was kept.
load lib
load faults
load delivery
load status_command
load forward

COMMAND=$SOURCE/nginx/forward-to-command

# require PROGRAM: leaves the test out without it.
require() {
    command -v "$1" >/dev/null || skip "$1 is not installed"
}

# recipe WORD: the command behind -- in the block of the README that has WORD.
recipe() {
    awk -v word="$1" '/^```/ {if (inside && text ~ word) {printf "%s", text; exit} inside = !inside; text = ""; next}
        inside {text = text $0 "\n"}' "$SOURCE/nginx/README.md" | sed 's/^forward-to-command .* -- //'
}

# to_command RECIPE: forward-to-command runs it, and upgrade-forward sends there.
to_command() {
    local port
    port=$(free_port)
    make_secret
    # shellcheck disable=SC2016 # for the bash that is started
    background to_command bash -c 'exec "$0" --secret-file "$1" --port "$2" -- '"$1" "$COMMAND" "$T/secret" "$port"
    HOOK=http://localhost:$port/
}

# start RECIPE [OPTION...]: three upgrades, of which the forwarder sends all.
start() {
    receiver_start
    many 3 >"$T/many"
    post_lines "$T/many"
    to_command "$1"
    background forward "$FORWARD_BIN" --state "$T/state" --to "$HOOK" --secret-file "$T/secret" --since start "${@:2}"
    forward_pid=$background_pid
}

# has_seqs FILE: the three, in order.
has_seqs() {
    [[ $(jq -r .data.seq "$1" | paste -sd ' ') == "1 2 3" ]]
}

@test "MQTT: mosquitto_pub to mosquitto" {
    require mosquitto
    require mosquitto_pub
    local port
    port=$(free_port)
    printf 'listener %s 127.0.0.1\nallow_anonymous true\nlog_type all\n' "$port" >"$T/mosquitto.conf"
    background mosquitto mosquitto -c "$T/mosquitto.conf"
    subscribe() { mosquitto_sub -h localhost -p "$port" -q 1 -t upgrades -C 3 -W 60; }
    mosquitto_answers() { mosquitto_pub -h localhost -p "$port" -t other -m ''; }
    wait_for "$PATIENCE" mosquitto_answers
    subscribe >"$T/got" 3>&- &
    echo "$!" >"$T/background/sub"
    wait_for "$PATIENCE" grep -q 'Sending SUBACK' "$T/mosquitto.out"
    start "$(recipe mosquitto_pub | sed "s/-h localhost/-h localhost -p $port/")"
    wait_for "$PATIENCE" has_seqs "$T/got"
    forward_stop
}

@test "Kafka: kcat to the broker that its library has for tests" {
    # Debian has no Kafka. A consumer with a mock broker in it speaks the protocol, and prints what it gets.
    require kcat
    bash -c 'exec kcat -C -u -X test.mock.num.brokers=1 -d mock -b localhost:1 -t upgrades -o beginning' \
        >"$T/got" 2>"$T/kafka" 3>&- </dev/null &
    echo "$!" >"$T/background/kafka"
    wait_for "$PATIENCE" grep -q 'bootstrap.servers=' "$T/kafka"
    start "$(recipe kcat | sed "s/localhost:9092/$(sed -n 's/.*bootstrap.servers=//p' "$T/kafka" | head -n 1)/")"
    wait_for $((PATIENCE * 3)) has_seqs "$T/got"
    forward_stop
}

@test "mail: sendmail to a mail server, when an operation is failing" {
    require msmtp
    "$PYTHON" -c 'import aiosmtpd' 2>/dev/null || skip "python3-aiosmtpd is not installed"
    local port
    port=$(free_port)
    PYTHONUNBUFFERED=1 background mail "$PYTHON" -m aiosmtpd -n -l "127.0.0.1:$port" -c aiosmtpd.handlers.Debugging stdout
    mail_listens() { (: <>"/dev/tcp/127.0.0.1/$port"); }
    wait_for "$PATIENCE" mail_listens
    mkdir "$T/bin"
    printf '#!/bin/sh\nexec msmtp --host=127.0.0.1 --port=%s --from=receiver@example.com -- "$@"\n' "$port" >"$T/bin/sendmail"
    chmod 0755 "$T/bin/sendmail"
    export PATH=$T/bin:$PATH
    start "$(recipe sendmail)" --forward-type operation.failing
    wait_for_backlog forward 0
    many 12 operationId=bad >"$T/many"
    post_lines "$T/many"
    wait_for "$PATIENCE" grep -q '"type":"operation.failing".*"operationId":"bad"' "$T/mail.out"
    grep -q '^Subject: an upgrade task is failing' "$T/mail.out"
    forward_stop
}

@test "forward-to-command refuses what is not signed, and a command that fails gets the event again" {
    to_command "sh -c 'cat >>$T/got; echo >>$T/got; test -e $T/works'"
    ask() { curl -q -s -o /dev/null -w '%{http_code}' --noproxy '*' "$@" "$HOOK"; }
    answers() { [[ $(ask -d x) == 401 ]]; }
    wait_for "$PATIENCE" answers
    equal "an old signature" "$(ask -d '{}' -H 'webhook-id: a' -H 'webhook-timestamp: 1' -H 'webhook-signature: v1,x')" 401
    [[ ! -e $T/got ]] || fail "it ran: $(<"$T/got")"
    receiver_start
    many 1 >"$T/many"
    post_lines "$T/many"
    background forward "$FORWARD_BIN" --state "$T/state" --to "$HOOK" --secret-file "$T/secret" --since start
    forward_pid=$background_pid
    wait_for "$PATIENCE" said failing
    : >"$T/works"
    wait_for "$PATIENCE" said recovered
    equal "ids" "$(jq -r .data.seq "$T/got" | sort -u)" 1
    forward_stop
}
