#include "base/fault.h"

#ifdef ATOLL_FAULT_POINTS

#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static pid_t daemon_id;

__attribute__((constructor)) static void remember_daemon(void)
{
    daemon_id = getpid();
}

static void die(void)
{
    if (getpid() != daemon_id) {
        kill(daemon_id, SIGKILL);
    }
    kill(getpid(), SIGKILL);
}

/* The variable is LABEL[:N][=stop]: behind the label comes its end, or one of these. */
void fault_point_reached(const char *label)
{
    static atomic_int reached;
    const char *wanted = getenv("ATOLL_FAULT");
    size_t length = strlen(label);
    if (!wanted || strncmp(wanted, label, length) != 0 || !strchr(":=", wanted[length])) {
        return;
    }
    int nth = wanted[length] == ':' ? (int)strtol(wanted + length + 1, NULL, 10) : 1;
    if (atomic_fetch_add(&reached, 1) + 1 != nth) {
        return;
    }
    if (strstr(wanted + length, "=stop")) {
        kill(getpid(), SIGSTOP);
    } else {
        die();
    }
}

#else
/* ISO C wants at least one declaration in a translation unit. */
extern int fault_points_are_compiled_out;
#endif
