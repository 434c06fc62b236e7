/* follower: reads the log of shared books and has a copy follow it. */
#include "config.h"

#include "postgres/follower.h"

#include "notification/notification.h"
#include "store/follow.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

/* Entries and bytes of bodies that are read at once, and applied in one transaction. */
#define READ_MOST 1000
#define READ_BYTES ((int64_t)4 << 20)

/* Longest time for one answer of the server. */
#define ANSWER_MS 60000

#define ABOUT                                                          \
    "SELECT version, generation::text, head, coalesce(head_life, '')," \
    " coalesce(head_life_number, 0) FROM upgrade_books.about_1()"
#define READ                                                                          \
    "SELECT number, life, life_number, kind, received_at, again, deliveries, reason," \
    " pointer, flags, body FROM upgrade_books.read_1($1::bigint, $2::integer, $3::bigint)"
/* After a failover of a server that answered before its standby had everything, numbers are given
 * again. So this commit must be on the standby before anything is applied that was seen before. */
#define COMMIT                                        \
    "SELECT CASE WHEN pg_is_in_recovery() THEN false" \
    " ELSE pg_logical_emit_message(true, 'upgrade_books', 'followed') IS NOT NULL END"

struct follower {
    struct link *link;
    struct follower_config config;
    char *folders[2]; /* the copy, and a new one that is being built */
    char *parent, *lock_name;
    bool builds;         /* the copy that is open is the new one */
    struct store *store; /* NULL: no copy is open */
    struct store_reader *reader;
    int64_t opened; /* as store_reader_opened says of the copy that is open */
    struct store_position at;
    /* the log, when the run began */
    struct store_position head;
};

/* --- the files -------------------------------------------------------------------------------- */

static char *text_of(const char *first, const char *second)
{
    size_t size = strlen(first) + strlen(second) + 1;
    char *text = malloc(size);
    if (text != NULL)
        snprintf(text, size, "%s%s", first, second);
    return text;
}

/* Splits the path of the copy into its folder and its name. */
static int name_files(struct follower *follower, struct fault *fault)
{
    const char *folder = follower->config.folder, *slash = strrchr(folder, '/');
    follower->folders[0] = strdup(folder);
    follower->folders[1] = text_of(folder, ".new");
    follower->parent = slash == NULL ? strdup(".") : strndup(folder, (size_t)(slash - folder) + 1);
    follower->lock_name = text_of(slash == NULL ? folder : slash + 1, ".lock");
    return follower->folders[0] == NULL || follower->folders[1] == NULL ||
                   follower->parent == NULL || follower->lock_name == NULL
               ? fault_set(fault, "no memory for a copy of the shared books")
               : 0;
}

static void close_copy(struct follower *follower)
{
    store_free(follower->store);
    store_reader_free(follower->reader);
    follower->store = NULL;
    follower->reader = NULL;
}

int follower_new(struct follower **follower, struct link *link,
                 const struct follower_config *config, struct fault *fault)
{
    struct follower *made = calloc(1, sizeof *made);
    if (made == NULL)
        return fault_set(fault, "no memory for a copy of the shared books");
    made->link = link;
    made->config = *config;
    if (name_files(made, fault) != 0) {
        follower_free(made);
        return -1;
    }
    *follower = made;
    return 0;
}

void follower_free(struct follower *follower)
{
    if (follower == NULL)
        return;
    close_copy(follower);
    free(follower->folders[0]);
    free(follower->folders[1]);
    free(follower->parent);
    free(follower->lock_name);
    free(follower);
}

/* Removes a folder with the files that a store has in it. */
static int remove_copy(const char *folder, struct fault *fault)
{
    DIR *files = opendir(folder);
    if (files == NULL)
        return errno == ENOENT ? 0 : fault_set_errno(fault, errno, "cannot open %s", folder);
    for (const struct dirent *file; (file = readdir(files)) != NULL;)
        if (file->d_name[0] != '.')
            unlinkat(dirfd(files), file->d_name, 0);
    closedir(files);
    return rmdir(folder) == 0 ? 0 : fault_set_errno(fault, errno, "cannot remove %s", folder);
}

/* Puts the new copy in the place of the old one, which readers may have open. */
static int put_in_place(struct follower *follower, struct fault *fault)
{
    const char *old = follower->folders[0], *new = follower->folders[1];
    int result = renameat2(AT_FDCWD, new, AT_FDCWD, old, RENAME_EXCHANGE);
    if (result == 0)
        return remove_copy(new, fault);
    /* There is no old copy, or the file system cannot exchange two names. */
    if (remove_copy(old, fault) != 0)
        return -1;
    return rename(new, old) == 0 ? 0 : fault_set_errno(fault, errno, "cannot rename %s", new);
}

/* Opens the copy of FOLDERS[WHICH] and reads how far it has come. */
static int open_copy(struct follower *follower, bool builds, struct fault *fault)
{
    struct store_config config = follower->config.store;
    config.folder = follower->folders[builds];
    config.copy = true;
    config.journal = false;
    close_copy(follower);
    follower->builds = builds;
    if (store_new(&follower->store, &config, fault) != 0 ||
        store_open(follower->store, fault) != 0 ||
        store_reader_new(&follower->reader, config.folder, fault) != 0 ||
        store_read_position(follower->reader, &follower->at, fault) != 0) {
        close_copy(follower);
        return -1;
    }
    follower->opened = store_reader_opened(follower->reader);
    return 0;
}

/* --- the log ---------------------------------------------------------------------------------- */

/* Runs SQL with COUNT numbers. */
static int ask(struct follower *follower, const char *sql, const int64_t *numbers, size_t count,
               struct fault *fault)
{
    struct link_parameter parameters[3] = {{.bytes = NULL}};
    char texts[3][24];
    for (size_t i = 0; i < count; i++) {
        snprintf(texts[i], sizeof texts[i], "%lld", (long long)numbers[i]);
        parameters[i].bytes = texts[i];
    }
    enum link_outcome outcome = link_call(follower->link, sql, parameters, count, ANSWER_MS, fault);
    if (outcome == LINK_DONE)
        return 0;
    if (link_is_busy(follower->link))
        link_close(follower->link); /* a read is not waited for */
    if (outcome == LINK_LATE)
        fault_set(fault, "%s: no answer within %d s", link_name(follower->link), ANSWER_MS / 1000);
    return -1;
}

static void copy_value(const struct link *link, size_t row, size_t column, char *text)
{
    const char *value = link_value(link, row, column, NULL);
    snprintf(text, STORE_POSITION_TEXT_MAX, "%s", value == NULL ? "" : value);
}

static int ask_head(struct follower *follower, struct fault *fault)
{
    struct store_position *head = &follower->head;
    if (ask(follower, ABOUT, NULL, 0, fault) != 0) {
        const char *sqlstate = link_sqlstate(follower->link);
        if (strncmp(sqlstate, "42", 2) != 0 && strncmp(sqlstate, "3F", 2) != 0)
            return -1;
        *fault = FAULT_NONE; /* it shows the statement, which says less */
        return fault_set(fault,
                         "%s: there are no shared books that this login may read (SQLSTATE %s; "
                         "upgrade-status books check tells more)",
                         link_name(follower->link), sqlstate);
    }
    if (link_rows(follower->link) != 1)
        return fault_set(fault, "%s: there are no shared books", link_name(follower->link));
    copy_value(follower->link, 0, 1, head->generation);
    head->number = link_number(follower->link, 0, 2);
    copy_value(follower->link, 0, 3, head->life);
    head->life_number = link_number(follower->link, 0, 4);
    snprintf(head->program, sizeof head->program, "%s", PACKAGE_VERSION);
    return 0;
}

static bool is_at(const struct store_position *one, const struct store_position *other)
{
    return one->number == other->number && one->life_number == other->life_number &&
           strcmp(one->life, other->life) == 0;
}

/* Whether the log still has what the open copy has: 1, 0 or -1. */
static int is_of_log(struct follower *follower, struct fault *fault)
{
    const struct store_position *at = &follower->at, *head = &follower->head;
    if (strcmp(at->generation, head->generation) != 0 || strcmp(at->program, head->program) != 0 ||
        at->number > head->number)
        return 0;
    if (at->number == 0 || at->number == head->number)
        return at->number == 0 || is_at(at, head);
    const int64_t numbers[] = {at->number - 1, 1, 1};
    if (ask(follower, READ, numbers, 3, fault) != 0)
        return -1;
    struct store_position found = {.number = 0};
    if (link_rows(follower->link) == 1) {
        found.number = link_number(follower->link, 0, 0);
        copy_value(follower->link, 0, 1, found.life);
        found.life_number = link_number(follower->link, 0, 2);
    }
    return is_at(at, &found);
}

/* Chooses the copy to go on with: the one in place, one that is being built, or a new one. */
static int choose_copy(struct follower *follower, struct fault *fault)
{
    for (int builds = 0; builds < 2; builds++) {
        struct stat status;
        struct fault failed = FAULT_NONE;
        if (stat(follower->folders[builds], &status) != 0 ||
            open_copy(follower, builds, &failed) != 0)
            continue; /* if it cannot be read, it is made anew */
        int is = is_of_log(follower, fault);
        if (is != 0)
            return is < 0 ? -1 : 0;
    }
    close_copy(follower);
    const char *new = follower->folders[1];
    if (remove_copy(new, fault) != 0 || store_make_folder(new, fault) != 0 ||
        open_copy(follower, true, fault) != 0)
        return -1;
    follower->at = follower->head;
    follower->at.number = follower->at.life_number = 0;
    follower->at.life[0] = '\0';
    return store_follow(follower->store, NULL, 0, &follower->at, fault);
}

/* --- entries ---------------------------------------------------------------------------------- */

/* Reads an entry of the answer, which lends its texts. */
static void read_entry(const struct link *link, size_t row, struct store_journaled *entry)
{
    int64_t flags = link_number(link, row, 9);
    *entry = (struct store_journaled){
        .kind = (int)link_number(link, row, 3),
        .received_ms = link_number(link, row, 4),
        .again = link_number(link, row, 5) != 0,
        .deliveries = link_number(link, row, 6),
        .reason = (char *)(uintptr_t)link_value(link, row, 7, NULL),
        .pointer = (char *)(uintptr_t)link_value(link, row, 8, NULL),
        .known = (flags & 1) != 0,
        .any_app = (flags & 2) != 0,
    };
    size_t length = 0;
    const char *body = link_value(link, row, 10, &length);
    static char nothing[] = "";
    entry->body = body == NULL ? nothing : (char *)(uintptr_t)body;
    entry->body_length = body == NULL ? 0 : length;
    if (entry->reason == NULL)
        entry->reason = nothing;
    if (entry->pointer == NULL)
        entry->pointer = nothing;
}

/* Applies the COUNT entries of the last answer. */
static int apply(struct follower *follower, size_t count, struct fault *fault)
{
    struct record *records = calloc(count, sizeof *records);
    struct record **pointers = calloc(count, sizeof *pointers);
    struct store_position at = follower->at;
    size_t length = 0;
    int result = records == NULL || pointers == NULL ? fault_set(fault, "out of memory") : 0;
    for (size_t row = 0; row < count && result >= 0; row++) {
        struct store_journaled entry;
        read_entry(follower->link, row, &entry);
        result = store_follow_read(&entry, &records[length], fault);
        pointers[length] = &records[length];
        if (result == 0 && records[length].json != NULL &&
            notification_settle(&records[length]) != 0)
            result = fault_set(fault, "out of memory");
        length += result == 0;
    }
    if (result >= 0) {
        at.number = link_number(follower->link, count - 1, 0);
        copy_value(follower->link, count - 1, 1, at.life);
        at.life_number = link_number(follower->link, count - 1, 2);
        result = store_follow(follower->store, pointers, length, &at, fault);
    }
    if (result == 0)
        follower->at = at;
    for (size_t i = 0; i < length; i++)
        record_release(&records[i]);
    free(records);
    free(pointers);
    return result;
}

static int find_room(const struct follower *follower, struct fault *fault)
{
    struct statvfs disk;
    const char *folder = follower->folders[follower->builds];
    if (statvfs(folder, &disk) != 0)
        return fault_set_errno(fault, errno, "cannot read how much room %s has", folder);
    return (int64_t)disk.f_bavail * (int64_t)disk.f_frsize >= FOLLOWER_ROOM
               ? 0
               : fault_set(fault,
                           "%s: the disk has less than %lld MiB left, and the copy of the shared "
                           "books waits for more",
                           folder, (long long)(FOLLOWER_ROOM >> 20));
}

/* Reads and applies what the log had when the run began. */
static int catch_up(struct follower *follower, struct fault *fault)
{
    const struct store_progress *tells = &follower->config.tells;
    if (follower->at.number < follower->head.number && ask(follower, COMMIT, NULL, 0, fault) != 0)
        return -1;
    while (follower->at.number < follower->head.number) {
        int64_t left = follower->head.number - follower->at.number;
        const int64_t numbers[] = {follower->at.number, left < READ_MOST ? left : READ_MOST,
                                   READ_BYTES};
        if (find_room(follower, fault) != 0 || ask(follower, READ, numbers, 3, fault) != 0)
            return -1;
        size_t count = link_rows(follower->link);
        if (count == 0)
            return fault_set(fault, "%s: the log has no entry behind %lld",
                             link_name(follower->link), (long long)follower->at.number);
        if (apply(follower, count, fault) != 0)
            return -1;
        if (tells->report != NULL)
            tells->report(tells->owner, follower->at.number, follower->head.number);
    }
    return 0;
}

/* Whether the copy that was open is still the one in its folder, as the last run left it. */
static bool is_open(struct follower *follower)
{
    struct store_position at;
    if (follower->store == NULL || store_read_position(follower->reader, &at, NULL) != 0 ||
        store_reader_opened(follower->reader) != follower->opened)
        return false;
    follower->at = at; /* another process may have followed further */
    return true;
}

static int run(struct follower *follower, struct follower_state *state, struct fault *fault)
{
    if (link_connect(follower->link, fault) != 0 || ask_head(follower, fault) != 0)
        return -1;
    state->head = follower->head.number;
    int is = is_open(follower) ? is_of_log(follower, fault) : 0;
    if (is < 0 || (is == 0 && choose_copy(follower, fault) != 0))
        return -1;
    int result = catch_up(follower, fault);
    if (result != 0 || !follower->builds)
        return result;
    store_checkpoint(follower->reader, true, NULL, NULL); /* its readers begin without a log */
    close_copy(follower);
    state->built = true;
    return put_in_place(follower, fault);
}

int follower_run(struct follower *follower, struct follower_state *state, struct fault *fault)
{
    *state = (struct follower_state){.number = 0};
    int fd = store_lock_file(follower->parent, follower->lock_name, fault);
    if (fd < 0)
        return -1;
    if (flock(fd, follower->config.waits ? LOCK_EX : LOCK_EX | LOCK_NB) != 0) {
        int error = errno;
        close(fd);
        return error == EWOULDBLOCK
                   ? 1
                   : fault_set_errno(fault, error, "cannot lock %s", follower->lock_name);
    }
    int result = run(follower, state, fault);
    state->number = follower->at.number;
    if (result != 0)
        close_copy(follower); /* the next run looks again which one to go on with */
    close(fd);
    return result;
}
