/* request: libfcgi reads a gathered FastCGI request, and writes its answer. */
#include "config.h"

#include "receiver/request.h"

#include "base/units.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#define HEADER_SIZE 8
#define CONTENT_MAX 65528 /* of one record, a multiple of 8 */

/* All parameters in records of CONTENT_MAX, each with its header, the request's begin and two ends.
 */
#define FILE_SIZE \
    (FCGI_READER_PARAMS_MAX + HEADER_SIZE * (FCGI_READER_PARAMS_MAX / CONTENT_MAX + 8))

int request_library_init(struct fault *fault)
{
    /* libfcgi's own signal handlers never run: all threads block signals (receiver.c). */
    if (FCGX_Init() != 0)
        return fault_set(fault, "libfcgi cannot start");
    return 0;
}

int request_file_open(struct request_file *file, struct fault *fault)
{
    *file = (struct request_file){.fd = -1};
    int fd = memfd_create("request", MFD_CLOEXEC);
    if (fd < 0)
        return fault_set_errno(fault, errno, "cannot make a memory file");
    void *bytes = MAP_FAILED;
    if (ftruncate(fd, FILE_SIZE) == 0)
        bytes = mmap(NULL, FILE_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (bytes == MAP_FAILED) {
        fault_set_errno(fault, errno, "cannot map a memory file");
        close(fd);
        return -1;
    }
    *file = (struct request_file){.fd = fd, .bytes = bytes, .size = FILE_SIZE};
    return 0;
}

void request_file_close(struct request_file *file)
{
    if (file->bytes != NULL)
        munmap(file->bytes, file->size);
    if (file->fd >= 0)
        close(file->fd);
    *file = (struct request_file){.fd = -1};
}

/* Writes one record into the file; returns the address after it. */
static unsigned char *put_record(unsigned char *at, unsigned type, unsigned id, const void *content,
                                 size_t length)
{
    const unsigned char header[HEADER_SIZE] = {
        1,
        (unsigned char)type,
        (unsigned char)(id >> 8),
        (unsigned char)id,
        (unsigned char)(length >> 8),
        (unsigned char)length,
        0,
        0,
    };
    memcpy(at, header, sizeof header);
    if (length > 0)
        memcpy(at + sizeof header, content, length);
    return at + sizeof header + length;
}

/* Writes the request's begin, its parameters and an empty body into the file. The bytes after them
 * are from earlier requests; libfcgi never reads past the end of standard input. */
static void lay_out(struct request_file *file, const struct fcgi_reader *reader)
{
    /* The request always keeps its connection. So the receiver closes it, not libfcgi, which would
     * linger for seconds if the peer does not close. */
    const unsigned char begin[8] = {0, 1, 1, 0, 0, 0, 0, 0};
    unsigned char *at = put_record(file->bytes, 1, reader->request_id, begin, sizeof begin);
    for (size_t done = 0; done < reader->params.length;) {
        size_t part = reader->params.length - done;
        if (part > CONTENT_MAX)
            part = CONTENT_MAX;
        at = put_record(at, 4, reader->request_id, reader->params.bytes + done, part);
        done += part;
    }
    at = put_record(at, 4, reader->request_id, NULL, 0);
    put_record(at, 5, reader->request_id, NULL, 0);
}

const char *request_parameter(const struct request *request, const char *name)
{
    return FCGX_GetParam(name, request->fcgx.envp);
}

/* Whether a JSON object begins in BYTES and does not end there: brackets outside of strings are
 * still open. It does not check whether the object is valid. */
static bool is_cut_object(const char *bytes, size_t length)
{
    size_t depth = 0;
    bool string = false;
    for (size_t i = 0; i < length; i++) {
        char c = bytes[i];
        if (string && c == '\\')
            i++;
        else if (c == '"')
            string = !string;
        else if (!string && (c == '{' || c == '['))
            depth++;
        else if (!string && (c == '}' || c == ']') && --depth == 0)
            return false;
    }
    return true;
}

/* Whether a body without an announced length may be whole (it came in chunks, and the web server
 * does not count them). If the client went away or was too slow, some servers pass on the part that
 * they have, and some pass on nothing. So an object that does not end counts as cut, and so does an
 * empty body. */
static bool may_be_whole(const struct buffer *body, const char *transfer_encoding)
{
    size_t at = 0;
    while (at < body->length && memchr(" \t\r\n", body->bytes[at], 4) != NULL)
        at++;
    if (at == body->length)
        return transfer_encoding == NULL;
    return body->bytes[at] != '{' || !is_cut_object(body->bytes + at, body->length - at);
}

/* Compares the body with what CONTENT_LENGTH announced. */
static enum request_body judge_body(const struct request *request, const struct fcgi_reader *reader)
{
    const char *content_length = request_parameter(request, "CONTENT_LENGTH");
    bool known = content_length != NULL && content_length[0] != '\0';
    int64_t announced;
    if (known &&
        (!units_digits(content_length, &announced) || (uint64_t)announced != reader->body_length))
        return REQUEST_BODY_INCOMPLETE;
    if (reader->body_too_large)
        return REQUEST_BODY_TOO_LARGE;
    if (reader->body_excessive)
        return REQUEST_BODY_INCOMPLETE;
    return known ||
                   may_be_whole(&reader->body, request_parameter(request, "HTTP_TRANSFER_ENCODING"))
               ? REQUEST_BODY_WHOLE
               : REQUEST_BODY_INCOMPLETE;
}

/* Whether there is the memory that libfcgi takes for such a request: some 40 KiB, and a copy of
 * each parameter. Without it libfcgi ends the process. */
static bool is_memory_left(const struct fcgi_reader *reader)
{
    void *volatile memory = malloc(((size_t)64 << 10) + 24 * reader->params.length);
    bool left = memory != NULL;
    free(memory);
    return left;
}

int request_read(struct request *request, struct request_file *file,
                 const struct fcgi_reader *reader, struct fault *fault)
{
    if (file->fd < 0) {
        request_file_close(file);
        if (request_file_open(file, fault) != 0)
            return -1;
    }
    if (!is_memory_left(reader))
        return fault_set(fault, "out of memory");
    lay_out(file, reader);
    FCGX_InitRequest(&request->fcgx, -1, 0);
    if (lseek(file->fd, 0, SEEK_SET) != 0)
        return fault_set_errno(fault, errno, "cannot rewind a memory file");
    request->fcgx.ipcFd = file->fd;
    request->fcgx.keepConnection =
        1; /* otherwise libfcgi would first close the descriptor, as an old one */
    request->fcgx.detached = 1;
    if (FCGX_Accept_r(&request->fcgx) != 0) {
        /* libfcgi closed the descriptor when it could not read a request from it */
        file->fd = -1;
        return fault_set(fault, "libfcgi cannot read a request");
    }
    request->fcgx.ipcFd = -1;
    const char *method = request_parameter(request, "REQUEST_METHOD");
    const char *uri = request_parameter(request, "REQUEST_URI");
    request->method = method == NULL ? "" : method;
    request->path = uri == NULL ? "" : uri;
    request->path_length = strcspn(request->path, "?");
    request->body = judge_body(request, reader);
    return 0;
}

int request_answer(struct request *request, int socket, const char *head_and_body, size_t length)
{
    FCGX_Request *fcgx = &request->fcgx;
    fcgx->ipcFd = socket;
    int result = FCGX_PutStr(head_and_body, (int)length, fcgx->out) == (int)length ? 0 : -1;
    /* FCGX_Finish_r writes too, but hides the error. So close the stream here, which writes the
     * rest and the end of the request, and check. */
    if (FCGX_FClose(fcgx->err) != 0 || FCGX_FClose(fcgx->out) != 0)
        result = -1;
    request_drop(request);
    return result;
}

/* Makes the thread wait for the peer of SOCKET from now on. */
static int begin_waiting(int socket, int patience_ms)
{
    const struct timeval patience = {patience_ms / 1000, patience_ms % 1000 * 1000L};
    int flags = fcntl(socket, F_GETFL);
    return flags < 0 ||
                   setsockopt(socket, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience) != 0 ||
                   fcntl(socket, F_SETFL, flags & ~O_NONBLOCK) != 0
               ? -1
               : 0;
}

static int end_waiting(int socket)
{
    int flags = fcntl(socket, F_GETFL);
    return flags < 0 || fcntl(socket, F_SETFL, flags | O_NONBLOCK) != 0 ? -1 : 0;
}

int request_answer_patiently(struct request *request, int socket, const char *head_and_body,
                             size_t length, int patience_ms)
{
    if (begin_waiting(socket, patience_ms) != 0) {
        request_drop(request);
        return -1;
    }
    int result = request_answer(request, socket, head_and_body, length);
    return end_waiting(socket) == 0 ? result : -1;
}

int request_send_patiently(struct request *request, int socket, const char *bytes, size_t length,
                           int patience_ms)
{
    FCGX_Request *fcgx = &request->fcgx;
    int result = begin_waiting(socket, patience_ms);
    fcgx->ipcFd = socket;
    if (result == 0 && FCGX_PutStr(bytes, (int)length, fcgx->out) != (int)length)
        result = -1;
    if (end_waiting(socket) != 0)
        result = -1;
    if (result != 0)
        request_drop(request);
    return result;
}

void request_drop(struct request *request)
{
    request->fcgx.ipcFd = -1;
    FCGX_Free(&request->fcgx, 0);
}
