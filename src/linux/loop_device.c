#include "linux/loop_device.h"

#include "base/cleanup.h"
#include "base/io.h"

#include <fcntl.h>
#include <linux/loop.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>

/* Others may take the device that was free between asking and configuring. */
enum { ATTEMPTS_MAX = 64 };

static int configure(int device_fd, int image_fd, bool direct)
{
    struct loop_config config = {.fd = (unsigned)image_fd};
    config.info.lo_flags = LO_FLAGS_AUTOCLEAR | (direct ? LO_FLAGS_DIRECT_IO : 0);
    return ioctl(device_fd, LOOP_CONFIGURE, &config);
}

int loop_attach(int dev_fd, int image_fd, bool direct, int *ret_number, struct error *err)
{
    auto_close int control = openat(dev_fd, "loop-control", O_RDWR | O_CLOEXEC);
    if (control < 0) {
        return error_set(err, ERR_HOST_UNSUPPORTED, errno, "open /dev/loop-control");
    }
    for (int attempt = 0; attempt < ATTEMPTS_MAX; attempt++) {
        int number = ioctl(control, LOOP_CTL_GET_FREE);
        if (number < 0) {
            return error_set(err, ERR_CAPACITY, errno, "find a free loop device");
        }
        char name[LOOP_PATH_SIZE];
        snprintf(name, sizeof(name), "loop%d", number);
        auto_close int device = openat(dev_fd, name, O_RDWR | O_CLOEXEC);
        if (device < 0 && (errno == ENOENT || errno == ENXIO)) {
            continue; /* somebody has just removed it */
        }
        if (device < 0) {
            return error_set(err, ERR_HOST_UNSUPPORTED, errno, "open /dev/%s", name);
        }
        if (configure(device, image_fd, direct) == 0 ||
            (direct && errno == EINVAL && configure(device, image_fd, false) == 0)) {
            *ret_number = number;
            return take_fd(&device);
        }
        if (errno != EBUSY) {
            return error_set(err, ERR_ENGINE, errno, "attach image to /dev/%s", name);
        }
    }
    return error_set(err, ERR_CAPACITY, 0, "no loop device stays free");
}

bool loop_holds(int number, const char *image_path)
{
    char path[64];
    auto_free char *text = NULL;
    snprintf(path, sizeof(path), "/sys/block/loop%d/loop/backing_file", number);
    if (read_file_at(AT_FDCWD, path, 4096, &text) < 0) {
        return false;
    }
    text[strcspn(text, "\n")] = '\0';
    return strcmp(text, image_path) == 0;
}

int64_t loop_write_count(int number)
{
    enum { WRITES = 4, DISCARDS = 11, FIELDS = 12 }; /* Documentation/block/stat.rst */
    char path[64];
    auto_free char *counted = NULL, *text = NULL;
    int64_t sum = 0;
    snprintf(path, sizeof(path), "/sys/block/loop%d/queue/iostats", number);
    if (read_file_at(AT_FDCWD, path, 64, &counted) < 0 || counted[0] != '1') {
        return -1;
    }
    snprintf(path, sizeof(path), "/sys/block/loop%d/stat", number);
    if (read_file_at(AT_FDCWD, path, 4096, &text) < 0) {
        return -1;
    }
    char *at = text;
    for (int field = 0; field < FIELDS; field++) {
        char *end;
        long long value = strtoll(at, &end, 10);
        if (end == at) {
            return -1;
        }
        sum += field == WRITES || field == DISCARDS ? value : 0;
        at = end;
    }
    return sum;
}
