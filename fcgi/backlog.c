/* backlog: how much there is in the store's log. */
#include "config.h"

#include "backlog.h"

void backlog_init(struct backlog *backlog)
{
    *backlog = (struct backlog){.ask_at = BACKLOG_ASK, .copy_at = BACKLOG_ASK};
    monitor_init(&backlog->monitor);
}

void backlog_release(struct backlog *backlog)
{
    monitor_release(&backlog->monitor);
}

static int longer(int pages)
{
    return pages + pages / 4;
}

static void ask(struct backlog *backlog)
{
    monitor_enter(&backlog->monitor);
    backlog->asked = true;
    monitor_wake(&backlog->monitor);
    monitor_leave(&backlog->monitor);
}

bool backlog_grow(struct backlog *backlog, int pages)
{
    if (pages < backlog_pages(backlog)) { /* it has started again */
        backlog->ask_at = backlog->copy_at = BACKLOG_ASK;
        atomic_store_explicit(&backlog->handed_over, false, memory_order_relaxed);
    }
    atomic_store_explicit(&backlog->pages, pages, memory_order_relaxed);
    bool served = atomic_load_explicit(&backlog->served, memory_order_relaxed);
    if (served && pages > backlog->ask_at) {
        backlog->ask_at = longer(pages);
        ask(backlog);
    }
    return atomic_load_explicit(&backlog->handed_over, memory_order_relaxed) ||
           (pages > backlog->copy_at && (!served || pages > BACKLOG_MOST));
}

void backlog_helped(struct backlog *backlog)
{
    backlog->copy_at = longer(backlog_pages(backlog));
    atomic_store_explicit(&backlog->handed_over, false, memory_order_relaxed);
}

void backlog_serve(struct backlog *backlog)
{
    atomic_store_explicit(&backlog->served, true, memory_order_relaxed);
}

enum backlog_call backlog_wait(struct backlog *backlog, int64_t until_ms)
{
    bool in_time = true;
    monitor_enter(&backlog->monitor);
    while (!backlog->ended && !backlog->asked && in_time)
        in_time = monitor_wait_until(&backlog->monitor, until_ms);
    enum backlog_call call = backlog->ended   ? BACKLOG_END
                             : backlog->asked ? BACKLOG_ASKED
                                              : BACKLOG_TIME;
    backlog->asked = false;
    monitor_leave(&backlog->monitor);
    return call;
}

int backlog_pages(const struct backlog *backlog)
{
    return atomic_load_explicit(&backlog->pages, memory_order_relaxed);
}

void backlog_hand_over(struct backlog *backlog)
{
    if (backlog_pages(backlog) > BACKLOG_ASK)
        atomic_store_explicit(&backlog->handed_over, true, memory_order_relaxed);
}

void backlog_end(struct backlog *backlog)
{
    atomic_store_explicit(&backlog->served, false, memory_order_relaxed);
    monitor_enter(&backlog->monitor);
    backlog->ended = true;
    monitor_wake(&backlog->monitor);
    monitor_leave(&backlog->monitor);
}
