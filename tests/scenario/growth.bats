#!/usr/bin/env bats
# bats file_tags=full
# What people look at costs the same whatever has happened before.
#
# tests/bench/growth does the same at 5,000,000 notifications.

load lib

@test "reading does not get dearer with history" {
    # Overview, one operation and status file take at most twice as many instructions at 100,000 notifications as at 5,000.
    needs_plain_build "instructions are counted"
    command -v valgrind >/dev/null || skip "valgrind is not installed"
    "$TESTS/bench/growth" --small 5000 --large 100000 --most 2 --folder "$T/stores" >"$T/table"
    cat "$T/table"
    equal "documents in the table" "$(grep -cE '^(overview|operation|status)\.json +[0-9]+ +[0-9]+ ' "$T/table")" 3
    # Both stores were what they should be.
    local count
    for count in 5000 100000; do
        equal "notifications" "$(sqlite3 -readonly "$T/stores/$count/upgrades.db" \
            'SELECT seq FROM totals')" "$count"
    done
}
