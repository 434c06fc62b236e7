/* support: what the unit tests share. */
#include "config.h"

#include "support.h"

#include "base/clock.h"
#include "notification/content.h"
#include "notification/dispatch.h"
#include "notification/notification.h"

#include <dirent.h>
#include <errno.h>
#include <ftw.h>
#include <signal.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

/* A test program that runs longer than this hangs. */
#define PROGRAM_SECONDS_MAX 300

/* How long support_wait_until is patient. */
#define PATIENCE_MS 60000

/* How many times longer everything may take: tests/tool/under says. */
static int times_slower(void)
{
    const char *text = getenv("SLOWER");
    return text == NULL ? 1 : (int)strtol(text, NULL, 10);
}

int support_begin(void **state)
{
    signal(SIGPIPE, SIG_IGN);
    signal(SIGXFSZ, SIG_IGN);
    alarm((unsigned)(PROGRAM_SECONDS_MAX * times_slower()));
    return sodium_init() < 0 ? -1 : 0;
}

/* --- folders and files --- */

char *support_folder(void)
{
    const char *parent = getenv("TMPDIR");
    char path[256];
    snprintf(path, sizeof path, "%s/upgrade-receiver-unit.XXXXXX",
             parent != NULL && parent[0] != '\0' ? parent : "/tmp");
    assert_non_null(mkdtemp(path));
    char *folder = strdup(path);
    assert_non_null(folder);
    return folder;
}

static int remove_entry(const char *path, const struct stat *status, int type, struct FTW *place)
{
    (void)status;
    (void)type;
    (void)place;
    return remove(path);
}

void support_folder_free(char *folder)
{
    if (folder == NULL)
        return;
    nftw(folder, remove_entry, 8, FTW_DEPTH | FTW_PHYS);
    free(folder);
}

const char *support_path(const char *folder, const char *name)
{
    static char paths[8][512];
    static size_t next;
    char *path = paths[next++ % LENGTH(paths)];
    snprintf(path, sizeof paths[0], "%s/%s", folder, name);
    return path;
}

char *support_read_file(const char *path)
{
    FILE *file = fopen(path, "r");
    if (file == NULL)
        fail_msg("%s: %s", path, strerror(errno));
    char *text = NULL;
    size_t length = 0, capacity = 0, got;
    do {
        capacity = 2 * capacity + 4096;
        text = realloc(text, capacity);
        assert_non_null(text);
        got = fread(text + length, 1, capacity - length - 1, file);
        length += got;
    } while (got > 0);
    text[length] = '\0';
    fclose(file);
    return text;
}

void support_write_file(const char *path, const char *text)
{
    FILE *file = fopen(path, "w");
    if (file == NULL)
        fail_msg("%s: %s", path, strerror(errno));
    assert_int_equal(fwrite(text, 1, strlen(text), file), strlen(text));
    assert_int_equal(fclose(file), 0);
}

size_t support_count_files(const char *folder, const char *prefix)
{
    DIR *entries = opendir(folder);
    assert_non_null(entries);
    size_t count = 0;
    for (struct dirent *entry = readdir(entries); entry != NULL; entry = readdir(entries))
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0 &&
            strncmp(entry->d_name, prefix, strlen(prefix)) == 0)
            count++;
    closedir(entries);
    return count;
}

void support_limit_file_size(uint64_t bytes)
{
    struct rlimit limit;
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &limit), 0);
    limit.rlim_cur = bytes > limit.rlim_max ? limit.rlim_max : (rlim_t)bytes;
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
}

/* --- records --- */

/* A record and the bytes of its body, in one piece. */
struct kept {
    struct record record;
    char body[];
};

struct record *support_bytes(const char *body, size_t length)
{
    struct kept *kept = calloc(1, sizeof *kept + length + 1);
    assert_non_null(kept);
    memcpy(kept->body, body, length);
    kept->record.body = kept->body;
    kept->record.body_length = length;
    kept->record.received_ms = clock_now_ms();
    return &kept->record;
}

struct record *support_record(const char *body)
{
    struct record *record = support_bytes(body, strlen(body));
    assert_int_not_equal(dispatch_read(record), DISPATCH_NO_MEMORY);
    return record;
}

static const char * or (const char *value, const char *otherwise)
{
    return value == NULL ? otherwise : value;
}

/* Gives JSON printed; JSON is released. */
static char *print(json_t *json)
{
    assert_non_null(json);
    char *body = json_dumps(json, JSON_COMPACT);
    assert_non_null(body);
    json_decref(json);
    return body;
}

struct record *support_result(const struct support_result *what)
{
    char *body = print(json_pack(
        "{ss ss ss ss ss ss ss ss ss ss ss ss ss}", "notifyType", "swUpgradeResultNotify",
        "deviceId", or (what->device, "device"), "appId", or (what->app, "app"), "operationId",
        or (what->operation, "operation"), "subOperationId", or (what->sub_operation, "sub"),
        "curVersion", or (what->current, "2.0"), "targetVersion", or (what->target, "2.0"),
        "sourceVersion", "1.0", "swUpgradeResult", or (what->result, "SUCCESS"), "upgradeTime",
        "60", "resultDesc", "", "errorCode", or (what->error_code, ""), "description",
        or (what->description, "")));
    struct record *record = support_record(body);
    free(body);
    assert_int_equal(record->meaning, RECORD_RESULT);
    if (what->received_ms != 0)
        record->received_ms = what->received_ms;
    return record;
}

enum content_result support_parse(const char *body, size_t length, json_t **gives,
                                  struct schema_verdict *verdict)
{
    struct arena memory = {0};
    const json_t *json = NULL;
    enum content_result result = content_read(body, length, &memory, &json, verdict);
    if (result != CONTENT_OBJECT)
        return result;
    *gives = json_deep_copy(json);
    content_release(&memory, json);
    return *gives == NULL ? CONTENT_NO_MEMORY : CONTENT_OBJECT;
}

struct record *support_meant(const char *body, enum record_meaning meaning)
{
    struct record *record = support_bytes(body, strlen(body));
    assert_int_equal(content_read(record->body, record->body_length, &record->memory, &record->json,
                                  &record->verdict),
                     CONTENT_OBJECT);
    notification_read_ids(record);
    record->meaning = meaning;
    record->error_code = record->description = "";
    record->source_version = record->target_version = "";
    return record;
}

struct record *support_progress(const struct support_result *what, const char *step)
{
    char *body = print(json_pack("{ss ss ss ss ss ss}", "notifyType", "swUpgradeStateChangeNotify",
                                 "deviceId", or (what->device, "device"), "appId",
                                 or (what->app, "app"), "operationId",
                                 or (what->operation, "operation"), "subOperationId",
                                 or (what->sub_operation, "sub"), "swUpgradeState", step));
    struct record *record = support_meant(body, RECORD_PROGRESS);
    free(body);
    if (what->received_ms != 0)
        record->received_ms = what->received_ms;
    return record;
}

void support_record_free(struct record *record)
{
    if (record == NULL)
        return;
    record_release(record);
    free((char *)record - offsetof(struct kept, record));
}

void support_records_free(struct record **records, size_t count)
{
    for (size_t i = 0; i < count; i++)
        support_record_free(records[i]);
}

/* --- chance and time --- */

uint64_t support_random(uint64_t *seed)
{
    uint64_t z = (*seed += 0x9E3779B97F4A7C15u);
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9u;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBu;
    return z ^ (z >> 31);
}

size_t support_random_below(uint64_t *seed, size_t below)
{
    return (size_t)(support_random(seed) % below);
}

void support_sleep_ms(int ms)
{
    struct timespec pause = {.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000L};
    while (nanosleep(&pause, &pause) != 0 && errno == EINTR)
        continue;
}

bool support_wait_until(bool (*true_now)(void *what), void *what)
{
    int64_t until_ms = clock_monotonic_ms() + PATIENCE_MS * times_slower();
    while (!true_now(what)) {
        if (clock_monotonic_ms() > until_ms)
            return false;
        support_sleep_ms(1);
    }
    return true;
}

void support_assert_fault(const struct fault *fault, const char *part)
{
    assert_true(fault->set);
    support_assert_has(fault->text, part);
}

void support_assert_has(const char *text, const char *part)
{
    if (strstr(text, part) == NULL)
        fail_msg("'%s' is not in '%s'", part, text);
}
