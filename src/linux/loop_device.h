/* Loop devices over image files, released by the kernel when their last user goes. */
#ifndef ATOLL_LINUX_LOOP_DEVICE_H
#define ATOLL_LINUX_LOOP_DEVICE_H

#include "base/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { LOOP_PATH_SIZE = 32 };

/* Attaches the image to a free device; *ret_number is its number. The returned descriptor (or -1 with err)
 * must stay open until the device is mounted. dev_fd: the directory /dev. direct: bypass the host's
 * page cache where the backing file system can. */
int loop_attach(int dev_fd, int image_fd, bool direct, int *ret_number, struct error *err);

/* Does the device still hold the image with that path? */
bool loop_holds(int number, const char *image_path);

/* How often the device was written to so far: the same number twice means that nothing was in between.
 * -1: the kernel does not count. */
int64_t loop_write_count(int number);

#endif
