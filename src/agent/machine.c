#include "agent/machine.h"

#include "base/cleanup.h"

#include <fcntl.h>
#include <linux/random.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>

enum { ENTROPY_MAX = 256, BITS_A_BYTE = 8 };

static bool is_own;

void machine_enter(void)
{
    is_own = true;
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
