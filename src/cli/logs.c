/* logs: what a job has written, and what it goes on to write. */
#include "base/base64.h"
#include "base/cleanup.h"
#include "base/io.h"
#include "cli/jobs.h"
#include "cli/session.h"
#include "cli/sse.h"

#include <errno.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum {
    TAIL_DEFAULT = 1000,
    TAIL_MAX = 100000,
    REFUSAL_MAX = 64 * 1024,
    RETRIES_MAX = 60, /* a second each */
};

int logs_print(struct client *client, const char *path, int64_t tail, bool json, char *position,
               size_t size, struct error *err)
{
    char full[256];
    auto_json json_t *reply = NULL;
    snprintf(full, sizeof full, "%s/logs?tail=%lld", path, (long long)tail);
    if (client_call(client, "GET", full, NULL, &reply, err)) {
        return -1;
    }
    const json_t *data = reply_data(reply);
    snprintf(position, size, "%s", json_text(data, "position"));
    if (json) {
        return print_json(reply) == EXIT_OK ? 0 : error_set(err, ERR_BAD_REQUEST, errno, "print");
    }
    size_t index;
    json_t *entry;
    json_array_foreach(json_object_get(reply, "logs"), index, entry)
    {
        bool is_error = strcmp(json_text(entry, "stream"), "stderr") == 0;
        FILE *out = is_error ? stderr : stdout;
        const json_t *line = json_object_get(entry, "line");
        fwrite(json_string_value(line), 1, json_string_length(line), out);
        putc('\n', out);
    }
    return fflush(stdout) ? error_set(err, ERR_BAD_REQUEST, errno, "print") : 0;
}

/* --- following --- */

struct follower {
    struct sse_reader sse;
    struct buffer refusal; /* body of a reply that is not a stream */
    CURL *curl;
    bool json;
    bool ended;    /* the job's own end came */
    bool progress; /* since the last connection */
    char position[SSE_ID_MAX];
    int write_errno;
};

static int write_piece(struct follower *follower, const char *name, const json_t *event)
{
    int fd = strcmp(name, "stdout") == 0 ? STDOUT_FILENO : STDERR_FILENO;
    const json_t *data = json_object_get(event, "data");
    const char *text = json_string_value(data);
    size_t length = json_string_length(data);
    auto_free unsigned char *decoded = NULL;
    if (strcmp(json_text(event, "encoding"), "base64") == 0) {
        if (base64_decode_all(text, length, &decoded, &length)) {
            length = 0; /* which no server of ours sends */
        }
        text = (const char *)decoded;
    }
    if (length > 0 && write_all(fd, text, length)) {
        follower->write_errno = errno;
        return -1;
    }
    return 0;
}

/* An end of the stream that is not the job's is told by an exit with an error: come back. */
static int take_event(const char *name, const char *data, size_t length, void *context)
{
    struct follower *follower = context;
    auto_json json_t *event = json_loadb(data, length, JSON_ALLOW_NUL, NULL);
    int result = 0;
    follower->progress = true;
    if (strcmp(name, "exit") == 0) {
        follower->ended = !json_is_object(json_object_get(event, "error"));
    } else if (strcmp(name, "lost") == 0) {
        fprintf(stderr, "atoll: %lld bytes of output are lost\n",
                (long long)json_number(event, "bytes"));
    } else if (!follower->json && (strcmp(name, "stdout") == 0 || strcmp(name, "stderr") == 0)) {
        result = write_piece(follower, name, event);
    }
    if (follower->json) {
        printf("%.*s\n", (int)length, data);
        fflush(stdout);
    }
    if (*follower->sse.id) {
        snprintf(follower->position, sizeof follower->position, "%s", follower->sse.id);
    }
    return result;
}

static size_t receive(char *bytes, size_t one, size_t count, void *context)
{
    (void)one;
    struct follower *follower = context;
    long status = 0;
    curl_easy_getinfo(follower->curl, CURLINFO_RESPONSE_CODE, &status);
    if (status != 200) {
        buffer_append(&follower->refusal, bytes, count);
        return count;
    }
    return sse_feed(&follower->sse, bytes, count) ? 0 : count;
}

/* One connection. 0: it ended, for whatever reason that may pass; -1: no use in coming back. */
static int follow_once(const struct client *client, struct follower *follower, const char *path,
                       struct error *err)
{
    char full[512];
    struct curl_slist *headers = NULL;
    snprintf(full, sizeof full, "%s?last_event_id=%s", path, follower->position);
    follower->curl = curl_easy_init();
    if (!follower->curl || client_prepare(client, follower->curl, full, NULL, &headers, err)) {
        return error_set(err, ERR_INTERNAL, ENOMEM, "HTTP client");
    }
    sse_init(&follower->sse, take_event, follower);
    curl_easy_setopt(follower->curl, CURLOPT_WRITEFUNCTION, receive);
    curl_easy_setopt(follower->curl, CURLOPT_WRITEDATA, follower);
    CURLcode code = curl_easy_perform(follower->curl);
    long status = 0;
    curl_easy_getinfo(follower->curl, CURLINFO_RESPONSE_CODE, &status);
    int result = 0;
    if (status >= 400 && status < 500) {
        result = client_status_error(status, follower->refusal.data, follower->refusal.length, err);
    } else if (follower->write_errno) {
        result = error_set(err, ERR_BAD_REQUEST, follower->write_errno, "write the job's output");
    } else if (status != 200) {
        client_transfer_error(client, code, err);
    }
    curl_easy_cleanup(follower->curl);
    curl_slist_free_all(headers);
    sse_free(&follower->sse);
    follower->refusal.length = 0;
    return result;
}

int logs_follow(struct client *client, const char *sandbox_id, const char *job_id,
                const char *position, bool json, struct error *err)
{
    char path[192];
    struct follower follower = {.json = json, .refusal = BUFFER_INIT(REFUSAL_MAX)};
    snprintf(path, sizeof path, "/sandboxes/%s/processes/%s/stream", sandbox_id, job_id);
    snprintf(follower.position, sizeof follower.position, "%s", position);
    int result = 0;
    for (int retries = 0; result == 0 && !follower.ended; retries++) {
        follower.progress = false;
        *err = (struct error){0};
        result = follow_once(client, &follower, path, err);
        retries = follower.progress ? 0 : retries;
        if (result == 0 && !follower.ended && retries == RETRIES_MAX) {
            result = err->code ? -1
                               : error_set(err, ERR_AGENT_UNAVAILABLE, 0,
                                           "the connection ended before the job did");
        } else if (result == 0 && !follower.ended) {
            nanosleep(&(struct timespec){.tv_sec = 1}, NULL);
        }
    }
    buffer_free(&follower.refusal);
    return result;
}

int command_logs(const struct command *command, const struct arguments *arguments)
{
    bool json = arguments_has(arguments, "json");
    const char *text = arguments_value(arguments, "lines");
    int64_t tail = TAIL_DEFAULT;
    if (text && number_parse(text, 0, TAIL_MAX, &tail)) {
        return usage_error(command, "--lines needs a number from 0 to %d", TAIL_MAX);
    }
    auto_client struct client client = {0};
    struct error err = {0};
    char sandbox_id[64], job_id[80], path[192], position[SSE_ID_MAX];
    const char *reference = arguments->operand_count > 1 ? arguments->operands[1] : NULL;
    bool follow = arguments_has(arguments, "follow");
    if (client_open(&client, &err) ||
        sandbox_resolve(&client, arguments->operands[0], sandbox_id, sizeof sandbox_id, &err) ||
        job_resolve(&client, sandbox_id, reference, job_id, sizeof job_id, &err)) {
        return report_error(&err, json);
    }
    snprintf(path, sizeof path, "/sandboxes/%s/processes/%s", sandbox_id, job_id);
    if (logs_print(&client, path, tail, json, position, sizeof position, &err) ||
        (follow && logs_follow(&client, sandbox_id, job_id, position, json, &err))) {
        return report_error(&err, json);
    }
    return EXIT_OK;
}
