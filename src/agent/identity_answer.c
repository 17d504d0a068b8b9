#include "agent/identity_answer.h"

#include "agent/identity.h"
#include "agent/machine.h"
#include "agent/reply.h"
#include "base/cleanup.h"

#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* A connection that the listener has accepted: the agent has no other stream sockets. */
static bool is_connection(int fd)
{
    int type, listens;
    socklen_t size = sizeof(int);
    return getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &size) == 0 && type == SOCK_STREAM &&
           getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listens, &size) == 0 && !listens;
}

/* Their peers are gone, which the network may never tell. Whoever serves such a connection now sees its end, as
 * when a daemon leaves: commands are killed, sessions go on. */
static void end_connections_but(int own_fd, int highest_fd)
{
    for (int fd = 0; fd <= highest_fd; fd++) {
        if (fd != own_fd && is_connection(fd)) {
            shutdown(fd, SHUT_RDWR);
        }
    }
}

static bool names_an_identity(const struct request *request)
{
    return request->hostname || request->address || request->resolvers || request->new_identity ||
           request->entropy.data || request->time_us || request->process_limit;
}

static void write_files(const struct request *request)
{
    identity_write("/etc", request->hostname, request->address, request->resolvers);
    if (request->new_identity) {
        identity_renew("/etc");
        identity_renew("/var/lib/dbus");
    }
}

/* 0, or -1 with errno and what failed. */
static int take(const struct agent *agent, const struct request *request, int fd,
                const char **ret_what)
{
    *ret_what = "only a sandbox has an identity";
    if (names_an_identity(request) && getpid() != 1) {
        errno = EPERM;
        return -1;
    }
    if (request->restored) {
        end_connections_but(fd, agent->highest_connection);
    }
    *ret_what = "add to the random pool";
    if (request->entropy.data &&
        machine_add_entropy(request->entropy.data, request->entropy.length) < 0) {
        return -1;
    }
    *ret_what = "set the clock";
    if (request->time_us && machine_set_clock(request->time_us) < 0) {
        return -1;
    }
    *ret_what = "set the host name"; /* that of a container is the host's to set */
    if (request->hostname && machine_is_own() &&
        sethostname(request->hostname, strlen(request->hostname)) < 0) {
        return -1;
    }
    *ret_what = "limit processes"; /* those of a container are the host's to limit */
    if (request->process_limit && machine_is_own() &&
        machine_limit_processes(agent->trees.dir_fd, request->process_limit) < 0) {
        return -1;
    }
    write_files(request);
    return 0;
}

void identity_answer(const struct agent *agent, int fd, const struct request *request)
{
    const char *what;
    if (take(agent, request, fd, &what) < 0) {
        reply_error(fd, errno, what);
    } else {
        reply_done(fd);
    }
    close(fd);
}
