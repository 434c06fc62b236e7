#!/usr/bin/env bats
# Behind lighttpd the receiver keeps its promises.

load lib
load faults
load ways

@test "lighttpd: each kind of request has its answer, also while the receiver is away" {
    # By way of lighttpd's mod_fastcgi notifications, repeats, chunks, half bodies and what is none are answered as by way of nginx; while there is no receiver and no socket, 503, and 200 again soon after there is.
    receiver_start
    lighttpd_start
    answers_each_kind_of_request
    answers_readers 200 403
    POST_PATH=/metrics post "$T/each.json"
    expect_answer 405
    post "$T/each.json" # for the status file
    wait_for_status '.process.misdirected == 2 and .process.near_misses == 1'
    receiver_stop
    post "$T/each.json"
    expect_answer 503
    receiver_start
    wait_for "$PATIENCE" is_repeated
    books_add_up
}

# lighttpd looks for a socket that was missing once a second.
is_repeated() {
    post "$T/each.json"
    expect_answer 200 '.result == "repeated"'
}

# bats test_tags=full
@test "lighttpd: a receiver killed under load costs nothing" {
    # Three times killed under load and started again on the held socket: whatever was answered 200 is kept once.
    receiver_start --restart
    lighttpd_start
    outlives_kills 500
}
