/* Turns between several processes on one store: in line, and not for ever behind one that is
 * stopped. A lock belongs to a descriptor, so stores of one process stand for those of several. */
#include "config.h"

#include "base/clock.h"
#include "store/engine.h"
#include "support.h"

#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <unistd.h>

#define STORES 5

struct stage {
    char *folder;
    struct store *stores[STORES];
    atomic_int came; /* into the store, so far */
};

struct visitor {
    struct stage *stage;
    struct store *store;
    pthread_t thread;
    int place; /* how many came before; -1: not in time */
};

static int open_stage(void **state)
{
    struct stage *stage = calloc(1, sizeof *stage);
    assert_non_null(stage);
    stage->folder = support_folder();
    const struct store_config config = {.folder = stage->folder};
    for (size_t i = 0; i < STORES; i++) {
        assert_int_equal(store_new(&stage->stores[i], &config, NULL), 0);
        assert_int_equal(store_lock_open(stage->stores[i], NULL), 0);
    }
    *state = stage;
    return 0;
}

static int close_stage(void **state)
{
    struct stage *stage = *state;
    for (size_t i = 0; i < STORES; i++)
        store_free(stage->stores[i]);
    support_folder_free(stage->folder);
    free(stage);
    return 0;
}

static void *visit(void *argument)
{
    struct visitor *visitor = argument;
    visitor->place = -1;
    if (store_lock_take(visitor->store, NULL) == 0) {
        visitor->place = atomic_fetch_add(&visitor->stage->came, 1);
        store_lock_release(visitor->store);
    }
    return NULL;
}

/* The last place in line, which the first in an empty line takes for a moment, with all others. */
#define LAST_PLACE 15

/* A place in line, a byte of turn.lock. */
struct place {
    struct stage *stage;
    int number;
};

static bool is_taken(const struct stage *stage, int number)
{
    struct flock byte = {.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = number, .l_len = 1};
    int fd = open(support_path(stage->folder, "turn.lock"), O_RDWR);
    assert_true(fd >= 0);
    assert_int_equal(fcntl(fd, F_OFD_GETLK, &byte), 0);
    close(fd);
    return byte.l_type != F_UNLCK;
}

/* Whether somebody waits at the place, and nobody is on the way. */
static bool is_waited_at(void *what)
{
    const struct place *place = what;
    return is_taken(place->stage, place->number) && !is_taken(place->stage, LAST_PLACE);
}

/* Starts a visitor and waits until it has taken its place, that with number PLACE. */
static void begin_visit(struct visitor *visitor, struct stage *stage, size_t index, int place)
{
    *visitor = (struct visitor){.stage = stage, .store = stage->stores[index]};
    assert_int_equal(pthread_create(&visitor->thread, NULL, visit, visitor), 0);
    assert_true(support_wait_until(is_waited_at, &(struct place){.stage = stage, .number = place}));
}

static void writers_come_in_the_order_in_which_they_stand_in_line(void **state)
{
    struct stage *stage = *state;
    struct visitor visitors[STORES];
    for (int round = 0; round < 5; round++) {
        atomic_store(&stage->came, 0);
        assert_int_equal(store_lock_take(stage->stores[0], NULL), 0);
        int64_t began_ms = clock_monotonic_ms();
        size_t come = 1;
        /* On a busy machine the first in line may have waited for as long as they do. */
        for (; come < STORES && clock_monotonic_ms() - began_ms < STORE_WAIT_MS / 2; come++)
            begin_visit(&visitors[come], stage, come, (int)come - 1);
        store_lock_release(stage->stores[0]);
        for (size_t i = 1; i < come; i++)
            pthread_join(visitors[i].thread, NULL);
        bool in_time = clock_monotonic_ms() - began_ms < STORE_WAIT_MS;
        for (size_t i = 1; i < come && in_time; i++)
            assert_int_equal(visitors[i].place, i - 1);
    }
}

static void a_writer_that_has_just_written_goes_to_the_end_of_the_line(void **state)
{
    struct stage *stage = *state;
    struct visitor visitor;
    assert_int_equal(store_lock_take(stage->stores[0], NULL), 0);
    begin_visit(&visitor, stage, 1, 0);
    store_lock_release(stage->stores[0]);
    assert_int_equal(store_lock_take(stage->stores[0], NULL), 0);
    assert_int_equal(atomic_load(&stage->came), 1);
    store_lock_release(stage->stores[0]);
    pthread_join(visitor.thread, NULL);
}

static void one_that_is_stopped_costs_the_others_a_bounded_wait(void **state)
{
    struct stage *stage = *state;
    struct fault fault = FAULT_NONE;
    struct visitor visitor;
    assert_int_equal(store_lock_take(stage->stores[0], NULL), 0);
    int64_t began_ms = clock_monotonic_ms();
    begin_visit(&visitor, stage, 1, 0);
    assert_int_equal(store_lock_take(stage->stores[2], &fault), -1);
    int64_t took_ms = clock_monotonic_ms() - began_ms;
    support_assert_fault(&fault, "another receiver has held the store");
    pthread_join(visitor.thread, NULL);
    assert_int_equal(visitor.place, -1);
    assert_true(took_ms >= STORE_WAIT_MS);
    store_lock_release(stage->stores[0]);
    /* neither has left a place taken behind */
    assert_int_equal(store_lock_take(stage->stores[3], NULL), 0);
    store_lock_release(stage->stores[3]);
}

static void a_process_that_ends_in_line_leaves_its_place_free(void **state)
{
    struct stage *stage = *state;
    assert_int_equal(store_lock_take(stage->stores[0], NULL), 0);
    store_lock_close(stage->stores[0]);
    assert_int_equal(store_lock_take(stage->stores[1], NULL), 0);
    store_lock_release(stage->stores[1]);
}

int store_lock_tests(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(writers_come_in_the_order_in_which_they_stand_in_line,
                                        open_stage, close_stage),
        cmocka_unit_test_setup_teardown(a_writer_that_has_just_written_goes_to_the_end_of_the_line,
                                        open_stage, close_stage),
        cmocka_unit_test_setup_teardown(one_that_is_stopped_costs_the_others_a_bounded_wait,
                                        open_stage, close_stage),
        cmocka_unit_test_setup_teardown(a_process_that_ends_in_line_leaves_its_place_free,
                                        open_stage, close_stage),
    };
    return cmocka_run_group_tests(tests, support_begin, NULL);
}
