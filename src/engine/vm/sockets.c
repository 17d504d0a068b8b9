#include "engine/vm/internal.h"

#include "base/cleanup.h"
#include "base/log.h"

#include <assert.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <sys/socket.h>

/*
 * As for containers: a socket belongs for good to the network namespace that its maker was in, so atoll-host, which is
 * one thread, goes there for a moment. From the namespace around a machine 127.0.0.1 is the guest's loopback.
 */

/* Every other thing that this process makes would land in the machine's network from here on. */
static void go_home(int home)
{
    if (setns(home, CLONE_NEWNET) < 0) {
        log_error("sockets.lost", "errno=%d", errno);
        abort();
    }
}

static int make_sockets(int count, int *ret_fds, struct error *err)
{
    for (int i = 0; i < count; i++) {
        ret_fds[i] = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
        if (ret_fds[i] < 0) {
            error_set(err, ERR_ENGINE, errno, "make a socket");
            while (i > 0) {
                close_fd(ret_fds[--i]);
            }
            return -1;
        }
    }
    return 0;
}

int vm_sockets(struct engine *engine, const char *id, int family, int count, int *ret_fds,
               char address[46], struct error *err)
{
    assert(count > 0 && (family == AF_INET || family == AF_INET6));
    const struct machine *machine = machine_find(engine, id);
    if (!machine || !machine_alive(machine) || machine->process.source.fd < 0) {
        return error_set(err, ERR_NOT_RUNNING, 0, "sandbox %s does not run", id);
    }
    if (family == AF_INET6) {
        error_set(err, ERR_HOST_UNSUPPORTED, 0, "virtual machines have no IPv6");
        return error_hint(err, "Let the server listen on IPv4: 127.0.0.1 or 0.0.0.0.");
    }
    auto_close int home = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
    if (home < 0) {
        return error_set(err, ERR_ENGINE, errno, "open the host's network namespace");
    }
    if (setns(machine->process.source.fd, CLONE_NEWNET) < 0) {
        return error_set(err, errno == ESRCH ? ERR_NOT_RUNNING : ERR_ENGINE, errno,
                         "enter the network of sandbox %s", id);
    }
    int result = make_sockets(count, ret_fds, err);
    go_home(home);
    snprintf(address, 46, "127.0.0.1");
    return result;
}
