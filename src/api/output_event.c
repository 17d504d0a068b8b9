#include "api/output_event.h"

#include "api/utf8_json.h"
#include "base/base64.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "http/http.h"

enum { PARTIAL_LINE_MS = 50 }; /* how long a begun line waits for its end */

static const char *const stream_names[] = {"stdout", "stderr"};

const char *output_stream_name(int stream)
{
    return stream_names[stream];
}

/* The exact bytes: as text, or in base64 when they are none. */
static int add_data(json_t *data, const struct bytes_view *piece, json_t *line, bool exact)
{
    if (exact && piece->data[piece->length - 1] != '\n') {
        return json_object_set(data, "data", line);
    }
    if (exact) {
        return json_object_set_new(data, "data", json_stringn_nocheck(piece->data, piece->length));
    }
    size_t length;
    auto_free char *encoded = base64_encode(piece->data, piece->length, &length);
    return !encoded || json_object_set_new(data, "encoding", json_string("base64")) ||
           json_object_set_new(data, "data", json_stringn_nocheck(encoded, length));
}

json_t *output_event_json(int stream, const struct bytes_view *piece)
{
    bool exact;
    size_t length = piece->length - (piece->data[piece->length - 1] == '\n' ? 1 : 0);
    json_t *line = utf8_json(piece->data, length, &exact);
    json_t *data = json_pack("{s:s,s:s,s:o}", "type", stream_names[stream], "stream",
                             stream_names[stream], "line", line);
    if (!data || add_data(data, piece, line, exact)) {
        json_decref(data);
        return NULL;
    }
    return data;
}

int64_t output_wait_ms(bool has_partial_line, int64_t changed_ms)
{
    if (!has_partial_line) {
        return SSE_KEEPALIVE_MS;
    }
    int64_t wait_ms = changed_ms + PARTIAL_LINE_MS - clock_monotonic_ms();
    return wait_ms < 0 ? 0 : wait_ms;
}
