#include "engine/vm/state.h"

#include "base/clock.h"

#include <string.h>
#include <time.h>

enum { LOAD_MAX_MS = 30 * 1000, POLL_NS = 500 * 1000 };

int device_save(struct qmp *qmp, int device_fd, struct error *err)
{
    char path[32];
    struct error ignored;
    snprintf(path, sizeof(path), "/dev/fdset/%d", VM_STATE_SET);
    if (qmp_add_fd(qmp, VM_STATE_SET, device_fd, err) < 0) {
        return -1;
    }
    /* live: after another one of these QEMU would give its disks up for somebody else to take over */
    int result = qmp_execute(qmp, "xen-save-devices-state",
                             json_pack("{s:s, s:b}", "filename", path, "live", 0), -1, NULL, err);
    qmp_remove_fds(qmp, VM_STATE_SET, &ignored);
    return result;
}

/* QEMU ends when it cannot load. */
static int wait_until_loaded(struct qmp *qmp, struct error *err)
{
    char state[32];
    int64_t deadline_ms = clock_monotonic_ms() + LOAD_MAX_MS;
    struct timespec pause = {.tv_nsec = POLL_NS};
    do {
        if (qmp_run_state(qmp, state, err) < 0) {
            return -1;
        }
        if (strcmp(state, "inmigrate") != 0) {
            return strcmp(state, "paused") == 0
                       ? 0
                       : error_set(err, ERR_ENGINE, 0, "QEMU does not stand still after loading");
        }
        nanosleep(&pause, NULL);
    } while (clock_monotonic_ms() < deadline_ms);
    return error_set(err, ERR_ENGINE, 0, "QEMU does not load its state");
}

int device_load(struct qmp *qmp, int device_fd, struct error *err)
{
    if (qmp_execute(qmp, "getfd", json_pack("{s:s}", "fdname", "state"), device_fd, NULL, err) <
            0 ||
        qmp_execute(qmp, "migrate-incoming", json_pack("{s:s}", "uri", "fd:state"), -1, NULL, err) <
            0) {
        return -1;
    }
    return wait_until_loaded(qmp, err);
}

int machine_stop(struct qmp *qmp, struct error *err)
{
    return qmp_execute(qmp, "stop", NULL, -1, NULL, err);
}

int machine_continue(struct qmp *qmp, struct error *err)
{
    return qmp_execute(qmp, "cont", NULL, -1, NULL, err);
}
