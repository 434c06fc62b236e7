/* The store's log: gathered, in the file when it must be, and an error told when it was not. A VFS
 * of the test's own stands where SQLite's would be, sees each call that reaches a file, and fails.
 */
#include "config.h"

#include "store_sqlite.h"
#include "support.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define GATHERED_MAX (256 << 10)
#define PIECE_MAX (64 << 10)

static sqlite3_vfs *true_vfs, seen_vfs;
static const sqlite3_io_methods *true_methods;
static sqlite3_io_methods seen_methods;
static struct {
    int writes, syncs, opened;
    int fails; /* what a write gives, if not SQLITE_OK */
} seen;

static int write_seen(sqlite3_file *file, const void *bytes, int length, sqlite3_int64 at)
{
    seen.writes++;
    return seen.fails != SQLITE_OK ? seen.fails : true_methods->xWrite(file, bytes, length, at);
}

static int sync_seen(sqlite3_file *file, int flags)
{
    seen.syncs++;
    return true_methods->xSync(file, flags);
}

static int open_seen(sqlite3_vfs *vfs, const char *name, sqlite3_file *file, int flags, int *out)
{
    (void)vfs;
    int result = true_vfs->xOpen(true_vfs, name, file, flags, out);
    seen.opened = flags;
    if (result == SQLITE_OK && (flags & SQLITE_OPEN_WAL) != 0) {
        true_methods = file->pMethods;
        seen_methods = *true_methods;
        seen_methods.xWrite = write_seen;
        seen_methods.xSync = sync_seen;
        file->pMethods = &seen_methods;
    }
    return result;
}

struct stage {
    char *folder, *path;
    sqlite3_file *log;
};

static void open_log(struct stage *stage)
{
    sqlite3_vfs *vfs = sqlite3_vfs_find(store_vfs());
    stage->log = calloc(1, (size_t)vfs->szOsFile);
    assert_non_null(stage->log);
    assert_int_equal(vfs->xOpen(vfs, stage->path, stage->log,
                                SQLITE_OPEN_WAL | SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE, NULL),
                     SQLITE_OK);
}

static int begin(void **state)
{
    struct stage *stage = calloc(1, sizeof *stage);
    assert_non_null(stage);
    stage->folder = support_folder();
    stage->path = strdup(support_path(stage->folder, "log"));
    memset(&seen, 0, sizeof seen);
    open_log(stage);
    *state = stage;
    return 0;
}

static int end(void **state)
{
    struct stage *stage = *state;
    if (stage->log->pMethods != NULL)
        stage->log->pMethods->xClose(stage->log);
    free(stage->log);
    free(stage->path);
    support_folder_free(stage->folder);
    free(stage);
    return 0;
}

static int put(struct stage *stage, const char *bytes, sqlite3_int64 at)
{
    return stage->log->pMethods->xWrite(stage->log, bytes, (int)strlen(bytes), at);
}

static int sync_it(struct stage *stage)
{
    return stage->log->pMethods->xSync(stage->log, SQLITE_SYNC_NORMAL);
}

/* What is in the file, whatever is gathered. */
static void expect(struct stage *stage, const char *text)
{
    char bytes[200] = "";
    FILE *file = fopen(stage->path, "r");
    assert_non_null(file);
    bytes[fread(bytes, 1, sizeof bytes - 1, file)] = '\0';
    fclose(file);
    assert_string_equal(bytes, text);
}

static void what_stands_in_a_row_is_written_at_once_by_the_sync(void **state)
{
    struct stage *stage = *state;
    assert_int_equal(put(stage, "head", 0), SQLITE_OK);
    assert_int_equal(put(stage, "page", 4), SQLITE_OK);
    assert_int_equal(put(stage, "head", 8), SQLITE_OK);
    assert_int_equal(seen.writes, 0);
    expect(stage, "");
    assert_int_equal(sync_it(stage), SQLITE_OK);
    assert_int_equal(seen.writes, 1);
    assert_int_equal(seen.syncs, 1);
    expect(stage, "headpagehead");
    assert_int_equal(sync_it(stage), SQLITE_OK);
    assert_int_equal(seen.writes, 1);
    assert_int_equal(seen.syncs, 2);
}

static void what_stands_elsewhere_is_written_apart_and_in_order(void **state)
{
    struct stage *stage = *state;
    assert_int_equal(put(stage, "aaaaaaaa", 0), SQLITE_OK);
    assert_int_equal(put(stage, "bb", 2), SQLITE_OK);
    assert_int_equal(put(stage, "c", 4), SQLITE_OK);
    assert_int_equal(put(stage, "dd", 7), SQLITE_OK);
    assert_int_equal(sync_it(stage), SQLITE_OK);
    assert_int_equal(seen.writes, 3);
    expect(stage, "aabbcaadd");
}

static void whoever_looks_into_the_log_sees_all_of_it(void **state)
{
    struct stage *stage = *state;
    char bytes[4];
    sqlite3_int64 size = 0;
    assert_int_equal(put(stage, "head", 0), SQLITE_OK);
    assert_int_equal(stage->log->pMethods->xRead(stage->log, bytes, 4, 0), SQLITE_OK);
    assert_memory_equal(bytes, "head", 4);
    assert_int_equal(put(stage, "page", 4), SQLITE_OK);
    assert_int_equal(stage->log->pMethods->xFileSize(stage->log, &size), SQLITE_OK);
    assert_int_equal(size, 8);
    assert_int_equal(put(stage, "more", 8), SQLITE_OK);
    assert_int_equal(stage->log->pMethods->xTruncate(stage->log, 6), SQLITE_OK);
    expect(stage, "headpa");
    assert_int_equal(put(stage, "last", 6), SQLITE_OK);
    assert_int_equal(stage->log->pMethods->xClose(stage->log), SQLITE_OK);
    expect(stage, "headpalast");
    free(stage->log);
    open_log(stage);
}

static void a_write_that_fails_is_told_once_and_given_up(void **state)
{
    struct stage *stage = *state;
    static const int errors[] = {SQLITE_FULL, SQLITE_IOERR_WRITE};
    for (size_t i = 0; i < LENGTH(errors); i++) {
        char byte;
        sqlite3_int64 size;
        seen.fails = errors[i];
        assert_int_equal(put(stage, "lost", 0), SQLITE_OK);
        assert_int_equal(sync_it(stage), errors[i]);
        assert_int_equal(sync_it(stage), SQLITE_OK);
        assert_int_equal(put(stage, "lost", 0), SQLITE_OK);
        assert_int_equal(put(stage, "elsewhere", 100), errors[i]);
        assert_int_equal(put(stage, "lost", 0), SQLITE_OK);
        assert_int_equal(stage->log->pMethods->xRead(stage->log, &byte, 1, 0), errors[i]);
        assert_int_equal(put(stage, "lost", 0), SQLITE_OK);
        assert_int_equal(stage->log->pMethods->xFileSize(stage->log, &size), errors[i]);
        assert_int_equal(put(stage, "lost", 0), SQLITE_OK);
        assert_int_equal(stage->log->pMethods->xTruncate(stage->log, 0), errors[i]);
        seen.fails = SQLITE_OK;
        expect(stage, "");
    }
    assert_int_equal(put(stage, "kept", 0), SQLITE_OK);
    assert_int_equal(sync_it(stage), SQLITE_OK);
    expect(stage, "kept");
}

static void no_more_is_gathered_than_there_is_room_for(void **state)
{
    struct stage *stage = *state;
    char *much = malloc(GATHERED_MAX), *kept = malloc(GATHERED_MAX + 1);
    const sqlite3_io_methods *methods = stage->log->pMethods;
    assert_non_null(much);
    assert_non_null(kept);
    for (int i = 0; i < GATHERED_MAX; i++)
        much[i] = (char)(i / 1000);
    assert_int_equal(methods->xWrite(stage->log, much, GATHERED_MAX, 0), SQLITE_OK);
    assert_int_equal(seen.writes, 0);
    assert_int_equal(methods->xWrite(stage->log, "z", 1, GATHERED_MAX), SQLITE_OK);
    assert_int_equal(seen.writes, GATHERED_MAX / PIECE_MAX);
    assert_int_equal(methods->xRead(stage->log, kept, GATHERED_MAX + 1, 0), SQLITE_OK);
    assert_memory_equal(kept, much, GATHERED_MAX);
    assert_int_equal(kept[GATHERED_MAX], 'z');
    free(much);
    free(kept);
}

static void other_files_are_sqlites_own(void **state)
{
    struct stage *stage = *state;
    sqlite3_vfs *vfs = sqlite3_vfs_find(store_vfs());
    sqlite3_file *file = calloc(1, (size_t)vfs->szOsFile);
    int flags = SQLITE_OPEN_MAIN_DB | SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE;
    assert_int_equal(vfs->xOpen(vfs, support_path(stage->folder, "db"), file, flags, NULL),
                     SQLITE_OK);
    assert_int_equal(seen.opened, flags);
    assert_int_equal(file->pMethods->xWrite(file, "now", 3, 0), SQLITE_OK);
    assert_int_equal(access(support_path(stage->folder, "db"), F_OK), 0);
    assert_true(file->pMethods->iVersion > 1); /* with shared memory */
    file->pMethods->xClose(file);
    free(file);
}

/* A whole transaction of the writer is one write to the log, where it is no larger than a batch. */
static void a_transaction_is_one_write(void **state)
{
    struct stage *stage = *state;
    struct store *store = NULL;
    const struct store_config config = {.folder = stage->folder, .repeat_window_ms = 1000};
    assert_int_equal(store_new(&store, &config, NULL), 0);
    assert_int_equal(store_open(store, NULL), 0);
    struct support_result what = {.device = "d1"};
    for (int i = 0; i < 3; i++) {
        what.device = i == 0 ? "d1" : i == 1 ? "d2" : "d3";
        struct record *record = support_result(&what);
        memset(&seen, 0, sizeof seen);
        assert_int_equal(store_keep(store, &record, 1, NULL, NULL), 0);
        assert_int_equal(record->outcome, RECORD_STORED);
        assert_int_equal(seen.writes, 1);
        assert_int_equal(seen.syncs, 1);
        support_record_free(record);
    }
    store_free(store);
}

static int stand_in(void **state)
{
    int result = support_begin(state);
    assert_int_equal(sqlite3_initialize(), SQLITE_OK);
    true_vfs = sqlite3_vfs_find(NULL);
    seen_vfs = *true_vfs;
    seen_vfs.zName = "seen";
    seen_vfs.xOpen = open_seen;
    assert_int_equal(sqlite3_vfs_register(&seen_vfs, 1), SQLITE_OK);
    assert_string_equal(store_vfs(), "upgrade-receiver");
    assert_string_equal(store_vfs(), "upgrade-receiver");
    return result;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(what_stands_in_a_row_is_written_at_once_by_the_sync, begin,
                                        end),
        cmocka_unit_test_setup_teardown(what_stands_elsewhere_is_written_apart_and_in_order, begin,
                                        end),
        cmocka_unit_test_setup_teardown(whoever_looks_into_the_log_sees_all_of_it, begin, end),
        cmocka_unit_test_setup_teardown(a_write_that_fails_is_told_once_and_given_up, begin, end),
        cmocka_unit_test_setup_teardown(no_more_is_gathered_than_there_is_room_for, begin, end),
        cmocka_unit_test_setup_teardown(other_files_are_sqlites_own, begin, end),
        cmocka_unit_test_setup_teardown(a_transaction_is_one_write, begin, end),
    };
    return cmocka_run_group_tests(tests, stand_in, NULL);
}
