/* Arena: memory taken bit by bit and given back as a whole. */
#include "config.h"

#include "base/arena.h"
#include "hooks.h"
#include "support.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

static size_t chunks; /* allocations so far */
static bool fails;

static bool count(void)
{
    chunks++;
    return fails;
}

static int begin(void **state)
{
    hooks_malloc(count);
    chunks = 0;
    fails = false;
    return 0;
}

static void pieces_are_aligned_and_apart(void **state)
{
    struct arena arena = {0};
    unsigned char *pieces[500];
    for (size_t i = 0; i < LENGTH(pieces); i++) {
        pieces[i] = arena_take(&arena, i);
        assert_non_null(pieces[i]);
        assert_int_equal((uintptr_t)pieces[i] % _Alignof(max_align_t), 0);
        memset(pieces[i], (int)(i % 251), i);
    }
    for (size_t i = 0; i < LENGTH(pieces); i++)
        for (size_t j = 0; j < i; j++)
            assert_int_equal(pieces[i][j], i % 251);
    arena_release(&arena);
}

static void it_holds_no_more_than_it_may(void **state)
{
    struct arena arena = {.expected = 8192, .most = 4096};
    assert_non_null(arena_take(&arena, 3000));
    assert_int_equal(arena.size, 4096);
    assert_null(arena_take(&arena, 2000));
    assert_true(arena.full);
    assert_non_null(arena_take(&arena, 1000));
    arena_release(&arena);
    assert_int_equal(arena.size, 0);
    fails = true;
    assert_null(arena_take(&arena, 3000));
    assert_false(arena.full); /* memory was short, that is another thing */
}

static void what_is_expected_takes_one_allocation(void **state)
{
    struct arena arena = {.expected = 6000};
    for (int i = 0; i < 6000 / 32; i++)
        assert_non_null(arena_take(&arena, 32));
    assert_int_equal(chunks, 1);
    arena_release(&arena);
}

static void more_than_expected_takes_few(void **state)
{
    struct arena arena = {0};
    for (int i = 0; i < 1000000 / 20; i++)
        assert_non_null(arena_take(&arena, 20));
    assert_in_range(chunks, 2, 12);
    arena_release(&arena);
    assert_null(arena.chunks);
    assert_non_null(arena_take(&arena, 20)); /* can be used again */
    arena_release(&arena);
}

static void without_memory_it_says_so_and_keeps_what_it_has(void **state)
{
    struct arena arena = {0};
    fails = true;
    assert_null(arena_take(&arena, 10));
    assert_null(arena_take(&arena, SIZE_MAX));
    fails = false;
    char *piece = arena_take(&arena, 10);
    memcpy(piece, "whole", sizeof "whole");
    fails = true;
    assert_null(arena_take(&arena, 100000));
    assert_null(arena_take(&arena, SIZE_MAX - 5));
    assert_null(arena_take(&arena, SIZE_MAX / 4));
    assert_non_null(arena_take(&arena, 10)); /* there is room for that */
    assert_string_equal(piece, "whole");
    arena_release(&arena);
}

int arena_tests(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(pieces_are_aligned_and_apart, begin),
        cmocka_unit_test_setup(it_holds_no_more_than_it_may, begin),
        cmocka_unit_test_setup(what_is_expected_takes_one_allocation, begin),
        cmocka_unit_test_setup(more_than_expected_takes_few, begin),
        cmocka_unit_test_setup(without_memory_it_says_so_and_keeps_what_it_has, begin),
    };
    return cmocka_run_group_tests(tests, support_begin, NULL);
}
