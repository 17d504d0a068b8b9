#include "api/exec_result.h"

#include "api/utf8_json.h"
#include "base/base64.h"
#include "base/cleanup.h"
#include "base/utf8.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Less free space than this at the end of a command reads as a full disk. */
enum { DISK_FULL_BELOW_BYTES = 1024 * 1024 };

void exec_capture_add(struct exec_capture *capture, struct bytes_view bytes)
{
    size_t room = capture->bytes.max - capture->bytes.length;
    size_t step = bytes.length < room ? bytes.length : room;
    if (step > 0 && buffer_append(&capture->bytes, bytes.data, step)) {
        step = 0; /* no memory reads as no room */
    }
    capture->truncated |= step < bytes.length;
}

static int add_signal(json_t *result, int number)
{
    const char *name = sigabbrev_np(number);
    char text[32];
    snprintf(text, sizeof(text), name ? "SIG%s" : "%s%d", name ? name : "SIG", number);
    return json_object_set_new(result, "signal", json_string(text));
}

int exec_result_add_exit(json_t *result, const struct agent_exit *ended)
{
    int code = ended->timed_out ? EXEC_CODE_TIMED_OUT : ended->exit_code;
    int failed =
        json_object_set_new(result, "exit_code", json_integer(code)) ||
        json_object_set_new(result, "timed_out", json_boolean(ended->timed_out)) ||
        json_object_set_new(result, "duration_ms", json_integer(ended->duration_us / 1000));
    if (!failed && ended->signal > 0) {
        failed = add_signal(result, ended->signal);
    }
    if (!failed && ended->oom_killed) {
        failed = json_object_set_new(result, "oom_killed", json_true());
    }
    if (!failed && ended->disk_free_bytes >= 0 && ended->disk_free_bytes < DISK_FULL_BELOW_BYTES) {
        failed = json_object_set_new(result, "disk_full", json_true());
    }
    return failed ? -1 : 0;
}

static int set_suffixed(json_t *result, const char *name, const char *suffix, json_t *value)
{
    char key[64];
    snprintf(key, sizeof(key), "%s_%s", name, suffix);
    return json_object_set_new(result, key, value);
}

int exec_result_add_output(json_t *result, const char *name, struct exec_capture *capture)
{
    struct buffer *bytes = &capture->bytes;
    if (capture->truncated && bytes->length > 0) {
        /* a character that the limit cut in two does not make text binary */
        bytes->length -= utf8_incomplete_tail(bytes->data, bytes->length);
    }
    bool exact;
    json_t *text = utf8_json(bytes->data, bytes->length, &exact);
    if (!text || json_object_set_new(result, name, text)) {
        return -1;
    }
    if (!exact) {
        size_t length;
        auto_free char *encoded = base64_encode(bytes->data, bytes->length, &length);
        if (!encoded ||
            set_suffixed(result, name, "base64", json_stringn_nocheck(encoded, length))) {
            return -1;
        }
    }
    return capture->truncated ? set_suffixed(result, name, "truncated", json_true()) : 0;
}
