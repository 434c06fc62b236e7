/* Roster: device ids out of a list, each once. */
#include "config.h"

#include "command/roster.h"
#include "support.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Reads TEXT as a list; returns what roster_read did. */
static int read_text(struct roster *roster, const char *text, size_t length, struct fault *fault)
{
    FILE *file = tmpfile();
    assert_non_null(file);
    assert_int_equal(fwrite(text, 1, length, file), length);
    assert_int_equal(fflush(file), 0);
    assert_int_equal(lseek(fileno(file), 0, SEEK_SET), 0);
    int result = roster_read(roster, fileno(file), "list", fault);
    fclose(file);
    return result;
}

static void ids_are_read_a_line_each(void **state)
{
    static const char text[] = "d1\n\n# none\n  d2 \r\nd3\r\nd1\n\t\n#d4\nd#5\nlast";
    static const char *const ids[] = {"d1", "d2", "d3", "d#5", "last"};
    struct roster roster;
    roster_init(&roster);
    assert_int_equal(read_text(&roster, text, sizeof text - 1, NULL), 0);
    assert_int_equal(roster.length, LENGTH(ids));
    for (size_t i = 0; i < LENGTH(ids); i++) {
        assert_string_equal(roster_id(&roster, &roster.entries[i]), ids[i]);
        assert_true(roster.entries[i].expected);
        assert_ptr_equal(roster_find(&roster, ids[i]), &roster.entries[i]);
    }
    assert_null(roster_find(&roster, "d4"));
    roster_release(&roster);
}

static void a_byte_order_mark_is_no_part_of_the_first_id(void **state)
{
    static const char marked[] = "\xEF\xBB\xBF"
                                 "d1\nd2\n",
                      only[] = "\xEF\xBB\xBF";
    struct roster roster;
    roster_init(&roster);
    assert_int_equal(read_text(&roster, marked, sizeof marked - 1, NULL), 0);
    assert_int_equal(read_text(&roster, only, sizeof only - 1, NULL), 0);
    assert_int_equal(roster.length, 2);
    assert_non_null(roster_find(&roster, "d1"));
    assert_non_null(roster_find(&roster, "d2"));
    roster_release(&roster);
}

static void the_last_result_received_says_where_a_device_is(void **state)
{
    struct roster_entry entry = {.at = 0};
    assert_int_equal(roster_where(&entry), ROSTER_MISSING);
    roster_note_progress(&entry, 1000);
    assert_int_equal(roster_where(&entry), ROSTER_IN_PROGRESS);
    roster_note_result(&entry, false, 2000, 7); /* of another sub-operation */
    assert_int_equal(roster_where(&entry), ROSTER_FAILED);
    roster_note_progress(&entry, 2001); /* it is tried again */
    assert_int_equal(roster_where(&entry), ROSTER_IN_PROGRESS);
    roster_note_progress(&entry, 500);
    assert_int_equal(roster_where(&entry), ROSTER_IN_PROGRESS);
    roster_note_result(&entry, true, 3000, 9);
    assert_int_equal(roster_where(&entry), ROSTER_SUCCEEDED);
    roster_note_result(&entry, false, 2999, 11); /* received earlier, and retried from quarantine */
    assert_int_equal(roster_where(&entry), ROSTER_SUCCEEDED);
    roster_note_result(&entry, false, 3000, 8); /* within one millisecond */
    assert_int_equal(roster_where(&entry), ROSTER_SUCCEEDED);
    roster_note_result(&entry, false, 3000, 10);
    assert_int_equal(roster_where(&entry), ROSTER_FAILED);
}

static void an_empty_list_names_nobody(void **state)
{
    struct roster roster;
    roster_init(&roster);
    assert_int_equal(read_text(&roster, "", 0, NULL), 0);
    assert_int_equal(read_text(&roster, "\n#\n", 3, NULL), 0);
    assert_int_equal(roster.length, 0);
    assert_null(roster_find(&roster, "d1"));
    roster_release(&roster);
}

static void a_line_that_is_no_id_is_named(void **state)
{
    struct roster roster;
    struct fault fault = FAULT_NONE;
    char text[5 * ROSTER_ID_MAX] = "d1\nd2\n";
    roster_init(&roster);
    assert_int_equal(read_text(&roster,
                               "d1\nd\0"
                               "2\n",
                               7, &fault),
                     -1);
    support_assert_fault(&fault, "line 2");
    fault = FAULT_NONE;
    memset(text + 6, 'x', ROSTER_ID_MAX);
    assert_int_equal(read_text(&roster, text, 6 + ROSTER_ID_MAX, &fault), 0);
    memset(text + 6, 'x', sizeof text - 6);
    assert_int_equal(read_text(&roster, text, 6 + ROSTER_ID_MAX + 1, &fault), -1);
    support_assert_fault(&fault, "line 3");
    fault = FAULT_NONE;
    assert_int_equal(read_text(&roster, text, sizeof text, &fault), -1);
    support_assert_fault(&fault, "line 3");
    roster_release(&roster);
}

static void many_ids_are_found_again(void **state)
{
    struct buffer list = {0};
    struct roster roster;
    for (int i = 0; i < 50000; i++)
        buffer_addf(&list, "device-%d\n", i % 40000);
    roster_init(&roster);
    assert_int_equal(read_text(&roster, list.bytes, list.length, NULL), 0);
    assert_int_equal(roster.length, 40000);
    for (int i = 0; i < 40000; i++) {
        char id[32];
        snprintf(id, sizeof id, "device-%d", i);
        assert_ptr_equal(roster_find(&roster, id), &roster.entries[i]);
    }
    assert_null(roster_find(&roster, "device-40000"));
    roster_release(&roster);
    buffer_release(&list);
}

static void a_full_roster_takes_no_more(void **state)
{
    struct roster roster;
    roster_init(&roster);
    assert_non_null(roster_add(&roster, "d1"));
    size_t length = roster.ids.length;
    roster.ids.length = ROSTER_BYTES_MAX - 2; /* as if many were there */
    assert_null(roster_add(&roster, "d2"));
    roster.ids.length = length;
    assert_non_null(roster_add(&roster, "d2"));
    roster_release(&roster);
}

int roster_tests(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ids_are_read_a_line_each),
        cmocka_unit_test(a_byte_order_mark_is_no_part_of_the_first_id),
        cmocka_unit_test(the_last_result_received_says_where_a_device_is),
        cmocka_unit_test(an_empty_list_names_nobody),
        cmocka_unit_test(a_line_that_is_no_id_is_named),
        cmocka_unit_test(many_ids_are_found_again),
        cmocka_unit_test(a_full_roster_takes_no_more),
    };
    return cmocka_run_group_tests(tests, support_begin, NULL);
}
