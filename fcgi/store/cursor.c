/* cursor: how far each application has been told, and the lock of the process that tells it; and
 * what an operator does to the journal. */
#include "config.h"

#include "store/engine.h"
#include "store/journal.h"
#include "store/maintenance.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

int store_lock_delivery(const char *folder, const char *name, int *fd, struct fault *fault)
{
    char file[STORE_CURSOR_NAME_MAX + sizeof "delivery-.lock"];
    int length = strcmp(name, STORE_JOURNAL_NAME) == 0
                     ? snprintf(file, sizeof file, "%s", STORE_JOURNAL_LOCK)
                     : snprintf(file, sizeof file, "delivery-%s.lock", name);
    if (length < 0 || (size_t)length >= sizeof file)
        return fault_set(fault, "%s: is too long for an application's name", name);
    *fd = store_lock_file(folder, file, fault);
    if (*fd < 0)
        return -1;
    if (flock(*fd, LOCK_EX | LOCK_NB) == 0)
        return 0;
    int error = errno;
    close(*fd);
    *fd = -1;
    return error == EWOULDBLOCK ? 1
                                : fault_set_errno(fault, error, "cannot lock %s/%s", folder, file);
}

int store_read_cursor(struct store_reader *reader, struct store_cursor *cursor, struct fault *fault)
{
    struct store_rows rows = store_rows_begin(reader, store_text(STORE_TEXT_cursor), NULL, 0, 0,
                                              NULL, 1, fault);
    store_bind_text(rows.statement, 1, cursor->name);
    sqlite3_stmt *read = store_rows_next(&rows);
    cursor->at = (struct token){.seq = 0};
    if (read != NULL) {
        cursor->at.seq = sqlite3_column_int64(read, 0);
        store_life_copy(read, 1, cursor->at.life);
    }
    return store_rows_end(&rows, NULL);
}

/* The argument and the result of store_forget. */
struct forgetting {
    const char *name;
    bool found;
    int fd; /* the delivery lock, held until the transaction ends; -1: not taken */
};

/* Fails, and so rolls back, if a process delivers to the application: that process needs the
 * cursor. */
static int forget(struct store *store, void *argument, struct fault *fault)
{
    struct forgetting *forgetting = argument;
    bool is_journal = strcmp(forgetting->name, STORE_JOURNAL_NAME) == 0;
    sqlite3_stmt *forget = store_statement(store, STORE_forget_cursor);
    store_bind_text(forget, 1, forgetting->name);
    if ((is_journal ? store_journal_end(store, &forgetting->found, fault)
                    : store_run(store, forget, "cannot forget an application", fault)) != 0)
        return -1;
    if (!is_journal)
        forgetting->found = sqlite3_changes(store->db) > 0;
    if (!forgetting->found)
        return 0;
    int result = store_lock_delivery(store->config.folder, forgetting->name, &forgetting->fd,
                                     fault);
    return result <= 0
               ? result
               : fault_set(fault, "a receiver that runs delivers to application %s: stop it first",
                           forgetting->name);
}

int store_forget(struct store *store, const char *name, bool *found, struct fault *fault)
{
    struct forgetting forgetting = {.name = name, .fd = -1};
    bool journal = store->config.journal;
    int result = store_transact(store, forget, &forgetting, fault);
    if (result != 0)
        store->config.journal = journal;
    if (forgetting.fd >= 0)
        close(forgetting.fd);
    if (result == 0)
        *found = forgetting.found;
    return result;
}

int store_journal_again(struct store *store, struct fault *fault)
{
    return store_transact(store, store_journal_begin_again, NULL, fault) != 0
               ? -1
               : store_journal_fill(store, fault);
}
