/* store_vfs: the write-ahead log in few writes.
 *
 * SQLite writes a transaction into its log page by page, each with a write for the page's head and
 * one for the page: some thirty system calls for one notification, two hundred for a batch. What it
 * writes to the log stands in one row, so it is gathered here and written in few pieces when it
 * must be in the file: before the sync that ends every transaction (PRAGMA synchronous = FULL), and
 * before anything of the log is read. SQLite tells others of a transaction behind that sync alone.
 * A write that fails is told by the sync then, for which SQLite takes the transaction back just the
 * same.
 *
 * All other files are those of SQLite's own VFS, and so is all locking. */
#include "config.h"

#include "store_sqlite.h"

#include <string.h>

/* What is gathered at most: 63 pages. */
#define GATHERED_MAX (256 << 10)

/* What is written at once: no more than SQLite, whose largest page it is, ever writes. Its VFS for
 * Unix cannot write 128 KiB. */
#define PIECE_MAX (64 << 10)

#define NAME "upgrade-receiver"

struct log_file {
    sqlite3_file base;
    sqlite3_file *real; /* behind this one, in the memory that SQLite gives */
    char *bytes;        /* gathered */
    int length;
    sqlite3_int64 at; /* where they belong */
};

static struct log_file *log_of(sqlite3_file *file)
{
    return (struct log_file *)file;
}

/* What is gathered goes into the file. Where that fails it is given up: the transaction is. */
static int flush(struct log_file *log)
{
    int result = SQLITE_OK;
    for (int done = 0; done < log->length && result == SQLITE_OK; done += PIECE_MAX) {
        int piece = log->length - done < PIECE_MAX ? log->length - done : PIECE_MAX;
        result = log->real->pMethods->xWrite(log->real, log->bytes + done, piece, log->at + done);
    }
    log->length = 0;
    return result;
}

static int close_log(sqlite3_file *file)
{
    struct log_file *log = log_of(file);
    int flushed = flush(log);
    int closed = log->real->pMethods->xClose(log->real);
    sqlite3_free(log->bytes);
    log->bytes = NULL;
    return flushed != SQLITE_OK ? flushed : closed;
}

static int read_log(sqlite3_file *file, void *bytes, int length, sqlite3_int64 at)
{
    struct log_file *log = log_of(file);
    int result = flush(log);
    return result != SQLITE_OK ? result : log->real->pMethods->xRead(log->real, bytes, length, at);
}

static int write_log(sqlite3_file *file, const void *bytes, int length, sqlite3_int64 at)
{
    struct log_file *log = log_of(file);
    bool follows = log->length == 0 || at == log->at + log->length;
    int result = SQLITE_OK;
    if (!follows || length > GATHERED_MAX - log->length)
        result = flush(log);
    if (result != SQLITE_OK)
        return result;
    if (length > GATHERED_MAX) /* more than any page has */
        return log->real->pMethods->xWrite(log->real, bytes, length, at);
    if (log->length == 0)
        log->at = at;
    memcpy(log->bytes + log->length, bytes, (size_t)length);
    log->length += length;
    return SQLITE_OK;
}

static int truncate_log(sqlite3_file *file, sqlite3_int64 size)
{
    struct log_file *log = log_of(file);
    int result = flush(log);
    return result != SQLITE_OK ? result : log->real->pMethods->xTruncate(log->real, size);
}

static int sync_log(sqlite3_file *file, int flags)
{
    struct log_file *log = log_of(file);
    int result = flush(log);
    return result != SQLITE_OK ? result : log->real->pMethods->xSync(log->real, flags);
}

static int size_log(sqlite3_file *file, sqlite3_int64 *size)
{
    struct log_file *log = log_of(file);
    int result = flush(log);
    return result != SQLITE_OK ? result : log->real->pMethods->xFileSize(log->real, size);
}

/* A log is never locked. */
static int lock_log(sqlite3_file *file, int kind)
{
    sqlite3_file *real = log_of(file)->real;
    return real->pMethods->xLock(real, kind);
}

static int unlock_log(sqlite3_file *file, int kind)
{
    sqlite3_file *real = log_of(file)->real;
    return real->pMethods->xUnlock(real, kind);
}

static int check_lock(sqlite3_file *file, int *locked)
{
    sqlite3_file *real = log_of(file)->real;
    return real->pMethods->xCheckReservedLock(real, locked);
}

static int control_log(sqlite3_file *file, int what, void *argument)
{
    sqlite3_file *real = log_of(file)->real;
    return real->pMethods->xFileControl(real, what, argument);
}

static int sector_of(sqlite3_file *file)
{
    sqlite3_file *real = log_of(file)->real;
    return real->pMethods->xSectorSize(real);
}

static int traits_of(sqlite3_file *file)
{
    sqlite3_file *real = log_of(file)->real;
    return real->pMethods->xDeviceCharacteristics(real);
}

static const sqlite3_io_methods log_methods = {
    .iVersion = 1,
    .xClose = close_log,
    .xRead = read_log,
    .xWrite = write_log,
    .xTruncate = truncate_log,
    .xSync = sync_log,
    .xFileSize = size_log,
    .xLock = lock_log,
    .xUnlock = unlock_log,
    .xCheckReservedLock = check_lock,
    .xFileControl = control_log,
    .xSectorSize = sector_of,
    .xDeviceCharacteristics = traits_of,
};

/* SQLite's own, and ours: the same but for how a log is opened. */
static sqlite3_vfs *sqlite_vfs;
static sqlite3_vfs our_vfs;

static int open_file(sqlite3_vfs *vfs, const char *name, sqlite3_file *file, int flags,
                     int *out_flags)
{
    (void)vfs;
    if ((flags & SQLITE_OPEN_WAL) == 0)
        return sqlite_vfs->xOpen(sqlite_vfs, name, file, flags, out_flags);
    struct log_file *log = log_of(file);
    *log = (struct log_file){.real = (sqlite3_file *)(log + 1)};
    log->bytes = sqlite3_malloc(GATHERED_MAX);
    if (log->bytes == NULL)
        return SQLITE_NOMEM;
    int result = sqlite_vfs->xOpen(sqlite_vfs, name, log->real, flags, out_flags);
    if (result == SQLITE_OK) {
        log->base.pMethods = &log_methods;
        return SQLITE_OK;
    }
    if (log->real->pMethods != NULL)
        log->real->pMethods->xClose(log->real);
    sqlite3_free(log->bytes);
    return result;
}

const char *store_vfs(void)
{
    /* there is none before SQLite is initialized */
    if (sqlite3_initialize() != SQLITE_OK)
        return NULL;
    sqlite3_mutex *mutex = sqlite3_mutex_alloc(SQLITE_MUTEX_STATIC_APP1);
    sqlite3_mutex_enter(mutex);
    bool is_there = sqlite_vfs != NULL;
    if (!is_there && (sqlite_vfs = sqlite3_vfs_find(NULL)) != NULL) {
        our_vfs = *sqlite_vfs;
        our_vfs.zName = NAME;
        our_vfs.szOsFile = (int)sizeof(struct log_file) + sqlite_vfs->szOsFile;
        our_vfs.xOpen = open_file;
        is_there = sqlite3_vfs_register(&our_vfs, 0) == SQLITE_OK;
        if (!is_there)
            sqlite_vfs = NULL;
    }
    sqlite3_mutex_leave(mutex);
    return is_there ? NAME : NULL;
}
