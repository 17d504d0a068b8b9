/* Requests as atoll-host reads them. */
#include "check.h"
#include "hostd/request.h"

#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

static const char id[] = "sbx_01j9xr2t4fk8me3n5qv7w9x1y3";

/* Parses SOCKETS with the fields that are given (family, count: -1 leaves one out). */
static bool parse(const char *sandbox_id, int64_t family, int64_t count,
                  struct request *ret_request, struct error *err)
{
    static const struct settings settings;
    unsigned char data[256];
    struct fields_writer writer;
    *err = (struct error){0};
    fields_start(&writer, data, sizeof(data));
    fields_put_int(&writer, HOST_OPERATION, HOST_OP_SOCKETS);
    if (sandbox_id) {
        fields_put_string(&writer, HOST_ID, sandbox_id);
    }
    if (family >= 0) {
        fields_put_int(&writer, HOST_FAMILY, family);
    }
    if (count >= 0) {
        fields_put_int(&writer, HOST_COUNT, count);
    }
    return request_parse(data, writer.length, &settings, ret_request, err) == 0;
}

static void sockets_are_asked_for_by_family_and_count(void)
{
    struct request request;
    struct error err;
    REQUIRE(parse(id, 4, 1, &request, &err));
    CHECK_INT(request.operation, HOST_OP_SOCKETS);
    CHECK_TEXT(request.id, id);
    CHECK_INT(request.family, AF_INET);
    CHECK_INT(request.count, 1);
    REQUIRE(parse(id, 6, HOST_SOCKETS_MAX, &request, &err));
    CHECK_INT(request.family, AF_INET6);
    CHECK_INT(request.count, HOST_SOCKETS_MAX);
}

static void anything_else_is_refused_by_name(void)
{
    struct request request;
    struct error err;
    static const struct {
        const char *id;
        int64_t family, count;
        const char *field;
    } bad[] = {
        {NULL, 4, 1, "id"},           {"sbx_../../x", 4, 1, "id"},
        {id, -1, 1, "family"},        {id, 5, 1, "family"},
        {id, 2, 1, "family"},         {id, 10, 1, "family"},
        {id, INT64_MAX, 1, "family"}, {id, 4, -1, "count"},
        {id, 4, 0, "count"},          {id, 4, HOST_SOCKETS_MAX + 1, "count"},
        {id, 4, INT64_MAX, "count"},
    };
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        CHECK(!parse(bad[i].id, bad[i].family, bad[i].count, &request, &err));
        CHECK_TEXT(err.field, bad[i].field);
    }
}

static const char snapshot_id[] = "snp_01j9xr2t4fk8me3n5qv7w9x1y3";

/* Parses with those texts that are not NULL. */
static bool parse_texts(enum host_operation operation, const char *sandbox, const char *snapshot,
                        const char *image, const char *after, struct request *ret_request,
                        struct error *err)
{
    static const struct settings settings;
    unsigned char data[512];
    struct fields_writer writer;
    const struct {
        enum host_tag tag;
        const char *text;
    } texts[] = {{HOST_ID, sandbox},
                 {HOST_SNAPSHOT_ID, snapshot},
                 {HOST_TEMPLATE, image},
                 {HOST_AFTER, after}};
    *err = (struct error){0};
    fields_start(&writer, data, sizeof(data));
    fields_put_int(&writer, HOST_OPERATION, operation);
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        if (texts[i].text) {
            fields_put_string(&writer, texts[i].tag, texts[i].text);
        }
    }
    return request_parse(data, writer.length, &settings, ret_request, err) == 0;
}

static void snapshots_name_sandbox_snapshot_and_image(void)
{
    struct request request;
    struct error err;
    REQUIRE(parse_texts(HOST_OP_SNAPSHOT, id, snapshot_id, "image", NULL, &request, &err));
    CHECK_TEXT(request.snapshot.id, id);
    CHECK_TEXT(request.snapshot.snapshot_id, snapshot_id);
    CHECK_TEXT(request.snapshot.template_image, "image");
    REQUIRE(parse_texts(HOST_OP_SNAPSHOT_REMOVE, NULL, snapshot_id, NULL, NULL, &request, &err));
    CHECK_TEXT(request.snapshot.snapshot_id, snapshot_id);
    REQUIRE(parse_texts(HOST_OP_SNAPSHOT_LIST, NULL, NULL, NULL, NULL, &request, &err));
    CHECK_TEXT(request.after, "");
    REQUIRE(parse_texts(HOST_OP_SNAPSHOT_LIST, NULL, NULL, NULL, snapshot_id, &request, &err));
    CHECK_TEXT(request.after, snapshot_id);
}

static void other_names_of_snapshots_are_refused(void)
{
    struct request request;
    struct error err;
    static const struct {
        enum host_operation operation;
        const char *sandbox, *snapshot, *image, *after, *field;
    } bad[] = {
        {HOST_OP_SNAPSHOT, NULL, snapshot_id, "image", NULL, "id"},
        {HOST_OP_SNAPSHOT, snapshot_id, snapshot_id, "image", NULL, "id"},
        {HOST_OP_SNAPSHOT, id, NULL, "image", NULL, "snapshot_id"},
        {HOST_OP_SNAPSHOT, id, id, "image", NULL, "snapshot_id"},
        {HOST_OP_SNAPSHOT, id, "snp_../../../../../../etc/x", "image", NULL, "snapshot_id"},
        {HOST_OP_SNAPSHOT, id, snapshot_id, NULL, NULL, "template"},
        {HOST_OP_SNAPSHOT, id, snapshot_id, "..", NULL, "template"},
        {HOST_OP_SNAPSHOT, id, snapshot_id, "a/b", NULL, "template"},
        {HOST_OP_SNAPSHOT_REMOVE, NULL, NULL, NULL, NULL, "snapshot_id"},
        {HOST_OP_SNAPSHOT_REMOVE, NULL, "snp_", NULL, NULL, "snapshot_id"},
        {HOST_OP_SNAPSHOT_LIST, NULL, NULL, NULL, id, "snapshot_id"},
        {HOST_OP_LIST, NULL, NULL, NULL, snapshot_id, "id"},
    };
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        CHECK(!parse_texts(bad[i].operation, bad[i].sandbox, bad[i].snapshot, bad[i].image,
                           bad[i].after, &request, &err));
        CHECK_TEXT(err.field, bad[i].field);
    }
}

static const char digest[] = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";

/* Parses a create or a request for a pool with these texts, where they are not NULL, and that count. */
static bool parse_shape(enum host_operation operation, const char *engine, const char *snapshot,
                        const char *wanted_digest, int64_t count, struct request *ret_request,
                        struct error *err)
{
    static const struct settings settings = {
        .max_cpu = 1, .max_memory_mb = 1024, .max_disk_mb = 1024};
    unsigned char data[512];
    struct fields_writer writer;
    const struct {
        enum host_tag tag;
        const char *text;
    } texts[] = {{HOST_ENGINE, engine}, {HOST_SNAPSHOT_ID, snapshot}, {HOST_DIGEST, wanted_digest}};
    *err = (struct error){0};
    fields_start(&writer, data, sizeof(data));
    fields_put_int(&writer, HOST_OPERATION, operation);
    fields_put_string(&writer, HOST_ID, id);
    fields_put_string(&writer, HOST_TEMPLATE, "image");
    fields_put_string(&writer, HOST_HOSTNAME, "box");
    fields_put_int(&writer, HOST_CPU_COUNT, 1);
    fields_put_int(&writer, HOST_MEMORY_BYTES, 64 << 20);
    fields_put_int(&writer, HOST_DISK_BYTES, 64 << 20);
    fields_put_int(&writer, HOST_PROCESS_LIMIT, 100);
    fields_put_int(&writer, HOST_NETWORK, HOST_NETWORK_NONE);
    fields_put_int(&writer, HOST_COUNT, count);
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        if (texts[i].text) {
            fields_put_string(&writer, texts[i].tag, texts[i].text);
        }
    }
    return request_parse(data, writer.length, &settings, ret_request, err) == 0;
}

static bool parse_create(const char *snapshot, const char *wanted_digest,
                         struct request *ret_request, struct error *err)
{
    return parse_shape(HOST_OP_CREATE, "vm", snapshot, wanted_digest, 0, ret_request, err);
}

static void a_create_names_its_engine_and_its_whole_shape(void)
{
    struct request request;
    struct error err;
    REQUIRE(parse_create(NULL, NULL, &request, &err));
    CHECK_TEXT(request.engine, "vm");
    CHECK_TEXT(request.create.id, id);
    CHECK_TEXT(request.create.template_image, "image");
    CHECK_TEXT(request.create.hostname, "box");
    CHECK_INT(request.create.cpu_count, 1);
    CHECK_INT(request.create.memory_bytes, 64 << 20);
    CHECK_INT(request.create.disk_bytes, 64 << 20);
    CHECK_INT(request.create.process_limit, 100);
    CHECK_INT(request.create.network, ENGINE_NETWORK_NONE);
}

static void an_engine_has_a_short_name(void)
{
    struct request request;
    struct error err;
    static const char *const bad[] = {NULL, "", "VM", "../vm", "v m", "abcdefghijklmnop"};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        CHECK(!parse_shape(HOST_OP_CREATE, bad[i], NULL, NULL, 0, &request, &err));
        CHECK_TEXT(err.field, "engine");
        CHECK(!parse_shape(HOST_OP_POOL, bad[i], NULL, NULL, 1, &request, &err));
        CHECK_TEXT(err.field, "engine");
    }
}

static void pools_have_a_shape_and_a_count(void)
{
    struct request request;
    struct error err;
    REQUIRE(parse_shape(HOST_OP_POOL, "container", NULL, NULL, 0, &request, &err));
    CHECK_INT(request.count, 0);
    REQUIRE(parse_shape(HOST_OP_POOL, "container", NULL, NULL, 7, &request, &err));
    CHECK_TEXT(request.engine, "container");
    CHECK_TEXT(request.shape.template_image, "image");
    CHECK_INT(request.shape.disk_bytes, 64 << 20);
    CHECK_INT(request.count, 7);
    CHECK(!parse_shape(HOST_OP_POOL, "container", NULL, NULL, -1, &request, &err));
    CHECK_TEXT(err.field, "count");
    CHECK(!parse_shape(HOST_OP_POOL, "container", NULL, NULL, INT64_MAX, &request, &err));
    CHECK_TEXT(err.field, "count");
}

static void checks_name_snapshot_image_and_digest(void)
{
    struct request request;
    struct error err;
    REQUIRE(parse_shape(HOST_OP_SNAPSHOT_CHECK, NULL, snapshot_id, digest, 0, &request, &err));
    CHECK_TEXT(request.snapshot.snapshot_id, snapshot_id);
    CHECK_TEXT(request.snapshot.template_image, "image");
    CHECK_TEXT(request.digest, digest);
    REQUIRE(parse_shape(HOST_OP_SNAPSHOT_CHECK, NULL, snapshot_id, "", 0, &request, &err));
    CHECK_TEXT(request.digest, "");
    CHECK(!parse_shape(HOST_OP_SNAPSHOT_CHECK, NULL, NULL, digest, 0, &request, &err));
    CHECK_TEXT(err.field, "snapshot_id");
    CHECK(!parse_shape(HOST_OP_SNAPSHOT_CHECK, NULL, snapshot_id, "x", 0, &request, &err));
    CHECK_TEXT(err.field, "digest");
}

static void sandboxes_can_begin_with_a_snapshot(void)
{
    struct request request;
    struct error err;
    REQUIRE(parse_create(NULL, NULL, &request, &err));
    CHECK_TEXT(request.create.snapshot_id, "");
    REQUIRE(parse_create(snapshot_id, NULL, &request, &err));
    CHECK_TEXT(request.create.snapshot_id, snapshot_id);
    CHECK_TEXT(request.create.snapshot_digest, "");
    REQUIRE(parse_create(snapshot_id, digest, &request, &err));
    CHECK_TEXT(request.create.snapshot_digest, digest);
    CHECK(!parse_create("snp_x", digest, &request, &err));
    CHECK_TEXT(err.field, "snapshot_id");
    CHECK(!parse_create(snapshot_id, "0123", &request, &err));
    CHECK_TEXT(err.field, "digest");
    CHECK(!parse_create(snapshot_id,
                        "0123456789ABCDEF0123456789abcdef0123456789abcdef0123456789abcdef",
                        &request, &err));
    CHECK_TEXT(err.field, "digest");
}

static const struct check_case cases[] = {
    {"sockets are asked for by family and count", sockets_are_asked_for_by_family_and_count},
    {"anything else is refused by name", anything_else_is_refused_by_name},
    {"snapshots name sandbox, snapshot and image", snapshots_name_sandbox_snapshot_and_image},
    {"other names of snapshots are refused", other_names_of_snapshots_are_refused},
    {"a create names its engine and its whole shape",
     a_create_names_its_engine_and_its_whole_shape},
    {"an engine has a short name", an_engine_has_a_short_name},
    {"pools have a shape and a count", pools_have_a_shape_and_a_count},
    {"checks name snapshot, image and digest", checks_name_snapshot_image_and_digest},
    {"sandboxes can begin with a snapshot", sandboxes_can_begin_with_a_snapshot},
};

CHECK_MAIN(cases)
