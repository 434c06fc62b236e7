#!/usr/bin/env bats
# Behind lighttpd the receiver keeps its promises.

load lib
load faults
load ways

teardown() {
    ways_teardown
    scenario_teardown
}

@test "lighttpd: each kind of request has its answer, also while the receiver is away" {
    # By way of lighttpd's mod_fastcgi notifications, repeats, chunks, half bodies and what is none are answered as by way of nginx; while there is no receiver and no socket, 503, and 200 again soon after there is.
    receiver_start
    lighttpd_start
    answers_each_kind_of_request
    receiver_stop
    post "$T/each.json"
    expect_answer 503
    receiver_start
    wait_for 3 is_repeated
    books_add_up
}

# lighttpd looks for a socket that was missing once a second.
is_repeated() {
    post "$T/each.json"
    expect_answer 200 '.result == "repeated"'
}

@test "lighttpd: a receiver killed under load costs nothing" {
    # Three times killed under load and started again on the held socket: whatever was answered 200 is kept once.
    receiver_start --restart
    lighttpd_start
    push_behind --count 3000 --repeats 300 --deadline 60 --ledger "$T/ledger"
    local i old
    for i in 1 2 3; do
        wait_for 60 books_reach $((i * 800))
        old=$(receiver_pid)
        kill -s KILL "$old"
        wait_for 5 receiver_has_changed "$old"
        wait_for 5 receiver_is_running
    done
    every_answer_is_true 500
}
