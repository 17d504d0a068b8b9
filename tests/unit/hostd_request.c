/* Requests for sockets as atoll-host reads them. */
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

static const struct check_case cases[] = {
    {"sockets are asked for by family and count", sockets_are_asked_for_by_family_and_count},
    {"anything else is refused by name", anything_else_is_refused_by_name},
};

CHECK_MAIN(cases)
