/*
 * atolld ↔ atoll-host: fields in packets of a SOCK_SEQPACKET Unix socket. A connection carries one
 * request at a time; the reply repeats nothing of the request. Requests on different connections run
 * side by side. A reply begins with HOST_ERROR_CODE (0 = success).
 */
#ifndef ATOLL_WIRE_HOST_PROTOCOL_H
#define ATOLL_WIRE_HOST_PROTOCOL_H

enum { HOST_PACKET_MAX = 64 * 1024, HOST_SOCKETS_MAX = 64 };

enum host_operation {
    HOST_OP_HELLO = 1, /* → VERSION, CGROUP_MODE, CPU_COUNT, [NETWORK_PROBLEM], ENGINE_INFO*: fields ENGINE,
                          ISOLATION, [ENGINE_PROBLEM], ACCEL, MEMORY_SNAPSHOTS, [MEMORY_PROBLEM] */
    HOST_OP_CREATE,    /* ID, ENGINE, TEMPLATE, HOSTNAME, CPU_COUNT, MEMORY_BYTES, DISK_BYTES, PROCESS_LIMIT,
                          NETWORK, [KEEP_DISK: use the disk that a STOP kept], [SNAPSHOT_ID, DIGEST: start
                          from a copy of that snapshot's files; with KEEP_DISK the copy takes the place of
                          the kept disk, FILES_ONLY: without the snapshot's memory]
                          → AGENT_SOCKET, BOOT_US, BOOT_PATH, RESUMED, ACCEL. What was saved with memory (by
                          FREEZE, or in the snapshot) runs on where it was (RESUMED 1), or, when its memory cannot be used any
                          more, is started anew on its files (RESUMED 0). The sandbox runs, or nothing
                          of it is left (but what was kept, memory included). ID already exists: ERR_CONFLICT. The snapshot is
                          missing or not what it was: ERR_NOT_RESTORABLE */
    HOST_OP_DESTROY,   /* ID, [KEEP_DISK: 1 = stop: flush and keep the files for a later CREATE]. Succeeds
                          on an unknown ID (and removes a kept disk unless KEEP_DISK). */
    HOST_OP_FREEZE,    /* ID → STATE: flushes its files, then stops every process. frozen: they stay in memory, THAW
                          lets them go on; suspended: they are on the host's disk, CREATE with KEEP_DISK
                          brings them back, on the same host also after a reboot. Idempotent. */
    HOST_OP_THAW,      /* ID. Idempotent. ERR_NOT_RUNNING: it is suspended */
    HOST_OP_USAGE,     /* ID → CPU_US, MEMORY_BYTES, MEMORY_PEAK_BYTES, PROCESS_COUNT, OOM_KILLS,
                          DISK_USED_BYTES, NET_RX_BYTES, NET_TX_BYTES */
    HOST_OP_LIST,      /* [AFTER: id] → SANDBOX* in order of id, [MORE: 1]; SANDBOX holds fields ID,
                          ENGINE, STATE, AGENT_SOCKET, OOM_KILLS. Kept disks are listed with STATE stopped. */
    HOST_OP_WATCH,     /* turns the connection into a stream of packets, one a sandbox that ended by
                          itself: ID, REASON, OOM_KILLS, [CONSOLE: last lines]. The first packet is an empty success reply. */
    HOST_OP_SOCKETS,   /* ID, FAMILY, COUNT → ADDRESS, and COUNT unconnected TCP sockets of the sandbox's
                          network as SCM_RIGHTS (non-blocking, close-on-exec); ADDRESS is where a server
                          inside is reached from them. ERR_NOT_RUNNING: no such sandbox runs. */
    HOST_OP_SNAPSHOT, /* ID, SNAPSHOT_ID, TEMPLATE → DISK_BYTES, STORED_BYTES, MEMORY_BYTES, PAUSE_US, DIGEST. The
                          files and, with an engine that can (MEMORY_BYTES > 0), the processes of a running, frozen or stopped sandbox as they are at one moment; the sandbox
                          goes on as it was. The snapshot is whole and on the host's disk, or nothing of it
                          is left. ERR_CONFLICT: SNAPSHOT_ID exists, or the sandbox is changing */
    HOST_OP_SNAPSHOT_REMOVE, /* SNAPSHOT_ID. Succeeds on an unknown one. */
    HOST_OP_SNAPSHOT_LIST,   /* [AFTER: snapshot id] → SNAPSHOT_ID* in order, [MORE: 1] */
    HOST_OP_SNAPSHOT_CHECK,  /* SNAPSHOT_ID, DIGEST, TEMPLATE → MEMORY_USABLE, [REASON: why its memory cannot be used
                                here]. Whole and what it was, or ERR_NOT_RESTORABLE. */
    HOST_OP_POOL,            /* ENGINE, TEMPLATE, CPU_COUNT, MEMORY_BYTES, DISK_BYTES, PROCESS_LIMIT, NETWORK, COUNT:
                                keeps so many sandboxes of that shape ready to be claimed by CREATE; 0: none any more.
                                Forgotten when atoll-host ends. ERR_CAPACITY: COUNT is above the engine's limit. */
    HOST_OP_POOL_STATUS,     /* → POOL*: fields ENGINE, TEMPLATE, CPU_COUNT, MEMORY_BYTES, DISK_BYTES, PROCESS_LIMIT,
                                NETWORK, COUNT, READY, PREPARING, HITS, MISSES, REFILLS, REFILL_US, [REASON: why
                                the last refill failed] */
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
    HOST_BOOT_PATH,       /* text: "warm" (made ahead), "snapshot" (from saved memory), "cold" */
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
    HOST_ENGINE,          /* text: "container", "vm" */
    HOST_ISOLATION,       /* text: a sentence that names what separates sandboxes */
    HOST_FAMILY,          /* 4 or 6: IP version */
    HOST_COUNT,           /* SOCKETS: 1..HOST_SOCKETS_MAX; POOL: wanted */
    HOST_ADDRESS,         /* text: "127.0.0.1", "::1" */
    HOST_SNAPSHOT_ID,     /* text "snp_…" */
    HOST_DIGEST,          /* text: 64 lower-case hexadecimal digits */
    HOST_STORED_BYTES,    /* what the snapshot takes on the host's disk */
    HOST_PAUSE_US,        /* how long the sandbox's processes stood still; 0: none ran */
    HOST_ENGINE_INFO,     /* fields of one engine */
    HOST_ACCEL,           /* text: "kvm", "tcg" (emulation), "none" (no virtual machine) */
    HOST_MEMORY_SNAPSHOTS, /* 0 or 1: can snapshots and pauses keep memory? */
    HOST_MEMORY_PROBLEM,  /* text: why not */
    HOST_RESUMED,         /* 0 or 1 */
    HOST_MEMORY_USABLE,   /* 0 or 1 */
    HOST_POOL,            /* fields of one pool */
    HOST_READY,           /* count: can be claimed now */
    HOST_PREPARING,       /* count */
    HOST_HITS,            /* creates that claimed one */
    HOST_MISSES,          /* creates of that shape that found none ready */
    HOST_REFILLS,         /* how many were made ready */
    HOST_CONSOLE,         /* text: the last lines of a machine's console, printable */
    HOST_REFILL_US,       /* how long all of these took together */
    HOST_FILES_ONLY,      /* 0 or 1 */
};

enum host_network { HOST_NETWORK_NONE = 1, HOST_NETWORK_EGRESS };

enum host_state { HOST_STATE_RUNNING = 1, HOST_STATE_FROZEN, HOST_STATE_STOPPED,
    HOST_STATE_SUSPENDED /* stopped, with its processes on disk */ };

#endif
