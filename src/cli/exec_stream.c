#include "cli/exec_stream.h"

#include "base/base64.h"
#include "base/cleanup.h"
#include "base/io.h"
#include "cli/command.h"
#include "cli/sse.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/signalfd.h>

enum {
    INPUT_CHUNK = 256 * 1024, /* most input in one request */
    ERROR_BODY_MAX = 64 * 1024,
    INTERRUPTS_MAX = 3, /* the last one gives the command up */
    POLL_MS = 60 * 1000,
};

/* A small request beside the stream: input or a signal. One at a time each, so that order is kept.
 */
struct side_request {
    CURL *curl;
    struct curl_slist *headers;
    bool busy;
};

struct exec_session {
    const struct client *client;
    char sandbox_id[64];
    char exec_id[64]; /* "" until the command started */
    CURLM *multi;
    CURL *stream;
    struct side_request input, signal;
    char input_bytes[INPUT_CHUNK];
    bool input_open;
    int signal_fd;
    int interrupt_count;
    struct sse_reader sse;
    struct buffer refusal; /* body of a reply that is not a stream */
    bool ended;            /* the exit event came, or the command was given up */
    int exit_code;
    bool failed; /* error says why */
    struct error error;
};

int exec_signals_open(struct error *err)
{
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGHUP);
    sigaddset(&set, SIGQUIT);
    sigprocmask(SIG_BLOCK, &set, NULL);
    int fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
    return fd >= 0 ? fd : error_set(err, ERR_INTERNAL, errno, "signalfd");
}

/* --- events of the stream -------------------------------------------------------------------- */

static int fail(struct exec_session *session, enum error_code code, int errnum, const char *what)
{
    session->failed = true;
    return error_set(&session->error, code, errnum, "%s", what);
}

static int write_output(struct exec_session *session, const char *name, const json_t *event)
{
    int fd = strcmp(name, "stdout") == 0 ? STDOUT_FILENO : STDERR_FILENO;
    const json_t *data = json_object_get(event, "data");
    const char *text = json_string_value(data);
    size_t length = json_string_length(data);
    auto_free unsigned char *decoded = NULL;
    if (!text) {
        text = json_text(event, "line");
        length = strlen(text);
    } else if (strcmp(json_text(event, "encoding"), "base64") == 0) {
        if (base64_decode_all(text, length, &decoded, &length)) {
            return fail(session, ERR_INTERNAL, 0, "the server sent output that is not base64");
        }
        text = (const char *)decoded;
    }
    if (write_all(fd, text, length)) {
        return fail(session, ERR_BAD_REQUEST, errno, "write the command's output");
    }
    return 0;
}

/* What happened beside the exit code, for people. */
static void print_notes(const json_t *event)
{
    if (json_is_true(json_object_get(event, "oom_killed"))) {
        fputs("atoll: the sandbox ran out of memory and a process was killed\n", stderr);
    }
    if (json_is_true(json_object_get(event, "disk_full"))) {
        fputs("atoll: the sandbox's disk is full\n", stderr);
    }
}

static void take_exit(struct exec_session *session, const json_t *event)
{
    session->ended = true;
    session->exit_code = (int)json_number(event, "exit_code");
    print_notes(event);
    const json_t *error = json_object_get(event, "error");
    if (json_is_true(json_object_get(event, "timed_out"))) {
        session->exit_code = EXIT_TIMED_OUT;
    } else if (json_is_object(error)) {
        auto_json json_t *envelope = json_pack("{s:O}", "error", error);
        auto_free char *text = json_dumps(envelope, JSON_COMPACT);
        session->failed = true;
        client_status_error(500, text, text ? strlen(text) : 0, &session->error);
    } else if (session->exit_code < 0) {
        fail(session, ERR_INTERNAL, 0, "the stream ended before the command");
    }
}

static int handle_event(const char *name, const char *data, size_t length, void *context)
{
    struct exec_session *session = context;
    auto_json json_t *event = json_loadb(data, length, JSON_ALLOW_NUL, NULL);
    if (!event) {
        return fail(session, ERR_INTERNAL, 0, "the server sent an event that is not JSON");
    }
    if (strcmp(name, "stdout") == 0 || strcmp(name, "stderr") == 0) {
        return write_output(session, name, event);
    }
    if (strcmp(name, "started") == 0) {
        snprintf(session->exec_id, sizeof session->exec_id, "%s", json_text(event, "exec_id"));
    } else if (strcmp(name, "exit") == 0) {
        take_exit(session, event);
    }
    return 0;
}

static size_t receive(char *bytes, size_t size, size_t count, void *context)
{
    struct exec_session *session = context;
    long status = 0;
    curl_easy_getinfo(session->stream, CURLINFO_RESPONSE_CODE, &status);
    if (status >= 400) {
        buffer_append(&session->refusal, bytes, size * count);
        return size * count;
    }
    if (sse_feed(&session->sse, bytes, size * count)) {
        if (!session->failed) {
            fail(session, ERR_INTERNAL, errno, "read the command's events");
        }
        return 0;
    }
    return size * count;
}

static size_t discard(char *bytes, size_t size, size_t count, void *context)
{
    (void)bytes;
    (void)context;
    return size * count;
}

/* --- requests beside it ---------------------------------------------------------------------- */

/* Copies the bytes. */
static void side_post(struct exec_session *session, struct side_request *side, const char *route,
                      const char *type, const char *bytes, size_t length)
{
    char path[256];
    struct error err = {0};
    snprintf(path, sizeof path, "/sandboxes/%s/exec/%s/%s", session->sandbox_id, session->exec_id,
             route);
    curl_slist_free_all(side->headers);
    side->headers = NULL;
    curl_easy_reset(side->curl);
    if (client_prepare(session->client, side->curl, path, type, &side->headers, &err)) {
        return;
    }
    curl_easy_setopt(side->curl, CURLOPT_POSTFIELDSIZE, (long)length);
    curl_easy_setopt(side->curl, CURLOPT_COPYPOSTFIELDS, bytes);
    curl_easy_setopt(side->curl, CURLOPT_WRITEFUNCTION, discard);
    side->busy = curl_multi_add_handle(session->multi, side->curl) == CURLM_OK;
}

static void send_input(struct exec_session *session)
{
    ssize_t length = read(STDIN_FILENO, session->input_bytes, sizeof session->input_bytes);
    if (length < 0 && (errno == EINTR || errno == EAGAIN)) {
        return;
    }
    /* An input that cannot be read ends like one that is at its end. */
    session->input_open = length > 0;
    side_post(session, &session->input, length > 0 ? "stdin" : "stdin?eof=true",
              "application/octet-stream", session->input_bytes, length > 0 ? (size_t)length : 0);
}

static void send_signal(struct exec_session *session, int number)
{
    char body[64];
    snprintf(body, sizeof body, "{\"signal\":\"SIG%s\"}", sigabbrev_np(number));
    side_post(session, &session->signal, "signal", "application/json", body, strlen(body));
}

static void take_signal(struct exec_session *session)
{
    struct signalfd_siginfo info;
    if (read(session->signal_fd, &info, sizeof info) != sizeof info) {
        return;
    }
    int number = (int)info.ssi_signo;
    session->interrupt_count += number == SIGINT;
    if (!*session->exec_id || session->interrupt_count >= INTERRUPTS_MAX || session->signal.busy) {
        session->ended = true;
        session->exit_code = EXIT_SIGNAL_BASE + number;
        return;
    }
    send_signal(session, number);
}

/* --- the loop -------------------------------------------------------------------------------- */

static void finish_stream(struct exec_session *session, CURLcode code)
{
    long status = 0;
    curl_easy_getinfo(session->stream, CURLINFO_RESPONSE_CODE, &status);
    if (session->ended || session->failed) {
        return;
    }
    session->failed = true;
    if (status >= 400) {
        client_status_error(status, session->refusal.data, session->refusal.length,
                            &session->error);
    } else if (code != CURLE_OK && status == 0) {
        client_transfer_error(session->client, code, &session->error);
    } else {
        fail(session, ERR_AGENT_UNAVAILABLE, 0, "the connection ended before the command did");
    }
}

/* Input that the command no longer takes is not an error: it may have ended already. */
static void finish_side(struct exec_session *session, struct side_request *side)
{
    long status = 0;
    curl_easy_getinfo(side->curl, CURLINFO_RESPONSE_CODE, &status);
    curl_multi_remove_handle(session->multi, side->curl);
    side->busy = false;
    if (side == &session->input && (status == 0 || status >= 400)) {
        session->input_open = false;
    }
}

/* Returns whether the stream has ended. */
static bool take_messages(struct exec_session *session)
{
    int left;
    CURLMsg *message;
    while ((message = curl_multi_info_read(session->multi, &left))) {
        if (message->msg != CURLMSG_DONE) {
            continue;
        }
        if (message->easy_handle == session->stream) {
            finish_stream(session, message->data.result);
            return true;
        }
        finish_side(session, message->easy_handle == session->input.curl ? &session->input
                                                                         : &session->signal);
    }
    return session->ended || session->failed;
}

static void wait_and_serve(struct exec_session *session)
{
    struct curl_waitfd extra[2] = {
        {.fd = session->signal_fd, .events = CURL_WAIT_POLLIN},
        {.fd = STDIN_FILENO, .events = CURL_WAIT_POLLIN},
    };
    bool want_input = session->input_open && !session->input.busy && *session->exec_id;
    if (curl_multi_poll(session->multi, extra, want_input ? 2 : 1, POLL_MS, NULL) != CURLM_OK) {
        return;
    }
    if (extra[0].revents) {
        take_signal(session);
    }
    if (want_input && extra[1].revents) {
        send_input(session);
    }
}

static void loop(struct exec_session *session)
{
    int running = 1;
    while (running) {
        if (curl_multi_perform(session->multi, &running) != CURLM_OK) {
            fail(session, ERR_INTERNAL, 0, "HTTP client");
            return;
        }
        if (take_messages(session)) {
            return;
        }
        wait_and_serve(session);
    }
}

static int start(struct exec_session *session, const char *text, struct curl_slist **ret_headers,
                 struct error *err)
{
    char path[128];
    snprintf(path, sizeof path, "/sandboxes/%s/exec/stream", session->sandbox_id);
    session->multi = curl_multi_init();
    session->stream = curl_easy_init();
    session->input.curl = curl_easy_init();
    session->signal.curl = curl_easy_init();
    if (!session->multi || !session->stream || !session->input.curl || !session->signal.curl ||
        !text) {
        return error_set(err, ERR_INTERNAL, ENOMEM, "HTTP client");
    }
    if (client_prepare(session->client, session->stream, path, "application/json", ret_headers,
                       err)) {
        return -1;
    }
    curl_easy_setopt(session->stream, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)strlen(text));
    curl_easy_setopt(session->stream, CURLOPT_POSTFIELDS, text);
    curl_easy_setopt(session->stream, CURLOPT_WRITEFUNCTION, receive);
    curl_easy_setopt(session->stream, CURLOPT_WRITEDATA, session);
    curl_multi_add_handle(session->multi, session->stream);
    return 0;
}

static void side_free(struct exec_session *session, struct side_request *side)
{
    if (side->busy) {
        curl_multi_remove_handle(session->multi, side->curl);
    }
    curl_easy_cleanup(side->curl);
    curl_slist_free_all(side->headers);
}

static void session_free(struct exec_session *session)
{
    side_free(session, &session->input);
    side_free(session, &session->signal);
    if (session->multi && session->stream) {
        curl_multi_remove_handle(session->multi, session->stream);
    }
    curl_easy_cleanup(session->stream);
    curl_multi_cleanup(session->multi);
    sse_free(&session->sse);
    buffer_free(&session->refusal);
    free(session);
}

int exec_stream(struct client *client, const char *sandbox_id, json_t *body, bool forward_stdin,
                int signal_fd, int *ret_exit_code, struct error *err)
{
    struct exec_session *session = calloc(1, sizeof *session);
    if (!session) {
        return error_set(err, ERR_INTERNAL, ENOMEM, "exec");
    }
    session->client = client;
    session->signal_fd = signal_fd;
    session->input_open = forward_stdin;
    session->refusal = BUFFER_INIT(ERROR_BODY_MAX);
    snprintf(session->sandbox_id, sizeof session->sandbox_id, "%s", sandbox_id);
    sse_init(&session->sse, handle_event, session);
    if (forward_stdin) {
        json_object_set_new(body, "open_stdin", json_true());
    }
    auto_free char *text = json_dumps(body, JSON_COMPACT);
    struct curl_slist *headers = NULL;
    int result = start(session, text, &headers, err);
    if (result == 0) {
        loop(session);
        *ret_exit_code = session->exit_code;
        result = session->failed ? -1 : 0;
    }
    if (session->failed) {
        *err = session->error;
    }
    session_free(session);
    curl_slist_free_all(headers);
    return result;
}
