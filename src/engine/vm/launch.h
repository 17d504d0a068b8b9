/*
 * The launcher of a machine: a child of atoll-host that makes everything QEMU needs, starts it, brings its memory back or
 * waits for it to boot, and becomes its supervisor. Runs outside of atoll-host's process; blocks as it likes; errors go
 * up its socket. Until its machine runs it dies with atoll-host, and QEMU always dies with it.
 */
#ifndef ATOLL_ENGINE_VM_LAUNCH_H
#define ATOLL_ENGINE_VM_LAUNCH_H

#include "engine/agent_link.h"
#include "engine/vm/about.h"
#include "engine/vm/internal.h"
#include "engine/vm/layers.h"
#include "linux/qmp.h"

enum { CONSOLE_RING_BYTES = ENGINE_CONSOLE_SIZE };

/* Launcher → atoll-host. */
enum launch_message_kind {
    LAUNCH_PARKED,  /* the guest is ready and stands still; waits for a claim */
    LAUNCH_RUNNING, /* it has its identity and runs; the socket closes */
    LAUNCH_SEEDED,  /* the seed is made; the launcher ends */
    LAUNCH_FAILED,
};

struct launch_message {
    enum launch_message_kind kind;
    pid_t qemu_pid;
    bool resumed;                         /* its memory was brought back */
    char not_resumed[ENGINE_REASON_SIZE]; /* why saved memory was given up, or "" */
    struct error error;
};

/* atoll-host → launcher. */
struct launch_claim {
    struct agent_identity identity;
};

/* The last bytes that the guest wrote to its console. */
struct console {
    int fd; /* the pipe; not blocking */
    size_t length;
    char text[CONSOLE_RING_BYTES];
};

struct launch {
    const struct engine *engine; /* as they were when the process was forked */
    const struct machine *machine;
    struct vm_shape shape;
    uid_t uid;
    int socket;   /* to atoll-host */
    int listener; /* the agent's socket */
    int monitor;  /* QMP's listening socket, for QEMU */
    int words;    /* the file of last words */
    int agent_tap, guest_tap;
    int directory;                        /* the machine's */
    int memory;                           /* memory.base */
    int root;                             /* the template's root disk */
    int saved_device;                     /* the seed's devices, or -1 */
    bool has_saved;                       /* its directory has saved memory */
    bool boots;                           /* there is neither of these */
    char not_resumed[ENGINE_REASON_SIZE]; /* why saved memory was given up, or "" */
    int console_end;                      /* the pipe's end for QEMU */
    struct vm_layers layers;
    struct console console;
    pid_t child;  /* QEMU */
    int child_fd; /* its pidfd */
    char qmp_path[ENGINE_SOCKET_PATH_SIZE];
    struct qmp *qmp;
};

/* launch.c: never returns. */
void launch_run(const struct engine *engine, const struct machine *machine, int socket_fd)
    __attribute__((noreturn));

/* launch_network.c: the namespace around the machine; the second is what may be done while QEMU starts. */
int launch_network(struct launch *launch, struct error *err);
int launch_filter(const struct launch *launch, struct error *err);

/* launch_files.c: its directory and what of it is open. */
int launch_files(struct launch *launch, struct error *err);

/* launch_qemu.c: starts QEMU as a child in a mount namespace of its own. */
int launch_qemu(struct launch *launch, struct error *err);
/* No capability can be had again. 0 or -1 errno. */
int launch_drop_bounds(void);

/* qemu_arguments.c: its command line, NULL-terminated. */
enum {
    QEMU_ARGUMENTS_MAX = 160,
    QEMU_ROOT_SET = 10,
    QEMU_CONSOLE_SET = 11,
    QEMU_FIRST_LAYER_SET = 20
};
struct qemu_arguments {
    int count;
    char *at[QEMU_ARGUMENTS_MAX];
    bool failed; /* out of memory, or too many */
};
/* Names a descriptor for "/dev/fdset/<set>". */
void qemu_arguments_add_set(struct qemu_arguments *arguments, int set, int fd);
/* All others, after those for the layers. */
void qemu_arguments_make(const struct launch *launch, struct qemu_arguments *arguments);

/* launch_seed.c: a machine that booted becomes a seed. Never returns to the guest. */
int launch_seed_files(struct launch *launch, struct error *err);
int launch_seed_finish(struct launch *launch, struct error *err);

/* rehearse.c: does so many times what a start does: takes an identity, runs a first command. In a seed that brings
 * pages and names into the guest's memory, and under emulation, in a spare, has the code translated. */
int launch_rehearse(const struct launch *launch, int times, struct error *err);

/* supervisor.c: gives up every privilege; then serves the agent's socket until QEMU ends. */
int supervisor_confine(struct launch *launch, struct error *err);
void supervisor_run(struct launch *launch) __attribute__((noreturn));

/* console.c */
void console_drain(struct console *console);
/* Printable text of it. */
void console_text(const struct console *console, char *text, size_t size);

#endif
