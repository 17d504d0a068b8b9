/* One operation of the vm engine in a helper process, so that the event loop never waits for it. */
#ifndef ATOLL_ENGINE_VM_JOB_H
#define ATOLL_ENGINE_VM_JOB_H

#include "base/error.h"
#include "base/ids.h"
#include "engine/vm/internal.h"

/* Shared with the helper. */
struct vm_job_report {
    bool finished; /* run returned; error.code ERR_NONE: well */
    struct error error;
    struct engine_saved saved;
    char text[ENGINE_REASON_SIZE];
    int64_t number;
};

struct vm_job {
    struct engine *engine;
    struct machine *machine; /* that it works on, or NULL; done gets NULL when it ended meanwhile */
    pid_t qemu_pid;          /* of that, as it was at the start */
    char id[ID_SIZE];
    char snapshot_id[ID_SIZE];
    char digest[ENGINE_DIGEST_SIZE];
    char template_image[ENGINE_TEMPLATE_SIZE];
    char path[VM_PATH_SIZE];
    char agent_socket[ENGINE_SOCKET_PATH_SIZE];
    bool flag;
    struct engine_call *call;
    /* In the helper, as root, in the host's namespaces: blocks as it likes. */
    int (*run)(struct vm_job *job, struct error *err);
    /* In the event loop, when the helper has ended; frees nothing. The job is freed afterwards. */
    void (*done)(struct vm_job *job, const struct error *error);
    struct vm_job_report *report;
    struct event_child child;
    struct event_timer timer;
    bool over; /* done is being called */
    struct vm_job *next;
};

/* A job to fill in; owned by the engine from vm_job_start on. NULL with err. */
struct vm_job *vm_job_new(struct engine *engine, struct engine_call *call, struct error *err);
/* Starts it; every failure is reported through done (which may be called before this returns). With a machine: it
 * becomes MACHINE_SAVING and, if it still is when the job is done, RUNNING before done is called. */
void vm_job_start(struct vm_job *job);
/* Kills the helper; done follows as with every end. */
void vm_job_cancel(struct vm_job *job);

#endif
