#include "engine/vm/known.h"

#include "base/cleanup.h"
#include "engine/digest.h"

#include <fcntl.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>

enum {
    KNOWN_COUNT = 512,
    MIX = 31,
    KNOWN_DIGEST_SIZE = 72 /* ENGINE_DIGEST_SIZE without padding behind it */
};

/* Helpers write at the same time and may be killed while they do: an entry counts when its sum is right. Not the
 * change time, which a new link changes, too; nobody but root sets the modification time. */
struct known_file {
    uint64_t device, inode, size;
    int64_t modified_s, modified_ns;
    char digest[KNOWN_DIGEST_SIZE];
    uint64_t sum;
};

_Static_assert((int)KNOWN_DIGEST_SIZE >= (int)ENGINE_DIGEST_SIZE, "a digest fits");

struct vm_known {
    uint32_t next;
    struct known_file files[KNOWN_COUNT];
};

struct vm_known *vm_known_new(struct error *err)
{
    void *memory = mmap(NULL, sizeof(struct vm_known), PROT_READ | PROT_WRITE,
                        MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED) {
        error_set(err, ERR_INTERNAL, errno, "share memory with helpers");
        return NULL;
    }
    return memory;
}

struct vm_known *vm_known_free(struct vm_known *known)
{
    if (known) {
        munmap(known, sizeof(*known));
    }
    return NULL;
}

static uint64_t sum_of(const struct known_file *file)
{
    const unsigned char *bytes = (const unsigned char *)file;
    uint64_t sum = 1;
    for (size_t i = 0; i < offsetof(struct known_file, sum); i++) {
        sum = sum * MIX + bytes[i];
    }
    return sum;
}

static void describe(const struct stat *info, const char *digest, struct known_file *file)
{
    memset(file, 0, sizeof(*file));
    file->device = info->st_dev;
    file->inode = info->st_ino;
    file->size = (uint64_t)info->st_size;
    file->modified_s = info->st_mtim.tv_sec;
    file->modified_ns = info->st_mtim.tv_nsec;
    snprintf(file->digest, sizeof(file->digest), "%s", digest);
    file->sum = sum_of(file);
}

static void remember(struct vm_known *known, const struct stat *info, const char *digest)
{
    if (known) {
        uint32_t index = __atomic_fetch_add(&known->next, 1, __ATOMIC_RELAXED) % KNOWN_COUNT;
        describe(info, digest, &known->files[index]);
    }
}

static bool is_known(const struct vm_known *known, const struct stat *info, const char *digest)
{
    struct known_file wanted;
    describe(info, digest, &wanted);
    for (int i = 0; known && i < KNOWN_COUNT; i++) {
        if (memcmp(&known->files[i], &wanted, sizeof(wanted)) == 0) {
            return true;
        }
    }
    return false;
}

static int open_file(int directory_fd, const char *name, struct stat *info, struct error *err)
{
    auto_close int fd = openat(directory_fd, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0 || fstat(fd, info) < 0) {
        return error_set(err, ERR_NOT_RESTORABLE, errno, "its file '%s'", name);
    }
    return take_fd(&fd);
}

int vm_known_check(struct vm_known *known, int directory_fd, const char *name, const char *digest,
                   struct error *err)
{
    struct stat info;
    char found[ENGINE_DIGEST_SIZE];
    auto_close int fd = open_file(directory_fd, name, &info, err);
    if (fd < 0) {
        return -1;
    }
    if (is_known(known, &info, digest)) {
        return 0;
    }
    if (digest_file(fd, found, err) < 0) {
        return -1;
    }
    if (strcmp(found, digest) != 0) {
        return error_set(err, ERR_NOT_RESTORABLE, 0, "its file '%s' was altered", name);
    }
    remember(known, &info, digest);
    return 0;
}

int vm_known_digest(struct vm_known *known, int directory_fd, const char *name,
                    char digest[ENGINE_DIGEST_SIZE], int64_t *stored_bytes, struct error *err)
{
    struct stat info;
    auto_close int fd = open_file(directory_fd, name, &info, err);
    if (fd < 0 || digest_file(fd, digest, err) < 0) {
        return -1;
    }
    remember(known, &info, digest);
    if (stored_bytes) {
        *stored_bytes += (int64_t)info.st_blocks * 512;
    }
    return 0;
}
