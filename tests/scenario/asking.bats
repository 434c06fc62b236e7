#!/usr/bin/env bats
# upgrade-platform asks the platform back: what it does with each answer, and that it changes nothing that it need not.

load lib
load faults
load asking

# play OPTION...: a campaign; what the platform knows goes to $T/books, what arrived to $T/arrived.
play() {
    "$PYTHON" -B "$TESTS/tool/play_platform.py" --url "$URL$CALLBACK" --cacert "$CERTIFICATE" --no-broken --no-news \
        --books "$T/books" --expect "$T/arrived" --expect-upgrades "$@" >"$T/played"
}

# The devices that reconcile must name, by the platform's books and what arrived: one a line.
lost_devices() {
    jq -r --slurpfile arrived "$T/arrived" '
        ($arrived[0].list | map({key: .subOperationId, value: .state}) | from_entries) as $here
        | .operations[] | .operationId as $operation | .devices[] | select(.status != "processing")
        | .status as $told | $here[.subOperationId] as $state
        | (if $state == null then "no push came" elif $state == "IN_PROGRESS" then "no result came"
            elif ($state == "SUCCESS") != ($told == "success") then "the ends differ" else empty end) as $finding
        | "\($operation) \(.deviceId) \(.subOperationId) \($finding)"' "$T/books" | sort
}

named_devices() {
    jq -r '.operationId as $operation | .findings[] | "\($operation) \(.deviceId) \(.subOperationId) \(.finding)"' "$T/out" | sort
}

# planned_of OPERATION: its devices, those of which nothing arrived, and those of them that succeeded.
planned_of() {
    jq -c --slurpfile arrived "$T/arrived" --arg operation "$1" '
        (.operations[] | select(.operationId == $operation) | .devices) as $devices
        | [$arrived[0].list[] | select(.operationId == $operation) | .deviceId] as $here
        | [$devices[] | {key: .deviceId, value: .status}] | from_entries
        | [length, (keys - $here | length), ([to_entries[] | select(.value == "success") | .key] - $here | length)]' "$T/books"
}

@test "reconcile shows what differs, and keeps it beside a list that an operator saved" {
    # Devices in each state; what the platform says is shown with when it was asked; its list of devices never takes the place of an operator's.
    local device
    receiver_start
    for device in good differs; do send deviceId=$device subOperationId=$device operationId=one "appId=$APP"; done
    send deviceId=begun subOperationId=begun operationId=one "appId=$APP" notifyType=swUpgradeStateChangeNotify swUpgradeState=updating
    send deviceId=own subOperationId=own operationId=one "appId=$APP"
    answered 200 stored
    jq -n '{operations: [{operationId: "one", operateType: "software_upgrade", status: "processing", devices: [
        ("good success", "differs fail", "begun success", "lost success", "late timeout", "begins processing", "waits wait" | split(" ")
        | {deviceId: .[0], subOperationId: .[0], status: .[1], detailInfo: "detail"})]}]}' >"$T/books"
    api_start --books "$T/books"
    ends 3 reconcile one --keep
    cat >"$T/expected" <<'TEXT'
Operation one (processing): 7 devices planned.
  platform: 3 success, 1 fail, 2 not ended (1 of them waiting), 1 stopped or timed out
  here:     3 success, 0 fail, 1 in progress, 4 never reported

DEVICE   SUB-TASK  PLATFORM  HERE         FINDING              DETAIL
differs  differs   fail      SUCCESS      the ends differ      detail
begun    begun     success   IN_PROGRESS  no result came       detail
lost     lost      success   -            no push came         detail
late     late      timeout   -            no push came         detail
own      own       -         SUCCESS      not at the platform

TEXT
    diff "$T/expected" "$T/out"
    "$STATUS_BIN" --state "$T/state" operation one --json >"$T/operation"
    equal "planned, missing" "$(jq -c '[.planned, .missing]' "$T/operation")" '[7,4]'
    equal "what was said" "$(jq -c '.platform.said | [.planned, .platform.waiting, .found.noPush, .found.noPushOfSuccess, .found.endsDiffer, .findings[2].deviceId]' \
        "$T/operation")" '[7,1,2,1,1,"lost"]'
    printf '%s\n' good other >"$T/list"
    "$STATUS_BIN" --state "$T/state" expect one "$T/list" --save
    ends 3 reconcile one --keep
    grep -q "^  Its list of devices is an operator's, and stays.$" "$T/out"
    "$STATUS_BIN" --state "$T/state" operation one >"$T/shown"
    grep -Eq '^  missing +1 +of 2 planned$' "$T/shown"
    grep -Eq '^  asked +20.*Z  ' "$T/shown"
    grep -Eq '^  waiting +1 +of those not ended$' "$T/shown"
    grep -Eq '^  no push came +1 +the platform says success$' "$T/shown"
    grep -Eq '^ *differs +differs +fail +SUCCESS +the ends differ +detail$' "$T/shown"
    "$STATUS_BIN" --state "$T/state" check
}

# bats test_tags=full
@test "reconcile names exactly the devices whose pushes were lost" {
    # The platform loses every tenth push of a campaign, and all of every tenth device; what reconcile finds is what the model says, device by device.
    local operation
    receiver_start
    nginx_start
    play --devices 2000 --rate 4000 --lose 10
    api_start --books "$T/books"
    ends 3 reconcile --all --json
    lost_devices >"$T/lost"
    named_devices >"$T/named"
    (($(wc -l <"$T/lost") > 5)) || fail "too few were lost: $(<"$T/lost")"
    diff "$T/named" "$T/lost" >"$T/differs" || fail "named <, lost >: $(head -n 5 "$T/differs")"
    equal "calls" "$(asked 'map(select(.path | contains("subOperations"))) | length')" "$(jq '[.operations[].devices | length / 100 | ceil] | add' "$T/books")"
    jq -es 'all(.complete and .heard and .planned == ([.platform[]] | add)
        and .planned == .here.inProgress + .here.success + .here.fail + .here.missing)' "$T/out" >"$T/sums" ||
        fail "the sums differ: $(<"$T/out")"
    # what was asked back is kept as that: a plan, and no notification
    equal notifications "$(sql 'SELECT notifications FROM totals')" "$(jq .totals.notifications "$T/arrived")"
    cp "$T/out" "$T/first"
    ends 3 reconcile --all --keep --json
    diff "$T/out" "$T/first"
    equal notifications "$(sql 'SELECT notifications FROM totals')" "$(jq .totals.notifications "$T/arrived")"
    operation=$(jq -rs 'max_by(.planned).operationId' "$T/out")
    "${RECEIVER_BIN%/*}/upgrade-status" --state "$T/state" operation "$operation" --json >"$T/operation"
    planned_of "$operation" | jq -e 'min > 0'
    # on a terminal of 80 columns a row is a line
    "$PYTHON" "$TESTS/tool/on_terminal.py" 80 "$ASK" --state "$T/state" --config "$T/platform.conf" reconcile "$operation" >"$T/shown" || equal "exit code" $? 3
    (($(grep -cE '^[0-9a-f-]{36} .*(no push came|no result came|the ends differ)' "$T/shown") > 2)) || fail "rows: $(<"$T/shown")"
    equal "long lines" "$(tr -d '\r' <"$T/shown" | sed 's/\x1b\[[0-9;]*m//g' | grep -cE '.{81}')" 0
    equal "planned, missing, and lost" "$(jq -c '[.planned, .missing, .platform.said.found.noPushOfSuccess]' "$T/operation")" "$(planned_of "$operation")"
}

# bats test_tags=full
@test "with shared books, reconcile knows what other machines received" {
    # The store has what came to this machine; the copy of the shared books, which the receiver keeps beside it, has the rest.
    receiver_start
    send deviceId=here subOperationId=here operationId=one "appId=$APP"
    sqlite3 "$T/state/upgrades.db" 'UPDATE journal_state SET kept = 1'
    receiver_stop
    mkdir "$T/elsewhere"
    cp -r "$T/state" "$T/elsewhere/shared"
    echo '{"operations": [{"operationId": "one", "status": "processing", "devices": [
        {"subOperationId": "here", "deviceId": "here", "status": "success"}, {"subOperationId": "there", "deviceId": "there", "status": "success"}]}]}' >"$T/books"
    api_start --books "$T/books"
    ends 1 reconcile one
    complains 'the copy of the shared books: .*/shared'
    mv "$T/state" "$T/alone"
    mv "$T/elsewhere/shared" "$T/state"
    receiver_start
    send deviceId=there subOperationId=there operationId=one "appId=$APP"
    receiver_stop
    mv "$T/state" "$T/alone/shared"
    mv "$T/alone" "$T/state"
    ends 0 reconcile one --keep
    grep -q '^  Nothing differs.$' "$T/out"
    equal "kept in the own store" "$(sql 'SELECT count(*), planned FROM asked, operation')" '1|2'
    # a list that an operator saved on another machine stays
    "$STATUS_BIN" --state "$T/state" expect one --forget
    echo elsewhere >"$T/list"
    "$STATUS_BIN" --state "$T/state/shared" expect one "$T/list" --save
    ends 0 reconcile one --keep
    grep -q "^  Its list of devices is an operator's, and stays.$" "$T/out"
    equal "kept in the own store" "$(sql 'SELECT count(*), planned IS NULL FROM asked, operation')" '1|1'
}

# bats test_tags=full
@test "the timer's service runs as its unit lets it" {
    # All that reconcile --running --keep does is allowed by the unit's filter, whose first forbidden call would kill.
    local unit=${RECEIVER_BIN%/*/*}/nginx/upgrade-platform-reconcile.service code=0
    command -v systemd-analyze >/dev/null || skip "systemd-analyze is not installed"
    needs_plain_build "the filter forbids what the tool itself does"
    receiver_start
    echo '{"operations": [{"operationId": "one", "status": "processing", "devices": [
        {"subOperationId": "s", "deviceId": "lost", "status": "success"}]}]}' >"$T/books"
    api_start --books "$T/books"
    grep -q 'ExecStart=.*/upgrade-platform --state %S/upgrade-receiver reconcile --running --keep$' "$unit"
    "$PYTHON" "$TESTS/tool/sandbox.py" "$unit" -- "$ASK" --state "$T/state" --config "$T/platform.conf" reconcile --running --keep \
        >"$T/out" 2>"$T/err" || code=$?
    equal "exit code ($(<"$T/err"))" "$code" 3
    grep -q '^lost .*no push came$' "$T/out"
    equal "kept" "$(sql 'SELECT count(*) FROM asked')" 1
}

# bats test_tags=full
@test "one login is shared, renewed and made once more" {
    # All runs on a machine share one login, which is renewed at 0.8 of its life, and once when somebody else has logged in.
    local pids=() n
    api_start
    for n in 1 2 3 4; do
        "$ASK" --state "$T/state" --config "$T/platform.conf" subscriptions >"$T/out.$n" 2>&1 3>&- &
        pids+=("$!")
    done
    for n in "${pids[@]}"; do wait "$n"; done
    equal "logins of four at once" "$(logins)" 1
    equal "mode" "$(stat -c %a "$T/state/platform-login.json")" 600
    # another application, or another address, is not its
    jq -c '.appId = "another"' "$T/state/platform-login.json" >"$T/new" && mv "$T/new" "$T/state/platform-login.json"
    ends 0 subscriptions
    equal logins "$(logins)" 2
    # 0.8 of 3600 s are over
    jq -c '.loggedInMs -= 2881000' "$T/state/platform-login.json" >"$T/new" && mv "$T/new" "$T/state/platform-login.json"
    ends 0 subscriptions
    equal logins "$(logins)" 3
    jq -c '.loggedInMs -= 2800000' "$T/state/platform-login.json" >"$T/new" && mv "$T/new" "$T/state/platform-login.json"
    ends 0 subscriptions
    equal logins "$(logins)" 3
    # a token knocked out by somebody else
    echo '{"knockOut": 1}' >"$T/mood"
    ends 0 subscriptions
    equal logins "$(logins)" 4
    echo '{"knockOut": 1, "always": true}' >"$T/mood"
    ends 1 subscriptions
    complains 'error 1010005 .*another program logs in'
    equal logins "$(logins)" 5
    # the secret goes to the login, and nowhere else
    if grep -rqF 'se cret' "$T/api.log" "$T/out" "$T/err" "$T/state"; then fail "the secret is told"; fi
}

# bats test_tags=full
@test "the configuration is checked, and the peer is" {
    # A secret that others can read is refused, as is anything that is not known; a wrong authority, a wrong name and a wrong port end with words.
    local other
    api_start
    chmod 0644 "$T/secret"
    ends 2 subscriptions
    complains 'its mode is 0644'
    chmod 0640 "$T/secret"
    configure 'verify off'
    ends 2 subscriptions
    complains 'line 9: verify: no such name'
    configure "address ${API/https/http}"
    ends 2 subscriptions
    complains 'write https://'
    configure 'ca-file /etc/ssl/certs/ca-certificates.crt'
    ends 1 subscriptions
    complains 'name the authority with ca-file'
    configure "address ${API/127.0.0.1/127.0.0.2}"
    ends 1 subscriptions
    configure 'expected-name platform.example.com'
    ends 1 subscriptions
    complains 'expected-name'
    equal "requests so far" "$(wc -l <"$T/api.log")" 0
    # the name in the certificate is another than the address
    configure 'expected-name localhost'
    ends 0 subscriptions
    # HTML from a wrong port: nginx's
    other=$(free_port)
    NGINX_EXTRA="server { listen 127.0.0.1:$other ssl; ssl_certificate $CERTIFICATE; ssl_certificate_key $CERTIFICATE_KEY; }"
    nginx_start
    configure "address https://127.0.0.1:$other"
    ends 1 subscriptions
    complains 'no JSON.*<html>'
    # nothing listens, and nothing answers
    other=$(free_port)
    configure "address https://127.0.0.1:$other"
    ends 1 subscriptions
    complains "127.0.0.1:$other"
    configure 'timeout 1'
    echo '{"slow": true}' >"$T/mood"
    ends 1 subscriptions
    complains 'timed out'
}

# bats test_tags=full
@test "a platform that wants a certificate gets the configured one, and what is wrong with it is said" {
    # The right one, none, one of another authority, a key that others can read, one that belongs to another certificate, files that are no PEM or not there.
    make_client good
    make_client other
    api_start --client-ca "$T/good-ca.pem"
    ends 1 subscriptions
    complains 'it wants a certificate of your own'
    configure "cert-file $T/other.pem" "key-file $T/other.key"
    ends 1 subscriptions
    complains 'it may not take your certificate'
    equal "requests so far" "$(wc -l <"$T/api.log")" 0
    configure "cert-file $T/good.pem" "key-file $T/good.key"
    ends 0 subscriptions
    configure "cert-file $T/good.pem"
    ends 2 subscriptions
    complains 'cert-file and key-file go together'
    configure "cert-file $T/good.pem" "key-file $T/other.key"
    ends 1 subscriptions
    complains 'certificate and key are PEM, and belong together'
    configure "cert-file $T/nothing" "key-file $T/good.key"
    ends 2 subscriptions
    complains "cannot read cert-file $T/nothing: No such file"
    configure "cert-file $T/good.pem" "key-file $T/nothing"
    ends 2 subscriptions
    complains "key-file: $T/nothing: cannot open it: No such file"
    chmod 0644 "$T/good.key"
    configure "cert-file $T/good.pem" "key-file $T/good.key"
    ends 2 subscriptions
    complains "key-file: $T/good.key: its mode is 0644"
    chmod 0640 "$T/good.key"
    configure "cert-file $T/good.pem" "key-file $T/good.key" "ca-file $T/secret"
    ends 1 subscriptions
    complains "the authority's file is PEM"
    configure "cert-file $T/good.pem" "key-file $T/good.key" "ca-file $T/nothing"
    ends 2 subscriptions
    complains "cannot read ca-file $T/nothing"
}

# bats test_tags=full
@test "what is not understood is an error, and changes nothing" {
    # Errors under 200, too many calls, bodies that are no JSON or lack what they should have.
    api_start
    echo '{"throttle": 3}' >"$T/mood"
    ends 0 subscriptions
    echo '{"throttle": 1000}' >"$T/mood"
    ends 1 subscriptions
    complains '1010009'
    echo '{"error": ["subscriptions", 100217]}' >"$T/mood"
    ends 1 subscriptions
    complains 'error 100217 .HTTP 200.: as the mood is: the application is not authorised'
    echo '{"says": ["subscriptions", "<html>wrong</html>"]}' >"$T/mood"
    ends 1 subscribe --callback https://127.0.0.1:1/x --no-check
    complains 'no JSON.*<html>wrong'
    echo '{"says": ["subscriptions", "{\"subscriptions\": []}"]}' >"$T/mood"
    ends 1 subscriptions
    complains 'not understood: .*subscriptions'
    echo '{"says": ["subscriptions", "{\"subscriptions\": [{\"id\": 1}], \"totalCount\": 1}"]}' >"$T/mood"
    ends 1 subscribe --callback https://127.0.0.1:1/x --no-check
    complains 'not understood: .*"id":1'
    equal "subscriptions that were sent" "$(asked '[.[] | select(.method == "POST" and .body)] | length')" 0
}

# bats test_tags=full
@test "subscribe adds what is not there, and never deletes" {
    # The four types of the upgrade family, or those that are named; both spellings of the member; the platform's answers in words.
    local url=https://127.0.0.1:8443/v1.0.0/messageReceiver
    api_start
    ends 2 subscribe --callback https://127.0.0.1/x
    complains 'has no port'
    ends 2 subscribe --callback https://127.0.0.1:443
    complains 'has no path'
    ends 2 subscribe --callback "$url" --no-check deviceAddedX
    complains 'no such notifyType'
    ends 0 subscribe --callback "$url" --no-check
    equal subscribed "$(grep -c ': subscribed$' "$T/out")" 4
    ends 0 subscribe --callback "$url" --no-check
    equal "listed" "$(grep -c ': listed already$' "$T/out")" 4
    ends 0 subscribe --callback "$url" --no-check deviceAdded
    equal "service data" "$(asked 'map(select(.body.notifyType == "deviceAdded")) | .[0].body | keys | join(" ")')" "appId callbackUrl notifyType"
    ends 0 subscriptions --json
    equal types "$(jq '.subscriptions | length' "$T/out")" 5
    ends 0 subscriptions
    equal lines "$(wc -l <"$T/out")" 6
    # the other spelling is tried once, and not if the configuration has one
    : >"$T/api.log"
    echo '{"member": "callbackUrl", "noList": true}' >"$T/mood"
    ends 0 subscribe --callback "$url/2" --no-check swUpgradeResultNotify
    equal spellings "$(asked '[.[] | select(.body) | .body | keys[0]] | join(" ")')" "callbackurl callbackUrl"
    configure 'callback-member callbackurl'
    ends 1 subscribe --callback "$url/3" --no-check swUpgradeResultNotify
    complains 'error 100228'
    echo '{"repeated": true, "noList": true}' >"$T/mood"
    ends 0 subscribe --callback "$url/4" --no-check swUpgradeResultNotify
    grep -q 'already subscribed' "$T/out"
    # another server is worth a warning
    rm "$T/mood"
    ends 0 subscribe --callback https://127.0.0.1:9443/x --no-check swUpgradeResultNotify
    complains 'warning: the platform also pushes to https://127.0.0.1:8443'
    equal "deletions" "$(asked 'map(select(.method == "DELETE")) | length')" 0
}

# bats test_tags=full
@test "check tells whether the callback URL leads here" {
    # The question is answered 200, kept nowhere and in no counter; another receiver, or another path, is told apart; the nonce is short-lived.
    local before after
    api_start
    receiver_start
    nginx_start
    before=$(counters)
    # the tests' certificate is good for two days
    printf '#!/bin/sh\nexec "%s" --days 1 "$@"\n' "$SOURCE/nginx/check-callback" >"$T/check-callback"
    chmod 0755 "$T/check-callback"
    ends 0 check --callback "$URL$CALLBACK" --ca "$CERTIFICATE" --script "$T/check-callback"
    grep -q '^ok      here' "$T/out"
    grep -q '^ok      receiver' "$T/out"
    [[ ! -e $T/state/callback-check ]] || fail "the nonce is still there"
    after=$(counters)
    equal "counters" "$after" "$before"
    equal "log lines" "$(wc -l <"$LOG")" 1
    ends 4 check --callback "$URL$CALLBACK" --ca "$CERTIFICATE" --script "$SOURCE/nginx/check-callback"
    grep -q '^FAILED  dates' "$T/out"
    ends 4 check --callback "$URL$CALLBACK" --script "$SOURCE/nginx/check-callback"
    complains 'name the root of its certificate with --ca'
    ends 4 check --callback "$URL/other" --ca "$CERTIFICATE" --script /nowhere/check-callback
    complains 'no receiver of this state folder'
    grep -q '^unknown certificates' "$T/out"
    # another state folder: the receiver does not know the nonce
    mkdir "$T/elsewhere"
    code=0
    "$ASK" --state "$T/elsewhere" check --callback "$URL$CALLBACK" --ca "$CERTIFICATE" >"$T/out" 2>"$T/err" || code=$?
    equal code "$code" 4
    complains 'another receiver is there'
    equal quarantine "$(sql 'SELECT count(*) FROM quarantine')" 1
    # an old nonce is a body like any other
    printf '%048d' 0 >"$T/state/callback-check"
    equal answer "$(post_body "{\"upgradeReceiverCheck\":\"$(<"$T/state/callback-check")\"}")" here
    touch -d '2 minutes ago' "$T/state/callback-check"
    equal answer "$(post_body "{\"upgradeReceiverCheck\":\"$(<"$T/state/callback-check")\"}")" quarantined
    # subscribe checks first, and sends nothing if it does not lead here
    : >"$T/api.log"
    ends 4 subscribe --callback "$URL/other" --ca "$CERTIFICATE"
    equal requests "$(wc -l <"$T/api.log")" 0
    ends 0 subscribe --callback "$URL$CALLBACK" --ca "$CERTIFICATE"
    # a receiver that wants signatures answers the question all the same
    receiver_stop
    echo tokenOfTheTests >"$T/tokens"
    receiver_start --token-file "$T/tokens"
    ends 0 check --callback "$URL$CALLBACK" --ca "$CERTIFICATE" --script /nowhere/check-callback
}

# counters: those that a question may not change.
counters() {
    sql 'SELECT seq, notifications, repeats, quarantined FROM totals'
    curl -s --cacert "$CERTIFICATE" "$URL/metrics" | grep -E '^upgrade_receiver_(answers|unanswered|misdirected|refused)'
}

# post_body BODY: the result.
post_body() {
    curl -s --cacert "$CERTIFICATE" --data-binary "$1" "$URL$CALLBACK" | jq -r .result
}

# bats test_tags=full
@test "reconcile reads whole lists, whatever the platform does" {
    # totalSize for totalCount, pages that change while they are read, a status that nobody documented, a task that was never heard of, a task that is not there.
    local operation
    receiver_start
    nginx_start
    play --devices 400 --operations 1 --no-stuck
    api_start --books "$T/books"
    operation=$(jq -r '.operations[0].operationId' "$T/books")
    ends 0 reconcile "$operation"
    grep -q 'devices planned' "$T/out"
    echo '{"totalSize": true, "moving": 4}' >"$T/mood"
    ends 0 reconcile "$operation" --json
    equal planned "$(jq .planned "$T/out")" "$(jq '.operations[0].devices | length' "$T/books")"
    # what is not given is told, not guessed
    echo '{"short": true}' >"$T/mood"
    ends 3 reconcile "$operation"
    grep -q 'The platform gave only' "$T/out"
    echo '{"status": "rollback"}' >"$T/mood"
    ends 3 reconcile "$operation"
    grep -q 'rollback .*unknown status' "$T/out"
    ends 1 reconcile nothing
    complains 'operation nothing: .*123009'
    ends 2 reconcile
    ends 2 reconcile --all "$operation"
    # a task of which nothing came, and one that ended long ago
    jq -c '.operations[0] as $one | .operations = [$one, ($one | .operationId = "unheard" | .devices |= .[:2]
        | .devices[0].status = "success" | .devices[1].status = "wait"),
        ($one | .operationId = "old" | .status = "failed" | .stopTime = "20250101T000000Z" | .devices = [])]' \
        "$T/books" >"$T/more"
    stop_process "$(<"$T/background/api")" KILL
    rm "$T/mood"
    api_start --books "$T/more"
    ends 3 reconcile --running --json
    equal tasks "$(jq -r .operationId "$T/out" | tr '\n' ' ')" "$operation unheard "
    equal findings "$(jq -c '[.heard, (.findings | length), .findings[0].finding]' "$T/out" | tail -n 1)" '[false,1,"no push came"]'
    ends 3 reconcile --all --json
    equal tasks "$(wc -l <"$T/out")" 3
}

# bats test_tags=full
@test "retry shows what it would start, and starts it in chunks" {
    # The devices that failed, 256 in a task; nothing is started unless the operation is typed once more.
    echo '{"operations": [{"operationId": "op-1", "operateType": "firmware_upgrade", "status": "success", "devices": [
        {"subOperationId": "s", "deviceId": "good", "status": "success"}]}]}' >"$T/books"
    api_start --books "$T/books"
    ends 0 retry op-1 --file f1 --start op-1
    grep -q '^No device failed' "$T/out"
    echo '{"fail": 600}' >"$T/mood"
    ends 2 retry op-1
    complains 'takes --file'
    ends 2 retry op-1 --file f1 --start op-2
    complains 'nothing is started'
    ends 0 retry op-1 --file f1
    grep -q '^600 devices failed: 3 new tasks' "$T/out"
    equal posts "$(asked 'map(select(.body)) | length')" 0
    ends 0 retry op-1 --file f1 --start op-1
    equal started "$(asked 'map(select(.body) | .body.targets.devices | length | tostring) | join(" ")')" "256 256 88"
    equal path "$(asked 'map(select(.body) | .path)[0]')" /iodm/northbound/v1.5.0/operations/firmwareUpgrade
    equal devices "$(asked 'map(select(.body) | .body.targets.devices) | add | unique | length')" 600
    # one that the platform does not take ends it, and what was started is told
    echo '{"error": ["firmwareUpgrade", "100228"]}' >"$T/mood"
    ends 1 retry op-1 --file f1 --start op-1
    complains '100228'
}
