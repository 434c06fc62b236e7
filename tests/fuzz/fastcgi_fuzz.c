/* fastcgi: any bytes from a web server, gathered and read by libfcgi.
 *
 * Promised: however the bytes are cut into pieces, the same requests come out of them, and they are
 * those that a plain reading of the whole stream finds (stream.c); whatever comes, what is held is
 * bounded, each piece is taken to its end or to the end of a request, and no call waits. */
#include "config.h"

#include "stream.h"

#include "receiver/fcgi_reader.h"
#include "support.h"

#include <stdlib.h>
#include <string.h>

static struct request_file file;
static struct stream expected;

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    (void)argc;
    (void)argv;
    struct fault fault = FAULT_NONE;
    fuzz_begin();
    fuzz_demand(request_library_init(&fault) == 0 && request_file_open(&file, &fault) == 0, "%s",
                fault.text);
    return 0;
}

/* A connection that is being read. */
struct reading {
    struct fcgi_reader reader;
    size_t events; /* of those expected, how many came */
    bool broken;
};

static void check_parameter(const struct stream_event *event, const struct request *request,
                            const char *name)
{
    char *value = stream_parameter(event, name);
    const char *found = request_parameter(request, name);
    fuzz_demand((value == NULL) == (found == NULL) && (value == NULL || strcmp(value, found) == 0),
                "%s is %s, not %s", name, value == NULL ? "not there" : value,
                found == NULL ? "not there" : found);
    free(value);
}

/* The whole request in GATHER is EVENT, and libfcgi reads it so. */
static void check_request(const struct stream_event *event, const struct fcgi_reader *reader)
{
    fuzz_demand(event->is_request, "a reply was owed");
    fuzz_demand(reader->request_id == event->id && reader->keep == event->keep, "the request");
    fuzz_demand(reader->params.length == event->params.length &&
                    (event->params.length == 0 ||
                     memcmp(reader->params.bytes, event->params.bytes, event->params.length) == 0),
                "its parameters");
    fuzz_demand(reader->body.length == (reader->body_excessive ? 0 : event->body.length) &&
                    reader->body_length == event->body_length &&
                    reader->body_too_large == event->body_too_large &&
                    (reader->body.length == 0 ||
                     memcmp(reader->body.bytes, event->body.bytes, event->body.length) == 0),
                "its body");

    struct request request;
    struct fault fault = FAULT_NONE;
    fuzz_demand(request_read(&request, &file, reader, &fault) == 0, "%s", fault.text);
    check_parameter(event, &request, "REQUEST_METHOD");
    check_parameter(event, &request, "REQUEST_URI");
    check_parameter(event, &request, "CONTENT_LENGTH");
    check_parameter(event, &request, "HTTP_NONCE");
    fuzz_demand(request.body == stream_body(event), "the verdict on its body, %d, is %d",
                request.body, stream_body(event));
    fuzz_demand(request.path_length <= strlen(request.path) &&
                    memchr(request.path, '?', request.path_length) == NULL &&
                    strchr("?", request.path[request.path_length]) != NULL,
                "a path ends before the query");
    request_drop(&request);
}

static void check_bounds(const struct fcgi_reader *reader)
{
    fuzz_demand(reader->params.length <= FCGI_READER_PARAMS_MAX, "bounded parameters");
    fuzz_demand(reader->body.length <= reader->body_max, "a bounded body");
    /* A buffer grows by doubling. */
    fuzz_demand((reader->params.capacity + reader->body.capacity) <=
                    2 * (FCGI_READER_PARAMS_MAX + reader->body_max) + 1024,
                "bounded memory, not %zu", (reader->params.capacity + reader->body.capacity));
}

static void feed(struct reading *reading, const unsigned char *bytes, size_t length)
{
    while (length > 0 && !reading->broken) {
        size_t used = SIZE_MAX;
        struct fcgi_reader *reader = &reading->reader;
        enum fcgi_reader_result result = fcgi_reader_feed(reader, bytes, length, &used);
        fuzz_demand(used <= length, "no more is taken than came");
        fuzz_demand(result != FCGI_READER_MORE || used == length, "all is taken");
        fuzz_demand(result == FCGI_READER_BROKEN || used > 0, "each call goes on");
        check_bounds(reader);
        bytes += used;
        length -= used;
        reading->broken = result == FCGI_READER_BROKEN;
        fuzz_demand(reading->broken == (reader->defect != NULL), "a defect has a name");
        if (result != FCGI_READER_WHOLE && result != FCGI_READER_REPLY)
            continue;
        if (reading->events == STREAM_EVENTS_MAX)
            return; /* so many were not read ahead */
        fuzz_demand(reading->events < expected.length, "no more than was sent");
        const struct stream_event *event = &expected.events[reading->events++];
        if (result == FCGI_READER_WHOLE) {
            check_request(event, reader);
            fcgi_reader_reset(reader);
        } else {
            fuzz_demand(!event->is_request && reader->reply_length == event->reply_length &&
                            memcmp(reader->reply, event->reply, event->reply_length) == 0,
                        "the reply that is owed");
        }
    }
}

/* Reads STREAM in pieces of at most MOST bytes; each is a copy whose end is guarded. */
static void read_in_pieces(const struct buffer *stream, size_t body_max, size_t most,
                           uint64_t *seed)
{
    struct reading reading = {.events = 0};
    fcgi_reader_init(&reading.reader, body_max);
    for (size_t done = 0; done < stream->length && !reading.broken;) {
        size_t left = stream->length - done;
        size_t piece = most >= left ? left : 1 + support_random_below(seed, most);
        char *copy = fuzz_copy(stream->bytes + done, piece);
        feed(&reading, (const unsigned char *)copy, piece);
        free(copy);
        done += piece;
    }
    if (expected.length < STREAM_EVENTS_MAX) {
        fuzz_demand(reading.events == expected.length, "%zu of %zu came", reading.events,
                    expected.length);
        fuzz_demand(reading.broken == expected.broken, "%s",
                    expected.broken ? "broken" : "not broken");
        fuzz_demand(reading.broken || fcgi_reader_has_begun(&reading.reader) == expected.begun,
                    "%s", expected.begun ? "begun" : "not begun");
    }
    fcgi_reader_reset(&reading.reader);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    static const size_t body_maxes[] = {1000, 0, 1, 70000};
    struct fuzz_input input = {bytes, size};
    uint64_t seed = fuzz_seed(bytes, size);
    size_t body_max = body_maxes[fuzz_below(&input, LENGTH(body_maxes))];
    struct buffer stream = {0};
    stream_write(&stream, &input);
    stream_read(&expected, (const unsigned char *)stream.bytes, stream.length, body_max);
    read_in_pieces(&stream, body_max, SIZE_MAX, &seed);
    size_t most = 1 + support_random_below(&seed, 64);
    read_in_pieces(&stream, body_max, stream.length > 20000 ? 4000 : most, &seed);
    if (stream.length < 2000)
        read_in_pieces(&stream, body_max, 1, &seed);
    stream_release(&expected);
    buffer_release(&stream);
    return 0;
}
