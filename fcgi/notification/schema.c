/* schema: checks a parsed body against the schema of its notifyType. */
#include "config.h"

#include "notification/schema.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "notification/schema_table.inc"

#define TABLE_LENGTH (sizeof table / sizeof table[0])

static int compare_type(const void *key, const void *schema)
{
    return strcmp(key, ((const struct schema *)schema)->notify_type);
}

const struct schema *schema_find(const char *notify_type)
{
    return bsearch(notify_type, table, TABLE_LENGTH, sizeof table[0], compare_type);
}

const struct schema *schema_find_untyped(const json_t *body)
{
    const struct schema_untyped *found = untyped;
    while (found->member != NULL && json_object_get(body, found->member) == NULL)
        found++;
    return found->member == NULL ? NULL : &found->schema;
}

size_t schema_count(void)
{
    return TABLE_LENGTH;
}

const struct schema *schema_at(size_t index)
{
    return &table[index];
}

static const struct {
    unsigned type;
    const char *name;
} type_names[] = {
    {SCHEMA_STRING, "a string"},   {SCHEMA_INTEGER, "an integer"}, {SCHEMA_NUMBER, "a number"},
    {SCHEMA_BOOLEAN, "a boolean"}, {SCHEMA_OBJECT, "an object"},   {SCHEMA_ARRAY, "an array"},
    {SCHEMA_NULL, "null"},
};

static unsigned type_of(const json_t *value)
{
    switch (json_typeof(value)) {
    case JSON_STRING:
        return SCHEMA_STRING;
    case JSON_INTEGER:
        return SCHEMA_INTEGER | SCHEMA_NUMBER;
    case JSON_REAL: /* in JSON Schema, 2.0 is an integer */
        return json_real_value(value) == trunc(json_real_value(value))
                   ? SCHEMA_INTEGER | SCHEMA_NUMBER
                   : SCHEMA_NUMBER;
    case JSON_OBJECT:
        return SCHEMA_OBJECT;
    case JSON_ARRAY:
        return SCHEMA_ARRAY;
    case JSON_NULL:
        return SCHEMA_NULL;
    default:
        return SCHEMA_BOOLEAN;
    }
}

/* "wrong type: a number, not a string or an integer" */
static void describe_types(unsigned found, unsigned allowed, char reason[SCHEMA_REASON_MAX])
{
    size_t used = 0;
    const char *between = "wrong type: ";
    for (size_t i = 0; i < sizeof type_names / sizeof type_names[0]; i++)
        if (found & type_names[i].type) {
            used += (size_t)snprintf(reason + used, SCHEMA_REASON_MAX - used, "%s%s", between,
                                     type_names[i].name);
            break;
        }
    between = ", not ";
    for (size_t i = 0; i < sizeof type_names / sizeof type_names[0]; i++)
        if (allowed & type_names[i].type && used < SCHEMA_REASON_MAX) {
            used += (size_t)snprintf(reason + used, SCHEMA_REASON_MAX - used, "%s%s", between,
                                     type_names[i].name);
            between = " or ";
        }
}

static void describe_values(const char *const *values, char reason[SCHEMA_REASON_MAX])
{
    size_t used = 0;
    const char *between = "value not allowed: takes ";
    for (; *values != NULL && used < SCHEMA_REASON_MAX; values++) {
        used += (size_t)snprintf(reason + used, SCHEMA_REASON_MAX - used, "%s%s", between, *values);
        between = " or ";
    }
}

/* Characters of a string, as JSON Schema counts them: code points. */
static size_t count_characters(const json_t *string)
{
    const char *bytes = json_string_value(string);
    size_t length = json_string_length(string);
    size_t characters = 0;
    for (size_t i = 0; i < length; i++)
        if (((unsigned char)bytes[i] & 0xC0) != 0x80)
            characters++;
    return characters;
}

/* A text may hold a NUL. Then it equals none of the values. */
static bool is_among(const json_t *string, const char *const *values)
{
    for (; *values != NULL; values++)
        if (json_string_length(string) == strlen(*values) &&
            strcmp(json_string_value(string), *values) == 0)
            return true;
    return false;
}

/* Puts "/TOKEN" before the pointer found so far, and cuts it at the end if it is too long. */
static void lead_pointer(struct schema_verdict *verdict, const char *token)
{
    size_t length = strnlen(token, SCHEMA_POINTER_MAX - 2);
    size_t rest = strnlen(verdict->pointer, SCHEMA_POINTER_MAX - 2 - length);
    memmove(verdict->pointer + 1 + length, verdict->pointer, rest);
    verdict->pointer[0] = '/';
    memcpy(verdict->pointer + 1, token, length);
    verdict->pointer[1 + length + rest] = '\0';
}

static bool check_node(const struct schema_node *node, const json_t *value,
                       struct schema_verdict *verdict);

static bool check_string(const struct schema_node *node, const json_t *string,
                         struct schema_verdict *verdict)
{
    if (node->min_length > 0 && json_string_length(string) == 0) {
        snprintf(verdict->reason, sizeof verdict->reason, "empty");
        return false;
    }
    if (node->min_length > 1 && count_characters(string) < node->min_length) {
        snprintf(verdict->reason, sizeof verdict->reason, "shorter than %zu characters",
                 node->min_length);
        return false;
    }
    if (node->values != NULL && !is_among(string, node->values)) {
        describe_values(node->values, verdict->reason);
        return false;
    }
    return true;
}

static bool check_object(const struct schema_node *node, const json_t *object,
                         struct schema_verdict *verdict)
{
    for (size_t i = 0; i < node->members_length; i++) {
        const struct schema_member *member = &node->members[i];
        const json_t *value = json_object_get(object, member->name);
        if (value == NULL && !member->required)
            continue;
        if (value == NULL)
            snprintf(verdict->reason, sizeof verdict->reason, "missing");
        if (value == NULL || !check_node(member->node, value, verdict)) {
            lead_pointer(verdict, member->name);
            return false;
        }
    }
    return true;
}

static bool check_array(const struct schema_node *node, const json_t *array,
                        struct schema_verdict *verdict)
{
    size_t length = json_array_size(array);
    for (size_t i = 0; node->items != NULL && i < length; i++) {
        if (!check_node(node->items, json_array_get(array, i), verdict)) {
            char index[24];
            snprintf(index, sizeof index, "%zu", i);
            lead_pointer(verdict, index);
            return false;
        }
    }
    return true;
}

/* If no alternative holds, the reason of the first one is given. */
static bool check_any_of(const struct schema_node *const *any_of, const json_t *value,
                         struct schema_verdict *verdict)
{
    struct schema_verdict first = {.reason = ""}, other;
    for (size_t i = 0; any_of[i] != NULL; i++) {
        other = (struct schema_verdict){.reason = ""};
        if (check_node(any_of[i], value, i == 0 ? &first : &other))
            return true;
    }
    *verdict = first;
    return false;
}

static bool check_node(const struct schema_node *node, const json_t *value,
                       struct schema_verdict *verdict)
{
    unsigned type = type_of(value);
    if ((type & node->types) == 0) {
        if (type == SCHEMA_NULL)
            snprintf(verdict->reason, sizeof verdict->reason, "null");
        else
            describe_types(type, node->types, verdict->reason);
        return false;
    }
    bool holds = type == SCHEMA_STRING   ? check_string(node, value, verdict)
                 : type == SCHEMA_OBJECT ? check_object(node, value, verdict)
                 : type == SCHEMA_ARRAY  ? check_array(node, value, verdict)
                                         : true;
    return holds && (node->any_of == NULL || check_any_of(node->any_of, value, verdict));
}

bool schema_check(const struct schema *schema, const json_t *body, struct schema_verdict *verdict)
{
    struct schema_verdict found = {.reason = ""};
    if (check_node(schema->root, body, &found))
        return true;
    *verdict = found;
    return false;
}
