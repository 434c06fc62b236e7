/* notes: the small files of a forwarder in the state folder, named after its cursor. */
#ifndef FORWARD_NOTES_H
#define FORWARD_NOTES_H

#include "base/buffer.h"
#include "base/fault.h"
#include "forward/settings.h"

#include <stdbool.h>

/* What is wrong with the other side, in JSON. There is none while all is well. */
#define NOTES_TROUBLE "trouble"
/* A token: an operator wants what comes after it again. */
#define NOTES_RESEND "resend"
/* The events about operations that were sent. */
#define NOTES_SAID "said"

/* Most bytes of a note. */
#define NOTES_BYTES_MAX 65536

/* Whether there is the note WHAT. */
bool notes_exist(const struct settings *settings, const char *what);

/* Replaces the note, or makes it. */
int notes_write(const struct settings *settings, const char *what, const struct buffer *text,
                struct fault *fault);

/* Appends the note to TEXT, and a NUL. Returns 0, or 1 if there is none, or -1. */
int notes_read(const struct settings *settings, const char *what, struct buffer *text,
               struct fault *fault);

/* Removes the note, if there is one. */
int notes_remove(const struct settings *settings, const char *what, struct fault *fault);

#endif
