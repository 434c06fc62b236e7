/* reply: an answer by HTTP/1.1 as its bytes arrive, and what it says became of a notification. */
#ifndef REPLY_H
#define REPLY_H

#include <stdbool.h>
#include <stddef.h>

/* Head and body of any answer that is looked for here. */
#define REPLY_MAX 16384

enum reply_state {
    REPLY_MORE,  /* not whole yet */
    REPLY_WHOLE, /* all of it is there */
    REPLY_BROKEN /* no HTTP that is understood here, or too long */
};

/* What the body says, where it is JSON with a result. */
enum reply_result { REPLY_SILENT, REPLY_STORED, REPLY_REPEATED, REPLY_QUARANTINED };

/* Zero its length before the first byte; whoever reads puts bytes behind what is there. */
struct reply {
    size_t length;
    char bytes[REPLY_MAX];

    /* of a whole one */
    int status;
    bool closes; /* the peer will close the connection */
    enum reply_result result;
};

/* Looks at what has arrived. */
enum reply_state reply_read(struct reply *reply);

#endif
