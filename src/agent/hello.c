#include "agent/hello.h"

#include "agent/reply.h"

#include <ctype.h>
#include <dirent.h>
#include <sys/socket.h>
#include <sys/statvfs.h>
#include <unistd.h>

enum { FRAME_MAX = 256 };

static int64_t count_processes(void)
{
    DIR *proc = opendir("/proc");
    int64_t count = 0;
    struct dirent *entry;
    while (proc && (entry = readdir(proc))) {
        count += isdigit((unsigned char)entry->d_name[0]) != 0;
    }
    if (proc) {
        closedir(proc);
    }
    return count;
}

void hello_answer(int fd)
{
    unsigned char frame[FRAME_MAX];
    struct frame_writer writer;
    struct statvfs disk;
    frame_start(&writer, frame, sizeof(frame));
    fields_put_string(&writer.fields, AGENT_VERSION, ATOLL_VERSION);
    fields_put_int(&writer.fields, AGENT_PROCESS_COUNT, count_processes());
    if (statvfs("/", &disk) == 0) {
        fields_put_int(&writer.fields, AGENT_DISK_TOTAL, (int64_t)(disk.f_blocks * disk.f_frsize));
        fields_put_int(&writer.fields, AGENT_DISK_FREE, (int64_t)(disk.f_bavail * disk.f_frsize));
    }
    send(fd, frame, frame_finish(&writer, AGENT_FRAME_DONE), MSG_DONTWAIT | MSG_NOSIGNAL);
    close(fd);
}
