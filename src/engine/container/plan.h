/* What atoll-host and a parked process say to each other over a slot's socket pair. Both are the same
 * program, so the messages are plain structs. */
#ifndef ATOLL_ENGINE_CONTAINER_PLAN_H
#define ATOLL_ENGINE_CONTAINER_PLAN_H

#include "base/error.h"
#include "base/ids.h"
#include "engine/engine.h"

#include <stdbool.h>
#include <stdint.h>

/* Parked process → host. READY and EXECUTING carry a descriptor of the disk's file system. */
enum slot_message_kind {
    SLOT_MESSAGE_READY,     /* parked, waits for its plan */
    SLOT_MESSAGE_EXECUTING, /* everything is set up; the socket closes when the agent runs */
    SLOT_MESSAGE_FAILED,    /* error says why */
};

struct slot_message {
    enum slot_message_kind kind;
    int loop_number;
    struct error error;
};

enum disk_source {
    DISK_SPARE,    /* the one prepared with the slot, renamed to the sandbox's */
    DISK_EXISTING, /* disks/<id>.img: kept by a stop, or made for this request */
};

/* Host → parked process: the sandbox, complete; nothing is left to decide. */
struct slot_plan {
    char id[ID_SIZE]; /* "": of a sandbox that is made ahead */
    char template_image[ENGINE_TEMPLATE_SIZE];
    char hostname[ENGINE_HOSTNAME_SIZE];
    int64_t memory_bytes;
    enum disk_source disk;
    bool new_identity; /* a fork: its files still tell who its source is */
    bool root_ready; /* the root file system was mounted ahead, on the slot's own disk */
    bool network;
};

#endif
