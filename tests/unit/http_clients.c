/* Clients that repeat themselves, ask too often, hold too much, or are too slow; and the server's end. */
#include "check.h"
#include "http_fixture.h"

#include "base/cleanup.h"
#include "base/io.h"

#include <poll.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct http_fixture fixture;
static char authorized[160];
static _Atomic int made;
static sem_t entered, may_leave;

static void make(struct request *request)
{
    if (json_object_get(request_json(request), "wait")) {
        sem_post(&entered);
        sem_wait(&may_leave);
    }
    int number = ++made;
    if (json_object_get(request_json(request), "fail")) {
        struct error err = {0};
        error_set(&err, ERR_CAPACITY, 0, "full");
        respond_error(request, &err);
        return;
    }
    respond_json(request, 201, json_pack("{s:i}", "number", number));
}

static ssize_t endless(void *context, char *bytes, size_t max)
{
    (void)context;
    memset(bytes, 'x', max);
    return (ssize_t)max;
}

static void flood(struct request *request)
{
    respond_stream(request, 200, "text/plain", -1, (struct respond_source){endless, NULL, NULL});
}

static const struct route routes[] = {
    {.method = "POST",
     .pattern = "/make",
     .scope = SCOPE_SANDBOXES_WRITE,
     .body = BODY_JSON,
     .flags = ROUTE_IDEMPOTENT_KEY,
     .handler = make},
    {.method = "GET", .pattern = "/flood", .flags = ROUTE_PUBLIC, .handler = flood},
    {0},
};

static bool start(int64_t rate_limit, int64_t client_timeout_sec, int64_t connections)
{
    http_fixture_prepare(&fixture);
    fixture.settings.rate_limit = rate_limit;
    fixture.settings.client_timeout_sec = client_timeout_sec;
    fixture.settings.connections = connections;
    made = 0;
    bool started = http_fixture_start(&fixture, routes);
    snprintf(authorized, sizeof(authorized), "Authorization: Bearer %s\r\n", fixture.key);
    return started;
}

static char *post(const char *key, const char *body)
{
    char headers[512];
    snprintf(headers, sizeof(headers), "%s%s%s%s", authorized, key ? "Idempotency-Key: " : "",
             key ? key : "", key ? "\r\n" : "");
    return http_fixture_request(&fixture, "POST", "/api/v1/make", headers, body);
}

static void expect(const char *key, const char *body, int status, const char *wanted)
{
    char *text = post(key, body);
    check_int(http_status(text), status, body, __FILE__, __LINE__);
    check_that(text && strstr(text, wanted), wanted, __FILE__, __LINE__);
    free(text);
}

static void a_key_gives_the_first_reply_again(void)
{
    REQUIRE(start(0, 30, 64));
    expect("k1", "{\"a\":1}", 201, "{\"number\":1}");
    expect("k1", "{\"a\":1}", 201, "Idempotent-Replay: true\r\n");
    expect("k1", "{\"a\":1}", 201, "{\"number\":1}");
    expect("k1", "{\"a\":2}", 422, "IDEMPOTENCY_KEY_REUSED");
    expect("k2", "{\"a\":1}", 201, "{\"number\":2}");
    expect(NULL, "{\"a\":1}", 201, "{\"number\":3}");
    expect("with space", "{}", 422, "\"field\":\"Idempotency-Key\"");
    expect("", "{}", 422, "\"field\":\"Idempotency-Key\"");
    expect("k3", "{\"fail\":1}", 503, "CAPACITY_EXHAUSTED");
    CHECK_INT(made, 4);
    expect("k3", "{\"fail\":1}", 503, "CAPACITY_EXHAUSTED");
    CHECK_INT(made, 5);
    http_fixture_stop(&fixture);
}

static void *post_waiting(void *unused)
{
    (void)unused;
    return post("same", "{\"wait\":1}");
}

static void a_concurrent_duplicate_waits_for_the_first(void)
{
    enum { DUPLICATES = 4 };
    pthread_t threads[DUPLICATES];
    REQUIRE(start(0, 30, 64));
    for (int i = 0; i < DUPLICATES; i++) {
        pthread_create(&threads[i], NULL, post_waiting, NULL);
    }
    sem_wait(&entered);
    sem_post(&may_leave);
    for (int i = 0; i < DUPLICATES; i++) {
        void *text = NULL;
        pthread_join(threads[i], &text);
        CHECK_INT(http_status(text), 201);
        CHECK(text && strstr(text, "{\"number\":1}"));
        free(text);
    }
    CHECK_INT(made, 1);
    http_fixture_stop(&fixture);
}

static void those_who_ask_too_often_are_told_when_to_return(void)
{
    REQUIRE(start(3, 30, 64));
    for (int i = 0; i < 3; i++) {
        expect(NULL, "{}", 201, "number");
    }
    expect(NULL, "{}", 429, "\"code\":\"RATE_LIMITED\"");
    expect(NULL, "{}", 429, "Retry-After: ");
    struct http_counters counters;
    http_server_counters(fixture.server, &counters);
    CHECK_INT(counters.rate_limited_total, 2);
    CHECK_INT(made, 3);
    http_fixture_stop(&fixture);
}

static void one_address_gets_half_of_the_connections(void)
{
    enum { MOST = 16 };
    int fds[MOST];
    REQUIRE(start(0, 30, MOST));
    for (int i = 0; i < MOST / 2; i++) {
        fds[i] = http_fixture_connect(&fixture);
    }
    auto_close int refused = http_fixture_connect(&fixture);
    char *text = http_fixture_drain(refused);
    CHECK_TEXT(text, "");
    free(text);
    struct http_counters counters;
    http_server_counters(fixture.server, &counters);
    CHECK_INT(counters.connections_refused_total, 1);
    for (int i = 0; i < MOST / 2; i++) {
        close(fds[i]);
    }
    http_fixture_stop(&fixture);
}

/* Sends bytes and nothing more: the server must end the connection. */
static void expect_cut(const char *bytes)
{
    auto_close int fd = http_fixture_connect(&fixture);
    CHECK_INT(write_all(fd, bytes, strlen(bytes)), 0);
    char *text = http_fixture_drain(fd);
    CHECK_TEXT(text, "");
    free(text);
}

static void who_sends_too_slowly_is_cut(void)
{
    char head[512];
    REQUIRE(start(0, 1, 64));
    expect_cut("");
    expect_cut("POST /api/v1/ma");
    snprintf(head, sizeof(head),
             "POST /api/v1/make HTTP/1.1\r\nHost: unit\r\n%sContent-Length: 100\r\n\r\n{",
             authorized);
    expect_cut(head);
    http_fixture_stop(&fixture);
}

static void who_does_not_read_is_cut(void)
{
    static const char head[] = "GET /api/v1/flood HTTP/1.1\r\nHost: unit\r\n\r\n";
    REQUIRE(start(0, 1, 64));
    auto_close int fd = http_fixture_connect(&fixture);
    CHECK_INT(write_all(fd, head, strlen(head)), 0);
    struct http_counters counters = {0};
    while (counters.slow_clients_cut_total == 0) { /* the test's own time limit ends this */
        http_server_counters(fixture.server, &counters);
        poll(NULL, 0, 10);
    }
    http_fixture_stop(&fixture);
}

static void *stop_server(void *unused)
{
    (void)unused;
    http_fixture_stop(&fixture);
    return NULL;
}

static void what_runs_may_finish_at_the_end(void)
{
    pthread_t client, stopper;
    REQUIRE(start(0, 30, 64));
    auto_close int idle = http_fixture_connect(&fixture);
    pthread_create(&client, NULL, post_waiting, NULL);
    sem_wait(&entered);
    pthread_create(&stopper, NULL, stop_server, NULL);
    sem_post(&may_leave);
    void *text = NULL;
    pthread_join(client, &text);
    pthread_join(stopper, NULL);
    CHECK_INT(http_status(text), 201);
    free(text);
    text = http_fixture_drain(idle);
    CHECK_TEXT(text, "");
    free(text);
}

static const struct check_case cases[] = {
    {"a key gives the first reply again", a_key_gives_the_first_reply_again},
    {"a concurrent duplicate waits for the first", a_concurrent_duplicate_waits_for_the_first},
    {"those who ask too often are told when to return",
     those_who_ask_too_often_are_told_when_to_return},
    {"one address gets half of the connections", one_address_gets_half_of_the_connections},
    {"who sends too slowly is cut", who_sends_too_slowly_is_cut},
    {"who does not read is cut", who_does_not_read_is_cut},
    {"what runs may finish at the end", what_runs_may_finish_at_the_end},
};

int main(int argc, char **argv)
{
    sem_init(&entered, 0, 0);
    sem_init(&may_leave, 0, 0);
    return check_run(argc, argv, cases, sizeof(cases) / sizeof(cases[0]));
}
