/* fake_store: a store in memory behind store/store.h, which waits or fails when a test says so. */
#include "config.h"

#include "fake_store.h"

#include "base/monitor.h"
#include "support.h"

#include <sched.h>
#include <stdlib.h>

struct fake_store {
    struct monitor monitor; /* guards what follows */
    bool hold, holding;
    size_t inside; /* calls that have not returned */
    const char *fault;
    struct fake_store_tally tally;
    const struct record *records[FAKE_STORE_MAX];
};

static struct fake_store *the_fake;

struct fake_store *fake_store_new(void)
{
    struct fake_store *fake = calloc(1, sizeof *fake);
    assert_non_null(fake);
    monitor_init(&fake->monitor);
    assert_null(the_fake);
    the_fake = fake;
    return fake;
}

void fake_store_free(struct fake_store *fake)
{
    monitor_release(&fake->monitor);
    the_fake = NULL;
    free(fake);
}

struct store *fake_store_as_store(struct fake_store *fake)
{
    return (struct store *)(void *)fake;
}

static void set_hold(struct fake_store *fake, bool hold)
{
    monitor_enter(&fake->monitor);
    fake->hold = hold;
    monitor_wake(&fake->monitor);
    monitor_leave(&fake->monitor);
}

void fake_store_hold(struct fake_store *fake)
{
    set_hold(fake, true);
}

void fake_store_let_go(struct fake_store *fake)
{
    set_hold(fake, false);
}

bool fake_store_is_holding(void *argument)
{
    struct fake_store *fake = argument;
    monitor_enter(&fake->monitor);
    bool holding = fake->holding;
    monitor_leave(&fake->monitor);
    return holding;
}

void fake_store_break(struct fake_store *fake, const char *text)
{
    monitor_enter(&fake->monitor);
    fake->fault = text;
    monitor_leave(&fake->monitor);
}

struct fake_store_tally fake_store_read(struct fake_store *fake)
{
    monitor_enter(&fake->monitor);
    struct fake_store_tally tally = fake->tally;
    monitor_leave(&fake->monitor);
    return tally;
}

const struct record *fake_store_record(struct fake_store *fake, size_t index)
{
    monitor_enter(&fake->monitor);
    const struct record *record = fake->records[index];
    monitor_leave(&fake->monitor);
    return record;
}

/* --- store/store.h, as far as receiver/commit.h calls it --- */

int __real_store_keep(struct store *store, struct record **records, size_t count,
                      const struct store_cursor *cursor, int64_t confirmed, struct fault *fault);
int __wrap_store_keep(struct store *store, struct record **records, size_t count,
                      const struct store_cursor *cursor, int64_t confirmed, struct fault *fault);
int __real_store_try(struct store *store, struct fault *fault);
int __wrap_store_try(struct store *store, struct fault *fault);
int __real_store_probe(struct store *store, struct fault *fault);
int __wrap_store_probe(struct store *store, struct fault *fault);

static void keep(struct fake_store *fake, struct record **records, size_t count,
                 const struct store_cursor *cursor)
{
    fake->tally.batches++;
    if (cursor != NULL) {
        fake->tally.moves++;
        fake->tally.cursor = *cursor;
    }
    if (count > fake->tally.largest)
        fake->tally.largest = count;
    for (size_t i = 0; i < count && fake->tally.records < FAKE_STORE_MAX; i++) {
        fake->records[fake->tally.records++] = records[i];
        records[i]->outcome = RECORD_STORED;
        records[i]->seq = (int64_t)fake->tally.records;
    }
}

/* A call begins: it gives others a chance to come in as well, which they must not. */
static void begin(struct fake_store *fake)
{
    monitor_enter(&fake->monitor);
    if (fake->inside++ > 0)
        fake->tally.overlaps++;
    monitor_leave(&fake->monitor);
    sched_yield();
    monitor_enter(&fake->monitor);
}

/* It ends: whether it worked. */
static int end(struct fake_store *fake, struct fault *fault)
{
    int result = fake->fault == NULL ? 0 : fault_set(fault, "%s", fake->fault);
    fake->inside--;
    monitor_leave(&fake->monitor);
    return result;
}

static void wait_here(struct fake_store *fake)
{
    while (fake->hold) {
        fake->holding = true;
        monitor_wait(&fake->monitor);
    }
    fake->holding = false;
}

static bool is_fake(const struct store *store)
{
    return the_fake != NULL && (const void *)store == (const void *)the_fake;
}

int __wrap_store_keep(struct store *store, struct record **records, size_t count,
                      const struct store_cursor *cursor, int64_t confirmed, struct fault *fault)
{
    if (!is_fake(store))
        return __real_store_keep(store, records, count, cursor, confirmed, fault);
    struct fake_store *fake = the_fake;
    begin(fake);
    fake->tally.attempts++;
    wait_here(fake);
    if (fake->fault == NULL)
        keep(fake, records, count, cursor);
    return end(fake, fault);
}

int __wrap_store_try(struct store *store, struct fault *fault)
{
    if (!is_fake(store))
        return __real_store_try(store, fault);
    struct fake_store *fake = the_fake;
    begin(fake);
    fake->tally.tries++;
    wait_here(fake);
    return end(fake, fault);
}

int __wrap_store_probe(struct store *store, struct fault *fault)
{
    if (!is_fake(store))
        return __real_store_probe(store, fault);
    struct fake_store *fake = the_fake;
    begin(fake);
    fake->tally.probes++;
    return end(fake, fault);
}
