/* What makes this atoll-host the only one of its state directory, and its number unique on the
 * machine: user id ranges, addresses, cgroup and interface names follow from the number. */
#ifndef ATOLL_HOSTD_INSTANCE_H
#define ATOLL_HOSTD_INSTANCE_H

#include "base/error.h"
#include "base/settings.h"

#include <sys/types.h>

enum { INSTANCE_COUNT = 31 };

struct instance {
    int number;
    uid_t user_id; /* of atolld */
    gid_t group_id;
    int state_lock;
    int number_lock;
};

/* Makes STATE and STATE/run and takes both locks; the same number as before if it can be had. When
 * another atoll-host serves this state: ERR_CONFLICT and *ret_holder, its pid (0: unknown). */
int instance_claim(const struct settings *settings, struct instance *ret_instance,
                   pid_t *ret_holder, struct error *err);

/* Lets go; forget: also of the number, when nothing is left that depends on it. */
void instance_release(const struct settings *settings, struct instance *instance, int forget);

#endif
