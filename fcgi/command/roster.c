/* roster: a bounded set of device ids, in the order in which they were named, and the reports of
 * each. */
#include "config.h"

#include "command/roster.h"

#include <errno.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define SLOTS_FIRST 1024

/* Some programs begin a text in UTF-8 with this. */
#define BYTE_ORDER_MARK "\xEF\xBB\xBF"

void roster_init(struct roster *roster)
{
    *roster = (struct roster){.length = 0};
    randombytes_buf(roster->key, sizeof roster->key);
}

void roster_release(struct roster *roster)
{
    buffer_release(&roster->ids);
    free(roster->entries);
    free(roster->slots);
    *roster = (struct roster){.length = 0};
}

const char *roster_id(const struct roster *roster, const struct roster_entry *entry)
{
    return roster->ids.bytes + entry->at;
}

/* The slot of ID, or the empty slot in which it belongs. */
static uint32_t *find_slot(const struct roster *roster, const char *id)
{
    size_t i = content_hash_string(id, roster->key) & (roster->slots_length - 1);
    while (roster->slots[i] != 0 &&
           strcmp(roster_id(roster, &roster->entries[roster->slots[i] - 1]), id) != 0)
        i = (i + 1) & (roster->slots_length - 1);
    return &roster->slots[i];
}

struct roster_entry *roster_find(const struct roster *roster, const char *id)
{
    if (roster->slots_length == 0)
        return NULL;
    uint32_t number = *find_slot(roster, id);
    return number != 0 ? &roster->entries[number - 1] : NULL;
}

/* Doubles the table, so that at least half of it stays empty. */
static int grow_slots(struct roster *roster)
{
    size_t length = roster->slots_length == 0 ? SLOTS_FIRST : 2 * roster->slots_length;
    uint32_t *slots = calloc(length, sizeof *slots);
    if (slots == NULL || length > UINT32_MAX) {
        free(slots);
        return -1;
    }
    free(roster->slots);
    roster->slots = slots;
    roster->slots_length = length;
    for (size_t i = 0; i < roster->length; i++)
        *find_slot(roster, roster_id(roster, &roster->entries[i])) = (uint32_t)(i + 1);
    return 0;
}

struct roster_entry *roster_add(struct roster *roster, const char *id)
{
    size_t size = strlen(id) + 1;
    struct roster_entry *entry = roster_find(roster, id);
    if (entry != NULL)
        return entry;
    if (roster->ids.length + size > ROSTER_BYTES_MAX)
        return NULL;
    struct roster_entry *entries = buffer_grow_array(roster->entries, roster->length,
                                                     &roster->capacity, sizeof *entries);
    if (entries == NULL)
        return NULL;
    roster->entries = entries;
    if (2 * (roster->length + 1) > roster->slots_length && grow_slots(roster) != 0)
        return NULL;
    size_t at = roster->ids.length;
    buffer_add(&roster->ids, id, size);
    if (roster->ids.failed)
        return NULL;
    uint32_t *slot = find_slot(roster, id);
    entry = &roster->entries[roster->length++];
    *entry = (struct roster_entry){.at = at};
    *slot = (uint32_t)roster->length;
    return entry;
}

void roster_note_progress(struct roster_entry *entry, int64_t began_ms)
{
    if (!entry->in_progress || began_ms > entry->began_ms)
        entry->began_ms = began_ms;
    entry->in_progress = true;
}

void roster_note_result(struct roster_entry *entry, bool success, int64_t ms, int64_t seq)
{
    if (entry->end != ROSTER_MISSING &&
        (ms < entry->end_ms || (ms == entry->end_ms && seq < entry->end_seq)))
        return;
    entry->end = success ? ROSTER_SUCCEEDED : ROSTER_FAILED;
    entry->end_ms = ms;
    entry->end_seq = seq;
}

enum roster_where roster_where(const struct roster_entry *entry)
{
    return entry->in_progress && (entry->end == ROSTER_MISSING || entry->began_ms > entry->end_ms)
               ? ROSTER_IN_PROGRESS
               : entry->end;
}

static bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\r';
}

/* Takes the line of LENGTH bytes, after which there is room for a NUL. */
static int take_line(struct roster *roster, char *line, size_t length, const char *name,
                     int64_t number, struct fault *fault)
{
    while (length > 0 && is_blank(line[length - 1]))
        length--;
    while (length > 0 && is_blank(line[0])) {
        line++;
        length--;
    }
    if (length == 0 || line[0] == '#')
        return 0;
    if (length > ROSTER_ID_MAX || memchr(line, '\0', length) != NULL)
        return fault_set(fault, "%s: line %lld is no device id", name, (long long)number);
    line[length] = '\0';
    struct roster_entry *entry = roster_add(roster, line);
    if (entry == NULL)
        return fault_set(fault, "%s: line %lld: more ids than can be held", name,
                         (long long)number);
    entry->expected = true;
    return 0;
}

int roster_read(struct roster *roster, int fd, const char *name, struct fault *fault)
{
    char buffer[4 * ROSTER_ID_MAX + 1];
    size_t filled = 0;
    int64_t number = 0;
    ssize_t got;
    do {
        while ((got = read(fd, buffer + filled, sizeof buffer - 1 - filled)) < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return fault_set_errno(fault, errno, "%s", name);
        filled += (size_t)got;
        size_t begin = 0;
        if (number == 0 && filled >= sizeof BYTE_ORDER_MARK - 1 &&
            memcmp(buffer, BYTE_ORDER_MARK, sizeof BYTE_ORDER_MARK - 1) == 0)
            begin = sizeof BYTE_ORDER_MARK - 1;
        char *end;
        while ((end = memchr(buffer + begin, '\n', filled - begin)) != NULL) {
            size_t length = (size_t)(end - buffer) - begin;
            if (take_line(roster, buffer + begin, length, name, ++number, fault) != 0)
                return -1;
            begin += length + 1;
        }
        memmove(buffer, buffer + begin, filled - begin);
        filled -= begin;
        if (filled == sizeof buffer - 1)
            return fault_set(fault, "%s: line %lld is no device id", name, (long long)number + 1);
    } while (got > 0);
    return filled > 0 ? take_line(roster, buffer, filled, name, number + 1, fault) : 0;
}
