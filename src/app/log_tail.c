#include "app/internal.h"

#include "app/log_clean.h"

#include <stdlib.h>
#include <string.h>

/* Fills text with at most APP_LOG_TAIL_BYTES; *ret_cut: the file has more before them. */
static size_t read_tail(const char *agent_socket, const char *path, char *text, bool *ret_cut)
{
    struct error ignored = {0};
    struct agent_stat stat;
    struct agent_call *call =
        agent_read_start(agent_socket, path, -APP_LOG_TAIL_BYTES, -1, &stat, &ignored);
    size_t length = 0;
    int64_t got = call ? 1 : 0;
    while (got > 0 && length < APP_LOG_TAIL_BYTES) {
        got = agent_read_data(call, text + length, APP_LOG_TAIL_BYTES - length, &ignored);
        length += got > 0 ? (size_t)got : 0;
    }
    *ret_cut = call && stat.size > APP_LOG_TAIL_BYTES;
    agent_call_free(call);
    return length;
}

char *log_tail(const char *agent_socket, const char *path)
{
    char *text = malloc(APP_LOG_TAIL_BYTES + 1);
    if (!text) {
        return NULL;
    }
    bool cut;
    size_t length = read_tail(agent_socket, path, text, &cut);
    const char *line = cut ? memchr(text, '\n', length) : NULL;
    if (line) {
        size_t skipped = (size_t)(line + 1 - text);
        length -= skipped;
        memmove(text, line + 1, length);
    }
    length = log_clean(text, length);
    while (length > 0 && text[length - 1] == '\n') {
        text[--length] = '\0';
    }
    return text;
}
