#include "engine/container/internal.h"

#include "base/cleanup.h"
#include "base/log.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>

/*
 * A socket belongs for good to the network namespace that its maker was in, so atoll-host, which is one
 * thread, goes there for a moment. Servers are reached through the sandbox's loopback: those that listen
 * on 127.0.0.1 only are, too, and nothing of it passes the host's network.
 */

/* Every other thing that this process makes would land in the sandbox's network from here on. */
static void go_home(int home)
{
    if (setns(home, CLONE_NEWNET) < 0) {
        log_error("sockets.lost", "errno=%d", errno);
        abort();
    }
}

static int make_sockets(int family, int count, int *ret_fds, struct error *err)
{
    for (int i = 0; i < count; i++) {
        ret_fds[i] = socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
        if (ret_fds[i] >= 0) {
            continue;
        }
        error_set(err, errno == EAFNOSUPPORT ? ERR_HOST_UNSUPPORTED : ERR_ENGINE, errno,
                  "make a socket");
        while (i > 0) {
            close_fd(ret_fds[--i]);
        }
        return -1;
    }
    return 0;
}

/* The descriptor of its first process stands for that process and no later one of the same number,
 * and works for adopted and frozen ones alike. */
static const struct slot *find_running(struct engine *engine, const char *id, struct error *err)
{
    const struct slot *slot = slot_find(engine, id);
    if (!slot || !slot_alive(slot) || slot->process.source.fd < 0) {
        error_set(err, ERR_NOT_RUNNING, 0, "sandbox %s does not run", id);
        return NULL;
    }
    return slot;
}

int container_sockets(struct engine *engine, const char *id, int family, int count, int *ret_fds,
                      char address[46], struct error *err)
{
    assert(count > 0 && (family == AF_INET || family == AF_INET6));
    const struct slot *slot = find_running(engine, id, err);
    if (!slot) {
        return -1;
    }
    auto_close int home = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
    if (home < 0) {
        return error_set(err, ERR_ENGINE, errno, "open the host's network namespace");
    }
    if (setns(slot->process.source.fd, CLONE_NEWNET) < 0) {
        return error_set(err, errno == ESRCH ? ERR_NOT_RUNNING : ERR_ENGINE, errno,
                         "enter the network of sandbox %s", id);
    }
    int result = make_sockets(family, count, ret_fds, err);
    go_home(home);
    snprintf(address, 46, "%s", family == AF_INET ? "127.0.0.1" : "::1");
    return result;
}
