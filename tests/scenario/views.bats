#!/usr/bin/env bats
# Whoever may look sees what is in the books, over HTTP.

load lib
load faults
load views

@test "each place answers with its type and its headers" {
    # Page, documents, metrics and health come through nginx with the headers that they should have, and the same ETag as the receiver gave.
    receiver_start
    nginx_start
    some_history
    local path type etag
    while read -r path type; do
        request "$path"
        expect_answer 200
        equal "type of $path" "$(header Content-Type)" "$type"
        equal "nosniff of $path" "$(header X-Content-Type-Options)" nosniff
        case $path in
        /status/*)
            equal "caching of $path" "$(header Cache-Control)" no-cache
            etag=$(header ETag)
            [[ $etag =~ ^\"[0-9a-f]{32}\"$ ]] || fail "ETag of $path: $etag"
            ;;
        *) equal "caching of $path" "$(header Cache-Control)" no-store ;;
        esac
        equal "length of $path" "$(header Content-Length)" "$(printf %s "$body" | wc -c)"
    done <<'PLACES'
/status/ text/html; charset=utf-8
/status/app.js text/javascript; charset=utf-8
/status/style.css text/css; charset=utf-8
/status/icon.svg image/svg+xml
/status/overview.json application/json
/status/operation.json?operationId=op application/json
/status/upgrades.json?operationId=op application/json
/status/failures.json application/json
/status/failures.csv text/csv; charset=utf-8
/status/operations.json?state=running&sort=failures application/json
/status/operations.csv?bom=1 text/csv; charset=utf-8
/status/upgrades.jsonl?operationId=op application/jsonl
/status/errors.json application/json
/status/missing.json?operationId=op application/json
/status/device.json?deviceId=d1 application/json
/status/search.json?q=o application/json
/status/quarantine.json application/json
/metrics text/plain; version=0.0.4; charset=utf-8
/health/live application/health+json
/health/ready application/health+json
PLACES
    request /status/
    equal policy "$(header Content-Security-Policy)" "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    equal referrer "$(header Referrer-Policy)" no-referrer
    request /status
    expect_answer 308
    equal location "$(header Location)" status/
    request /status --location
    expect_answer 200
}

@test "the documents say what is in the books" {
    # Overview, operation, failures and quarantine over HTTP have the numbers of the store and of the process.
    receiver_start
    nginx_start
    some_history
    request /status/overview.json
    expect_answer 200 '.seq == 5 and .totals == {notifications: 5, repeats: 1, quarantined: 1, quarantineLogOnly: 0}
        and .upgrades.inProgress == 1 and .upgrades.success == 3 and .upgrades.fail == 1
        and [.operations[].operationId] == ["op2", "op"]
        and .receiver.pid == '"$(receiver_pid)"' and .receiver.storeFault == null and .receiver.refusedInARow == 0'
    request '/status/operation.json?operationId=op'
    expect_answer 200 '.success == 3 and .fail == 1 and .failures[0].errorCode == "4"'
    request '/status/failures.csv?errorCode=4'
    [[ $body == appId,operationId,*',"d4",'* ]] || fail "no such failure: $body"
    request /status/quarantine.json
    expect_answer 200 '.held == 1 and .bodies[0].reason == "notifyType unknown"'
    request '/status/operations.json?failAbove=0.2'
    expect_answer 200 '[.operations[] | [.operationId, .state, .planned, .software]] == [["op", "running", null, "software"]]'
    request /status/errors.json
    expect_answer 200 '[.errors[] | [.errorCode, .count, .operations]] == [["4", 1, 1]]'
    request '/status/failures.json?errorCode=5'
    expect_answer 200 '.failures == []'
}

@test "who has a document is not sent it again" {
    # With the ETag of an answer in If-None-Match the next is 304 and empty, until the books change.
    receiver_start
    nginx_start
    some_history
    local etag path
    for path in /status/overview.json '/status/operation.json?operationId=op' /status/failures.csv /status/app.js; do
        request "$path"
        etag=$(header ETag)
        request "$path" -H "If-None-Match: \"other\", W/$etag"
        expect_answer 304
        equal "body of $path" "$body" ''
        equal "ETag of $path" "$(header ETag)" "$etag"
        request "$path" -H 'If-None-Match: "other"'
        expect_answer 200
    done
    request /status/overview.json
    etag=$(header ETag)
    post - < <(notification deviceId=new)
    request /status/overview.json -H "If-None-Match: $etag"
    expect_answer 200 '.seq == 6'
    equal "lines of what is no news" "$(grep -c ' 304' "$T/nginx/access.log")" 0
}

# bats test_tags=full
@test "HEAD, other methods, other paths and wrong queries" {
    # HEAD has the head of GET; what cannot be done is a problem document that says why.
    receiver_start
    nginx_start
    local path method etag
    for path in /status/ /status/overview.json /metrics /health/live /health/ready; do
        request "$path"
        etag=$(header ETag)
        request "$path" --head --output /dev/null
        expect_answer 200
        equal "ETag of $path" "$(header ETag)" "$etag"
        (($(header Content-Length) > 10)) || fail "HEAD of $path has no length"
        for method in POST PUT DELETE OPTIONS; do
            request "$path" -X "$method" -d '{}'
            problem 405 'read only'
            equal Allow "$(header Allow)" 'GET, HEAD'
        done
    done
    for path in /status/nothing /status/overview /status/overview.json/ /status/index.html; do
        request "$path"
        problem 404 nothing
    done
    for path in '/status/overview.json?page=2' '/status/overview.json?limit=0' '/status/overview.json?limit=1&limit=2' \
        '/status/operations.json?state=FAIL' '/status/operations.json?failAbove=5%25' '/status/operations.csv?since=2&until=1' \
        '/status/operation.json' '/status/device.json?deviceId=%00' '/status/device.json?deviceId=%ff' '/status/overview.json?after=!'; do
        request "$path"
        problem 400 '' || fail "$path"
    done
    request '/status/operation.json?operationId=a%20b%2fc'
    problem 404 'a b/c'
    request '/status/device.json?deviceId=caf%C3%A9+au+lait'
    problem 404 'café au lait'
}

@test "a table goes on where its link says" {
    # Followed from link to link, failures.csv gives every failed upgrade once, and its header line once.
    receiver_start
    nginx_start
    local i path='failures.csv?operationId=op%261&limit=7' rows=''
    "$PYTHON" - "$T" <<'PYTHON'
import json, sys

base = {"notifyType": "swUpgradeResultNotify", "appId": "a", "operationId": "op&1", "subOperationId": "s",
        "curVersion": "1", "targetVersion": "2", "sourceVersion": "1", "swUpgradeResult": "FAIL",
        "upgradeTime": 1, "resultDesc": "", "errorCode": "4", "description": ""}
for i in range(20):
    with open(f"{sys.argv[1]}/body-{i}.json", "w") as out:
        json.dump(dict(base, deviceId=f"device-{i}"), out)
PYTHON
    for ((i = 0; i < 20; i++)); do post "$T/body-$i.json"; done
    for ((i = 1; i <= 3; i++)); do
        request "/status/$path"
        expect_answer 200
        rows+=$body
        path=failures.csv$(header Link | sed -nE 's/^<(\?[^>]*)>; rel="next"$/\1/p')
    done
    equal "link behind the last page" "$(header Link)" ''
    equal rows "$(grep -c device- <<<"$rows")" 20
    equal devices "$(grep -o 'device-[0-9]*' <<<"$rows" | sort -u | wc -l)" 20
    equal headers "$(grep -c ^appId <<<"$rows")" 1
}

@test "only this machine may look, and the callback is open to all" {
    # From an address that the site does not name, status, metrics and health are 403 as a problem; the callback takes its notification all the same.
    receiver_start
    nginx_start
    local path
    for path in /status /status/ /status/overview.json /metrics /health/live /health/ready; do
        request "$path" --interface 127.0.0.2
        problem 403 'no access'
        [[ $body != *nginx* ]] || fail "says what it is: $body"
    done
    request //status//overview.json --path-as-is --interface 127.0.0.2
    problem 403 'no access'
    request /v1.0.0/../status/overview.json --path-as-is --interface 127.0.0.2
    problem 403 'no access'
    post - --interface 127.0.0.2 < <(notification)
    expect_answer 200 '.result == "stored"'
    request "$CALLBACK"
    problem 405 'POST only'
}

@test "a name and a password let in whoever has them" {
    # With the site's choice of basic authentication, a stranger is asked for it with 401, and comes in with it.
    make_certificate
    mkdir -p "$T/nginx"
    printf 'me:%s\n' "$(openssl passwd -6 secret)" >"$T/nginx/htpasswd"
    sed -E -e 's|^( *)#(satisfy any;)|\1\2|' -e 's|^( *)#(auth_basic .*)|\1\2|' \
        -e "s|^( *)#(auth_basic_user_file) .*|\1\2 $T/nginx/htpasswd;|" \
        "$SOURCE/nginx/upgrade-receiver.conf" >"$T/site.conf"
    receiver_start
    NGINX_SITE=$T/site.conf nginx_start
    request /status/overview.json --interface 127.0.0.2
    problem 401 'password'
    [[ $(header WWW-Authenticate) == 'Basic realm='* ]] || fail "not asked: $(<"$answer_headers")"
    request /status/overview.json --interface 127.0.0.2 --user me:wrong
    problem 401 'password'
    request /status/overview.json --interface 127.0.0.2 --user me:secret
    expect_answer 200 '.seq == 0'
    request /status/overview.json
    expect_answer 200
    post - --interface 127.0.0.2 < <(notification)
    expect_answer 200
}

@test "while nobody is there to answer, that is said" {
    # With the receiver stopped and its socket held or gone, a look at the page is 503 within nginx's patience, and no rule of the callback is applied to it.
    receiver_start
    nginx_start
    request /status/overview.json
    receiver_stop
    request /status/overview.json
    problem 503 'cannot be reached'
    request /health/ready
    problem 503 'cannot be reached'
}

