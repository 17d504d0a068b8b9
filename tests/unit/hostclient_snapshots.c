/* Snapshots as atolld asks atoll-host for them: fields sent, answers read, long lists in pages. */
#include "base/cleanup.h"
#include "check.h"
#include "hostclient/hostclient.h"
#include "wire/fields.h"

#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

static const char path[] = "/tmp/atoll-unit-host-snapshots.sock";
static const char sandbox_id[] = "sbx_01j9xr2t4fk8me3n5qv7w9x1y3";
static const char snapshot_id[] = "snp_01j9xr2t4fk8me3n5qv7w9x1y3";

enum { IDS_A_PAGE = 100, PAGES = 3 };

static struct {
    int listener;
    int code;
    char asked_id[32], asked_snapshot[32], asked_template[80];
    int pages_asked;
} host;

static void put_page(struct fields_writer *writer, const char *request, size_t length)
{
    char after[32], id[32];
    int first = 0;
    if (fields_get_text(request, length, HOST_AFTER, after, sizeof(after))) {
        sscanf(after, "snp_%d", &first);
        first++;
    }
    for (int i = first; i < first + IDS_A_PAGE; i++) {
        snprintf(id, sizeof(id), "snp_%08d", i);
        fields_put_string(writer, HOST_SNAPSHOT_ID, id);
    }
    if (++host.pages_asked < PAGES) {
        fields_put_int(writer, HOST_MORE, 1);
    }
}

static void answer(int fd, const char *request, size_t length)
{
    static unsigned char data[HOST_PACKET_MAX];
    struct fields_writer writer;
    fields_start(&writer, data, sizeof(data));
    fields_put_int(&writer, HOST_ERROR_CODE, host.code);
    fields_get_text(request, length, HOST_ID, host.asked_id, sizeof(host.asked_id));
    fields_get_text(request, length, HOST_SNAPSHOT_ID, host.asked_snapshot,
                    sizeof(host.asked_snapshot));
    fields_get_text(request, length, HOST_TEMPLATE, host.asked_template,
                    sizeof(host.asked_template));
    if (fields_get_int(request, length, HOST_OPERATION, 0) == HOST_OP_SNAPSHOT_LIST) {
        put_page(&writer, request, length);
    } else {
        fields_put_int(&writer, HOST_DISK_BYTES, 1 << 30);
        fields_put_int(&writer, HOST_STORED_BYTES, 1 << 20);
        fields_put_int(&writer, HOST_PAUSE_US, 1234);
        fields_put_string(&writer, HOST_DIGEST, "abcd");
    }
    CHECK(send(fd, data, writer.length, MSG_NOSIGNAL) == (ssize_t)writer.length);
}

static void *serve(void *unused)
{
    char request[4096];
    auto_close int fd = accept4(host.listener, NULL, NULL, SOCK_CLOEXEC);
    ssize_t got;
    while ((got = recv(fd, request, sizeof(request), 0)) > 0) {
        answer(fd, request, (size_t)got);
    }
    return unused;
}

/* Runs one function against the pretended atoll-host, whose answers carry that code. */
static void with_host(int code, void (*ask)(struct hostclient *client))
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    pthread_t thread;
    memset(&host, 0, sizeof(host));
    host.code = code;
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

static void ask_for_one(struct hostclient *client)
{
    struct host_snapshot snapshot;
    struct error err = {0};
    CHECK_INT(host_snapshot(client, sandbox_id, snapshot_id, "image", &snapshot, &err), 0);
    CHECK_INT(snapshot.disk_bytes, 1 << 30);
    CHECK_INT(snapshot.stored_bytes, 1 << 20);
    CHECK_INT(snapshot.pause_us, 1234);
    CHECK_TEXT(snapshot.digest, "abcd");
}

static void a_snapshot_is_asked_for_by_its_ids(void)
{
    with_host(0, ask_for_one);
    CHECK_TEXT(host.asked_id, sandbox_id);
    CHECK_TEXT(host.asked_snapshot, snapshot_id);
    CHECK_TEXT(host.asked_template, "image");
}

static void ask_and_fail(struct hostclient *client)
{
    struct host_snapshot snapshot;
    struct host_snapshot_id *ids;
    size_t count;
    struct error err = {0};
    CHECK_INT(host_snapshot(client, sandbox_id, snapshot_id, "image", &snapshot, &err), -1);
    CHECK_INT(err.code, ERR_CAPACITY);
    CHECK_INT(host_snapshot_remove(client, snapshot_id, &err), -1);
    CHECK_INT(err.code, ERR_CAPACITY);
    CHECK_INT(host_snapshot_list(client, &ids, &count, &err), -1);
    CHECK_INT(err.code, ERR_CAPACITY);
}

static void errors_are_handed_on(void)
{
    with_host(ERR_CAPACITY, ask_and_fail);
}

static void remove_one(struct hostclient *client)
{
    struct error err = {0};
    CHECK_INT(host_snapshot_remove(client, snapshot_id, &err), 0);
}

static void one_is_removed_by_its_id(void)
{
    with_host(0, remove_one);
    CHECK_TEXT(host.asked_snapshot, snapshot_id);
    CHECK_TEXT(host.asked_id, "");
}

static void list_all(struct hostclient *client)
{
    auto_free struct host_snapshot_id *ids = NULL;
    size_t count = 0;
    struct error err = {0};
    REQUIRE(host_snapshot_list(client, &ids, &count, &err) == 0);
    REQUIRE(count == IDS_A_PAGE * PAGES);
    CHECK_TEXT(ids[0].id, "snp_00000000");
    CHECK_TEXT(ids[count - 1].id, "snp_00000299");
}

static void long_lists_come_in_pages(void)
{
    with_host(0, list_all);
    CHECK_INT(host.pages_asked, PAGES);
}

static const struct check_case cases[] = {
    {"a snapshot is asked for by its ids", a_snapshot_is_asked_for_by_its_ids},
    {"errors are handed on", errors_are_handed_on},
    {"one is removed by its id", one_is_removed_by_its_id},
    {"long lists come in pages", long_lists_come_in_pages},
};

CHECK_MAIN(cases)
