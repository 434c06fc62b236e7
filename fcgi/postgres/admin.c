#include "config.h"

#include "postgres/admin.h"

#include "base/buffer.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "postgres/sql_1.inc"
#include "postgres/sql_roles.inc"

/* The steps from nothing to each version. */
static const char *const steps[] = {NULL, sql_1};
_Static_assert(sizeof steps / sizeof steps[0] == ADMIN_VERSION + 1, "a step for each version");

/* An operator waits as long as it takes. Locks are given up after this, for the receivers' sake. */
#define WAIT_MS (24 * 3600 * 1000)
#define LOCK_TIMEOUT "4s"

/* Batches that are swept in one transaction. */
#define SWEPT_MOST 20000

/* SQLSTATE lock_not_available. */
#define LOCKED "55P03"

/* By the catalog, which everybody may read. */
#define MAY(name)                                                                             \
    "coalesce(bool_or(p.proname = '" name "' AND has_function_privilege(p.oid, 'EXECUTE')), " \
    "false)"
#define ASK_RIGHTS                                                                      \
    "SELECT " MAY("keep_1") ", " MAY("read_1") ", " MAY(                                \
        "prune_1") ", current_setting('synchronous_standby_names') <> '', count(*) > 0" \
                   " FROM pg_proc p WHERE p.pronamespace = to_regnamespace('upgrade_books')"

static int ask(struct link *link, const char *sql, struct fault *fault)
{
    return link_call(link, sql, NULL, 0, WAIT_MS, fault) == LINK_DONE ? 0 : -1;
}

/* Runs STEP in a transaction of its own, which sets the version, if it is not 0. */
static int run_step(struct link *link, const char *before, const char *step, int version,
                    struct fault *fault)
{
    struct fault ignored = FAULT_NONE;
    struct buffer sql = {0};
    buffer_addf(&sql, "BEGIN; SET LOCAL lock_timeout = '" LOCK_TIMEOUT "'; %s%s", before, step);
    if (version > 1)
        buffer_addf(&sql, "; UPDATE upgrade_books.about SET version = %d", version);
    buffer_addf(&sql, "; COMMIT");
    buffer_add(&sql, "", 1);
    enum link_outcome outcome = LINK_LOST;
    if (sql.failed)
        fault_set(fault, "no memory");
    else
        outcome = link_run(link, sql.bytes, WAIT_MS, fault);
    buffer_release(&sql);
    if (outcome == LINK_REFUSED)
        link_run(link, "ROLLBACK", WAIT_MS, &ignored);
    /* A warning: the standby has not confirmed it, or a role is there already. It is committed. */
    return outcome == LINK_DONE || outcome == LINK_UNKNOWN ? 0 : -1;
}

/* Whether the database has books; -1: a fault. */
static int has_books(struct link *link, struct fault *fault)
{
    if (ask(link, "SELECT count(*) FROM pg_namespace WHERE nspname = 'upgrade_books'", fault) != 0)
        return -1;
    return link_number(link, 0, 0) > 0;
}

int admin_init(struct link *link, struct fault *fault)
{
    int there = has_books(link, fault);
    if (there != 0)
        return fault_set(fault, "%s: has shared books already", link_name(link));
    return run_step(link, sql_roles, steps[1], 1, fault);
}

static int no_books(const struct link *link, struct fault *fault)
{
    fault_set(fault, "%s: has no shared books: upgrade-status books init makes them",
              link_name(link));
    fault->lasting = true;
    return -1;
}

int admin_upgrade(struct link *link, int *from, struct fault *fault)
{
    int there = has_books(link, fault);
    if (there <= 0)
        return there < 0 ? -1 : no_books(link, fault);
    if (ask(link, "SELECT version FROM upgrade_books.about_1()", fault) != 0)
        return -1;
    *from = (int)link_number(link, 0, 0);
    for (int version = *from + 1; version <= ADMIN_VERSION; version++)
        if (run_step(link, "", steps[version], version, fault) != 0)
            return fault_add(fault, "version %d", version);
    return 0;
}

int admin_look(struct link *link, struct admin_state *state, struct fault *fault)
{
    struct admin_state found = {.version = 0};
    if (ask(link, ASK_RIGHTS, fault) != 0)
        return -1;
    found.may_keep = link_number(link, 0, 0) != 0;
    found.may_read = link_number(link, 0, 1) != 0;
    found.may_prune = link_number(link, 0, 2) != 0;
    found.has_standby = link_number(link, 0, 3) != 0;
    if (link_number(link, 0, 4) == 0)
        return no_books(link, fault);
    if (!found.may_read) {
        fault_set(fault,
                  "%s: this login has no right to the shared books: GRANT upgrade_books_receiver "
                  "(or upgrade_books_operator, upgrade_books_reader) TO it",
                  link_name(link));
        fault->lasting = true;
        return -1;
    }
    if (ask(link, "SELECT version, generation::text, head FROM upgrade_books.about_1()", fault) !=
        0)
        return -1;
    found.version = (int)link_number(link, 0, 0);
    snprintf(found.generation, sizeof found.generation, "%s", link_value(link, 0, 1, NULL));
    found.head = link_number(link, 0, 2);
    if (found.version < ADMIN_VERSION) {
        fault_set(fault,
                  "%s: the shared books are of version %d, and this program is of version %d: "
                  "upgrade-status books upgrade brings them there",
                  link_name(link), found.version, ADMIN_VERSION);
        fault->lasting = true;
        return -1;
    }
    *state = found;
    return 0;
}

int admin_check(struct link *link, void (*tell)(void *owner, const char *flaw), void *owner,
                int64_t *flaws, struct fault *fault)
{
    if (ask(link, "SELECT upgrade_books.check_1()", fault) != 0)
        return -1;
    for (size_t i = 0; i < link_rows(link); i++)
        tell(owner, link_value(link, i, 0, NULL));
    *flaws = (int64_t)link_rows(link);
    return 0;
}

int admin_prune(struct link *link, int64_t before_ms, int64_t *periods, int64_t *entries,
                struct fault *fault)
{
    char sql[200];
    snprintf(sql, sizeof sql,
             "SELECT periods, entries FROM upgrade_books.prune_1(to_timestamp(%" PRId64
             " / 1000.0))",
             before_ms);
    if (ask(link, sql, fault) != 0) {
        if (strcmp(link_sqlstate(link), LOCKED) == 0)
            fault_add(fault, "somebody reads the log, such as a report or a dump: try again later");
        return -1;
    }
    *periods = link_number(link, 0, 0);
    *entries = link_number(link, 0, 1);
    snprintf(sql, sizeof sql, "SELECT upgrade_books.sweep_1(%d)", SWEPT_MOST);
    do {
        if (ask(link, sql, fault) != 0)
            return -1;
    } while (link_number(link, 0, 0) == SWEPT_MOST);
    return 0;
}
