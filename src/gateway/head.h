/*
 * Heads of HTTP/1 messages, read strictly: what two parsers could read differently is an error. Pure.
 * Texts point into the head's own bytes.
 */
#ifndef ATOLL_GATEWAY_HEAD_H
#define ATOLL_GATEWAY_HEAD_H

#include "base/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

enum {
    GATEWAY_HEAD_MAX = 24 * 1024,   /* request line and headers together, as the API's */
    GATEWAY_TARGET_MAX = 16 * 1024, /* path and query */
    GATEWAY_FIELDS_MAX = 100,       /* header fields */
    GATEWAY_METHOD_MAX = 32,
    GATEWAY_HOST_MAX = 255, /* a DNS name and a port */
};

struct text {
    const char *data;
    size_t length;
};

/* What a header field is to a proxy. '_' in a name reads as '-', as many applications read it. */
enum field_role {
    FIELD_PLAIN, /* passed on */
    FIELD_HOP,   /* about this connection: never passed on */
    FIELD_CONNECTION,
    FIELD_KEEP_ALIVE,
    FIELD_UPGRADE,
    FIELD_LENGTH,
    FIELD_ENCODING,
    FIELD_HOST,
    FIELD_EXPECT,
    FIELD_ACCEPT,
    FIELD_COOKIE,
    FIELD_SET_COOKIE,
    FIELD_FORWARDED, /* says who the client is: ours to say */
    FIELD_TOKEN,     /* x-miosa-preview-token */
};

struct head_field {
    struct text name, value;
    enum field_role role;
};

struct head {
    struct text method, target; /* of a request; target: "/path?query" or "*" */
    struct text host;           /* with its port, as the client wrote it */
    int status;                 /* of a response */
    struct text reason;
    int minor;              /* of the version HTTP/1.x */
    int64_t content_length; /* -1: none given */
    bool is_chunked;
    bool keep_alive; /* what version and Connection say */
    bool names_hops; /* Connection names fields that are not to be passed on */
    bool expects_continue;
    struct text upgrade; /* the protocol, when Connection names it; empty: none */
    int keep_alive_sec;  /* "Keep-Alive: timeout=N" of a response, or -1 */
    size_t field_count;
    struct head_field fields[GATEWAY_FIELDS_MAX];
};

/* How long is the head at the start of data? Its length with the empty line, 0 when its end is not there yet, -1
 * when a line does not end in CR LF. *at: 0 at first, then kept between calls (start of the last line). */
ssize_t head_length(const char *data, size_t length, size_t *at);

/* Parses a head of that length. -1: ERR_LENGTH (malformed), ERR_HEADERS_TOO_LARGE, ERR_URI_TOO_LONG,
 * ERR_METHOD (CONNECT). */
int head_parse_request(const char *data, size_t length, struct head *head, struct error *err);
/* -1: ERR_UPSTREAM with a sentence about what is wrong. */
int head_parse_response(const char *data, size_t length, struct head *head, struct error *err);

/* The first field of that role, or NULL. */
const struct head_field *head_find(const struct head *head, enum field_role role);

/* The value of the first field of that name, or no data. */
struct text head_value(const struct head *head, const char *name);

/* Does Connection name this field, so that it is not passed on? */
bool head_names_hop(const struct head *head, struct text name);

/* --- words in them --- */

bool text_is(struct text text, const char *word); /* without regard to case */

/* The next element of a comma-separated list: cut from *list and trimmed. false at its end. */
bool text_next(struct text *list, struct text *ret_element);

/* Is it a host name or address with an optional port? host[GATEWAY_HOST_MAX + 1] gets the name in lower case without port
 * and trailing dot. */
bool host_normalize(struct text text, char host[GATEWAY_HOST_MAX + 1]);

/* field_names.c */
enum field_role field_role(struct text name);

#endif
