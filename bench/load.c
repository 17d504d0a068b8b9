/* atoll-bench: measures one scenario against a running instance and prints it as one line of JSON.
 */
#include "stats.h"
#include "work.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* --- requests -------------------------------------------------------------------------------- */

static int call(struct worker *worker, const char *method, const char *path, const char *body)
{
    struct http_call request = {
        .method = method, .path = path, .body = body, .body_length = body ? strlen(body) : 0};
    if (http_send(&worker->connection, &request, &worker->reply)) {
        worker->reply.status = 0;
        return work_fail(worker, path);
    }
    return worker->reply.status < 300 ? 0 : work_fail(worker, path);
}

static const char *sandbox_path(struct worker *worker, const char *id, const char *suffix)
{
    snprintf(worker->path, sizeof worker->path, "/api/v1/sandboxes/%s%s", id, suffix);
    return worker->path;
}

/* The sandbox id in a reply, bare or inside data, into id; notes how it was started. */
static int take_id(struct worker *worker, char id[WORK_ID_SIZE])
{
    json_t *reply = json_loadb(worker->reply.body.data ? worker->reply.body.data : "",
                               worker->reply.body.length, 0, NULL);
    const json_t *data = json_object_get(reply, "data");
    const char *text = json_string_value(json_object_get(data ? data : reply, "id"));
    const char *path = json_string_value(json_object_get(data ? data : reply, "boot_path"));
    snprintf(id, WORK_ID_SIZE, "%s", text ? text : "");
    work_boot(worker->work, path ? path : "unknown");
    json_decref(reply);
    return *id ? 0 : work_fail(worker, "no id in the reply");
}

/* Checks that a captured command said what it should, and notes the server's own step times. */
static int check_run(struct worker *worker, const char *expected)
{
    json_t *reply = json_loadb(worker->reply.body.data ? worker->reply.body.data : "",
                               worker->reply.body.length, 0, NULL);
    const json_t *exec = json_object_get(reply, "exec");
    exec = exec ? exec : json_object_get(reply, "data");
    const json_t *code = json_object_get(exec, "exit_code");
    const char *output = json_string_value(json_object_get(exec, "stdout"));
    bool good = json_is_integer(code) && json_integer_value(code) == 0 && output &&
                strcmp(output, expected) == 0;
    const char *name;
    json_t *value;
    json_object_foreach(json_object_get(reply, "timings"), name, value)
    {
        if (json_is_number(value)) {
            work_timing(worker->work, name, json_number_value(value));
        }
    }
    json_decref(reply);
    return good ? 0 : work_fail(worker, "unexpected result of the command");
}

static int destroy(struct worker *worker, const char *id)
{
    return *id ? call(worker, "DELETE", sandbox_path(worker, id, ""), NULL) : 0;
}

/* --- scenarios ------------------------------------------------------------------------------- */

/* With the fields that the caller wants in each. */
static char create_body[1024];
static char run_body[1024];

/* fields: a JSON object as text. */
static int set_bodies(const char *fields)
{
    const char *rest = *fields == '{' ? fields + 1 : NULL;
    if (!rest || strlen(rest) > sizeof create_body - 128) {
        return -1;
    }
    const char *comma = strcmp(rest, "}") == 0 ? "" : ",";
    snprintf(create_body, sizeof create_body, "{\"wait\":true,\"timeout_sec\":3600%s%s", comma,
             rest);
    snprintf(run_body, sizeof run_body, "{\"command\":\"echo hi\",\"persistent\":false%s%s", comma,
             rest);
    return 0;
}

/* create → first output, in one request. The sandbox is destroyed outside of the measured time. */
static int job_run(struct worker *worker, int index)
{
    struct work *work = worker->work;
    int64_t start = now_ns();
    if (call(worker, "POST", "/api/v1/sandboxes/run", run_body)) {
        return -1;
    }
    work->first_ms[index] = ms_since(start);
    if (take_id(worker, work->ids[index]) || check_run(worker, "hi\n")) {
        return -1;
    }
    return destroy(worker, work->ids[index]);
}

/* The documented benchmark with the fused request: create, ready, exec, then destroy. */
static int job_run_destroy(struct worker *worker, int index)
{
    int64_t start = now_ns();
    int result = job_run(worker, index);
    worker->work->total_ms[index] = ms_since(start);
    return result;
}

/* The documented benchmark step by step: create, exec, destroy as requests of their own. */
static int job_lifecycle(struct worker *worker, int index)
{
    struct work *work = worker->work;
    char *id = work->ids[index];
    int64_t start = now_ns();
    if (call(worker, "POST", "/api/v1/sandboxes", create_body) || take_id(worker, id)) {
        return -1;
    }
    if (call(worker, "POST", sandbox_path(worker, id, "/exec"), "{\"command\":\"echo hi\"}") ||
        check_run(worker, "hi\n")) {
        return -1;
    }
    work->first_ms[index] = ms_since(start);
    int result = destroy(worker, id);
    work->total_ms[index] = ms_since(start);
    return result;
}

static int job_create(struct worker *worker, int index)
{
    int64_t start = now_ns();
    if (call(worker, "POST", "/api/v1/sandboxes", create_body)) {
        return -1;
    }
    worker->work->first_ms[index] = ms_since(start);
    return take_id(worker, worker->work->ids[index]);
}

static int job_destroy(struct worker *worker, int index)
{
    return destroy(worker, worker->work->ids[index]);
}

static int timed_call(struct worker *worker, int index, const char *method, const char *suffix,
                      const char *body)
{
    const char *path = sandbox_path(worker, worker->work->sandbox_id, suffix);
    int64_t start = now_ns();
    int result = call(worker, method, path, body);
    worker->work->first_ms[index] = ms_since(start);
    return result;
}

static int job_exec(struct worker *worker, int index)
{
    return timed_call(worker, index, "POST", "/exec", "{\"cmd\":\"/bin/true\",\"args\":[]}") ||
                   check_run(worker, "")
               ? -1
               : 0;
}

static int job_exec_shell(struct worker *worker, int index)
{
    return timed_call(worker, index, "POST", "/exec", "{\"command\":\"true\"}") ||
                   check_run(worker, "")
               ? -1
               : 0;
}

static int job_get(struct worker *worker, int index)
{
    return timed_call(worker, index, "GET", "", NULL);
}

static int job_upload(struct worker *worker, int index)
{
    struct work *work = worker->work;
    struct http_call request = {
        .method = "PUT",
        .path = sandbox_path(worker, work->sandbox_id, "/files/raw?path=/workspace/bench.bin"),
        .content_type = "application/octet-stream",
        .body = work->payload,
        .body_length = work->bytes,
    };
    int64_t start = now_ns();
    if (http_send(&worker->connection, &request, &worker->reply)) {
        worker->reply.status = 0;
        return work_fail(worker, "upload");
    }
    work->first_ms[index] = ms_since(start);
    return worker->reply.status < 300 ? 0 : work_fail(worker, "upload");
}

static int job_download(struct worker *worker, int index)
{
    struct work *work = worker->work;
    struct http_call request = {
        .method = "GET",
        .path = sandbox_path(worker, work->sandbox_id, "/fs/download?path=/workspace/bench.bin"),
        .discard = true,
    };
    int64_t start = now_ns();
    if (http_send(&worker->connection, &request, &worker->reply)) {
        worker->reply.status = 0;
        return work_fail(worker, "download");
    }
    work->first_ms[index] = ms_since(start);
    bool whole = worker->reply.status == 200 && worker->reply.body_length == (long long)work->bytes;
    return whole ? 0 : work_fail(worker, "download");
}

struct scenario {
    const char *name;
    work_job *job;
    bool shares_sandbox;  /* one is made before and destroyed after */
    bool makes_sandboxes; /* destroyed after, unless kept */
};

static const struct scenario scenarios[] = {
    {"run", job_run, false, false},
    {"run-destroy", job_run_destroy, false, false},
    {"lifecycle", job_lifecycle, false, false},
    {"create", job_create, false, true},
    {"exec", job_exec, true, false},
    {"exec-shell", job_exec_shell, true, false},
    {"get", job_get, true, false},
    {"upload", job_upload, true, false},
    {"download", job_download, true, false},
};

/* --- the program ----------------------------------------------------------------------------- */

static const struct scenario *find_scenario(const char *name)
{
    for (size_t i = 0; i < sizeof scenarios / sizeof *scenarios; i++) {
        if (strcmp(scenarios[i].name, name) == 0) {
            return &scenarios[i];
        }
    }
    return NULL;
}

/* Makes the shared sandbox, warms up, measures, cleans up. Failures are in work. */
static void measure(struct work *work, const struct scenario *scenario)
{
    struct worker own = {.work = work};
    if (http_open(&own.connection, work->target)) {
        work_fail(&own, "connect");
        return;
    }
    if (scenario->shares_sandbox &&
        (call(&own, "POST", "/api/v1/sandboxes", create_body) || take_id(&own, work->sandbox_id))) {
        http_close(&own.connection);
        return;
    }
    if (scenario->shares_sandbox &&
        (scenario->job == job_download ? job_upload : scenario->job)(&own, 0) != 0) {
        work->failures++;
    }
    work_run(work, scenario->job);
    destroy(&own, work->sandbox_id);
    buffer_free(&own.reply.body);
    http_close(&own.connection);
}

static void destroy_made(const struct work *work)
{
    struct work after = *work;
    after.next = 0;
    after.failures = 0;
    after.pause_ms = 0;
    after.concurrency = work->concurrency < 4 ? work->concurrency : 4;
    work_run(&after, job_destroy);
}

/* "destroy": ids from standard input, one a line. */
static int destroy_listed(struct work *work)
{
    work->count = 0;
    while (work->count < WORK_IDS_MAX && scanf("%63s", work->ids[work->count]) == 1) {
        work->count++;
    }
    work_run(work, job_destroy);
    return work->failures ? EXIT_FAILURE : EXIT_SUCCESS;
}

static const char *text_option(int argc, char **argv, const char *name, const char *fallback)
{
    for (int i = 2; i + 1 < argc; i++) {
        if (strcmp(argv[i], name) == 0) {
            return argv[i + 1];
        }
    }
    return fallback;
}

static int option(int argc, char **argv, const char *name, int fallback)
{
    const char *text = text_option(argc, argv, name, NULL);
    return text ? atoi(text) : fallback;
}

static void print_result(struct work *work, const struct scenario *scenario)
{
    json_t *result = work_json(work);
    json_object_set_new(result, "scenario", json_string(scenario->name));
    json_object_set_new(result, "bytes", json_integer((json_int_t)work->bytes));
    if (work->keep) {
        json_t *ids = json_array();
        for (int i = 0; i < work->count; i++) {
            if (*work->ids[i]) {
                json_array_append_new(ids, json_string(work->ids[i]));
            }
        }
        json_object_set_new(result, "ids", ids);
    }
    json_dumpf(result, stdout, JSON_COMPACT);
    putchar('\n');
    json_decref(result);
}

int main(int argc, char **argv)
{
    struct http_target target;
    const char *url = getenv("ATOLL_URL");
    const char *key = getenv("ATOLL_API_KEY");
    bool listed = argc > 1 && strcmp(argv[1], "destroy") == 0;
    const struct scenario *scenario = argc > 1 && !listed ? find_scenario(argv[1]) : NULL;
    if ((!scenario && !listed) || !url || !key || http_target_parse(&target, url, key) ||
        set_bodies(text_option(argc, argv, "--fields", "{}"))) {
        fputs(
            "usage: ATOLL_URL=http://127.0.0.1:PORT ATOLL_API_KEY=... atoll-bench SCENARIO\n"
            "  [--count N] [--concurrency N] [--pause-ms N] [--seconds N] [--bytes N] [--keep 1]\n"
            "  [--fields OBJECT: what each create asks for, JSON]\n",
            stderr);
        return 2;
    }
    signal(SIGPIPE, SIG_IGN);
    struct work work = {
        .target = &target,
        .count = listed ? WORK_IDS_MAX : option(argc, argv, "--count", 100),
        .concurrency = option(argc, argv, "--concurrency", 1),
        .pause_ms = option(argc, argv, "--pause-ms", 0),
        .seconds = option(argc, argv, "--seconds", 0),
        .bytes = (size_t)option(argc, argv, "--bytes", 0),
        .keep = option(argc, argv, "--keep", 0),
    };
    if (work.count < 1 || work.concurrency < 1 || work_init(&work)) {
        fputs("atoll-bench: bad count or concurrency, or no memory\n", stderr);
        return 2;
    }
    int exit_code = EXIT_SUCCESS;
    if (listed) {
        exit_code = destroy_listed(&work);
    } else {
        measure(&work, scenario);
        print_result(&work, scenario);
        if (scenario->makes_sandboxes && !work.keep) {
            destroy_made(&work);
        }
    }
    work_free(&work);
    return exit_code;
}
