/* fuzz: what the fuzzers share. Each takes any bytes, does with them what the receiver would, and
 * demands what the receiver promises. */
#ifndef FUZZ_H
#define FUZZ_H

#include "base/buffer.h"

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* libFuzzer's own names. */
int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

/* Ends the program where CONDITION does not hold; the rest says what was promised, as for printf.
 * libFuzzer then keeps the input. */
#define fuzz_demand(condition, ...)                     \
    do {                                                \
        if (!(condition))                               \
            fuzz_fail(__FILE__, __LINE__, __VA_ARGS__); \
    } while (0)
_Noreturn void fuzz_fail(const char *file, int line, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* libsodium ready, signals as in the receiver, and failed assertions of tests/unit end the program.
 */
void fuzz_begin(void);

/* Bytes of an input, taken from the front; behind its end there are zeros. */
struct fuzz_input {
    const uint8_t *bytes;
    size_t left;
};

unsigned fuzz_byte(struct fuzz_input *input);

/* One of 0 to BELOW - 1; BELOW is 65536 at most. */
size_t fuzz_below(struct fuzz_input *input, size_t below);

/* Takes at most MOST bytes, lent. */
struct fuzz_input fuzz_take(struct fuzz_input *input, size_t most);

/* Appends at most MOST bytes as UTF-8 without NUL: what is neither becomes a question mark. */
void fuzz_add_utf8(struct buffer *text, struct fuzz_input bytes);

/* A copy of the bytes, whose end a sanitizer guards. Free it. */
char *fuzz_copy(const void *bytes, size_t length);

/* A number that depends on all the bytes, for support_random. */
uint64_t fuzz_seed(const uint8_t *bytes, size_t size);

/* Appends JSON in another spelling of the same content: members in any order, white space, escapes
 * in names and texts. */
void fuzz_respell(struct buffer *text, const json_t *json, uint64_t *seed);

/* Demands that TEXT is one line, of nothing but what is safe to show, and gives the JSON in it. */
json_t *fuzz_read_line(const struct buffer *text);

/* The same for a document of several lines. */
json_t *fuzz_read_document(const struct buffer *text);

/* Demands that the member NAME of JSON is this text, or as much of it as UTF-8 allows. */
void fuzz_demand_string(const json_t *json, const char *name, const char *string);

#endif
