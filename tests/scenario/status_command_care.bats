#!/usr/bin/env bats
# upgrade-status check finds whatever is wrong with a store, and prune makes room in it without losing a count.

load lib
load faults
load delivery
load status_command

# meddle SQL: as somebody with a shell could.
meddle() {
    sqlite3 -cmd '.timeout 5000' "$T/state/upgrades.db" "$1"
}

# --- check ------------------------------------------------------------------------------------------------

@test "check finds each kind of damage, names it in a line, and says so with its exit code" {
    # Counters, rows and the file itself changed by hand, one after the other: exit code 5 and a line that names what it is; as JSON the same flaws; put right again: sound.
    receiver_start
    campaign
    receiver_stop
    cp -r "$T/state" "$T/sound"
    local sql part number=0
    while IFS='|' read -r part sql; do
        number=$((number + 1))
        rm -rf "$T/state"
        cp -r "$T/sound" "$T/state"
        ends_with 0 check
        equal "a sound store" "$(<"$T/out")" "The store is sound, and its counters are right."
        meddle "$sql"
        ends_with 5 check
        grep -q "$part" "$T/out" || fail "after '$sql' it says: $(<"$T/out")"
        equal "json" "$(operator check --json | jq -r '.flaws[]' || true)" "$(<"$T/out")"
        equal "sound" "$(operator check --json | jq .sound || true)" false
    done <<'DAMAGE'
totals|UPDATE totals SET notifications = notifications + 1
totals|UPDATE totals SET repeats = repeats + 1
totals|UPDATE totals SET seq = seq - 1
totals|UPDATE totals SET quarantine_held = 0
totals|UPDATE totals SET quarantine_bytes = quarantine_bytes + 1
operation one of app-1|UPDATE operation SET success = success + 1 WHERE operation_id = 'one' AND app_id = 'app-1'
operation two|UPDATE operation SET contradictory = contradictory + 1 WHERE operation_id = 'two'
errorCode '1'|UPDATE failure SET count = count - 1 WHERE error_code = '1'
errorCode '2'|DELETE FROM failure WHERE error_code = '2'
from 1.0 to 1.5|UPDATE transition SET success = success + 1 WHERE operation = 1
timeline|DELETE FROM timeline WHERE operation = 1
gone|DELETE FROM notification WHERE seq = 3
notification 3 is missing|DELETE FROM notification WHERE seq = 3
its state|UPDATE upgrade SET state = 1 WHERE state = 2
has no upgrade|DELETE FROM upgrade WHERE seq = 3
time index|UPDATE time_index SET first_at = last_at + 1
totals|UPDATE type_count SET count = count + 1 WHERE result = 'FAIL'
DAMAGE
    equal "damages" "$number" 17
    # an older copy put back: sound by itself, but the receiver has written of more
    rm -rf "$T/state"
    cp -r "$T/sound" "$T/state"
    receiver_start
    send deviceId=later
    answered 200 stored
    receiver_stop
    ends_with 0 check
    cp "$T/sound"/upgrades.db* "$T/state"
    ends_with 5 check
    equal "an older copy" "$(<"$T/out")" "status.json was written when the store had \
$(status_json .token), which it does not have"
    # a page of the file overwritten
    rm -rf "$T/state"
    cp -r "$T/sound" "$T/state"
    meddle 'PRAGMA wal_checkpoint(TRUNCATE)'
    "$PYTHON" - "$T/state/upgrades.db" "$(meddle "SELECT rootpage FROM sqlite_schema WHERE name = 'lookup'")" <<'PYTHON'
import sys

with open(sys.argv[1], "r+b") as file:
    file.seek((int(sys.argv[2]) - 1) * 4096 + 8)
    file.write(b"\xff" * 200)
PYTHON
    local status=0
    operator check >"$T/out" 2>"$T/err" || status=$?
    [[ $status == 5 || $status == 1 ]] || fail "a broken page: exit status $status"
    [[ -s $T/out || -s $T/err ]] || fail "nothing said"
}

# bats test_tags=full
@test "check is right beside a receiver under load" {
    # Again and again while notifications come: never a flaw, and nothing is answered but 200.
    receiver_start
    nginx_start
    push_behind --count 3000 --rate 600 --connections 8
    local rounds=0
    while ! has_ended "$pusher_pid"; do
        ends_with 0 check
        rounds=$((rounds + 1))
    done
    push_end
    ((rounds >= 3)) || fail "only $rounds rounds"
    ends_with 0 check
}

# --- prune ------------------------------------------------------------------------------------------------

# age FILTER DAYS: makes what the SQL FILTER names older by so many days, as if it had been received then.
age() {
    meddle "UPDATE notification SET received_at = received_at - $2 * 86400000 WHERE $1;
        UPDATE operation SET first_at = first_at - $2 * 86400000, last_at = last_at - $2 * 86400000
            WHERE id IN (SELECT operation FROM notification WHERE $1);
        UPDATE upgrade SET began_at = began_at - $2 * 86400000 WHERE operation IN (SELECT operation FROM notification WHERE $1);
        UPDATE time_index SET first_at = (SELECT min(received_at) FROM notification WHERE seq >> 10 = time_index.id),
            last_at = (SELECT max(received_at) FROM notification WHERE seq >> 10 = time_index.id)"
}

@test "prune takes out what is old, keeps the counters, and says what it did" {
    # One operation of ten days ago and one of today: the notifications and upgrades of the first go, its counters and failures by code stay, it is shown as pruned; the second is untouched; the store is sound.
    receiver_start
    many 20 operationId=old >"$T/many"
    many 20 operationId=new swUpgradeResult=SUCCESS curVersion=1.5 >>"$T/many"
    post_lines "$T/many"
    receiver_stop
    age "operation = (SELECT id FROM operation WHERE operation_id = 'old')" 10
    ends_with 0 check
    ends_with 2 prune --before 1h
    grep -q -- --force "$T/err" || fail "$(<"$T/err")"
    operator | grep '^old' >"$T/before"
    ends_with 0 prune --before 30d
    grep -q ': 0 notifications, 0 upgrades of 0 operations' "$T/out" || fail "$(<"$T/out")"
    ends_with 0 prune --before 5d
    grep -q ': 20 notifications, 20 upgrades of 1 operation' "$T/out" || fail "$(<"$T/out")"
    equal "left" "$(sql "SELECT count(*), min(json_extract(body, '\$.operationId')) FROM notifications")" "20|new"
    operator | grep '^old' | diff - <(sed 's/$/  pruned/' "$T/before")
    equal "codes" "$(operator operation old --json | jq -c '[.pruned, .fail, .failures[0].count]')" '[true,20,20]'
    ends_with 0 check
    equal "again" "$(operator prune --before 5d --json | jq -c '[.notifications, .upgrades, .operations, .undelivered]')" '[0,0,0,0]'
    ends_with 0 prune --before 0s --force
    equal "all" "$(sql 'SELECT count(*) FROM notifications')" 0
    ends_with 0 check
    # numbers go on above what was taken out
    receiver_start
    notification deviceId=next >"$T/one"
    post_lines "$T/one"
    equal "next" "$(sql 'SELECT max(seq) FROM notifications')" 41
    ends_with 0 check
}

@test "what an application has not been told stays" {
    # An application whose cursor stands before the end of an operation: nothing of that goes, and prune says so.
    app_start "$RECORDER_BIN"
    many 5 operationId=old >"$T/many"
    post_lines "$T/many"
    wait_for "$PATIENCE" has_taken 5
    receiver_stop
    meddle 'UPDATE cursor SET seq = 2'
    age 'operation > 0' 10
    ends_with 0 prune --before 5d
    grep -q '^Left: what application application has not got yet, 1 operation' "$T/out" || fail "$(<"$T/out")"
    equal "left" "$(sql 'SELECT count(*) FROM notifications')" 5
}

# bats test_tags=full
@test "erase takes a device out of the files beside a receiver, and keeps the counters" {
    # Its notifications, its upgrade and a body in quarantine: its id is in no file of the state folder any more, those of others are; counters and check are as before; it says what it did.
    receiver_start
    campaign
    notification deviceId=erase-me operationId=one swUpgradeResult=FAIL curVersion=1.0 errorCode=1 >"$T/one"
    printf '{"notifyType":"deviceDeleted","deviceId":"erase-me","gatewayId":null}\n{"notifyType":"none","deviceId":"erase-me"}\n' >>"$T/one"
    notification deviceId=last operationId=one >>"$T/one"
    post_lines "$T/one"
    operator --json | jq '[.operations[] | del(.lastAt)], .totals' >"$T/before"
    wait_for_status '.seq == 19'
    grep -rlq erase-me "$T/state" || fail "it is not there"
    ends_with 0 erase erase-me
    equal "said" "$(head -n 1 "$T/out")" "Erased: 2 notifications, 1 upgrade of 1 operation, 1 body in quarantine."
    wait_for "$PATIENCE" is_nowhere erase-me
    grep -rlq '"d-12"' "$T/state" || fail "others are gone"
    operator --json | jq '[.operations[] | del(.lastAt)], .totals' | diff "$T/before" -
    ends_with 0 check
    ends_with 0 erase erase-me --json
    equal "again" "$(jq -c . "$T/out")" '{"notifications":0,"upgrades":0,"operations":0,"quarantined":0,"undelivered":0,"behind":null,"emptied":true}'
}

# is_nowhere TEXT: no file of the state folder has it.
is_nowhere() {
    ! grep -rq "$1" "$T/state"
}

# bats test_tags=full
@test "prune beside a receiver under load loses nothing and delays nobody" {
    # 3,000 old notifications go while new ones come: all are answered 200, the old ones are gone, the new ones are all there, and the store is sound.
    receiver_start
    nginx_start
    push --count 3000 --connections 8 --seed 1
    receiver_stop
    age 'seq > 0' 10
    receiver_start
    push_behind --count 3000 --rate 500 --connections 8 --seed 2
    wait_for "$PATIENCE" log_has '.event == "notification" and .seq > 3200'
    ends_with 0 prune --before 5d
    push_end
    equal "left" "$(sql 'SELECT count(*), min(seq) FROM notifications')" "3000|3001"
    jq -e '.answers["503"] // 0 == 0' "$T/push.out" >/dev/null || fail "$(<"$T/push.out")"
    ends_with 0 check
}
