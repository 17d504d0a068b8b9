/* events: what happens to a sandbox, or to all of them, as it happens. */
#include "base/cleanup.h"
#include "cli/session.h"
#include "cli/sse.h"

#include <errno.h>
#include <string.h>
#include <time.h>

enum {
    REFUSAL_MAX = 64 * 1024,
    PATH_BYTES_MAX = 8 * 1024,
    RETRIES_MAX = 60, /* a second each */
    NO_CONTENT = 204,
};

struct watcher {
    struct sse_reader sse;
    struct buffer refusal; /* body of a reply that is not a stream */
    CURL *curl;
    bool json, from_start;
    bool ended;    /* the sandbox's life is over */
    bool progress; /* since the last connection */
    char last_id[SSE_ID_MAX];
};

/* Short names say what a dotted one says as well. */
static bool is_short(const char *name)
{
    return !strchr(name, '.') && strcmp(name, "lost") != 0 && strcmp(name, "end") != 0;
}

static void print_line(const char *name, const json_t *event)
{
    static const char *const details[] = {"line", "command", "message", "url", "source"};
    const char *detail = "";
    for (size_t i = 0; i < sizeof details / sizeof *details && !*detail; i++) {
        detail = json_text(event, details[i]);
    }
    const char *sandbox = json_text(event, "sandbox_id");
    const char *time = json_text(event, "timestamp");
    printf("%s%s%s%s%s%s%s\n", time, *time ? "  " : "", sandbox, *sandbox ? "  " : "", name,
           *detail ? "  " : "", detail);
}

static int take_event(const char *name, const char *data, size_t length, void *context)
{
    struct watcher *watcher = context;
    auto_json json_t *event = json_loadb(data, length, JSON_ALLOW_NUL, NULL);
    watcher->progress = true;
    if (strcmp(name, "end") == 0) {
        watcher->ended = !json_is_true(json_object_get(event, "retryable"));
    }
    if (watcher->json) {
        printf("%.*s\n", (int)length, data);
    } else if (!is_short(name)) {
        print_line(name, event);
    }
    return fflush(stdout) ? -1 : 0;
}

static size_t receive(char *bytes, size_t one, size_t count, void *context)
{
    (void)one;
    struct watcher *watcher = context;
    long status = 0;
    curl_easy_getinfo(watcher->curl, CURLINFO_RESPONSE_CODE, &status);
    if (status != 200) {
        buffer_append(&watcher->refusal, bytes, count);
        return count;
    }
    int stopped = sse_feed(&watcher->sse, bytes, count);
    if (*watcher->sse.id) {
        snprintf(watcher->last_id, sizeof watcher->last_id, "%s", watcher->sse.id);
    }
    return stopped ? 0 : count;
}

/* One connection. 0: it ended, for whatever reason that may pass; -1: no use in coming back. */
static int watch_once(const struct client *client, struct watcher *watcher, const char *path,
                      struct error *err)
{
    auto_buffer struct buffer full = BUFFER_INIT(PATH_BYTES_MAX);
    struct curl_slist *headers = NULL;
    if (buffer_printf(&full, "%s&replay=%s&last_event_id=%s", path,
                      watcher->from_start ? "true" : "false", watcher->last_id)) {
        return error_set(err, ERR_VALIDATION, 0, "the list of types is too long");
    }
    watcher->curl = curl_easy_init();
    if (!watcher->curl || client_prepare(client, watcher->curl, full.data, NULL, &headers, err)) {
        return error_set(err, ERR_INTERNAL, ENOMEM, "HTTP client");
    }
    sse_init(&watcher->sse, take_event, watcher);
    curl_easy_setopt(watcher->curl, CURLOPT_WRITEFUNCTION, receive);
    curl_easy_setopt(watcher->curl, CURLOPT_WRITEDATA, watcher);
    CURLcode code = curl_easy_perform(watcher->curl);
    long status = 0;
    curl_easy_getinfo(watcher->curl, CURLINFO_RESPONSE_CODE, &status);
    watcher->ended |= status == NO_CONTENT;
    int result = 0;
    if (status >= 400 && status < 500) {
        result = client_status_error(status, watcher->refusal.data, watcher->refusal.length, err);
    } else if (ferror(stdout)) {
        result = error_set(err, ERR_BAD_REQUEST, errno, "write the events");
    } else if (status != 200 && status != NO_CONTENT) {
        client_transfer_error(client, code, err);
    }
    curl_easy_cleanup(watcher->curl);
    curl_slist_free_all(headers);
    sse_free(&watcher->sse);
    watcher->refusal.length = 0;
    return result;
}

static int watch(const struct client *client, struct watcher *watcher, const char *path,
                 struct error *err)
{
    for (int retries = 0; retries <= RETRIES_MAX; retries++) {
        watcher->progress = false;
        *err = (struct error){0};
        if (watch_once(client, watcher, path, err) < 0) {
            return -1;
        }
        if (watcher->ended) {
            return 0;
        }
        retries = watcher->progress ? 0 : retries;
        nanosleep(&(struct timespec){.tv_sec = 1}, NULL);
    }
    return err->code ? -1 : error_set(err, ERR_UPSTREAM, 0, "the connection ended too often");
}

static int make_path(struct client *client, const struct arguments *arguments, struct buffer *path,
                     struct error *err)
{
    char sandbox_id[64];
    const char *types = arguments_value(arguments, "types");
    int failed;
    if (arguments->operand_count > 0) {
        if (sandbox_resolve(client, arguments->operands[0], sandbox_id, sizeof sandbox_id, err)) {
            return -1;
        }
        failed = buffer_printf(path, "/sandboxes/%s/events?types=", sandbox_id);
    } else {
        failed = buffer_printf(path, "/events/stream?types=");
    }
    return failed || url_escape(path, types ? types : "")
               ? error_set(err, ERR_VALIDATION, 0, "the list of types is too long")
               : 0;
}

int command_events(const struct command *command, const struct arguments *arguments)
{
    (void)command;
    auto_client struct client client = {0};
    auto_buffer struct buffer path = BUFFER_INIT(PATH_BYTES_MAX);
    struct error err = {0};
    struct watcher watcher = {.json = arguments_has(arguments, "json"),
                              .from_start = arguments_has(arguments, "since-start"),
                              .refusal = BUFFER_INIT(REFUSAL_MAX)};
    int failed = client_open(&client, &err) || make_path(&client, arguments, &path, &err) ||
                 watch(&client, &watcher, path.data, &err);
    buffer_free(&watcher.refusal);
    return failed ? report_error(&err, watcher.json) : EXIT_OK;
}
