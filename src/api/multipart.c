#include "api/multipart.h"

#include <assert.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum {
    BOUNDARY_MAX_BYTES = 70, /* RFC 2046 */
    LINE_MAX_BYTES = 4096,
    HEADERS_MAX_BYTES = 8192,
};

enum state {
    STATE_PREAMBLE,  /* before the first delimiter */
    STATE_DELIMITER, /* after a delimiter: "--" or the line's end */
    STATE_HEADERS,
    STATE_DATA,
    STATE_DONE, /* what follows is ignored */
};

struct multipart {
    struct multipart_handler handler;
    enum state state;
    char delimiter[BOUNDARY_MAX_BYTES + 8]; /* "\r\n--boundary" */
    size_t delimiter_length;
    size_t matched;            /* bytes of the delimiter that the data just showed */
    char line[LINE_MAX_BYTES]; /* of headers, or of what follows a delimiter */
    size_t line_length;
    size_t headers_length;
    char name[MULTIPART_NAME_SIZE];
    bool has_name;
    int parts;
};

static int malformed(struct error *err, const char *what)
{
    return error_set(err, ERR_BAD_REQUEST, 0, "the body is not valid multipart/form-data: %s",
                     what);
}

static bool boundary_valid(const char *boundary)
{
    static const char allowed[] = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
                                  "'()+_,-./:=? ";
    size_t length = strlen(boundary);
    return length > 0 && strspn(boundary, allowed) == length && boundary[length - 1] != ' ';
}

struct multipart *multipart_new(const char *content_type, struct multipart_handler handler,
                                struct error *err)
{
    char boundary[BOUNDARY_MAX_BYTES + 1];
    if (header_parameter(content_type, "boundary", boundary, sizeof(boundary)) != 1 ||
        !boundary_valid(boundary)) {
        error_set(err, ERR_BAD_REQUEST, 0, "Content-Type has no usable boundary");
        return NULL;
    }
    struct multipart *multipart = calloc(1, sizeof(*multipart));
    if (!multipart) {
        error_set(err, ERR_INTERNAL, 0, "no memory for a form");
        return NULL;
    }
    multipart->handler = handler;
    multipart->delimiter_length =
        (size_t)snprintf(multipart->delimiter, sizeof(multipart->delimiter), "\r\n--%s", boundary);
    multipart->matched = 2; /* the body's beginning stands for a line's end */
    return multipart;
}

struct multipart *multipart_free(struct multipart *multipart)
{
    free(multipart);
    return NULL;
}

/* --- part headers --- */

static int begin_part(struct multipart *multipart, struct error *err)
{
    if (!multipart->has_name) {
        return malformed(err, "a part has no Content-Disposition with a name");
    }
    if (++multipart->parts > MULTIPART_PARTS_MAX) {
        return malformed(err, "too many parts");
    }
    multipart->state = STATE_DATA;
    multipart->matched = 0;
    return multipart->handler.on_part(multipart->handler.context, multipart->name, err);
}

/* The line without its end. */
static int take_header(struct multipart *multipart, const char *line, struct error *err)
{
    static const char disposition[] = "content-disposition:", form[] = "form-data";
    if (strncasecmp(line, "content-transfer-encoding:", 26) == 0) {
        const char *value = line + 26 + strspn(line + 26, " \t");
        bool plain = strcasecmp(value, "binary") == 0 || strcasecmp(value, "8bit") == 0 ||
                     strcasecmp(value, "7bit") == 0;
        return plain ? 0 : malformed(err, "a Content-Transfer-Encoding");
    }
    if (strncasecmp(line, disposition, sizeof(disposition) - 1) != 0) {
        return strchr(line, ':') ? 0 : malformed(err, "a header without a colon");
    }
    const char *value = line + sizeof(disposition) - 1;
    value += strspn(value, " \t");
    if (multipart->has_name || strncasecmp(value, form, sizeof(form) - 1) != 0 ||
        header_parameter(value, "name", multipart->name, sizeof(multipart->name)) != 1) {
        return malformed(err, "a bad Content-Disposition");
    }
    multipart->has_name = true;
    return 0;
}

/* A whole line arrived in STATE_HEADERS or STATE_DELIMITER. */
static int take_line(struct multipart *multipart, struct error *err)
{
    char *line = multipart->line;
    size_t length = multipart->line_length;
    multipart->line_length = 0;
    if (length < 2 || line[length - 2] != '\r' || memchr(line, '\0', length)) {
        return malformed(err, "a line that does not end with CR LF");
    }
    line[length - 2] = '\0';
    if (multipart->state == STATE_DELIMITER) {
        if (line[strspn(line, " \t")]) {
            return malformed(err, "something follows the boundary");
        }
        multipart->state = STATE_HEADERS;
        multipart->headers_length = 0;
        multipart->has_name = false;
        return 0;
    }
    multipart->headers_length += length;
    if (multipart->headers_length > HEADERS_MAX_BYTES) {
        return malformed(err, "the headers of a part are too long");
    }
    return line[0] ? take_header(multipart, line, err) : begin_part(multipart, err);
}

/* Returns how many bytes were used, or 0 with err. */
static size_t push_line(struct multipart *multipart, const char *bytes, size_t length,
                        struct error *err)
{
    const char *newline = memchr(bytes, '\n', length);
    size_t step = newline ? (size_t)(newline - bytes) + 1 : length;
    if (step > sizeof(multipart->line) - multipart->line_length) {
        malformed(err, "a line of a part's head is too long");
        return 0;
    }
    memcpy(multipart->line + multipart->line_length, bytes, step);
    multipart->line_length += step;
    if (multipart->state == STATE_DELIMITER && multipart->line_length >= 2 &&
        memcmp(multipart->line, "--", 2) == 0) {
        multipart->state = STATE_DONE;
        return step;
    }
    return newline && take_line(multipart, err) ? 0 : step;
}

/* --- part data --- */

/* Data before the first delimiter is nobody's. */
static int give_data(struct multipart *multipart, const char *bytes, size_t length,
                     struct error *err)
{
    if (multipart->state == STATE_PREAMBLE || length == 0) {
        return 0;
    }
    return multipart->handler.on_data(multipart->handler.context, bytes, length, err);
}

static int end_data(struct multipart *multipart, struct error *err)
{
    bool in_part = multipart->state == STATE_DATA;
    multipart->state = STATE_DELIMITER;
    multipart->line_length = 0;
    return in_part ? multipart->handler.on_part_end(multipart->handler.context, err) : 0;
}

/* Bytes before the next place where a delimiter begins, or may begin at the end of what is here. */
static size_t plain_length(const struct multipart *multipart, const char *bytes, size_t length)
{
    size_t from = 0;
    for (;;) {
        const char *cr = memchr(bytes + from, '\r', length - from);
        if (!cr) {
            return length;
        }
        size_t at = (size_t)(cr - bytes);
        size_t rest = length - at;
        size_t compared = rest < multipart->delimiter_length ? rest : multipart->delimiter_length;
        if (memcmp(cr, multipart->delimiter, compared) == 0) {
            return at;
        }
        from = at + 1;
    }
}

/*
 * CR appears in a delimiter only as its first byte, so after a mismatch nothing of what matched can
 * begin another match. Returns how many bytes were used, or 0 with err.
 */
static size_t push_data(struct multipart *multipart, const char *bytes, size_t length,
                        struct error *err)
{
    if (multipart->matched == 0) {
        size_t plain = plain_length(multipart, bytes, length);
        if (plain > 0) {
            return give_data(multipart, bytes, plain, err) ? 0 : plain;
        }
    }
    size_t used = 0;
    while (used < length && multipart->matched < multipart->delimiter_length &&
           bytes[used] == multipart->delimiter[multipart->matched]) {
        used++;
        multipart->matched++;
    }
    if (multipart->matched == multipart->delimiter_length) {
        return end_data(multipart, err) ? 0 : used;
    }
    if (used == length) {
        return used;
    }
    size_t matched = multipart->matched;
    multipart->matched = 0;
    if (give_data(multipart, multipart->delimiter, matched, err)) {
        return 0;
    }
    /* nothing used means that the mismatch came with the first byte, which is looked at again */
    return used > 0 ? used : push_data(multipart, bytes, length, err);
}

int multipart_push(struct multipart *multipart, const void *bytes, size_t length, struct error *err)
{
    const char *from = bytes;
    while (length > 0 && multipart->state != STATE_DONE) {
        bool in_line = multipart->state == STATE_DELIMITER || multipart->state == STATE_HEADERS;
        size_t used = in_line ? push_line(multipart, from, length, err)
                              : push_data(multipart, from, length, err);
        if (used == 0) {
            return -1;
        }
        assert(used <= length);
        from += used;
        length -= used;
    }
    return 0;
}

int multipart_finish(const struct multipart *multipart, struct error *err)
{
    return multipart->state == STATE_DONE ? 0 : malformed(err, "it ends too early");
}
