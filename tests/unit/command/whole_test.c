/* Whole: whole lists out of pages. */
#include "config.h"

#include "books.h"
#include "command/whole.h"
#include "support.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* What whole_print writes to stdout, parsed. */
static char *print(struct store_reader *reader, const char *name, const struct view_query *query)
{
    char *folder = support_folder();
    const char *path = support_path(folder, "out");
    struct term term = {.width = 0};
    int copy = dup(STDOUT_FILENO), fd = open(path, O_WRONLY | O_CREAT, 0600);
    dup2(fd, STDOUT_FILENO);
    enum view_result result = whole_print(&term, view_find(name, strlen(name)), reader, query,
                                          NULL);
    dup2(copy, STDOUT_FILENO);
    close(copy);
    close(fd);
    assert_int_equal(result, VIEW_DONE);
    char *text = support_read_file(path);
    support_folder_free(folder);
    return text;
}

static void all_pages_are_one_document(void **state)
{
    struct books *books = *state;
    struct store_reader *reader;
    char id[32];
    for (int i = 0; i < 7; i++) {
        snprintf(id, sizeof id, "op-%d", i);
        books_add_result(books, &(struct support_result){.operation = id, .result = "FAIL"});
    }
    assert_int_equal(store_reader_new(&reader, books->folder, NULL), 0);
    for (size_t limit = 1; limit < 9; limit++) {
        const struct view_query query = {.limit = limit};
        const struct view_query whole = {.limit = 100};
        static const char *const documents[] = {"overview.json", "failures.json", "quarantine.json",
                                                "failures.csv"};
        for (size_t i = 0; i < LENGTH(documents); i++) {
            char *paged = print(reader, documents[i], &query);
            char *once = print(reader, documents[i], &whole);
            assert_string_equal(paged, once);
            free(paged);
            free(once);
        }
        char *device = print(reader, "device.json",
                             &(struct view_query){.limit = limit, .device_id = "device"});
        json_t *json = json_loads(device, 0, NULL);
        assert_int_equal(json_array_size(json_object_get(json, "history")), 7);
        assert_true(json_is_null(json_object_get(json, "next")));
        json_decref(json);
        free(device);
    }
    store_reader_free(reader);
}

static int count_page(void *owner, json_t *page, bool first, struct fault *fault)
{
    int *pages = owner;
    assert_int_equal(first, *pages == 0);
    ++*pages;
    return *pages == 3 ? fault_set(fault, "enough") : 0;
}

static void reading_ends_where_it_is_told_to(void **state)
{
    struct books *books = *state;
    struct store_reader *reader;
    struct fault fault = FAULT_NONE;
    char id[32];
    int pages = 0;
    for (int i = 0; i < 5; i++) {
        snprintf(id, sizeof id, "op-%d", i);
        books_add_result(books, &(struct support_result){.operation = id});
    }
    assert_int_equal(store_reader_new(&reader, books->folder, NULL), 0);
    assert_int_equal(whole_read(view_find("overview.json", 13), reader,
                                &(struct view_query){.limit = 1}, count_page, &pages, &fault),
                     VIEW_FAILED);
    assert_int_equal(pages, 3);
    support_assert_fault(&fault, "enough");
    store_reader_free(reader);
}

int whole_tests(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(all_pages_are_one_document, books_setup, books_teardown),
        cmocka_unit_test_setup_teardown(reading_ends_where_it_is_told_to, books_setup,
                                        books_teardown),
    };
    return cmocka_run_group_tests(tests, support_begin, NULL);
}
