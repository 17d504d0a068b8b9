/* Both ends of the host protocol: what atolld asks is what atoll-host reads, and the other way round. */
#include "base/cleanup.h"
#include "check.h"
#include "hostclient/hostclient.h"
#include "hostd/reply.h"
#include "hostd/request.h"

#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

static const char path[] = "/tmp/atoll-unit-host-ends.sock";
static const char sandbox_id[] = "sbx_01j9xr2t4fk8me3n5qv7w9x1y3";
static const char snapshot_id[] = "snp_01j9xr2t4fk8me3n5qv7w9x1y3";
static const char digest[] = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";

static struct {
    int listener;
    void (*answer)(struct fields_writer *writer);
    struct request request; /* as it was read */
    struct error refusal;
} host;

static void *serve(void *unused)
{
    static const struct settings settings = {
        .max_cpu = 8, .max_memory_mb = 4096, .max_disk_mb = 4096};
    static unsigned char data[HOST_PACKET_MAX];
    auto_close int fd = accept4(host.listener, NULL, NULL, SOCK_CLOEXEC);
    ssize_t got;
    while ((got = recv(fd, data, sizeof(data), 0)) > 0) {
        int failed = request_parse(data, (size_t)got, &settings, &host.request, &host.refusal) < 0;
        struct fields_writer writer;
        fields_start(&writer, data, sizeof(data));
        reply_start(&writer, failed ? &host.refusal : NULL);
        if (!failed && host.answer) {
            host.answer(&writer);
        }
        CHECK(!writer.overflow);
        CHECK(send(fd, data, writer.length, MSG_NOSIGNAL) == (ssize_t)writer.length);
    }
    return unused;
}

/* Runs one function against an atoll-host whose successful replies go on as answer says. */
static void with_host(void (*answer)(struct fields_writer *writer),
                      void (*ask)(struct hostclient *client))
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    pthread_t thread;
    memset(&host, 0, sizeof(host));
    host.answer = answer;
    memcpy(address.sun_path, path, sizeof(path));
    unlink(path);
    host.listener = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
    REQUIRE(bind(host.listener, (struct sockaddr *)&address, sizeof(address)) == 0 &&
            listen(host.listener, 1) == 0);
    pthread_create(&thread, NULL, serve, NULL);
    struct hostclient *client = hostclient_new(path);
    ask(client);
    hostclient_free(client);
    pthread_join(thread, NULL);
    close_fd(host.listener);
    unlink(path);
}

static void put_engines(struct fields_writer *writer)
{
    struct engine_probe probe = {
        .name = "container", .isolation = "walls", .accel = "none", .memory_problem = "no memory"};
    reply_engine(writer, &probe);
    probe = (struct engine_probe){.name = "vm",
                                  .isolation = "a machine",
                                  .problem = "no QEMU",
                                  .accel = "tcg",
                                  .memory_snapshots = true};
    reply_engine(writer, &probe);
    fields_put_string(writer, HOST_CGROUP_MODE, "v2");
}

static void read_engines(struct hostclient *client)
{
    struct host_info info = {0};
    struct error err = {0};
    REQUIRE(host_hello(client, &info, &err) == 0);
    REQUIRE(info.engine_count == 2);
    CHECK_TEXT(info.cgroup_mode, "v2");
    CHECK_TEXT(info.engines[0].name, "container");
    CHECK_TEXT(info.engines[0].problem, "");
    CHECK_TEXT(info.engines[0].memory_problem, "no memory");
    CHECK(!info.engines[0].memory_snapshots);
    CHECK_TEXT(info.engines[1].name, "vm");
    CHECK_TEXT(info.engines[1].isolation, "a machine");
    CHECK_TEXT(info.engines[1].problem, "no QEMU");
    CHECK_TEXT(info.engines[1].accel, "tcg");
    CHECK(info.engines[1].memory_snapshots);
    CHECK_TEXT(info.engines[1].memory_problem, "");
}

static void engines_say_what_they_can(void)
{
    with_host(put_engines, read_engines);
}

static void put_created(struct fields_writer *writer)
{
    struct engine_call call = {
        .created = {.agent_socket = "/a", .boot_path = "snapshot", .boot_us = 7, .resumed = true}};
    struct engine_probe probe = {.accel = "kvm"};
    reply_call(writer, HOST_OP_CREATE, &call, &probe);
}

static void create(struct hostclient *client)
{
    struct host_create plan = {.id = sandbox_id,
                               .engine = "vm",
                               .template_image = "image",
                               .hostname = "box",
                               .cpu_count = 2,
                               .memory_bytes = 512 << 20,
                               .disk_bytes = 1 << 30,
                               .process_limit = 99,
                               .network = HOST_NETWORK_EGRESS,
                               .keep_disk = true,
                               .snapshot = snapshot_id,
                               .snapshot_digest = digest,
                               .files_only = true};
    struct host_created created = {0};
    struct error err = {0};
    REQUIRE(host_create(client, &plan, &created, &err) == 0);
    CHECK_TEXT(created.agent_socket, "/a");
    CHECK_TEXT(created.boot_path, "snapshot");
    CHECK_TEXT(created.accel, "kvm");
    CHECK_INT(created.boot_us, 7);
    CHECK(created.resumed);
}

static void creates_arrive_whole(void)
{
    const struct engine_create *plan = &host.request.create;
    with_host(put_created, create);
    CHECK_TEXT(host.request.engine, "vm");
    CHECK_TEXT(plan->id, sandbox_id);
    CHECK_TEXT(plan->template_image, "image");
    CHECK_TEXT(plan->hostname, "box");
    CHECK_INT(plan->cpu_count, 2);
    CHECK_INT(plan->memory_bytes, 512 << 20);
    CHECK_INT(plan->disk_bytes, 1 << 30);
    CHECK_INT(plan->process_limit, 99);
    CHECK_INT(plan->network, ENGINE_NETWORK_EGRESS);
    CHECK(plan->keep_disk && plan->files_only);
    CHECK_TEXT(plan->snapshot_id, snapshot_id);
    CHECK_TEXT(plan->snapshot_digest, digest);
}

static void put_frozen(struct fields_writer *writer)
{
    struct engine_call call = {.state = ENGINE_STATE_SUSPENDED};
    struct engine_probe probe = {.accel = "tcg"};
    reply_call(writer, HOST_OP_FREEZE, &call, &probe);
}

static void freeze(struct hostclient *client)
{
    enum host_state state = HOST_STATE_RUNNING;
    struct error err = {0};
    REQUIRE(host_freeze(client, sandbox_id, &state, &err) == 0);
    CHECK_INT(state, HOST_STATE_SUSPENDED);
}

static void a_freeze_says_where_the_processes_are(void)
{
    with_host(put_frozen, freeze);
    CHECK_INT(host.request.operation, HOST_OP_FREEZE);
    CHECK_TEXT(host.request.id, sandbox_id);
}

static void put_check(struct fields_writer *writer)
{
    struct engine_call call = {.memory_problem = "another kernel"};
    struct engine_probe probe = {.accel = "tcg"};
    reply_call(writer, HOST_OP_SNAPSHOT_CHECK, &call, &probe);
}

static void check_snapshot(struct hostclient *client)
{
    char problem[200] = "";
    struct error err = {0};
    REQUIRE(host_snapshot_check(client, snapshot_id, digest, "image", problem, &err) == 0);
    CHECK_TEXT(problem, "another kernel");
    CHECK_TEXT(host.request.digest, digest);
    REQUIRE(host_snapshot_check(client, snapshot_id, NULL, "image", problem, &err) == 0);
    CHECK_TEXT(host.request.digest, "");
}

static void a_check_says_why_memory_is_of_no_use(void)
{
    with_host(put_check, check_snapshot);
    CHECK_TEXT(host.request.snapshot.snapshot_id, snapshot_id);
    CHECK_TEXT(host.request.snapshot.template_image, "image");
}

static const struct host_shape shape = {.engine = "container",
                                        .template_image = "image",
                                        .cpu_count = 1,
                                        .memory_bytes = 256 << 20,
                                        .disk_bytes = 1 << 30,
                                        .process_limit = 50,
                                        .network = HOST_NETWORK_NONE};

static void set_pool(struct hostclient *client)
{
    struct error err = {0};
    CHECK_INT(host_pool(client, &shape, 5, &err), 0);
}

static void pools_are_set_by_shape(void)
{
    with_host(NULL, set_pool);
    CHECK_INT(host.request.operation, HOST_OP_POOL);
    CHECK_TEXT(host.request.engine, "container");
    CHECK_TEXT(host.request.shape.template_image, "image");
    CHECK_INT(host.request.shape.memory_bytes, 256 << 20);
    CHECK_INT(host.request.shape.process_limit, 50);
    CHECK_INT(host.request.shape.network, ENGINE_NETWORK_NONE);
    CHECK_INT(host.request.count, 5);
}

enum { MANY_POOLS = 64 }; /* of two engines: all must fit one packet */

static void put_pools(struct fields_writer *writer)
{
    struct engine_pool pool = {.shape = {.cpu_count = 1, .network = ENGINE_NETWORK_EGRESS},
                               .wanted = 3,
                               .ready = 2,
                               .preparing = 1,
                               .hits = 10,
                               .misses = 4,
                               .refills = 12,
                               .refill_us = 3400};
    memset(pool.shape.template_image, 'i', sizeof(pool.shape.template_image) - 1);
    memset(pool.problem, 'p', sizeof(pool.problem) - 1);
    for (int i = 0; i < MANY_POOLS; i++) {
        reply_pool(writer, "container", &pool);
    }
}

static void read_pools(struct hostclient *client)
{
    auto_free struct host_pool *pools = NULL;
    size_t count = 0;
    struct error err = {0};
    REQUIRE(host_pool_status(client, &pools, &count, &err) == 0);
    REQUIRE(count == MANY_POOLS);
    const struct host_pool *last = &pools[MANY_POOLS - 1];
    CHECK_TEXT(last->shape.engine, "container");
    CHECK_INT(strlen(last->shape.template_image), 64);
    CHECK_INT(last->shape.network, HOST_NETWORK_EGRESS);
    CHECK_INT(last->wanted, 3);
    CHECK_INT(last->ready, 2);
    CHECK_INT(last->preparing, 1);
    CHECK_INT(last->hits, 10);
    CHECK_INT(last->misses, 4);
    CHECK_INT(last->refills, 12);
    CHECK_INT(last->refill_us, 3400);
    CHECK_INT(strlen(last->problem), ENGINE_REASON_SIZE - 1);
}

static void all_pools_fit_one_reply(void)
{
    with_host(put_pools, read_pools);
}

static void put_sandboxes(struct fields_writer *writer)
{
    struct engine_sandbox sandbox = {
        .id = "sbx_1", .agent_socket = "/a", .state = ENGINE_STATE_SUSPENDED, .oom_kills = 2};
    reply_sandbox(writer, "vm", &sandbox);
}

static void list(struct hostclient *client)
{
    auto_free struct host_sandbox *sandboxes = NULL;
    size_t count = 0;
    struct error err = {0};
    REQUIRE(host_list(client, &sandboxes, &count, &err) == 0);
    REQUIRE(count == 1);
    CHECK_TEXT(sandboxes[0].id, "sbx_1");
    CHECK_TEXT(sandboxes[0].engine, "vm");
    CHECK_INT(sandboxes[0].state, HOST_STATE_SUSPENDED);
    CHECK_INT(sandboxes[0].oom_kills, 2);
}

static void lists_name_the_engines(void)
{
    with_host(put_sandboxes, list);
}

static void an_end_comes_with_the_last_lines(void)
{
    struct engine_ended ended = {.id = "sbx_1", .reason = "it panicked", .oom_kills = 1};
    struct host_ended told;
    unsigned char data[4096];
    struct fields_writer writer;
    int pair[2];
    memset(ended.console, 'c', sizeof(ended.console) - 1);
    fields_start(&writer, data, sizeof(data));
    reply_ended(&writer, &ended);
    REQUIRE(!writer.overflow);
    REQUIRE(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) == 0);
    CHECK(send(pair[0], data, writer.length, 0) == (ssize_t)writer.length);
    CHECK_INT(host_watch_next(pair[1], &told), 1);
    CHECK_TEXT(told.id, "sbx_1");
    CHECK_TEXT(told.reason, "it panicked");
    CHECK_INT(strlen(told.console), ENGINE_CONSOLE_SIZE - 1);
    CHECK_INT(told.oom_kills, 1);
    close_fd(pair[0]);
    close_fd(pair[1]);
}

static const struct check_case cases[] = {
    {"engines say what they can", engines_say_what_they_can},
    {"creates arrive whole", creates_arrive_whole},
    {"a freeze says where the processes are", a_freeze_says_where_the_processes_are},
    {"a check says why memory is of no use", a_check_says_why_memory_is_of_no_use},
    {"pools are set by shape", pools_are_set_by_shape},
    {"all pools fit one reply", all_pools_fit_one_reply},
    {"lists name the engines", lists_name_the_engines},
    {"an end comes with the last lines", an_end_comes_with_the_last_lines},
};

CHECK_MAIN(cases)
