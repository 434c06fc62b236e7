/* The page's files: each is there, whole, under its name and with its type. */
#include "config.h"

#include "receiver/page.h"
#include "support.h"

#include <dirent.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

static const struct page_file *find(const char *name)
{
    return page_find(name, strlen(name));
}

static bool begins(const struct page_file *file, const char *text)
{
    return file->length >= strlen(text) && strncasecmp(file->bytes, text, strlen(text)) == 0;
}

static void the_page_is_found_and_nothing_beside_it(void **state)
{
    const struct page_file *page = find("");
    assert_non_null(page);
    assert_string_equal(page->type, "text/html; charset=utf-8");
    assert_true(begins(page, "<!doctype html>"));
    assert_string_equal(find("style.css")->type, "text/css; charset=utf-8");
    assert_string_equal(find("app.js")->type, "text/javascript; charset=utf-8");
    assert_string_equal(find("icon.svg")->type, "image/svg+xml");
    assert_null(find("index.html"));
    assert_null(find("generate.py"));
    assert_null(find("../page.c"));
    assert_null(find("app.js/"));
    assert_null(page_find("app.jsx", 5)); /* "app.j" */
    assert_ptr_equal(page_find("app.jsx", 6), find("app.js"));
}

/* SOURCE_FOLDER is set by the Makefile. */
static void every_file_is_there_byte_for_byte(void **state)
{
    size_t files = 0;
    DIR *folder = opendir(SOURCE_FOLDER "/fcgi/page");
    assert_non_null(folder);
    for (struct dirent *entry; (entry = readdir(folder)) != NULL;) {
        const char *name = entry->d_name;
        if (name[0] == '.' || strcmp(name, "generate.py") == 0 || strcmp(name, "__pycache__") == 0)
            continue;
        const struct page_file *file = find(strcmp(name, "index.html") == 0 ? "" : name);
        if (file == NULL)
            fail_msg("%s is not embedded", name);
        char *bytes = support_read_file(support_path(SOURCE_FOLDER "/fcgi/page", name));
        assert_int_equal(strlen(bytes), file->length); /* all are text */
        assert_memory_equal(bytes, file->bytes, file->length);
        free(bytes);
        files++;
    }
    closedir(folder);
    assert_true(files > 10);
}

int page_tests(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_page_is_found_and_nothing_beside_it),
        cmocka_unit_test(every_file_is_there_byte_for_byte),
    };
    return cmocka_run_group_tests(tests, support_begin, NULL);
}
