/* A place in the event log as text, "<seq>-<n>": what SSE clients send back as Last-Event-ID. Pure. */
#ifndef ATOLL_EVENTS_CURSOR_H
#define ATOLL_EVENTS_CURSOR_H

#include "base/error.h"

#include <stdint.h>

enum { CURSOR_SIZE = 48 };

struct cursor {
    int64_t seq; /* the last stored event before it */
    int64_t n;   /* the last live event before it */
};

char *cursor_print(const struct cursor *cursor, char text[CURSOR_SIZE]);

/* ERR_VALIDATION: it is none. */
int cursor_parse(const char *text, struct cursor *ret_cursor, struct error *err);

#endif
