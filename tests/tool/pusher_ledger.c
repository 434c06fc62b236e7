/* pusher_ledger: what became of each notification sent, as its sender saw it. */
#include "config.h"

#include "pusher_ledger.h"

#include "pusher_campaign.h"

#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int ledger_init(struct ledger *ledger, size_t length)
{
    ledger->entries = calloc(length > 0 ? length : 1, sizeof *ledger->entries);
    ledger->length = length;
    return ledger->entries == NULL ? -1 : 0;
}

void ledger_release(struct ledger *ledger)
{
    free(ledger->entries);
    ledger->entries = NULL;
}

void ledger_enter(struct ledger_entry *entry, const char *answer, size_t length)
{
    json_t *root = json_loadb(answer, length, JSON_REJECT_DUPLICATES, NULL);
    const char *result = json_string_value(json_object_get(root, "result"));
    int64_t seq = json_integer_value(json_object_get(root, "seq"));
    if (result != NULL && strcmp(result, "stored") == 0)
        entry->stored++;
    else if (result != NULL && strcmp(result, "repeated") == 0)
        entry->repeated++;
    else
        entry->other++;
    if (entry->seq == 0)
        entry->seq = seq;
    else if (entry->seq != seq)
        entry->unlike++;
    json_decref(root);
}

int ledger_write(const struct ledger *ledger, uint64_t seed, const char *path)
{
    FILE *file = fopen(path, "we");
    if (file == NULL)
        return -1;
    fputs("index\treport\tsent\tstored\trepeated\tother\tunlike\tseq\n", file);
    for (size_t i = 0; i < ledger->length; i++) {
        const struct ledger_entry *entry = &ledger->entries[i];
        char report[CAMPAIGN_REPORT_MAX];
        campaign_report(seed, i, report);
        fprintf(file, "%zu\t%s\t%u\t%u\t%u\t%u\t%u\t%" PRId64 "\n", i, report, entry->sent,
                entry->stored, entry->repeated, entry->other, entry->unlike, entry->seq);
    }
    int failed = ferror(file);
    return fclose(file) != 0 || failed ? -1 : 0;
}
