/* support: what the unit tests share: temporary folders, records, pseudo-random numbers, patience.
 */
#ifndef SUPPORT_H
#define SUPPORT_H

#include "base/fault.h"
#include "notification/record.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Needs the four headers above. */
#include <cmocka.h>

/* cmocka hands every test a state, and few tests want it. */
#pragma GCC diagnostic ignored "-Wunused-parameter"

#define LENGTH(array) (sizeof(array) / sizeof(array)[0])

/* For cmocka_run_group_tests: libsodium ready, SIGPIPE and SIGXFSZ ignored as in main, and an alarm
 * that ends a program which hangs. */
int support_begin(void **state);

/* --- groups: each file of tests has one function, which runs them --- */

#define GROUP(name) int name##_tests(void);
#include "groups.inc"
#undef GROUP

/* --- folders and files --- */

/* Gives the path of a new folder; support_folder_free removes it with all that is in it. */
char *support_folder(void);
void support_folder_free(char *folder);

/* The path of NAME in FOLDER, in one of eight buffers that are used in turn. */
const char *support_path(const char *folder, const char *name);

/* Gives the whole file, NUL-terminated; fails the test when it cannot be read. */
char *support_read_file(const char *path);
void support_write_file(const char *path, const char *text);

/* How many entries FOLDER has whose names begin with PREFIX. */
size_t support_count_files(const char *folder, const char *prefix);

/* Lowers the largest size a file of this process may have, or lifts it (RLIM_INFINITY). */
void support_limit_file_size(uint64_t bytes);

/* --- records --- */

/* What stands in a result; NULL takes a default. */
struct support_result {
    const char *app, *operation, *sub_operation, *device; /* "app", "operation", "sub", "device" */
    const char *result;                                   /* "SUCCESS" */
    const char *error_code;                               /* "" */
    const char *current, *target;                         /* both "2.0" */
    const char *description;                              /* "" */
    int64_t received_ms;
};

/* Gives a record with a copy of BODY, not read yet. All records are freed by support_record_free.
 */
struct record *support_bytes(const char *body, size_t length);

/* The same, read by dispatch: a notification, or one for quarantine. */
struct record *support_record(const char *body);

/* A swUpgradeResultNotify, read by dispatch. */
struct record *support_result(const struct support_result *what);

/* Any JSON object with whatever ids it holds, as if its notifyType meant MEANING. */
/* content_read, to be freed with json_decref. */
enum content_result support_parse(const char *body, size_t length, json_t **json,
                                  struct schema_verdict *verdict);

struct record *support_meant(const char *body, enum record_meaning meaning);

/* A state change of that upgrade, with STEP; only the ids and the time of WHAT are used. */
struct record *support_progress(const struct support_result *what, const char *step);

void support_record_free(struct record *record);
void support_records_free(struct record **records, size_t count);

/* --- chance and time --- */

/* The next number of a sequence that depends on SEED alone (splitmix64). */
uint64_t support_random(uint64_t *seed);

/* One of 0 to BELOW - 1. */
size_t support_random_below(uint64_t *seed, size_t below);

/* Waits until TRUE_NOW(WHAT) holds; false when a minute was not enough. */
bool support_wait_until(bool (*true_now)(void *what), void *what);

void support_sleep_ms(int ms);

/* Fails the test where FAULT's text does not have PART in it. */
void support_assert_fault(const struct fault *fault, const char *part);

/* Fails the test where TEXT does not have PART in it. */
void support_assert_has(const char *text, const char *part);

#endif
