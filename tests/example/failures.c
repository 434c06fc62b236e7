/* failures: an application of its own behind the callback. Appends each failed upgrade to a CSV
 * file.
 *
 *     spawn-fcgi -n -s SOCKET -- failures --state DIR     (with FAILURES_CSV=FILE) */
#include <push_message_receiver.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* One field: in quotes, its own quotes doubled; what a spreadsheet would take for a formula is not.
 */
static void put_field(FILE *csv, const char *text, const char *end)
{
    fputs(text[0] != '\0' && strchr("=+-@\t\r", text[0]) != NULL ? "\"'" : "\"", csv);
    for (; *text != '\0'; text++)
        fputs(*text == '"' ? "\"\"" : (char[]){*text, '\0'}, csv);
    fprintf(csv, "\"%s", end);
}

/* Returns 0 when the line is on disk. Otherwise the receiver calls again, with growing pauses. */
static int append_failure(void *application, const struct push_notification *notification,
                          const struct push_sw_upgrade_result *result)
{
    FILE *csv = application;
    if (strcmp(result->swUpgradeResult, "FAIL") != 0)
        return 0;
    fprintf(csv, "%lld,", (long long)notification->seq);
    put_field(csv, result->operationId, ",");
    put_field(csv, result->deviceId, ",");
    put_field(csv, result->errorCode, ",");
    put_field(csv, result->description, "\n");
    return fflush(csv) == 0 && fsync(fileno(csv)) == 0 ? 0 : -1;
}

int main(int argc, char **argv)
{
    const char *path = getenv("FAILURES_CSV");
    FILE *csv = fopen(path != NULL ? path : "failures.csv", "a");
    if (csv == NULL) {
        perror("failures: cannot open the CSV file");
        return 1;
    }
    const struct push_message_receiver receiver = {
        .application = csv,
        .name = "failures",
        .handle_sw_upgrade_result = append_failure,
    };
    int code = push_message_receiver_run(&receiver, argc, argv);
    fclose(csv);
    return code;
}
