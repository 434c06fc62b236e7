#include "config.h"

#include "postgres/libpq.h"
#include "postgres/link.h"

#include "base/clock.h"
#include "base/units.h"

#include <assert.h>
#include <ctype.h>
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* One host is tried for as long as this, and a round of hosts begins no earlier after another. */
#define HOST_SECONDS 2
#define ROUND_MS 1000
#define HOST_SECONDS_MAX 60

/* libpq has some 45 words. */
#define WORDS_MAX 80
#define NAME_SIZE 300

/* SQLSTATE read_only_sql_transaction. */
#define READ_ONLY "25006"

#define STOPPED "stopped while connecting to the shared books"

/* Where the operator's words say nothing else. The time-outs find a host that is gone without a
 * word within some seconds, whatever is under way. */
static const struct setting {
    const char *keyword, *value;
} defaults[] = {
    {"target_session_attrs", "read-write"},
    {"keepalives_idle", "5"},
    {"keepalives_interval", "2"},
    {"keepalives_count", "3"},
    {"tcp_user_timeout", "8000"},
    {"gssencmode", "disable"},
    {"fallback_application_name", "upgrade-receiver"},
    {"client_encoding", "UTF8"},
};

#define ASK_SERVER                                                          \
    "SELECT current_setting('fsync'), current_setting('full_page_writes')," \
    " current_setting('server_encoding'), current_setting('server_version_num')::integer"
#define SERVER_LEAST 140000

struct link {
    struct libpq libpq;
    PGconn *connection;
    PGresult *result; /* of the last command, while there is one */
    char *conninfo;
    int stop_fd;
    bool busy;
    bool warned; /* during the command */
    char sqlstate[6];
    int64_t began_ms; /* the last round of hosts */
    char name[NAME_SIZE];
    PQconninfoOption *words; /* CONNINFO as it is */
    PQconninfoOption
        *all; /* with what a service file and the environment add; NULL: not known yet */
};

/* The value of KEYWORD among OPTIONS, or NULL. */
static const char *value_of(const PQconninfoOption *options, const char *keyword)
{
    for (; options != NULL && options->keyword != NULL; options++)
        if (strcmp(options->keyword, keyword) == 0)
            return options->val;
    return NULL;
}

/* Reads CONNINFO without opening a connection. */
static int read_words(struct link *link, struct fault *fault)
{
    char *error = NULL;
    link->words = link->libpq.PQconninfoParse(link->conninfo, &error);
    if (link->words == NULL) {
        fault_set(fault, "%s", error != NULL ? error : "no memory for a connection");
        if (error != NULL)
            link->libpq.PQfreemem(error);
        return -1;
    }
    if (value_of(link->words, "password") != NULL || value_of(link->words, "sslpassword") != NULL)
        return fault_set(fault, "a password among the words of a connection can be read by every "
                                "user of this machine: use a passfile, a service file or a "
                                "certificate");
    const char *service = value_of(link->words, "service");
    const char *host = value_of(link->words, "host");
    snprintf(link->name, sizeof link->name, "%s",
             service != NULL ? service
             : host != NULL  ? host
                             : "");
    return 0;
}

int link_new(struct link **link, const char *conninfo, int stop_fd, struct fault *fault)
{
    struct link *made = calloc(1, sizeof *made);
    if (made == NULL || (made->conninfo = strdup(conninfo)) == NULL) {
        free(made);
        return fault_set(fault, "no memory for a connection");
    }
    made->stop_fd = stop_fd;
    made->began_ms = INT64_MIN / 2;
    if (libpq_open(&made->libpq, fault) != 0 || read_words(made, fault) != 0) {
        fault->lasting = true;
        link_free(made);
        return -1;
    }
    *link = made;
    return 0;
}

static void drop_result(struct link *link)
{
    if (link->result != NULL)
        link->libpq.PQclear(link->result);
    link->result = NULL;
}

void link_close(struct link *link)
{
    drop_result(link);
    if (link->connection != NULL)
        link->libpq.PQfinish(link->connection);
    link->connection = NULL;
    link->busy = false;
}

void link_free(struct link *link)
{
    if (link == NULL)
        return;
    link_close(link);
    if (link->words != NULL)
        link->libpq.PQconninfoFree(link->words);
    if (link->all != NULL)
        link->libpq.PQconninfoFree(link->all);
    free(link->conninfo);
    free(link);
}

bool link_is_connected(const struct link *link)
{
    return link->connection != NULL;
}

bool link_is_busy(const struct link *link)
{
    return link->busy;
}

const char *link_sqlstate(const struct link *link)
{
    return link->sqlstate;
}

const char *link_name(const struct link *link)
{
    return link->name;
}

/* Waits until the connection's socket (or -1: none) has EVENTS, until UNTIL_MS. Returns 1 if it
 * has, 0 if the time is over, -1 if the caller is to stop. */
static int wait_socket(const struct link *link, int fd, short events, int64_t until_ms)
{
    struct pollfd fds[2] = {{.fd = link->stop_fd, .events = POLLIN}, {.fd = fd, .events = events}};
    for (;;) {
        int64_t left = until_ms - clock_monotonic_ms();
        int ready = poll(fds, 2, left < 0 ? 0 : left > INT32_MAX ? INT32_MAX : (int)left);
        if (ready < 0 && errno != EINTR)
            return 0;
        if (ready > 0 && fds[0].revents != 0)
            return -1;
        if (ready > 0 && fds[1].revents != 0)
            return 1;
        if (ready <= 0 && clock_monotonic_ms() >= until_ms)
            return 0;
    }
}

/* What libpq says, in one line, without the statement in which the server met it. Returns TEXT. */
static char *make_line(char *text)
{
    size_t length = 0;
    char *context = strstr(text, "\nCONTEXT:");
    if (context != NULL)
        *context = '\0';
    for (const char *at = text; *at != '\0'; at++) {
        char byte = iscntrl((unsigned char)*at) ? ' ' : *at;
        if (byte != ' ' || (length > 0 && text[length - 1] != ' '))
            text[length++] = byte;
    }
    while (length > 0 && text[length - 1] == ' ')
        length--;
    text[length] = '\0';
    return text;
}

/* Whether waiting does not help against a refusal with SQLSTATE: a wrong password or certificate,
 * no such role, database, schema or function, or not the right to it. */
static bool is_lasting(const char *sqlstate)
{
    return strncmp(sqlstate, "28", 2) == 0 || strncmp(sqlstate, "3D", 2) == 0 ||
           strncmp(sqlstate, "3F", 2) == 0 || strncmp(sqlstate, "42", 2) == 0;
}

bool link_is_stopped(const struct link *link)
{
    return wait_socket(link, -1, 0, 0) < 0;
}

/* Rule 1: what a command said beside its result. */
static void take_notice(void *context, const PGresult *result)
{
    struct link *link = context;
    const char *state = link->libpq.PQresultErrorField(result, PG_DIAG_SQLSTATE);
    const char *severity = link->libpq.PQresultErrorField(result, PG_DIAG_SEVERITY_NONLOCALIZED);
    if (severity != NULL && strcmp(severity, "WARNING") == 0) {
        link->warned = true;
        if (state != NULL)
            snprintf(link->sqlstate, sizeof link->sqlstate, "%s", state);
    }
}

/* --- one command ----------------------------------------------------------------------------- */

/* Rule 6: remembers the SQLSTATE of RESULT. */
static enum link_outcome take_refusal(struct link *link, PGresult *result, struct fault *fault)
{
    const char *state = link->libpq.PQresultErrorField(result, PG_DIAG_SQLSTATE);
    snprintf(link->sqlstate, sizeof link->sqlstate, "%s", state != NULL ? state : "");
    char text[FAULT_TEXT_MAX];
    snprintf(text, sizeof text, "%s", link->libpq.PQresultErrorMessage(result));
    fault_set(fault, "%s: %s", link->name, make_line(text));
    fault->lasting = is_lasting(link->sqlstate);
    return LINK_REFUSED;
}

/* All results of the command are here or can be read without waiting. Keeps the last of them. */
static enum link_outcome take_results(struct link *link, struct fault *fault)
{
    enum link_outcome outcome = LINK_DONE;
    PGresult *result;
    while ((result = link->libpq.PQgetResult(link->connection)) != NULL) {
        ExecStatusType status = link->libpq.PQresultStatus(result);
        if (status != PGRES_TUPLES_OK && status != PGRES_COMMAND_OK && outcome == LINK_DONE)
            outcome = take_refusal(link, result, fault);
        drop_result(link);
        link->result = result;
    }
    link->busy = false;
    /* A server that is now a standby takes nothing any more; another host may. */
    if (link->libpq.PQstatus(link->connection) != CONNECTION_OK ||
        (outcome == LINK_REFUSED && strcmp(link->sqlstate, READ_ONLY) == 0)) {
        fault_set(fault, "%s: the connection was lost", link->name);
        link_close(link);
        return LINK_LOST;
    }
    if (outcome == LINK_DONE && link->warned) {
        fault_set(fault, "%s: a warning (%s): it may not be on the standby", link->name,
                  link->sqlstate);
        return LINK_UNKNOWN;
    }
    return outcome;
}

static enum link_outcome lose(struct link *link, struct fault *fault)
{
    char text[FAULT_TEXT_MAX];
    snprintf(text, sizeof text, "%s", link->libpq.PQerrorMessage(link->connection));
    fault_set(fault, "%s: %s", link->name, make_line(text));
    link_close(link);
    return LINK_LOST;
}

enum link_outcome link_wait(struct link *link, int wait_ms, struct fault *fault)
{
    const struct libpq *libpq = &link->libpq;
    int64_t until_ms = clock_monotonic_ms() + wait_ms;
    for (;;) {
        int unsent = libpq->PQflush(link->connection);
        if (unsent < 0 || libpq->PQconsumeInput(link->connection) == 0)
            return lose(link, fault);
        if (unsent == 0 && !libpq->PQisBusy(link->connection))
            return take_results(link, fault);
        short events = unsent > 0 ? POLLIN | POLLOUT : POLLIN;
        int ready = wait_socket(link, libpq->PQsocket(link->connection), events, until_ms);
        if (ready < 0)
            return LINK_STOPPED;
        if (ready == 0)
            return LINK_LATE;
    }
}

static enum link_outcome begin(struct link *link, int sent, int wait_ms, struct fault *fault)
{
    if (sent == 0)
        return lose(link, fault);
    link->busy = true;
    return link_wait(link, wait_ms, fault);
}

enum link_outcome link_call(struct link *link, const char *sql,
                            const struct link_parameter *parameters, size_t count, int wait_ms,
                            struct fault *fault)
{
    const char *values[LINK_PARAMETERS_MAX];
    int lengths[LINK_PARAMETERS_MAX], formats[LINK_PARAMETERS_MAX];
    assert(link->connection != NULL && !link->busy && count <= LINK_PARAMETERS_MAX);
    for (size_t i = 0; i < count; i++) {
        values[i] = parameters[i].bytes;
        lengths[i] = (int)parameters[i].length;
        formats[i] = parameters[i].binary;
    }
    drop_result(link);
    link->warned = false;
    link->sqlstate[0] = '\0';
    /* Unnamed, and in one round trip: a pool of connections may be between. */
    return begin(link,
                 link->libpq.PQsendQueryParams(link->connection, sql, (int)count, NULL, values,
                                               lengths, formats, 1),
                 wait_ms, fault);
}

enum link_outcome link_run(struct link *link, const char *sql, int wait_ms, struct fault *fault)
{
    assert(link->connection != NULL && !link->busy);
    drop_result(link);
    link->warned = false;
    link->sqlstate[0] = '\0';
    return begin(link, link->libpq.PQsendQuery(link->connection, sql), wait_ms, fault);
}

size_t link_rows(const struct link *link)
{
    return link->result == NULL ? 0 : (size_t)link->libpq.PQntuples(link->result);
}

const char *link_value(const struct link *link, size_t row, size_t column, size_t *length)
{
    int r = (int)row, c = (int)column;
    if (link->libpq.PQgetisnull(link->result, r, c))
        return NULL;
    if (length != NULL)
        *length = (size_t)link->libpq.PQgetlength(link->result, r, c);
    return link->libpq.PQgetvalue(link->result, r, c);
}

int64_t link_number(const struct link *link, size_t row, size_t column)
{
    size_t length = 0;
    const char *bytes = link_value(link, row, column, &length);
    if (bytes == NULL || length == 0)
        return 0;
    /* Big-endian, in two's complement. */
    uint64_t number = (signed char)bytes[0] < 0 ? UINT64_MAX : 0;
    for (size_t i = 0; i < length; i++)
        number = number << 8 | (unsigned char)bytes[i];
    return (int64_t)number;
}

/* --- connecting ------------------------------------------------------------------------------ */

/* What is said of why no host serves. */
struct reasons {
    char text[FAULT_TEXT_MAX];
    bool lasting; /* all of them */
};

static void add_reason(struct reasons *reasons, const char *text, bool lasting)
{
    size_t length = strlen(reasons->text);
    reasons->lasting = lasting && (length == 0 || reasons->lasting);
    snprintf(reasons->text + length, sizeof reasons->text - length, "%s%s", length > 0 ? "; " : "",
             text);
}

/* Adds what libpq says, in which SQLSTATE is told as in "FATAL:  28P01: no such role". */
static void add_message(struct link *link, struct reasons *reasons, const char *message)
{
    char text[FAULT_TEXT_MAX];
    snprintf(text, sizeof text, "%s", message);
    char *location = strstr(text, "\nLOCATION:");
    if (location != NULL)
        *location = '\0';
    link->sqlstate[0] = '\0';
    for (char *at = strstr(text, ":  "); at != NULL; at = strstr(at + 1, ":  "))
        if (strspn(at + 3, "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ") == 5 && at[8] == ':')
            snprintf(link->sqlstate, sizeof link->sqlstate, "%.5s", at + 3);
    add_reason(reasons, make_line(text), is_lasting(link->sqlstate));
}

/* Finds out what a service file and the environment add to the operator's words: libpq tells it of
 * a connection that has begun. */
static int read_all(struct link *link, struct fault *fault)
{
    const char *const keywords[] = {"dbname", NULL}, *const values[] = {link->conninfo, NULL};
    PGconn *begun = link->libpq.PQconnectStartParams(keywords, values, 1);
    if (begun == NULL)
        return fault_set(fault, "no memory for a connection");
    link->all = link->libpq.PQconninfo(begun);
    /* A service that is not there, or an option's value that libpq does not take. */
    if (value_of(link->all, "dbname") == NULL) {
        struct reasons reasons = {.text = ""};
        add_message(link, &reasons, link->libpq.PQerrorMessage(begun));
        fault_set(fault, "%s", reasons.text);
        fault->lasting = true;
    }
    link->libpq.PQfinish(begun);
    if (!fault->set)
        return 0;
    link->libpq.PQconninfoFree(link->all);
    link->all = NULL;
    return -1;
}

/* The field of a list "a,b,c" with that INDEX; of a list with one field, that. */
static const char *field_of(const char *list, size_t index, char field[NAME_SIZE])
{
    if (list == NULL)
        return NULL;
    for (; index > 0 && strchr(list, ',') != NULL; index--)
        list = strchr(list, ',') + 1;
    snprintf(field, NAME_SIZE, "%.*s", (int)strcspn(list, ","), list);
    return field;
}

static size_t count_fields(const char *list)
{
    size_t count = 1;
    for (; list != NULL && (list = strchr(list, ',')) != NULL; list++)
        count++;
    return count;
}

/* The words of a connection. */
struct words {
    const char *keywords[WORDS_MAX + 1], *values[WORDS_MAX + 1];
    size_t length;
};

static void add_word(struct words *words, const char *keyword, const char *value)
{
    if (value == NULL || words->length == WORDS_MAX)
        return;
    words->keywords[words->length] = keyword;
    words->values[words->length++] = value;
}

/* Whether the operator, a service file or the environment has set KEYWORD. What libpq itself has as
 * its default is no wish of anybody. */
static bool is_set(const struct link *link, const char *keyword)
{
    if (value_of(link->words, keyword) != NULL)
        return true;
    for (const PQconninfoOption *o = link->all; o->keyword != NULL; o++)
        if (strcmp(o->keyword, keyword) == 0)
            return o->val != NULL && (o->compiled == NULL || strcmp(o->val, o->compiled) != 0);
    return false;
}

/* Begins a connection to the host with that INDEX. */
static PGconn *start(struct link *link, size_t index)
{
    static const char *const lists[] = {"host", "hostaddr", "port"};
    char fields[3][NAME_SIZE];
    struct words words = {.length = 0};
    for (const PQconninfoOption *o = link->all; o->keyword != NULL; o++)
        if (strcmp(o->keyword, "service") != 0)
            add_word(&words, o->keyword, o->val);
    for (size_t i = 0; i < sizeof defaults / sizeof defaults[0]; i++)
        if (!is_set(link, defaults[i].keyword))
            add_word(&words, defaults[i].keyword, defaults[i].value);
    /* The last word of a kind holds. */
    for (size_t i = 0; i < 3; i++)
        add_word(&words, lists[i], field_of(value_of(link->all, lists[i]), index, fields[i]));
    const char *host = value_of(link->all, "host") != NULL       ? fields[0]
                       : value_of(link->all, "hostaddr") != NULL ? fields[1]
                                                                 : "";
    snprintf(link->name, sizeof link->name, "%.200s:%.10s/%.60s", host,
             value_of(link->all, "port") != NULL ? fields[2] : "", value_of(link->all, "dbname"));
    return link->libpq.PQconnectStartParams(words.keywords, words.values, 0);
}

/* Goes on with a connection that has begun. Returns 1 when it is made, 0 if it failed, -1 if the
 * caller is to stop. */
static int finish_connecting(struct link *link, int64_t until_ms, struct reasons *reasons)
{
    PostgresPollingStatusType wanted = PGRES_POLLING_WRITING;
    if (link->libpq.PQstatus(link->connection) == CONNECTION_BAD)
        wanted = PGRES_POLLING_FAILED;
    while (wanted != PGRES_POLLING_OK) {
        if (wanted == PGRES_POLLING_FAILED) {
            add_message(link, reasons, link->libpq.PQerrorMessage(link->connection));
            return 0;
        }
        int fd = link->libpq.PQsocket(link->connection);
        int ready = wait_socket(link, fd, wanted == PGRES_POLLING_READING ? POLLIN : POLLOUT,
                                until_ms);
        if (ready <= 0) {
            char text[NAME_SIZE + 30];
            snprintf(text, sizeof text, "%s: no answer in time", link->name);
            add_reason(reasons, text, false);
            return ready;
        }
        wanted = link->libpq.PQconnectPoll(link->connection);
    }
    return 1;
}

/* Rule 8: refuses a server that cannot keep what it confirms. Returns as finish_connecting. */
static int check_server(struct link *link, int64_t until_ms, struct reasons *reasons)
{
    struct fault fault = FAULT_NONE;
    int64_t left_ms = until_ms - clock_monotonic_ms();
    enum link_outcome outcome = link_call(link, ASK_SERVER, NULL, 0, left_ms < 0 ? 0 : (int)left_ms,
                                          &fault);
    char text[NAME_SIZE + FAULT_TEXT_MAX + 2];
    const char *wrong = NULL;
    if (outcome == LINK_STOPPED)
        return -1;
    if (outcome == LINK_LATE)
        wrong = "no answer in time";
    else if (outcome != LINK_DONE)
        wrong = fault.text;
    else if (link_number(link, 0, 3) < SERVER_LEAST)
        wrong = "its PostgreSQL is older than 14";
    else if (strcmp(link_value(link, 0, 0, NULL), "on") != 0)
        wrong = "fsync is off: it may lose what it has confirmed";
    else if (strcmp(link_value(link, 0, 1, NULL), "on") != 0)
        wrong = "full_page_writes is off: it may lose what it has confirmed";
    else if (strcmp(link_value(link, 0, 2, NULL), "UTF8") != 0)
        wrong = "the database's encoding is not UTF8";
    if (wrong == NULL)
        return 1;
    snprintf(text, sizeof text, "%s: %s", link->name, wrong);
    add_reason(reasons, text, outcome == LINK_DONE);
    return 0;
}

/* Tries the host with that INDEX. Returns as finish_connecting. */
static int try_host(struct link *link, size_t index, int64_t until_ms, struct reasons *reasons)
{
    int made = 0;
    link->connection = start(link, index);
    if (link->connection == NULL) {
        add_reason(reasons, "no memory for a connection", false);
        return 0;
    }
    link->libpq.PQsetErrorVerbosity(link->connection, PQERRORS_VERBOSE);
    made = finish_connecting(link, until_ms, reasons);
    if (made > 0) {
        link->libpq.PQsetErrorVerbosity(link->connection, PQERRORS_DEFAULT);
        link->libpq.PQsetNoticeReceiver(link->connection, take_notice, link);
        link->libpq.PQsetnonblocking(link->connection, 1);
        made = check_server(link, until_ms, reasons);
    }
    if (made <= 0)
        link_close(link);
    return made;
}

/* The operator's connect_timeout, or our own: for one host. */
static int64_t host_ms(const struct link *link)
{
    int64_t seconds = 0;
    const char *text = value_of(link->all, "connect_timeout");
    if (text == NULL || !units_digits(text, &seconds) || seconds < 1 || seconds > HOST_SECONDS_MAX)
        seconds = HOST_SECONDS;
    return seconds * 1000;
}

int link_connect(struct link *link, struct fault *fault)
{
    if (link->connection != NULL)
        return 0;
    if (wait_socket(link, -1, 0, link->began_ms + ROUND_MS) < 0)
        return fault_set(fault, STOPPED);
    link->began_ms = clock_monotonic_ms();
    if (link->all == NULL && read_all(link, fault) != 0)
        return -1;
    struct reasons reasons = {.text = ""};
    size_t hosts = count_fields(value_of(link->all, "host"));
    size_t addresses = count_fields(value_of(link->all, "hostaddr"));
    for (size_t i = 0; i < (hosts > addresses ? hosts : addresses); i++) {
        int made = try_host(link, i, clock_monotonic_ms() + host_ms(link), &reasons);
        if (made > 0)
            return 0;
        if (made < 0)
            return fault_set(fault, STOPPED);
    }
    fault_set(fault, "%s", reasons.text);
    fault->lasting = reasons.lasting;
    return -1;
}
