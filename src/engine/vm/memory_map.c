#include "engine/vm/memory.h"

#include "base/cleanup.h"

#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

enum { LINES_MAX = 200 * 1000 }; /* more than the kernel lets a process have */

/* A line of /proc/PID/maps that is a private mapping of the file. Some file systems show other device numbers there
 * than in stat(2), so the device only counts when asked for. */
static bool parse(const char *line, const struct stat *file, bool device_counts,
                  struct vm_memory_segment *segment)
{
    uint64_t end;
    unsigned major_number, minor_number;
    unsigned long long inode;
    char private;
    if (sscanf(line, "%" SCNx64 "-%" SCNx64 " %*3c%c %" SCNx64 " %x:%x %llu", &segment->address,
               &end, &private, &segment->offset, &major_number, &minor_number, &inode) != 7) {
        return false;
    }
    segment->length = end - segment->address;
    return private == 'p' && inode == file->st_ino &&
           (!device_counts || makedev(major_number, minor_number) == file->st_dev);
}

static int collect(pid_t pid, const struct stat *file, bool device_counts,
                   struct vm_memory_map *map)
{
    char path[64];
    auto_free char *line = NULL;
    size_t size = 0;
    snprintf(path, sizeof(path), "/proc/%d/maps", pid);
    auto_fclose FILE *maps = fopen(path, "re");
    map->count = 0;
    for (int i = 0; maps && i < LINES_MAX && getline(&line, &size, maps) > 0; i++) {
        struct vm_memory_segment segment;
        if (parse(line, file, device_counts, &segment)) {
            if (map->count == VM_MEMORY_SEGMENTS_MAX) {
                return -1;
            }
            map->at[map->count++] = segment;
        }
    }
    return map->count > 0 ? 0 : -1;
}

static int compare(const void *left, const void *right)
{
    const struct vm_memory_segment *a = left, *b = right;
    return a->offset < b->offset ? -1 : a->offset > b->offset;
}

/* All of the base, each byte once? */
static bool is_whole(struct vm_memory_map *map, uint64_t bytes)
{
    uint64_t at = 0;
    qsort(map->at, (size_t)map->count, sizeof(map->at[0]), compare);
    for (int i = 0; i < map->count; i++) {
        if (map->at[i].offset != at || map->at[i].length > bytes - at) {
            return false;
        }
        at += map->at[i].length;
    }
    return at == bytes;
}

int vm_memory_find(pid_t pid, int base_fd, struct vm_memory_map *ret_map, struct error *err)
{
    struct stat file;
    struct vm_memory_map map;
    if (fstat(base_fd, &file) < 0) {
        return error_set(err, ERR_ENGINE, errno, "look at the machine's memory");
    }
    if ((collect(pid, &file, true, &map) < 0 && collect(pid, &file, false, &map) < 0) ||
        !is_whole(&map, (uint64_t)file.st_size)) {
        return error_set(err, ERR_ENGINE, 0, "QEMU does not have the machine's memory mapped");
    }
    *ret_map = map;
    return 0;
}
