/* Requests to atoll-host from arbitrary bytes: what is accepted is complete and in range, whatever came. */
#include "base/ids.h"
#include "hostd/request.h"

#include <assert.h>
#include <string.h>
#include <sys/socket.h>

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size);

static const struct settings settings = {.max_cpu = 8, .max_memory_mb = 4096, .max_disk_mb = 8192};

static void check_image(const char *image)
{
    assert(image[0] && image[0] != '.' && image[0] != '-' && !strchr(image, '/'));
}

static void check_digest(const char *digest)
{
    assert(strlen(digest) == 0 || strlen(digest) == ENGINE_DIGEST_SIZE - 1);
}

static void check_shape(const struct request *request)
{
    const struct engine_shape *shape = &request->shape;
    assert(request->engine[0] && strlen(request->engine) < sizeof(request->engine));
    check_image(shape->template_image);
    assert(shape->cpu_count >= 1 && shape->cpu_count <= settings.max_cpu);
    assert(shape->memory_bytes >> 20 >= 64 && shape->memory_bytes >> 20 <= settings.max_memory_mb);
    assert(shape->disk_bytes >> 20 >= 64 && shape->disk_bytes >> 20 <= settings.max_disk_mb);
    assert(shape->process_limit >= 16);
}

static void check_create(const struct request *request)
{
    const struct engine_create *create = &request->create;
    check_shape(request);
    assert(id_valid("sbx_", create->id));
    assert(create->disk_bytes == request->shape.disk_bytes);
    assert(create->hostname[0] && create->hostname[0] != '-');
    assert(!create->snapshot_id[0] || id_valid("snp_", create->snapshot_id));
    check_digest(create->snapshot_digest);
}

static void check_sockets(const struct request *request)
{
    assert(id_valid("sbx_", request->id));
    assert(request->family == AF_INET || request->family == AF_INET6);
    assert(request->count >= 1 && request->count <= HOST_SOCKETS_MAX);
}

static void check(const struct request *request)
{
    switch (request->operation) {
    case HOST_OP_HELLO:
    case HOST_OP_WATCH:
    case HOST_OP_POOL_STATUS:
        break;
    case HOST_OP_LIST:
    case HOST_OP_SNAPSHOT_LIST:
        assert(strlen(request->after) < ID_SIZE);
        break;
    case HOST_OP_CREATE:
        check_create(request);
        break;
    case HOST_OP_POOL:
        check_shape(request);
        assert(request->count >= 0);
        break;
    case HOST_OP_SOCKETS:
        check_sockets(request);
        break;
    case HOST_OP_SNAPSHOT_CHECK:
        check_image(request->snapshot.template_image);
        check_digest(request->digest);
        assert(id_valid("snp_", request->snapshot.snapshot_id));
        break;
    case HOST_OP_SNAPSHOT:
        check_image(request->snapshot.template_image);
        assert(id_valid("sbx_", request->snapshot.id));
        assert(id_valid("snp_", request->snapshot.snapshot_id));
        break;
    case HOST_OP_SNAPSHOT_REMOVE:
        assert(id_valid("snp_", request->snapshot.snapshot_id));
        break;
    case HOST_OP_DESTROY:
    case HOST_OP_FREEZE:
    case HOST_OP_THAW:
    case HOST_OP_USAGE:
        assert(id_valid("sbx_", request->id));
        break;
    }
}

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size)
{
    struct request request;
    struct error error = {0};
    if (request_parse(data, size, &settings, &request, &error) == 0) {
        check(&request);
    } else {
        assert(error.code != ERR_NONE && error.message[0]);
    }
    return 0;
}
