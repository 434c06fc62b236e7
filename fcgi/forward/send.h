/* send: one event, again and again until the other side has it, or refuses it for good. */
#ifndef FORWARD_SEND_H
#define FORWARD_SEND_H

#include "base/log.h"
#include "forward/event.h"
#include "forward/settings.h"
#include "forward/sign.h"
#include "http/http.h"

/* How often an event is sent that the other side refuses for what it is (400, 413, 415, 422, 431).
 * Then it is passed over. With any other answer it is sent for ever. */
#define SEND_REFUSED_MOST 6

/* Most bytes of an answer's body that are read, and thrown away. With more, the connection is
 * closed. */
#define SEND_ANSWER_MAX 65536

/* Failures in a row after which there is a note of it, for `status`. */
#define SEND_NOTED_AFTER 3

enum send_result {
    SEND_DONE,   /* taken, or passed over */
    SEND_BROKEN, /* the process is to end, or an operator wants other notifications */
};

struct sender {
    const struct settings *settings;
    const struct sign *sign;
    struct http *http;
    struct http_answer answer; /* the last one */
    struct log *log;
    bool noted; /* there is a note of trouble */
};

/* Sends EVENT, with growing pauses between two tries. While the other side answers 410, waits until
 * an operator removes the note. */
enum send_result send_event(struct sender *sender, const struct event *event);

#endif
