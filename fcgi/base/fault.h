/* fault: why something failed, in a text for the operator.
 *
 * A function that can fail returns 0 or -1 and takes a `struct fault *` of the caller as its last
 * argument. The first fault recorded stays. Callers add where it happened. */
#ifndef BASE_FAULT_H
#define BASE_FAULT_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>

/* Longest text kept, in bytes with the NUL. A longer text is cut at the end. */
#define FAULT_TEXT_MAX 512

struct fault {
    bool set;
    bool lasting; /* waiting does not help: wrong file, newer version, bad option */
    bool misused; /* the request is wrong; another request may succeed */
    char text[FAULT_TEXT_MAX];
};

/* An empty fault, for initialization. */
#define FAULT_NONE ((struct fault){.set = false})

/* Records the formatted text unless a fault is already recorded. Always returns -1, so that a
 * failing function can end with `return fault_set(...)`. FAULT may be NULL. */
int fault_set(struct fault *fault, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* fault_set, with ": " and strerror(errno_value) after the text. */
int fault_set_errno(struct fault *fault, int errno_value, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* Puts "where: " before the recorded text. Does nothing if no fault is recorded. Always returns
 * -1. */
int fault_add(struct fault *fault, const char *format, ...) __attribute__((format(printf, 2, 3)));

#endif
