#include "agent/ending.h"

#include "wire/agent_protocol.h"

#include <sys/statvfs.h>
#include <sys/wait.h>

void ending_put(struct fields_writer *fields, const struct ending *ending)
{
    int status = ending->wait_status;
    int signal_number = WIFSIGNALED(status) ? WTERMSIG(status) : 0;
    fields_put_int(fields, AGENT_EXIT_CODE,
                   signal_number ? 128 + signal_number : WEXITSTATUS(status));
    if (signal_number) {
        fields_put_int(fields, AGENT_EXIT_SIGNAL, signal_number);
    }
    fields_put_int(fields, AGENT_TIMED_OUT, ending->timed_out);
    fields_put_int(fields, AGENT_OOM_KILLED, ending->oom_killed);
    fields_put_int(fields, AGENT_DURATION_US, ending->duration_us);
}

void ending_put_disk(struct fields_writer *fields)
{
    struct statvfs disk;
    if (statvfs("/", &disk) == 0) {
        fields_put_int(fields, AGENT_DISK_FREE, (int64_t)(disk.f_bavail * disk.f_frsize));
    }
}
