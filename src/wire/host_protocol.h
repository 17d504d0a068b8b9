/*
 * atolld ↔ atoll-host: fields in packets of a SOCK_SEQPACKET Unix socket. A connection carries one
 * request at a time; the reply repeats nothing of the request. Requests on different connections run
 * side by side. A reply begins with HOST_ERROR_CODE (0 = success).
 */
#ifndef ATOLL_WIRE_HOST_PROTOCOL_H
#define ATOLL_WIRE_HOST_PROTOCOL_H

enum { HOST_PACKET_MAX = 64 * 1024, HOST_SOCKETS_MAX = 64 };

enum host_operation {
    HOST_OP_HELLO = 1, /* → VERSION, CGROUP_MODE, CPU_COUNT, [NETWORK_PROBLEM], [ENGINE_PROBLEM], ENGINE,
                          ISOLATION */
    HOST_OP_CREATE,    /* ID, TEMPLATE, HOSTNAME, CPU_COUNT, MEMORY_BYTES, DISK_BYTES, PROCESS_LIMIT,
                          NETWORK, [KEEP_DISK: use the disk that a STOP kept], [SNAPSHOT_ID, DIGEST: start
                          from a copy of that snapshot's files; with KEEP_DISK the copy takes the place of
                          the kept disk] → AGENT_SOCKET, BOOT_US, BOOT_PATH. The sandbox runs, or nothing
                          of it is left (but a kept disk). ID already exists: ERR_CONFLICT. The snapshot is
                          missing or not what it was: ERR_NOT_RESTORABLE */
    HOST_OP_DESTROY,   /* ID, [KEEP_DISK: 1 = stop: flush and keep the files for a later CREATE]. Succeeds
                          on an unknown ID (and removes a kept disk unless KEEP_DISK). */
    HOST_OP_FREEZE,    /* ID: flushes its files, then stops every process. Idempotent. */
    HOST_OP_THAW,      /* ID. Idempotent. */
    HOST_OP_USAGE,     /* ID → CPU_US, MEMORY_BYTES, MEMORY_PEAK_BYTES, PROCESS_COUNT, OOM_KILLS,
                          DISK_USED_BYTES, NET_RX_BYTES, NET_TX_BYTES */
    HOST_OP_LIST,      /* [AFTER: id] → SANDBOX* in order of id, [MORE: 1]; SANDBOX holds fields ID,
                          STATE, AGENT_SOCKET, OOM_KILLS. Kept disks are listed with STATE stopped. */
    HOST_OP_WATCH,     /* turns the connection into a stream of packets, one a sandbox that ended by
                          itself: ID, REASON, OOM_KILLS. The first packet is an empty success reply. */
    HOST_OP_SOCKETS,   /* ID, FAMILY, COUNT → ADDRESS, and COUNT unconnected TCP sockets of the sandbox's
                          network as SCM_RIGHTS (non-blocking, close-on-exec); ADDRESS is where a server
                          inside is reached from them. ERR_NOT_RUNNING: no such sandbox runs. */
    HOST_OP_SNAPSHOT, /* ID, SNAPSHOT_ID, TEMPLATE → DISK_BYTES, STORED_BYTES, PAUSE_US, DIGEST. The files
                          of a running, frozen or stopped sandbox as they are at one moment; the sandbox
                          goes on as it was. The snapshot is whole and on the host's disk, or nothing of it
                          is left. ERR_CONFLICT: SNAPSHOT_ID exists, or the sandbox is changing */
    HOST_OP_SNAPSHOT_REMOVE, /* SNAPSHOT_ID. Succeeds on an unknown one. */
    HOST_OP_SNAPSHOT_LIST,   /* [AFTER: snapshot id] → SNAPSHOT_ID* in order, [MORE: 1] */
};

enum host_tag {
    HOST_OPERATION = 1,   /* enum host_operation */
    HOST_ERROR_CODE,      /* enum error_code, 0 = success */
    HOST_ERROR_MESSAGE,   /* text */
    HOST_ERROR_HINT,      /* text */
    HOST_VERSION,         /* text */
    HOST_ID,              /* text "sbx_…" */
    HOST_TEMPLATE,        /* text: image name [a-z0-9.-]{1,64} */
    HOST_HOSTNAME,        /* text [a-z0-9-]{1,63} */
    HOST_CPU_COUNT,
    HOST_MEMORY_BYTES,
    HOST_MEMORY_PEAK_BYTES,
    HOST_DISK_BYTES,
    HOST_PROCESS_LIMIT,
    HOST_NETWORK,         /* enum host_network */
    HOST_KEEP_DISK,       /* 0 or 1 */
    HOST_AGENT_SOCKET,    /* text: path of the agent's Unix socket */
    HOST_BOOT_US,         /* microseconds from request to running */
    HOST_BOOT_PATH,       /* text: "cold" (made on request) or "warm" (claimed from the pool) */
    HOST_CPU_US,          /* CPU time used, microseconds */
    HOST_PROCESS_COUNT,
    HOST_OOM_KILLS,       /* since the sandbox started */
    HOST_DISK_USED_BYTES,
    HOST_NET_RX_BYTES,
    HOST_NET_TX_BYTES,
    HOST_AFTER,           /* text: continue the list behind this id */
    HOST_SANDBOX,         /* fields of one sandbox */
    HOST_STATE,           /* enum host_state */
    HOST_MORE,            /* 1: ask again with AFTER */
    HOST_REASON,          /* text: a sentence */
    HOST_CGROUP_MODE,     /* text: "v1", "hybrid", "v2" */
    HOST_NETWORK_PROBLEM, /* text: why sandboxes cannot have egress here */
    HOST_ENGINE_PROBLEM,  /* text: why the engine cannot run here */
    HOST_ENGINE,          /* text: "container" */
    HOST_ISOLATION,       /* text: a sentence that names what separates sandboxes */
    HOST_FAMILY,          /* 4 or 6: IP version */
    HOST_COUNT,           /* 1..HOST_SOCKETS_MAX */
    HOST_ADDRESS,         /* text: "127.0.0.1", "::1" */
    HOST_SNAPSHOT_ID,     /* text "snp_…" */
    HOST_DIGEST,          /* text: 64 lower-case hexadecimal digits */
    HOST_STORED_BYTES,    /* what the snapshot takes on the host's disk */
    HOST_PAUSE_US,        /* how long the sandbox's processes stood still; 0: none ran */
};

enum host_network { HOST_NETWORK_NONE = 1, HOST_NETWORK_EGRESS };

enum host_state { HOST_STATE_RUNNING = 1, HOST_STATE_FROZEN, HOST_STATE_STOPPED };

#endif
