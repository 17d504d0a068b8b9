#include "base/fault.h"

#ifdef ATOLL_FAULT_POINTS

#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

void fault_point_reached(const char *label)
{
    static atomic_int reached;
    const char *wanted = getenv("ATOLL_FAULT");
    size_t length = strlen(label);
    if (!wanted || strncmp(wanted, label, length) != 0 ||
        (wanted[length] != '\0' && wanted[length] != ':')) {
        return;
    }
    int nth = wanted[length] == ':' ? (int)strtol(wanted + length + 1, NULL, 10) : 1;
    if (atomic_fetch_add(&reached, 1) + 1 == nth) {
        kill(getpid(), SIGKILL);
    }
}

#else
/* ISO C wants at least one declaration in a translation unit. */
extern int fault_points_are_compiled_out;
#endif
