#include "hostclient/hostclient.h"

#include "base/cleanup.h"
#include "hostclient/exchange.h"
#include "hostclient/listing.h"

#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

int host_create(struct hostclient *client, const struct host_create *request,
                struct host_created *ret_created, struct error *err)
{
    auto_exchange struct exchange exchange = {0};
    struct fields_writer *writer = &exchange.writer;
    if (host_exchange_start(&exchange, HOST_OP_CREATE, err) < 0) {
        return -1;
    }
    fields_put_string(writer, HOST_ID, request->id);
    fields_put_string(writer, HOST_ENGINE, request->engine);
    fields_put_string(writer, HOST_TEMPLATE, request->template_image);
    fields_put_string(writer, HOST_HOSTNAME, request->hostname);
    fields_put_int(writer, HOST_CPU_COUNT, request->cpu_count);
    fields_put_int(writer, HOST_MEMORY_BYTES, request->memory_bytes);
    fields_put_int(writer, HOST_DISK_BYTES, request->disk_bytes);
    fields_put_int(writer, HOST_PROCESS_LIMIT, request->process_limit);
    fields_put_int(writer, HOST_NETWORK, request->network);
    fields_put_int(writer, HOST_KEEP_DISK, request->keep_disk);
    if (request->snapshot) {
        fields_put_string(writer, HOST_SNAPSHOT_ID, request->snapshot);
        fields_put_string(writer, HOST_DIGEST,
                          request->snapshot_digest ? request->snapshot_digest : "");
        fields_put_int(writer, HOST_FILES_ONLY, request->files_only);
    }
    if (host_exchange_ask(client, &exchange, err) < 0) {
        return -1;
    }
    host_exchange_text(&exchange, HOST_AGENT_SOCKET, ret_created->agent_socket,
                       sizeof(ret_created->agent_socket));
    host_exchange_text(&exchange, HOST_BOOT_PATH, ret_created->boot_path,
                       sizeof(ret_created->boot_path));
    host_exchange_text(&exchange, HOST_ACCEL, ret_created->accel, sizeof(ret_created->accel));
    ret_created->boot_us = host_exchange_int(&exchange, HOST_BOOT_US);
    ret_created->resumed = host_exchange_int(&exchange, HOST_RESUMED) == 1;
    return 0;
}

static int ask_about(struct hostclient *client, enum host_operation operation, const char *id,
                     bool keep_disk, struct exchange *exchange, struct error *err)
{
    if (host_exchange_start(exchange, operation, err) < 0) {
        return -1;
    }
    fields_put_string(&exchange->writer, HOST_ID, id);
    if (keep_disk) {
        fields_put_int(&exchange->writer, HOST_KEEP_DISK, 1);
    }
    return host_exchange_ask(client, exchange, err);
}

int host_destroy(struct hostclient *client, const char *id, bool keep_disk, struct error *err)
{
    auto_exchange struct exchange exchange = {0};
    return ask_about(client, HOST_OP_DESTROY, id, keep_disk, &exchange, err);
}

int host_freeze(struct hostclient *client, const char *id, enum host_state *ret_state,
                struct error *err)
{
    auto_exchange struct exchange exchange = {0};
    if (ask_about(client, HOST_OP_FREEZE, id, false, &exchange, err) < 0) {
        return -1;
    }
    *ret_state = (enum host_state)host_exchange_int(&exchange, HOST_STATE);
    return 0;
}

int host_thaw(struct hostclient *client, const char *id, struct error *err)
{
    auto_exchange struct exchange exchange = {0};
    return ask_about(client, HOST_OP_THAW, id, false, &exchange, err);
}

int host_usage(struct hostclient *client, const char *id, struct host_usage *ret_usage,
               struct error *err)
{
    auto_exchange struct exchange exchange = {0};
    if (ask_about(client, HOST_OP_USAGE, id, false, &exchange, err) < 0) {
        return -1;
    }
    *ret_usage = (struct host_usage){
        .cpu_us = host_exchange_int(&exchange, HOST_CPU_US),
        .memory_bytes = host_exchange_int(&exchange, HOST_MEMORY_BYTES),
        .memory_peak_bytes = host_exchange_int(&exchange, HOST_MEMORY_PEAK_BYTES),
        .process_count = host_exchange_int(&exchange, HOST_PROCESS_COUNT),
        .oom_kills = host_exchange_int(&exchange, HOST_OOM_KILLS),
        .disk_used_bytes = host_exchange_int(&exchange, HOST_DISK_USED_BYTES),
        .net_rx_bytes = host_exchange_int(&exchange, HOST_NET_RX_BYTES),
        .net_tx_bytes = host_exchange_int(&exchange, HOST_NET_TX_BYTES),
    };
    return 0;
}

static bool read_sandbox(const struct field *field, void *ret_item)
{
    struct host_sandbox *sandbox = ret_item;
    struct bytes_view fields = field->value;
    *sandbox = (struct host_sandbox){0};
    fields_get_text(fields.data, fields.length, HOST_ID, sandbox->id, sizeof(sandbox->id));
    fields_get_text(fields.data, fields.length, HOST_AGENT_SOCKET, sandbox->agent_socket,
                    sizeof(sandbox->agent_socket));
    fields_get_text(fields.data, fields.length, HOST_ENGINE, sandbox->engine,
                    sizeof(sandbox->engine));
    sandbox->state = (enum host_state)fields_get_int(fields.data, fields.length, HOST_STATE, 0);
    sandbox->oom_kills = fields_get_int(fields.data, fields.length, HOST_OOM_KILLS, 0);
    return true;
}

int host_list(struct hostclient *client, struct host_sandbox **ret_sandboxes, size_t *ret_count,
              struct error *err)
{
    static const struct host_listing listing = {.operation = HOST_OP_LIST,
                                                .tag = HOST_SANDBOX,
                                                .item_bytes = sizeof(**ret_sandboxes),
                                                .read = read_sandbox,
                                                .what = "sandboxes"};
    void *items;
    if (host_listing_read(client, &listing, &items, ret_count, err) < 0) {
        return -1;
    }
    *ret_sandboxes = items;
    return 0;
}

int host_watch(struct hostclient *client, int *ret_fd, struct error *err)
{
    auto_exchange struct exchange exchange = {0};
    if (host_exchange_start(&exchange, HOST_OP_WATCH, err) < 0) {
        return -1;
    }
    return host_exchange_open(client, &exchange, ret_fd, err);
}

int host_watch_next(int fd, struct host_ended *ret_ended)
{
    unsigned char packet[4096];
    ssize_t got;
    do {
        got = recv(fd, packet, sizeof(packet), 0);
    } while (got < 0 && errno == EINTR);
    if (got <= 0) {
        return -1;
    }
    size_t length = (size_t)got;
    *ret_ended = (struct host_ended){0};
    fields_get_text(packet, length, HOST_ID, ret_ended->id, sizeof(ret_ended->id));
    fields_get_text(packet, length, HOST_REASON, ret_ended->reason, sizeof(ret_ended->reason));
    fields_get_text(packet, length, HOST_CONSOLE, ret_ended->console, sizeof(ret_ended->console));
    ret_ended->oom_kills = fields_get_int(packet, length, HOST_OOM_KILLS, 0);
    return 1;
}
