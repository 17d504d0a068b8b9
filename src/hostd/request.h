/* Requests to atoll-host: from the bytes of a packet to a complete, checked struct. Pure functions. */
#ifndef ATOLL_HOSTD_REQUEST_H
#define ATOLL_HOSTD_REQUEST_H

#include "base/error.h"
#include "base/settings.h"
#include "engine/engine.h"
#include "wire/fields.h"
#include "wire/host_protocol.h"

#include <stdbool.h>

enum { REQUEST_ENGINE_SIZE = 16 };

struct request {
    enum host_operation operation;
    char engine[REQUEST_ENGINE_SIZE]; /* CREATE, POOL: a name, of an engine or not */
    char id[ID_SIZE];                 /* where the operation has one */
    bool keep_disk;
    char after[ID_SIZE]; /* LIST, SNAPSHOT_LIST; "" from the start */
    int family, count;   /* SOCKETS; AF_INET or AF_INET6 */
    struct engine_create create;
    /* SNAPSHOT; SNAPSHOT_REMOVE: its snapshot_id; SNAPSHOT_CHECK: that and template_image */
    struct engine_snapshot snapshot;
    char digest[ENGINE_DIGEST_SIZE]; /* SNAPSHOT_CHECK; "": not asked */
    struct engine_shape shape;       /* POOL; the count is in count */
};

/* Everything that the operation needs is there, once, and in range; tags it does not know are
 * skipped. 0, or -1 with err naming the field. */
int request_parse(const void *packet, size_t length, const struct settings *settings,
                  struct request *ret_request, struct error *err);

#endif
