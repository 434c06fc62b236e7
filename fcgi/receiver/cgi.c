/* cgi: one request that a web server hands to a process of its own. */
#include "config.h"

#include "receiver/cgi.h"

#include "base/clock.h"
#include "base/units.h"

#include <errno.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* From the FastCGI specification, section 8. */
enum record_type { BEGIN_REQUEST = 1, END_REQUEST = 3, PARAMS = 4, STDIN = 5, STDOUT = 6 };
#define HEADER_SIZE 8
#define CONTENT_MAX 65528 /* of one record, a multiple of 8 */

#define READ_SIZE ((size_t)16 << 10)

extern char **environ;

int cgi_take_stdout(struct fault *fault)
{
    int fd = dup(STDOUT_FILENO);
    if (fd < 0 || dup2(STDERR_FILENO, STDOUT_FILENO) < 0)
        return fault_set_errno(fault, errno, "stdout");
    return fd;
}

static size_t least(size_t a, size_t b)
{
    return a < b ? a : b;
}

/* Reads MOST bytes of stdin, or to its end, and keeps the first KEEP of them. False if it cannot do
 * so in time. */
static bool read_body(struct buffer *body, size_t keep, size_t most)
{
    int64_t until_ms = clock_monotonic_ms() + CGI_BODY_MS;
    char bytes[READ_SIZE];
    for (size_t done = 0; done < most;) {
        struct pollfd pollfd = {.fd = STDIN_FILENO, .events = POLLIN};
        int64_t left_ms = until_ms - clock_monotonic_ms();
        if (left_ms <= 0 || (poll(&pollfd, 1, (int)left_ms) < 0 && errno != EINTR))
            return false;
        if (pollfd.revents == 0)
            continue;
        ssize_t length = read(STDIN_FILENO, bytes, least(most - done, sizeof bytes));
        if (length == 0)
            return true;
        if (length < 0 && errno != EINTR && errno != EAGAIN)
            return false;
        if (length < 0)
            continue;
        buffer_add(body, bytes, least((size_t)length, keep - body->length));
        done += (size_t)length;
        if (body->failed)
            return false;
    }
    return true;
}

/* A length in the encoding of the specification's section 3.4. */
static void add_length(struct buffer *text, size_t length)
{
    const unsigned char bytes[4] = {(unsigned char)(0x80 | length >> 24),
                                    (unsigned char)(length >> 16), (unsigned char)(length >> 8),
                                    (unsigned char)length};
    if (length < 0x80)
        buffer_add(text, (const char *)bytes + 3, 1);
    else
        buffer_add(text, (const char *)bytes, sizeof bytes);
}

static void add_parameter(struct buffer *parameters, const char *name, size_t name_length,
                          const char *value)
{
    size_t value_length = strlen(value);
    add_length(parameters, name_length);
    add_length(parameters, value_length);
    buffer_add(parameters, name, name_length);
    buffer_add(parameters, value, value_length);
}

static void add_record(struct buffer *request, enum record_type type, const char *content,
                       size_t length)
{
    const unsigned char header[HEADER_SIZE] = {
        1, (unsigned char)type, 0, 1, (unsigned char)(length >> 8), (unsigned char)length, 0, 0};
    buffer_add(request, (const char *)header, sizeof header);
    buffer_add(request, content, length);
}

/* Appends records with all of CONTENT, and the empty record that ends them. */
static void add_stream(struct buffer *request, enum record_type type, const struct buffer *content)
{
    for (size_t done = 0; done < content->length;) {
        size_t part = content->length - done;
        part = part > CONTENT_MAX ? CONTENT_MAX : part;
        add_record(request, type, content->bytes + done, part);
        done += part;
    }
    add_record(request, type, NULL, 0);
    request->failed = request->failed || content->failed;
}

/* Appends the environment except the body's length; the path if the server sets no REQUEST_URI. */
static void add_environment(struct buffer *parameters)
{
    for (char **variable = environ; *variable != NULL; variable++) {
        size_t length = strcspn(*variable, "=");
        if ((*variable)[length] == '=' && strncmp(*variable, "CONTENT_LENGTH=", length + 1) != 0)
            add_parameter(parameters, *variable, length, *variable + length + 1);
    }
    if (getenv("REQUEST_URI") == NULL) {
        const char *script = getenv("SCRIPT_NAME"), *rest = getenv("PATH_INFO");
        struct buffer path = {0};
        buffer_addf(&path, "%s%s", script == NULL ? "" : script, rest == NULL ? "" : rest);
        buffer_add(&path, "", 1);
        if (path.failed)
            parameters->failed = true;
        else
            add_parameter(parameters, "REQUEST_URI", strlen("REQUEST_URI"), path.bytes);
        buffer_release(&path);
    }
}

/* Appends the body's length as the web server announced it, or a value by which the worker sees
 * that the body is not whole. A body that is too long is refused without a length. */
static void add_content_length(struct buffer *parameters, const struct buffer *body, bool ended,
                               size_t body_max)
{
    const char *announced = getenv("CONTENT_LENGTH");
    char more[32];
    if (!ended) {
        snprintf(more, sizeof more, "%zu", body->length + 1);
        announced = more;
    }
    if (announced != NULL && body->length <= body_max)
        add_parameter(parameters, "CONTENT_LENGTH", strlen("CONTENT_LENGTH"), announced);
}

/* How much of stdin is the body (RFC 3875, section 4.2). It is never more than was announced,
 * because a server need not end stdin. If a POST came in chunks, all of stdin is the body. */
static size_t body_bytes(void)
{
    const char *announced = getenv("CONTENT_LENGTH"), *method = getenv("REQUEST_METHOD");
    int64_t length;
    if (announced == NULL || announced[0] < '0' || announced[0] > '9')
        return method != NULL && strcmp(method, "POST") == 0 ? SIZE_MAX : 0;
    return units_digits(announced, &length) ? (size_t)length : SIZE_MAX;
}

/* Appends the request as FastCGI, with a body read from stdin. */
static void add_request(struct buffer *request, size_t body_max)
{
    const char begin[8] = {0, 1}; /* a responder, and no further request on the connection */
    struct buffer body = {0}, parameters = {0};
    size_t bytes = body_bytes();
    bool ended = read_body(&body, least(bytes, body_max + 1),
                           least(bytes, body_max + 1 + CGI_DISCARD_MAX));
    add_environment(&parameters);
    add_content_length(&parameters, &body, ended, body_max);
    add_record(request, BEGIN_REQUEST, begin, sizeof begin);
    add_stream(request, PARAMS, &parameters);
    add_stream(request, STDIN, &body);
    buffer_release(&parameters);
    buffer_release(&body);
}

/* Appends the content of the answer's records; false until the end record is among them. */
static bool decode_answer(const struct buffer *records, struct buffer *answer)
{
    const unsigned char *bytes = (const unsigned char *)records->bytes;
    for (size_t at = 0; records->length - at >= HEADER_SIZE;) {
        const unsigned char *header = bytes + at;
        size_t length = (size_t)header[4] << 8 | header[5], padding = header[6];
        if (length + padding > records->length - at - HEADER_SIZE)
            return false;
        if (header[1] == END_REQUEST)
            return true;
        if (header[1] == STDOUT)
            buffer_add(answer, (const char *)header + HEADER_SIZE, length);
        at += HEADER_SIZE + length + padding;
    }
    return false;
}

/* Sends REQUEST to SOCKET, and appends what comes back. */
static int ask(int socket, const struct buffer *request, struct buffer *answer, struct fault *fault)
{
    struct buffer records = {0};
    char bytes[READ_SIZE];
    ssize_t length = 0;
    for (size_t done = 0; done < request->length; done += (size_t)length) {
        length = send(socket, request->bytes + done, request->length - done, MSG_NOSIGNAL);
        if (length < 0)
            return fault_set_errno(fault, errno, "cannot accept the request");
    }
    while ((length = recv(socket, bytes, sizeof bytes, 0)) > 0)
        buffer_add(&records, bytes, (size_t)length);
    bool whole = !records.failed && decode_answer(&records, answer) && !answer->failed;
    buffer_release(&records);
    return whole ? 0 : fault_set(fault, "the request has no answer");
}

int cgi_exchange(size_t body_max, struct worker_pool *pool, struct buffer *answer,
                 struct fault *fault)
{
    int ends[2], result = -1;
    struct buffer request = {0};
    add_request(&request, body_max);
    if (request.failed) {
        fault_set(fault, "out of memory");
    } else if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0) {
        fault_set_errno(fault, errno, "cannot make a pair of sockets");
    } else {
        if (worker_adopt(pool, ends[1]) == 0) {
            result = ask(ends[0], &request, answer, fault);
        } else {
            close(ends[1]);
            fault_set(fault, "out of memory");
        }
        close(ends[0]);
    }
    buffer_release(&request);
    return result;
}

int cgi_answer(int fd, const struct buffer *answer, struct fault *fault)
{
    return buffer_write(answer, fd) == 0
               ? 0
               : fault_set_errno(fault, errno, "the web server does not take the answer");
}
