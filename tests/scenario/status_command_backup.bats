#!/usr/bin/env bats
# upgrade-status backup copies the store beside a running receiver, and restore makes a store of such a file.

load lib
load faults
load delivery
load status_command

# as_reader COMMAND...: as a user that may only read the store, if the test is root.
as_reader() {
    if ((EUID == 0)); then setpriv --reuid=65534 --regid=65534 --clear-groups "$@"; else "$@"; fi
}

# back_up NAME: into $T/kept, as that user.
back_up() {
    as_reader "$STATUS_BIN" --state "$T/state" backup "$T/kept/$1" >"$T/out"
    grep -q ' notifications, the last has seq .* bytes; it is sound$' "$T/out" || fail "$(<"$T/out")"
}

# readable: makes a folder for copies, and lets others read the store of the receiver that runs.
readable() {
    chmod 0755 "$T/state"
    chmod 0644 "$T/state"/upgrades.db*
    mkdir -m 0777 "$T/kept"
}

@test "a backup has all that was answered before; restored, it goes on" {
    # Copied beside the receiver by a user that may only read. Restore is refused beside a receiver and beside a store; then all of the copy is there, with the folder's owner, and a reader that is ahead of it is told so.
    local ahead
    receiver_start
    readable
    many 5 >"$T/many"
    post_lines "$T/many"
    back_up a.db
    ends_with 1 backup "$T/kept/a.db"
    equal "files" "$(ls "$T/kept")" a.db
    many 1 operationId=later >"$T/many"
    post_lines "$T/many"
    ahead=$(operator --json | jq -r .token)
    ends_with 1 restore "$T/kept/a.db"
    grep -q 'a receiver runs on' "$T/err" || fail "$(<"$T/err")"
    receiver_stop
    ends_with 1 restore "$T/kept/a.db"
    grep -q 'move the old one and its log away' "$T/err" || fail "$(<"$T/err")"
    mkdir "$T/state/old"
    mv "$T/state"/upgrades.db* "$T/state/old/"
    if ((EUID == 0)); then chown -R 65534:65534 "$T/state"; fi
    ends_with 0 restore "$T/kept/a.db" --json
    equal "what it says" "$(jq -c '[.notifications, .seq]' "$T/out")" '[5,5]'
    equal "owner and mode" "$(stat -c %u:%a "$T/state/upgrades.db")" "$(stat -c %u "$T/state"):640"
    receiver_start
    ends_with 7 follow --since "$ahead"
    many 1 operationId=other >"$T/many"
    post_lines "$T/many"
    ends_with 7 follow --since "$ahead"
    equal "the store" "$(sql 'SELECT group_concat(DISTINCT operationId), max(seq) FROM notifications')" "many,other|6"
}

# bats test_tags=full
@test "a backup under load is sound, and delays nobody" {
    # Again and again while notifications come: what was answered 200 before is in the copy, the copy is sound, and nothing is answered but 200.
    local rounds=0
    receiver_start
    nginx_start
    readable
    push_behind --count 6000 --rate 800 --connections 16
    while ! has_ended "$pusher_pid"; do
        rounds=$((rounds + 1))
        send deviceId="before-$rounds"
        answered 200 stored
        back_up "$rounds.db"
        equal "before" "$(sqlite3 -readonly "$T/kept/$rounds.db" \
            "SELECT count(*) FROM notifications WHERE deviceId LIKE 'before-%'")" "$rounds"
        mkdir "$T/kept/$rounds"
        "$STATUS_BIN" --state "$T/kept/$rounds" restore "$T/kept/$rounds.db" >/dev/null
        "$STATUS_BIN" --state "$T/kept/$rounds" check
    done
    push_end
    equal "answers" "$(jq -c '.answers | keys' "$T/push.out")" '["200"]'
    ((rounds >= 3)) || fail "only $rounds rounds"
}
