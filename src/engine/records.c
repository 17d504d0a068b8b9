#include "engine/records.h"

#include "base/cleanup.h"
#include "base/io.h"
#include "engine/slots.h"

#include <assert.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stddef.h>
#include <string.h>
#include <sys/mman.h>

enum { BOOT_ID_SIZE = 40, RECORD_COUNT = SLOTS_ALL };

static const char magic[16] = "atoll-slots-1";

struct records {
    char magic[16];
    char boot_id[BOOT_ID_SIZE];
    uint32_t generation;
    char reserved[256 - 16 - BOOT_ID_SIZE - 4];
    struct record slot[RECORD_COUNT];
};

_Static_assert(sizeof(struct record) == 256, "the file's layout");
_Static_assert(offsetof(struct records, slot) == 256, "the file's layout");

static int read_boot_id(char boot_id[BOOT_ID_SIZE], struct error *err)
{
    auto_free char *text = NULL;
    if (read_file_at(AT_FDCWD, "/proc/sys/kernel/random/boot_id", 64, &text) < 0) {
        return error_set(err, ERR_INTERNAL, errno, "read the boot id");
    }
    memset(boot_id, 0, BOOT_ID_SIZE);
    memcpy(boot_id, text, strnlen(text, BOOT_ID_SIZE - 1));
    return 0;
}

/* All blocks are allocated ahead: a store to memory must not meet a full disk. */
static int open_file(const char *path, struct error *err)
{
    auto_close int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    char found[sizeof(magic)] = "";
    if (fd < 0 || pread(fd, found, sizeof(found), 0) < 0 ||
        (memcmp(found, magic, sizeof(magic)) != 0 && ftruncate(fd, 0) < 0)) {
        return error_set(err, ERR_INTERNAL, errno, "open %s", path);
    }
    int failed = posix_fallocate(fd, 0, sizeof(struct records));
    return failed ? error_set(err, ERR_CAPACITY, failed, "allocate %s", path) : take_fd(&fd);
}

/* No process outlives the machine. */
static void forget_processes(struct records *records)
{
    for (int i = 0; i < RECORD_COUNT; i++) {
        if (records->slot[i].pid != 0) {
            records->slot[i].pid = 0;
        }
    }
}

struct records *records_open(const char *path, struct error *err)
{
    char boot_id[BOOT_ID_SIZE];
    if (read_boot_id(boot_id, err) < 0) {
        return NULL;
    }
    auto_close int fd = open_file(path, err);
    if (fd < 0) {
        return NULL;
    }
    struct records *records =
        mmap(NULL, sizeof(*records), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (records == MAP_FAILED) {
        error_set(err, ERR_INTERNAL, errno, "map %s", path);
        return NULL;
    }
    if (memcmp(records->magic, magic, sizeof(magic)) != 0) {
        random_bytes(&records->generation, sizeof(records->generation));
        memcpy(records->magic, magic, sizeof(magic));
    }
    if (memcmp(records->boot_id, boot_id, BOOT_ID_SIZE) != 0) {
        forget_processes(records);
        memcpy(records->boot_id, boot_id, BOOT_ID_SIZE);
    }
    return records;
}

struct records *records_close(struct records *records)
{
    if (records) {
        munmap(records, sizeof(*records));
    }
    return NULL;
}

struct record *records_slot(struct records *records, int index)
{
    assert(index >= 0 && index < RECORD_COUNT);
    return &records->slot[index];
}

uint32_t records_next_generation(struct records *records)
{
    return ++records->generation;
}

void record_set_state(struct record *record, enum record_state state)
{
    atomic_signal_fence(memory_order_release);
    *(volatile uint32_t *)&record->state = state;
}
