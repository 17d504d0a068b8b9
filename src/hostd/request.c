#include "hostd/request.h"

#include <string.h>
#include <sys/socket.h>

enum { TAGS_MAX = 64, MEBIBYTE = 1024 * 1024, POOL_COUNT_MAX = 65536 };

/* The fields of a packet by tag, each at most once. */
struct fields_by_tag {
    bool present[TAGS_MAX];
    struct field field[TAGS_MAX];
};

static int collect(const void *packet, size_t length, struct fields_by_tag *fields,
                   struct error *err)
{
    struct fields_reader reader = {packet, length, 0};
    struct field field;
    int more;
    while ((more = fields_next(&reader, &field)) == 1) {
        if (field.tag >= TAGS_MAX) {
            continue;
        }
        if (fields->present[field.tag]) {
            return error_set(err, ERR_BAD_REQUEST, 0, "field %d comes twice", field.tag);
        }
        fields->present[field.tag] = true;
        fields->field[field.tag] = field;
    }
    return more < 0 ? error_set(err, ERR_BAD_REQUEST, 0, "the packet is malformed") : 0;
}

static int take_int(const struct fields_by_tag *fields, enum host_tag tag, const char *name,
                    int64_t min, int64_t max, int64_t *ret_value, struct error *err)
{
    int64_t value;
    if (!fields->present[tag] || !field_int(&fields->field[tag], &value)) {
        return error_set_field(err, ERR_BAD_REQUEST, name, "%s is missing", name);
    }
    if (value < min || value > max) {
        return error_set_field(err, ERR_VALIDATION, name, "%s must be from %lld to %lld, not %lld",
                               name, (long long)min, (long long)max, (long long)value);
    }
    *ret_value = value;
    return 0;
}

static int take_flag(const struct fields_by_tag *fields, enum host_tag tag, const char *name,
                     bool *ret_value, struct error *err)
{
    int64_t value = 0;
    if (fields->present[tag] && take_int(fields, tag, name, 0, 1, &value, err) < 0) {
        return -1;
    }
    *ret_value = value != 0;
    return 0;
}

static int take_id(const struct fields_by_tag *fields, enum host_tag tag, char id[ID_SIZE],
                   struct error *err)
{
    if (!fields->present[tag] || !field_text(&fields->field[tag], id, ID_SIZE) ||
        !id_valid("sbx_", id)) {
        return error_set_field(err, ERR_INVALID_ID, "id", "the sandbox id is missing or malformed");
    }
    return 0;
}

static int take_snapshot_id(const struct fields_by_tag *fields, enum host_tag tag, char id[ID_SIZE],
                            struct error *err)
{
    if (!fields->present[tag] || !field_text(&fields->field[tag], id, ID_SIZE) ||
        !id_valid("snp_", id)) {
        return error_set_field(err, ERR_INVALID_ID, "snapshot_id",
                               "the snapshot id is missing or malformed");
    }
    return 0;
}

/* Text of the given characters that begins with a letter or digit: no ".", "..", no option. */
static int take_name(const struct fields_by_tag *fields, enum host_tag tag, const char *name,
                     const char *characters, char *text, size_t size, struct error *err)
{
    if (!fields->present[tag] || !field_text(&fields->field[tag], text, size) || !text[0] ||
        text[strspn(text, characters)] != '\0' || text[0] == '.' || text[0] == '-') {
        return error_set_field(err, ERR_VALIDATION, name, "%s is missing or malformed", name);
    }
    return 0;
}

static int take_sizes(const struct fields_by_tag *fields, const struct settings *settings,
                      struct engine_shape *shape, struct error *err)
{
    enum { MEMORY_MIN = 64 * MEBIBYTE, DISK_MIN = 64 * MEBIBYTE, PROCESSES_MIN = 16 };
    if (take_int(fields, HOST_CPU_COUNT, "cpu_count", 1, settings->max_cpu, &shape->cpu_count,
                 err) < 0 ||
        take_int(fields, HOST_MEMORY_BYTES, "memory_bytes", MEMORY_MIN,
                 settings->max_memory_mb * MEBIBYTE, &shape->memory_bytes, err) < 0 ||
        take_int(fields, HOST_DISK_BYTES, "disk_bytes", DISK_MIN, settings->max_disk_mb * MEBIBYTE,
                 &shape->disk_bytes, err) < 0 ||
        take_int(fields, HOST_PROCESS_LIMIT, "process_limit", PROCESSES_MIN, 65536,
                 &shape->process_limit, err) < 0) {
        return -1;
    }
    if (shape->disk_bytes % MEBIBYTE != 0) {
        return error_set_field(err, ERR_VALIDATION, "disk_bytes",
                               "disk_bytes must be whole mebibytes");
    }
    return 0;
}

static int take_image(const struct fields_by_tag *fields, char image[ENGINE_TEMPLATE_SIZE],
                      struct error *err)
{
    return take_name(fields, HOST_TEMPLATE, "template", "abcdefghijklmnopqrstuvwxyz0123456789.-",
                     image, ENGINE_TEMPLATE_SIZE, err);
}

static int take_shape(const struct fields_by_tag *fields, const struct settings *settings,
                      struct request *request, struct error *err)
{
    struct engine_shape *shape = &request->shape;
    int64_t network;
    if (take_name(fields, HOST_ENGINE, "engine", "abcdefghijklmnopqrstuvwxyz", request->engine,
                  sizeof(request->engine), err) < 0 ||
        take_image(fields, shape->template_image, err) < 0 ||
        take_int(fields, HOST_NETWORK, "network", HOST_NETWORK_NONE, HOST_NETWORK_EGRESS, &network,
                 err) < 0) {
        return -1;
    }
    shape->network = network == HOST_NETWORK_EGRESS ? ENGINE_NETWORK_EGRESS : ENGINE_NETWORK_NONE;
    return take_sizes(fields, settings, shape, err);
}

/* Absent or empty: whatever the snapshot was made with. */
static int take_digest(const struct fields_by_tag *fields, char digest[ENGINE_DIGEST_SIZE],
                       struct error *err)
{
    if (fields->present[HOST_DIGEST] &&
        (!field_text(&fields->field[HOST_DIGEST], digest, ENGINE_DIGEST_SIZE) ||
         (digest[0] && strspn(digest, "0123456789abcdef") != ENGINE_DIGEST_SIZE - 1))) {
        return error_set_field(err, ERR_VALIDATION, "digest",
                               "digest must be 64 hexadecimal digits");
    }
    return 0;
}

static int take_source(const struct fields_by_tag *fields, struct engine_create *create,
                       struct error *err)
{
    if (!fields->present[HOST_SNAPSHOT_ID]) {
        return 0;
    }
    return take_digest(fields, create->snapshot_digest, err) < 0 ||
                   take_flag(fields, HOST_FILES_ONLY, "files_only", &create->files_only, err) < 0
               ? -1
               : take_snapshot_id(fields, HOST_SNAPSHOT_ID, create->snapshot_id, err);
}

static int take_create(const struct fields_by_tag *fields, const struct settings *settings,
                       struct request *request, struct error *err)
{
    static const char host[] = "abcdefghijklmnopqrstuvwxyz0123456789-";
    struct engine_create *create = &request->create;
    if (take_id(fields, HOST_ID, request->id, err) < 0 ||
        take_shape(fields, settings, request, err) < 0 || take_source(fields, create, err) < 0 ||
        take_name(fields, HOST_HOSTNAME, "hostname", host, create->hostname,
                  sizeof(create->hostname), err) < 0) {
        return -1;
    }
    const struct engine_shape *shape = &request->shape;
    memcpy(create->id, request->id, sizeof(create->id));
    memcpy(create->template_image, shape->template_image, sizeof(create->template_image));
    create->keep_disk = request->keep_disk;
    create->cpu_count = shape->cpu_count;
    create->memory_bytes = shape->memory_bytes;
    create->disk_bytes = shape->disk_bytes;
    create->process_limit = shape->process_limit;
    create->network = shape->network;
    return 0;
}

static int take_pool(const struct fields_by_tag *fields, const struct settings *settings,
                     struct request *request, struct error *err)
{
    int64_t count;
    if (take_shape(fields, settings, request, err) < 0 ||
        take_int(fields, HOST_COUNT, "count", 0, POOL_COUNT_MAX, &count, err) < 0) {
        return -1;
    }
    request->count = (int)count;
    return 0;
}

static int take_after(const struct fields_by_tag *fields, struct request *request,
                      struct error *err)
{
    if (!fields->present[HOST_AFTER]) {
        return 0;
    }
    return request->operation == HOST_OP_SNAPSHOT_LIST
               ? take_snapshot_id(fields, HOST_AFTER, request->after, err)
               : take_id(fields, HOST_AFTER, request->after, err);
}

static int take_snapshot(const struct fields_by_tag *fields, struct request *request,
                         struct error *err)
{
    struct engine_snapshot *snapshot = &request->snapshot;
    if (take_id(fields, HOST_ID, request->id, err) < 0 ||
        take_snapshot_id(fields, HOST_SNAPSHOT_ID, snapshot->snapshot_id, err) < 0) {
        return -1;
    }
    memcpy(snapshot->id, request->id, sizeof(snapshot->id));
    return take_image(fields, snapshot->template_image, err);
}

static int take_snapshot_check(const struct fields_by_tag *fields, struct request *request,
                               struct error *err)
{
    struct engine_snapshot *snapshot = &request->snapshot;
    return take_snapshot_id(fields, HOST_SNAPSHOT_ID, snapshot->snapshot_id, err) < 0 ||
                   take_digest(fields, request->digest, err) < 0 ||
                   take_image(fields, snapshot->template_image, err) < 0
               ? -1
               : 0;
}

static int take_sockets(const struct fields_by_tag *fields, struct request *request,
                        struct error *err)
{
    int64_t family, count;
    if (take_id(fields, HOST_ID, request->id, err) < 0 ||
        take_int(fields, HOST_FAMILY, "family", 4, 6, &family, err) < 0 ||
        take_int(fields, HOST_COUNT, "count", 1, HOST_SOCKETS_MAX, &count, err) < 0) {
        return -1;
    }
    if (family == 5) {
        return error_set_field(err, ERR_VALIDATION, "family", "family must be 4 or 6, not 5");
    }
    request->family = family == 4 ? AF_INET : AF_INET6;
    request->count = (int)count;
    return 0;
}

int request_parse(const void *packet, size_t length, const struct settings *settings,
                  struct request *ret_request, struct error *err)
{
    struct fields_by_tag fields = {0};
    struct request *request = ret_request;
    int64_t operation;
    *request = (struct request){0};
    if (collect(packet, length, &fields, err) < 0 ||
        take_int(&fields, HOST_OPERATION, "operation", HOST_OP_HELLO, HOST_OP_POOL_STATUS,
                 &operation, err) < 0 ||
        take_flag(&fields, HOST_KEEP_DISK, "keep_disk", &request->keep_disk, err) < 0) {
        return -1;
    }
    request->operation = (enum host_operation)operation;
    switch (request->operation) {
    case HOST_OP_HELLO:
    case HOST_OP_WATCH:
    case HOST_OP_POOL_STATUS:
        return 0;
    case HOST_OP_LIST:
    case HOST_OP_SNAPSHOT_LIST:
        return take_after(&fields, request, err);
    case HOST_OP_CREATE:
        return take_create(&fields, settings, request, err);
    case HOST_OP_DESTROY:
    case HOST_OP_FREEZE:
    case HOST_OP_THAW:
    case HOST_OP_USAGE:
        break;
    case HOST_OP_SOCKETS:
        return take_sockets(&fields, request, err);
    case HOST_OP_SNAPSHOT:
        return take_snapshot(&fields, request, err);
    case HOST_OP_SNAPSHOT_CHECK:
        return take_snapshot_check(&fields, request, err);
    case HOST_OP_POOL:
        return take_pool(&fields, settings, request, err);
    case HOST_OP_SNAPSHOT_REMOVE:
        return take_snapshot_id(&fields, HOST_SNAPSHOT_ID, request->snapshot.snapshot_id, err);
    }
    return take_id(&fields, HOST_ID, request->id, err);
}
