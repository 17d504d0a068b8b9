#include "guest/guest.h"

#include "wire/guest_boot.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysinfo.h>
#include <unistd.h>

_Noreturn void guest_fail(const char *format, ...)
{
    int errnum = errno;
    va_list arguments;
    va_start(arguments, format);
    printf("%s: ", GUEST_INIT_NAME);
    vprintf(format, arguments);
    printf(": %s\n", strerror(errnum));
    fflush(stdout);
    va_end(arguments);
    _exit(1);
}

void guest_write(const char *path, const char *text)
{
    int fd = open(path, O_WRONLY | O_CLOEXEC);
    if (fd < 0 || write(fd, text, strlen(text)) < 0) {
        guest_fail("cannot write %s", path);
    }
    close(fd);
}

static void load(const char *name)
{
    char path[256];
    snprintf(path, sizeof(path), "/modules/%s", name);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0 || (syscall(SYS_finit_module, fd, "", 0) < 0 && errno != EEXIST)) {
        guest_fail("cannot load the module %s", name);
    }
    close(fd);
    unlink(path); /* what is unpacked here is memory */
}

void guest_load_modules(void)
{
    char name[128];
    FILE *order = fopen("/modules/order", "re");
    while (order && fgets(name, sizeof(name), order)) {
        name[strcspn(name, "\n")] = '\0';
        load(name);
    }
    if (order) {
        fclose(order);
    }
}

/* What commands cannot have: the agent answers even when they use all that there is. */
enum { MEMORY_RESERVE_BYTES = 16 * 1024 * 1024, PROCESSES_RESERVE = 128 };

static void limit_commands(void)
{
    char text[32];
    struct sysinfo info;
    if (sysinfo(&info) < 0) {
        guest_fail("cannot ask for the size of the memory");
    }
    long long memory = (long long)info.freeram * info.mem_unit - MEMORY_RESERVE_BYTES;
    snprintf(text, sizeof(text), "%lld", memory);
    guest_write("/cgroup/commands/memory.max", text);
    FILE *file = fopen("/proc/sys/kernel/threads-max", "re");
    long threads = file && fgets(text, sizeof(text), file) ? strtol(text, NULL, 10) : 0;
    if (threads <= PROCESSES_RESERVE) {
        guest_fail("cannot read threads-max");
    }
    fclose(file);
    snprintf(text, sizeof(text), "%ld", threads - PROCESSES_RESERVE);
    guest_write("/cgroup/commands/pids.max", text);
}

int guest_open_cgroup(int *ret_memory_events)
{
    guest_write("/cgroup/cgroup.subtree_control", "+memory +pids +cpu");
    if (mkdir("/cgroup/commands", 0755) < 0) {
        guest_fail("cannot make a cgroup");
    }
    limit_commands();
    int directory = open("/cgroup/commands", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    *ret_memory_events = open("/cgroup/commands/memory.events", O_RDONLY | O_CLOEXEC);
    if (directory < 0 || *ret_memory_events < 0) {
        guest_fail("cannot open a cgroup");
    }
    return directory;
}

int guest_seal_agent(void)
{
    int file = open("/atoll-agent", O_RDONLY | O_CLOEXEC);
    int copy = memfd_create("atoll-agent", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    struct stat info;
    if (file < 0 || copy < 0 || fstat(file, &info) < 0 ||
        sendfile(copy, file, NULL, (size_t)info.st_size) != info.st_size ||
        fchmod(copy, 0555) < 0 ||
        fcntl(copy, F_ADD_SEALS, F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE) < 0) {
        guest_fail("cannot copy the agent");
    }
    close(file);
    unlink("/atoll-agent");
    unlink("/init");
    return copy;
}
