#include "agent/machine.h"

#include "base/cleanup.h"

#include <fcntl.h>
#include <linux/random.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

enum {
    ENTROPY_MAX = 256,
    BITS_A_BYTE = 8,
    THREADS_RESERVE = 128, /* what commands cannot have: the agent answers nevertheless */
};

static bool is_own;
static int64_t threads_max; /* that this kernel can have; 0: unknown */

static int read_number(const char *path, int64_t *ret_number)
{
    char text[32];
    auto_close int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t length = fd < 0 ? -1 : read(fd, text, sizeof(text) - 1);
    if (length <= 0) {
        return -1;
    }
    text[length] = '\0';
    *ret_number = strtoll(text, NULL, 10);
    return 0;
}

void machine_enter(void)
{
    is_own = true;
    if (read_number("/proc/sys/kernel/threads-max", &threads_max) < 0) {
        perror("atoll-agent: read threads-max");
    }
}

bool machine_is_own(void)
{
    return is_own;
}

int machine_add_entropy(const void *bytes, size_t length)
{
    struct {
        struct rand_pool_info info;
        unsigned char bytes[ENTROPY_MAX];
    } pool;
    auto_close int fd = open("/dev/urandom", O_WRONLY | O_CLOEXEC);
    if (length > ENTROPY_MAX) {
        errno = EINVAL;
        return -1;
    }
    pool.info.entropy_count = (int)length * BITS_A_BYTE;
    pool.info.buf_size = (int)length;
    memcpy(pool.info.buf, bytes, length);
    int result =
        fd < 0 || ioctl(fd, RNDADDENTROPY, &pool) < 0 || ioctl(fd, RNDRESEEDCRNG) < 0 ? -1 : 0;
    explicit_bzero(&pool, sizeof(pool));
    return result;
}

int machine_set_clock(int64_t time_us)
{
    struct timespec time = {.tv_sec = time_us / 1000000, .tv_nsec = time_us % 1000000 * 1000};
    return clock_settime(CLOCK_REALTIME, &time);
}

int machine_limit_processes(int cgroup_fd, int64_t limit)
{
    char text[32];
    auto_close int fd = openat(cgroup_fd, "pids.max", O_WRONLY | O_CLOEXEC);
    if (fd < 0) {
        return -1;
    }
    if (threads_max > THREADS_RESERVE && limit > threads_max - THREADS_RESERVE) {
        limit = threads_max - THREADS_RESERVE;
    }
    int length = snprintf(text, sizeof(text), "%lld", (long long)limit);
    return write(fd, text, (size_t)length) == length ? 0 : -1;
}

int machine_flush(int fd)
{
    if (!is_own || fsync(fd) == 0 || errno == EINVAL) { /* that: no disk behind it */
        return 0;
    }
    /* A directory that was opened as a path only. */
    auto_close int opened =
        errno == EBADF ? openat(fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;
    return opened < 0 ? -1 : fsync(opened);
}
