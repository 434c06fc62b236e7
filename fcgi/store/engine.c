/* engine: opens the store's file, keeps it sound, and writes it batch by batch. */
#include "config.h"

#include "store/engine.h"

#include "base/fault_point.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

/* Bytes that a probe writes. They stay in the store, and the next probe overwrites them. */
#define PROBE_BYTES (64 << 10)

/* Free space that a probe also requires of the file system. On a full disk the store can still
 * write a little into its existing files. Without this check the fault would end and come back at
 * once. */
#define PROBE_ROOM (1 << 20)

/* A log of this many pages shows that no other thread or process runs checkpoints. The writer then
 * runs one itself, as SQLite does by default. */
#define LOG_TOO_LONG (2 * STORE_LOG_LONG)

/* A log of up to this many pages needs no check for room. */
#define SHORT_LOG 256

/* Free disk space to leave after the log is copied: for the next transaction, in the log and in the
 * main file. */
#define COPY_ROOM ((int64_t)8 << 20)

void store_config_read(const struct options *options, struct store_config *config)
{
    *config = (struct store_config){.folder = options->state,
                                    .quarantine_max = options->quarantine_max,
                                    .quarantine_bytes = options->quarantine_bytes,
                                    .repeat_window_ms = (int64_t)options->repeat_window_s * 1000};
}

void store_library_init(void)
{
    /* SQLite counts all memory under a lock unless this turns it off. The call fails if SQLite is
     * already in use, which does no harm. */
    sqlite3_config(SQLITE_CONFIG_MEMSTATUS, 0);
}

int store_new(struct store **gives, const struct store_config *config, struct fault *fault)
{
    struct store *store = calloc(1, sizeof *store);
    if (store == NULL)
        return fault_set(fault, "out of memory");
    store->config = *config;
    store->turn_fd = store->lock_fd = -1;
    if (store_files_init(store->files, config->folder, fault) != 0) {
        store_free(store);
        return -1;
    }
    *gives = store;
    return 0;
}

static void close_files(struct store *store)
{
    for (size_t i = 0; i < STORE_STATEMENT_COUNT; i++) {
        sqlite3_finalize(store->statements[i]);
        store->statements[i] = NULL;
    }
    sqlite3_close(store->db);
    store->db = NULL;
    store->alive = store->replaced = store->journal.alive = false;
    store->seen = (struct token){.seq = 0};
    store_lock_close(store);
}

void store_free(struct store *store)
{
    if (store == NULL)
        return;
    close_files(store);
    store_tally_forget(&store->batch);
    free(store->batch.tallies);
    free(store->batch.types);
    store_files_release(store->files);
    free(store);
}

int store_make_folder(const char *folder, struct fault *fault)
{
    if (mkdir(folder, 0750) != 0)
        return errno == EEXIST ? 0 : fault_set_errno(fault, errno, "cannot make %s", folder);
    return store_sync_parent(folder, fault);
}

static void rollback(struct store *store)
{
    if (!sqlite3_get_autocommit(store->db))
        sqlite3_exec(store->db, "ROLLBACK", NULL, NULL, NULL);
}

static void set_log_pages(struct store *store, int pages)
{
    atomic_store_explicit(&store->log_pages, pages, memory_order_relaxed);
}

int store_log_pages(const struct store *store)
{
    return atomic_load_explicit(&store->log_pages, memory_order_relaxed);
}

/* For sqlite3_wal_hook: SQLite calls it after each transaction. */
static int note_log(void *argument, sqlite3 *db, const char *name, int pages)
{
    struct store *store = argument;
    set_log_pages(store, pages);
    if (pages > LOG_TOO_LONG)
        sqlite3_wal_checkpoint_v2(db, name, SQLITE_CHECKPOINT_PASSIVE, NULL, NULL);
    return SQLITE_OK;
}

/* Rewrites the bytes of the file FD in place, and syncs them. */
static int write_anew(int fd, const char *path, struct fault *fault)
{
    char bytes[64 << 10];
    ssize_t length;
    off_t at = 0;
    while ((length = pread(fd, bytes, sizeof bytes, at)) > 0) {
        ssize_t written = pwrite(fd, bytes, (size_t)length, at);
        if (written <= 0)
            return fault_set_errno(fault, errno, "cannot write %s", path);
        at += written;
    }
    if (length < 0)
        return fault_set_errno(fault, errno, "cannot read %s", path);
    return fsync(fd) == 0 ? 0 : fault_set_errno(fault, errno, "cannot sync %s", path);
}

/* After a failed sync, Linux marks the unwritten pages as clean. The refused transaction is then in
 * the log for every reader, and SQLite recovers it at the next start. A power cut loses it, and
 * with it every later transaction that was answered. So this rewrites the log before the first
 * write, and before any checkpoint (receiver/housekeeping.c runs none while the store is at fault).
 * Call it with the lock between processes held. Its transaction keeps other writers out. */
static int secure_log(struct store *store, struct fault *fault)
{
    int fd = open(store->files[STORE_WAL].path, O_RDWR | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0)
        return errno == ENOENT
                   ? 0
                   : fault_set_errno(fault, errno, "cannot open %s", store->files[STORE_WAL].path);
    int result = 0;
    if (sqlite3_exec(store->db, "BEGIN IMMEDIATE", NULL, NULL, NULL) != SQLITE_OK)
        result = store_fault(store->db, fault, "cannot begin");
    else
        result = write_anew(fd, store->files[STORE_WAL].path, fault);
    rollback(store);
    close(fd);
    return result;
}

static int open_database(struct store *store, struct fault *fault)
{
    /* SQLite would create the file with all permissions that the umask allows. Do not open an
     * existing file here: closing it would drop the locks of this process's other connections. */
    int fd = open(store->files[STORE_DB].path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0640);
    if (fd >= 0) {
        store_give_to_owner(fd, store->config.folder);
        close(fd);
    } else if (errno != EEXIST)
        return fault_set_errno(fault, errno, "cannot make %s", store->files[STORE_DB].path);
    FAULT_POINT(store_made);
    if (sqlite3_open_v2(store->files[STORE_DB].path, &store->db,
                        SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX, NULL) != SQLITE_OK)
        return store_fault(store->db, fault, "cannot open the store");
    sqlite3_extended_result_codes(store->db, 1);
    sqlite3_busy_timeout(store->db, STORE_WAIT_MS);
    /* If the files are damaged or replaced, closing the store must not run a checkpoint. */
    sqlite3_db_config(store->db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);
    if (store_layout_check(store->db, fault) != 0)
        return -1;
    if (sqlite3_exec(store->db,
                     "PRAGMA synchronous = FULL; PRAGMA journal_mode = WAL;"
                     "PRAGMA wal_autocheckpoint = 0; PRAGMA cache_size = -8192;"
                     "PRAGMA temp_store = MEMORY; PRAGMA trusted_schema = OFF;"
                     "PRAGMA secure_delete = ON", /* for store_erase */
                     NULL, NULL, NULL) != SQLITE_OK)
        return store_fault(store->db, fault, "cannot set up the store");
    if (secure_log(store, fault) != 0 || store_layout_make(store->db, fault) != 0)
        return -1;
    if (store->config.copy) {
        /* A copy that loses its last transactions follows again from its position. */
        sqlite3_exec(store->db, "PRAGMA synchronous = NORMAL", NULL, NULL, NULL);
        if (store_layout_make_copy(store->db, fault) != 0)
            return -1;
    }
    sqlite3_wal_hook(store->db, note_log, store);
    char sql[64];
    snprintf(sql, sizeof sql, "PRAGMA journal_size_limit = %lld", (long long)STORE_LOG_KEPT);
    if (sqlite3_exec(store->db, sql, NULL, NULL, NULL) != SQLITE_OK)
        return store_fault(store->db, fault, "cannot set up the store");
    return 0;
}

static int open_files(struct store *store, struct fault *fault)
{
    if (open_database(store, fault) != 0)
        return -1;
    for (size_t i = 0; i < STORE_STATEMENT_COUNT; i++)
        if (sqlite3_prepare_v3(store->db, store_statement_text((enum store_statement)i), -1,
                               SQLITE_PREPARE_PERSISTENT, &store->statements[i], NULL) != SQLITE_OK)
            return store_fault(store->db, fault, "cannot prepare the store");
    if (store_read_secret(store->db, store->hash_key, fault) != 0 ||
        store_sync_folder(store->config.folder, fault) != 0)
        return -1;
    struct stat wal;
    if (store_files_note(store->files) != 0 || stat(store->files[STORE_WAL].path, &wal) != 0)
        return fault_set_errno(fault, errno, "it is gone");
    set_log_pages(store, (int)(wal.st_size / STORE_PAGE_BYTES)); /* at most */
    return store_files_require(store->files, fault);
}

/* Checks which files were replaced while the store was open. A log belongs to the main file that it
 * was written for. If the main file or the log was replaced and -shm was not, -shm describes the
 * wrong log. Then -shm must be removed, so that each process reads the log from its beginning. */
static int look_at_old_files(const struct store *store, bool *remove_shm, struct fault *fault)
{
    const struct store_file *db = &store->files[STORE_DB], *wal = &store->files[STORE_WAL];
    bool has_old_log = !store_file_changed(wal), has_old_db = !store_file_changed(db);
    if (has_old_log && !has_old_db && access(db->path, F_OK) == 0)
        return fault_set(
            fault,
            "it was replaced, but %s belongs to the file before: stop all receivers of "
            "this folder and move -wal and -shm away",
            wal->path);
    *remove_shm = (!has_old_log || !has_old_db) && !store_file_changed(&store->files[STORE_SHM]);
    return 0;
}

int store_open(struct store *store, struct fault *fault)
{
    const char *path = store->files[STORE_DB].path;
    bool remove_shm = false;
    if (store->db != NULL && look_at_old_files(store, &remove_shm, fault) != 0)
        return fault_add(fault, "%s", path);
    close_files(store);
    if (store_lock_open(store, fault) != 0)
        return -1;
    /* If several processes start on a new folder, only one makes the store. */
    int result = store_lock_take(store, fault);
    if (result == 0) {
        if (remove_shm)
            unlink(store->files[STORE_SHM].path);
        result = open_files(store, fault);
        store_lock_release(store);
    }
    if (result == 0 && (!store->config.journal || store_journal_fill(store, fault) == 0))
        return 0;
    close_files(store);
    return result == 0 ? -1 : fault_add(fault, "%s", path);
}

void store_copy_log(struct store *store)
{
    /* the lock keeps other processes from adding to the log */
    if (store->db == NULL || store_lock_take(store, NULL) != 0)
        return;
    int pages, copied;
    if (sqlite3_wal_checkpoint_v2(store->db, NULL, SQLITE_CHECKPOINT_PASSIVE, &pages, &copied) ==
            SQLITE_OK &&
        pages == copied)
        set_log_pages(store, 0);
    store_lock_release(store);
}

/* A newer receiver may have changed the tables since this one opened them. This one would not
 * update the new counters, and nothing would show the error. */
static int check_version(struct store *store, struct fault *fault)
{
    sqlite3_stmt *read = store->statements[STORE_read_version];
    int step = sqlite3_step(read);
    int version = step == SQLITE_ROW ? sqlite3_column_int(read, 0) : 0;
    if (step != SQLITE_ROW)
        store_fault(store->db, fault, "cannot read the store's version");
    sqlite3_reset(read);
    if (step != SQLITE_ROW)
        return -1;
    return version == STORE_VERSION ? 0 : store_layout_require(store->db, fault);
}

/* Begins a transaction. Fails if the files were replaced or the tables have another version. */
static int begin(struct store *store, struct fault *fault)
{
    struct fault failed = FAULT_NONE;
    if (store_run(store, store->statements[STORE_begin], "cannot begin", &failed) != 0) {
        bool is_busy = (sqlite3_errcode(store->db) & 0xFF) == SQLITE_BUSY;
        int64_t pid = is_busy ? store_files_holder(store->files, STORE_SHM_WRITER,
                                                   STORE_SHM_WRITER_LENGTH)
                              : 0;
        return pid > 0 ? fault_set(fault, "%s: process %lld holds a lock of %s", failed.text,
                                   (long long)pid, store->files[STORE_SHM].path)
                       : fault_set(fault, "%s", failed.text);
    }
    if (store_files_check(store->files, fault) == 0 && check_version(store, fault) == 0)
        return 0;
    rollback(store);
    return -1;
}

/* Runs WORK from BEGIN to COMMIT. Call it with the lock between processes held. */
static int run_transaction(struct store *store, store_work *work, void *argument,
                           struct fault *fault)
{
    if (begin(store, fault) != 0)
        return -1;
    FAULT_POINT(begun);
    int result = store_books_begin(store, fault);
    if (result == 0 && work != NULL)
        result = work(store, argument, fault);
    FAULT_POINT(put);
    if (result == 0)
        result = store_books_finish(store, fault);
    FAULT_POINT(before_commit);
    if (result == 0)
        result = store_run(store, store->statements[STORE_commit], "cannot commit", fault);
    FAULT_POINT(after_commit);
    if (result == 0) {
        store->alive = store->alive || store->batch.begins_life;
        store->journal.alive = store->journal.alive || store->journal.begins;
        store_totals_token(&store->ledger.totals, &store->seen);
        return store_files_check(store->files, fault);
    }
    rollback(store);
    return -1;
}

/* Whether the main file has room for the pages that are only in the log. While a reader uses an old
 * state, the log cannot start again and grows. It must not take that room. Otherwise it could not
 * be copied or emptied even after the reader ends. */
static int ask_for_copy_room(const struct store *store, struct fault *fault)
{
    struct statvfs disk;
    struct stat db;
    int64_t most = store_log_pages(store);
    if (most <= SHORT_LOG)
        return 0;
    if (statvfs(store->config.folder, &disk) != 0 || stat(store->files[STORE_DB].path, &db) != 0)
        return fault_set_errno(fault, errno, "cannot read how much room the disk has");
    int64_t room = (int64_t)disk.f_bavail * (int64_t)disk.f_frsize - COPY_ROOM;
    if (room >= most * STORE_PAGE_BYTES)
        return 0;
    int64_t pages = 0;
    sqlite3_stmt *count = store->statements[STORE_count_pages];
    if (sqlite3_step(count) == SQLITE_ROW)
        pages = sqlite3_column_int64(count, 0);
    sqlite3_reset(count);
    if (room >= pages * STORE_PAGE_BYTES - db.st_size)
        return 0;
    return fault_set(
        fault,
        "the disk is nearly full, and the store's log cannot be emptied: process %lld "
        "reads an old state (0: this one does)",
        (long long)store_files_holder(store->files, STORE_SHM_READERS, STORE_SHM_READERS_LENGTH));
}

/* Copies the log to the main file and truncates it: the log may have filled the disk. A reader of
 * an old state prevents this. Call it with the lock between processes held. */
static void empty_log(struct store *store)
{
    sqlite3_busy_timeout(store->db, 0);
    if (sqlite3_wal_checkpoint_v2(store->db, NULL, SQLITE_CHECKPOINT_TRUNCATE, NULL, NULL) ==
        SQLITE_OK)
        set_log_pages(store, 0);
    sqlite3_busy_timeout(store->db, STORE_WAIT_MS);
}

int store_empty_log(struct store *store, bool *emptied, struct fault *fault)
{
    if (store_lock_take(store, fault) != 0)
        return fault_add(fault, "%s", store->files[STORE_DB].path);
    empty_log(store);
    *emptied = store_log_pages(store) == 0;
    store_lock_release(store);
    return 0;
}

/* Whether a transaction has room. Empties the log if it must. */
static int find_room(struct store *store, struct fault *fault)
{
    if (ask_for_copy_room(store, NULL) == 0)
        return 0;
    empty_log(store);
    return ask_for_copy_room(store, fault);
}

int store_transact(struct store *store, store_work *work, void *argument, struct fault *fault)
{
    if (store->db == NULL)
        return fault_set(fault, "%s is not open", store->files[STORE_DB].path);
    if (store_lock_take(store, fault) != 0)
        return fault_add(fault, "%s", store->files[STORE_DB].path);
    int result = find_room(store, fault);
    if (result == 0)
        result = run_transaction(store, work, argument, fault);
    store_lock_release(store);
    if (store->replaced)
        close_files(store); /* the next probe opens the new files */
    return result == 0 ? 0 : fault_add(fault, "%s", store->files[STORE_DB].path);
}

/* Most devices, about, whose entries a transaction adds. */
#define FILL_DEVICES 20000

/* Whether all notifications and bodies in quarantine have entries. */
static bool has_entries(const struct store *store)
{
    return store->journal.seq >= store->ledger.totals.seq &&
           store->journal.quarantine_id >= store->ledger.quarantine_id;
}

/* For a transaction that only adds entries of what was kept before: notes and lists here, behind
 * the rest, which the end of each transaction adds. */
static int fill_plans(struct store *store, void *argument, struct fault *fault)
{
    (void)argument;
    return has_entries(store) ? store_plan_fill(store, FILL_DEVICES, fault) : 0;
}

int store_journal_fill(struct store *store, struct fault *fault)
{
    struct store_journal *journal = &store->journal;
    int result;
    journal->opening = true;
    do
        result = store_transact(store, fill_plans, NULL, fault);
    while (result == 0 && (!has_entries(store) || journal->plan < INT64_MAX));
    journal->opening = false;
    return result;
}

/* The arguments of store_keep. */
struct batch {
    struct record **records;
    size_t count;
    const struct store_cursor *cursor;
    int64_t confirmed;
};

static int put_batch(struct store *store, void *argument, struct fault *fault)
{
    const struct batch *batch = argument;
    for (size_t i = 0; i < batch->count; i++)
        if (store_books_put(store, batch->records[i], fault) != 0)
            return -1;
    if (batch->confirmed > 0 && store_journal_confirm(store, batch->confirmed, fault) != 0)
        return -1;
    return batch->cursor == NULL ? 0 : store_books_move_cursor(store, batch->cursor, fault);
}

int store_keep(struct store *store, struct record **records, size_t count,
               const struct store_cursor *cursor, int64_t confirmed, struct fault *fault)
{
    struct batch batch = {
        .records = records, .count = count, .cursor = cursor, .confirmed = confirmed};
    if (store_transact(store, put_batch, &batch, fault) == 0)
        return 0;
    for (size_t i = 0; i < count; i++)
        records[i]->outcome = RECORD_PENDING;
    return -1;
}

static int write_probe(struct store *store, struct fault *fault)
{
    if (begin(store, fault) != 0)
        return -1;
    sqlite3_stmt *probe = store->statements[STORE_probe];
    sqlite3_bind_int(probe, 1, PROBE_BYTES);
    if (store_run(store, probe, "cannot write", fault) != 0 ||
        store_run(store, store->statements[STORE_commit], "cannot commit", fault) != 0) {
        rollback(store);
        return -1;
    }
    return store_files_check(store->files, fault);
}

int store_try(struct store *store, struct fault *fault)
{
    if (store->db == NULL)
        return fault_set(fault, "%s is not open", store->files[STORE_DB].path);
    if (store_lock_take(store, fault) != 0)
        return fault_add(fault, "%s", store->files[STORE_DB].path);
    int result = write_probe(store, fault);
    store_lock_release(store);
    return result == 0 ? 0 : fault_add(fault, "%s", store->files[STORE_DB].path);
}

/* Whether the file system has PROBE_ROOM bytes free. */
static int ask_for_room(const struct store *store, struct fault *fault)
{
    int folder = open(store->config.folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (folder < 0)
        return fault_set_errno(fault, errno, "cannot open %s", store->config.folder);
    int fd = openat(folder, "probe.tmp", O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC,
                    0640);
    int error = fd < 0 ? errno : posix_fallocate(fd, 0, PROBE_ROOM);
    if (fd >= 0) {
        close(fd);
        unlinkat(folder, "probe.tmp", 0);
    }
    close(folder);
    return error == 0 ? 0 : fault_set_errno(fault, error, "no room for more");
}

int store_probe(struct store *store, struct fault *fault)
{
    const char *path = store->files[STORE_DB].path;
    bool open = store->db != NULL && store_files_check(store->files, NULL) == 0;
    if (!open && store_open(store, fault) != 0)
        return -1;
    if (store_lock_take(store, fault) != 0)
        return fault_add(fault, "%s", path);
    if (ask_for_room(store, NULL) != 0)
        empty_log(store);
    bool has_room = ask_for_room(store, fault) == 0 && find_room(store, fault) == 0;
    int result = has_room ? write_probe(store, fault) : -1;
    store_lock_release(store);
    if (result == 0)
        return 0;
    if (has_room)
        close_files(store); /* the next probe opens the files again */
    return fault_add(fault, "%s", path);
}
