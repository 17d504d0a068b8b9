/*
 * What atoll-host itself asks of a sandbox's agent: to take on an identity, to flush the disk. Frames as in
 * wire/agent_protocol.h, one operation a connection. The agent's answers are not trusted.
 *
 * The functions with a descriptor block until their deadline: for helpers.
 */
#ifndef ATOLL_ENGINE_AGENT_LINK_H
#define ATOLL_ENGINE_AGENT_LINK_H

#include "base/error.h"
#include "engine/engine.h"
#include "wire/frame.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { AGENT_MESSAGE_MAX = 4096, AGENT_ANSWER_MAX = FRAME_HEADER_BYTES + 8192 };

struct agent_identity {
    char hostname[ENGINE_HOSTNAME_SIZE]; /* "": as it is */
    char address[16];                    /* of it, in /etc/hosts; "": not written */
    char resolvers[64];                  /* comma-separated; "": not written */
    bool new_identity;                   /* a machine id of its own */
    int64_t process_limit;               /* of a machine's commands together; 0: as it is */
    bool
        machine; /* has its own kernel: it gets entropy from the host's pool and the host's time, as of the call */
    bool restored; /* its memory was brought back: every other connection of its agent is dead */
};

/* The request as bytes to send. Its length. */
size_t agent_identity_encode(const struct agent_identity *identity,
                             unsigned char bytes[AGENT_MESSAGE_MAX]);

/* The same for agent_link_hello and agent_link_run. */
size_t agent_hello_encode(unsigned char bytes[AGENT_MESSAGE_MAX]);
size_t agent_run_encode(const char *const argv[], unsigned char bytes[AGENT_MESSAGE_MAX]);

/* Looks at what has come so far: 1: the operation is done, 0: more must come, -1 with err (ERR_ENGINE): it failed. *length
 * shrinks by output frames that were skipped. Pure. */
int agent_answer_parse(unsigned char *bytes, size_t *length, struct error *err);

/* The agent of a running sandbox, by its socket; or of a machine whose network this process is in. A descriptor that
 * is the caller's; -1 with err. */
int agent_link_open(const char *socket_path, struct error *err);
int agent_link_open_machine(int64_t deadline_ms, struct error *err);

/* Each closes fd. deadline_ms: of clock_monotonic_ms. */
int agent_link_identity(int fd, const struct agent_identity *identity, int64_t deadline_ms,
                        struct error *err);
/* Opens the agent (socket_path NULL: that of the machine whose network this process is in) and does the same. What the way to
 * the guest took is missing from a machine's clock: after a slow one it is set again. */
int agent_link_identify(const char *socket_path, const struct agent_identity *identity,
                        int64_t deadline_ms, struct error *err);
int agent_link_sync(int fd, int64_t deadline_ms, struct error *err);
int agent_link_hello(int fd, int64_t deadline_ms, struct error *err);
/* Runs a command as root; how it ends does not matter. */
int agent_link_run(int fd, const char *const argv[], int64_t deadline_ms, struct error *err);

#endif
