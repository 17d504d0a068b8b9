/* How a first process ended, as EXIT frames tell it. */
#ifndef ATOLL_AGENT_ENDING_H
#define ATOLL_AGENT_ENDING_H

#include "wire/fields.h"

struct ending {
    int wait_status;
    bool timed_out;
    bool oom_killed;
    int64_t duration_us;
};

/* EXIT_CODE, [EXIT_SIGNAL], TIMED_OUT, OOM_KILLED, DURATION_US. */
void ending_put(struct fields_writer *fields, const struct ending *ending);

/* DISK_FREE, if it can be told. */
void ending_put_disk(struct fields_writer *fields);

#endif
