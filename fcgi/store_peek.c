/* store_peek: what a store's file says it is, found out without a trace. */
#include "config.h"

#include "store_sqlite.h"

#include "text.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <unistd.h>

/* Whatever has a meaning in a URI is escaped. */
static void add_uri_path(struct text *uri, const char *path)
{
    for (; *path != '\0'; path++) {
        if (isalnum((unsigned char)*path) || *path == '/')
            text_add(uri, path, 1);
        else
            text_addf(uri, "%%%02x", (unsigned char)*path);
    }
}

/* SQLite's "immutable" is the one way to open a file that makes no other beside it and takes no
 * lock. It does not look into the log, so a store that has just been made may seem empty: it is
 * usable all the same. */
int store_peek(const char *folder, struct fault *fault)
{
    struct text path = {0}, uri = {0};
    sqlite3 *db = NULL;
    int result = -1;
    text_addf(&path, "%s/upgrades.db", folder);
    text_add(&path, "", 1);
    text_add_string(&uri, "file:");
    if (!path.failed)
        add_uri_path(&uri, path.bytes);
    text_add(&uri, "?immutable=1", sizeof "?immutable=1");
    if (path.failed || uri.failed)
        fault_set(fault, "out of memory");
    else if (access(path.bytes, F_OK) != 0 && errno == ENOENT)
        result = 0;
    else if (sqlite3_open_v2(uri.bytes, &db,
                             SQLITE_OPEN_READONLY | SQLITE_OPEN_URI | SQLITE_OPEN_NOMUTEX,
                             NULL) != SQLITE_OK)
        store_fault(db, fault, "cannot open the store");
    else
        result = store_layout_check(db, fault);
    sqlite3_close(db);
    if (result != 0 && !path.failed)
        fault_add(fault, "%s", path.bytes);
    text_release(&path);
    text_release(&uri);
    return result;
}
