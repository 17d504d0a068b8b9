/* A copy of an image that was written to meanwhile becomes the same as the image is now. */
#include "base/cleanup.h"
#include "check.h"
#include "engine/container/snapshot.h"

#include <fcntl.h>
#include <string.h>

enum { IMAGE_BYTES = 8 * 1024 * 1024, BLOCK_BYTES = 4096, STEPS = 200 };

static char directory[] = "/tmp";
static struct settings settings;
static struct engine engine = {.context.settings = &settings};

static int make_file(off_t size)
{
    int fd = open(directory, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
    CHECK(fd >= 0 && ftruncate(fd, size) == 0);
    return fd;
}

static bool same(int left, int right)
{
    char left_digest[ENGINE_DIGEST_SIZE], right_digest[ENGINE_DIGEST_SIZE];
    struct error err = {0};
    CHECK_INT(digest_file(left, left_digest, &err), 0);
    CHECK_INT(digest_file(right, right_digest, &err), 0);
    return strcmp(left_digest, right_digest) == 0;
}

static int64_t stored_bytes(int fd)
{
    struct stat info;
    CHECK(fsync(fd) == 0 && fstat(fd, &info) == 0);
    return (int64_t)info.st_blocks * 512;
}

/* Writes or frees blocks at places that look random and are always the same. */
static void scribble(int fd, unsigned seed)
{
    for (unsigned step = 0; step < STEPS; step++) {
        seed = seed * 1664525 + 1013904223;
        off_t place = (off_t)(seed >> 8) % (IMAGE_BYTES - 3 * BLOCK_BYTES);
        if (seed & 0x80) {
            CHECK(pwrite(fd, &seed, sizeof(seed), place) == sizeof(seed));
        } else {
            place -= place % BLOCK_BYTES;
            CHECK(fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, place,
                            3 * (off_t)BLOCK_BYTES) == 0);
        }
    }
}

static void copies_hold_what_the_image_holds(void)
{
    auto_close int image = make_file(IMAGE_BYTES), copy = make_file(0);
    struct error err = {0};
    snprintf(engine.disks_path, sizeof(engine.disks_path), "%s", directory);
    scribble(image, 1);
    REQUIRE(disk_copy(&engine, image, copy, &err) == 0);
    CHECK(same(image, copy));
}

static void what_was_written_or_freed_since_is_corrected(void)
{
    auto_close int image = make_file(IMAGE_BYTES), copy = make_file(0);
    struct error err = {0};
    scribble(image, 1);
    REQUIRE(disk_copy(&engine, image, copy, &err) == 0);
    for (unsigned round = 2; round < 20; round++) {
        scribble(image, round);
        CHECK(!same(image, copy));
        REQUIRE(disk_copy_again(image, copy, &err) == 0);
        CHECK(same(image, copy));
    }
    REQUIRE(fallocate(image, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, IMAGE_BYTES) == 0 &&
            disk_copy_again(image, copy, &err) == 0);
    CHECK(same(image, copy));
    CHECK_INT(stored_bytes(copy), 0);
}

static void a_copy_leaves_the_host_its_reserve(void)
{
    auto_close int image = make_file(IMAGE_BYTES), copy = make_file(0);
    struct error err = {0};
    scribble(image, 1);
    settings.disk_reserve_mb = INT64_MAX >> 24;
    CHECK_INT(disk_copy(&engine, image, copy, &err), -1);
    CHECK_INT(err.code, ERR_CAPACITY);
    settings.disk_reserve_mb = 0;
    CHECK_INT(disk_copy(&engine, image, copy, &err), 0);
}

static const struct check_case cases[] = {
    {"copies hold what the image holds", copies_hold_what_the_image_holds},
    {"what was written or freed since is corrected", what_was_written_or_freed_since_is_corrected},
    {"a copy leaves the host its reserve", a_copy_leaves_the_host_its_reserve},
};

CHECK_MAIN(cases)
