/* What makes two images the same, however their holes are laid out; which are read again, which not. */
#include "base/cleanup.h"
#include "check.h"
#include "engine/container/snapshot.h"

#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>

enum { IMAGE_BYTES = 4 * 1024 * 1024 };

static int make_image(void)
{
    int fd = memfd_create("image", MFD_CLOEXEC);
    CHECK(fd >= 0 && ftruncate(fd, IMAGE_BYTES) == 0);
    return fd;
}

static void put(int fd, off_t offset, const char *text)
{
    CHECK(pwrite(fd, text, strlen(text), offset) == (ssize_t)strlen(text));
}

static bool same(int left, int right)
{
    char left_digest[ENGINE_DIGEST_SIZE], right_digest[ENGINE_DIGEST_SIZE];
    struct error err = {0};
    CHECK_INT(digest_file(left, left_digest, &err), 0);
    CHECK_INT(digest_file(right, right_digest, &err), 0);
    CHECK_INT(strlen(left_digest), ENGINE_DIGEST_SIZE - 1);
    return strcmp(left_digest, right_digest) == 0;
}

static void holes_and_zeros_are_the_same(void)
{
    static const char zeros[3 * 4096];
    auto_close int sparse = make_image(), full = make_image();
    put(sparse, 8192, "text");
    put(full, 8192, "text");
    CHECK(same(sparse, full));
    CHECK(pwrite(full, zeros, sizeof(zeros), 1024 * 1024) == (ssize_t)sizeof(zeros));
    CHECK(same(sparse, full));
}

static void every_byte_its_place_and_the_size_count(void)
{
    static const off_t places[] = {0, 1, 4095, 4096, 1024 * 1024 + 17, IMAGE_BYTES - 1};
    auto_close int image = make_image();
    put(image, 20000, "text");
    for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
        auto_close int other = make_image();
        put(other, 20000, "text");
        REQUIRE(same(image, other));
        put(other, places[i], "x");
        CHECK(!same(image, other));
    }
    auto_close int moved = make_image();
    put(moved, 20000 + 4096, "text");
    CHECK(!same(image, moved));
    auto_close int shorter = make_image();
    put(shorter, 20000, "text");
    CHECK(ftruncate(shorter, IMAGE_BYTES - 1) == 0);
    CHECK(!same(image, shorter));
}

static void an_image_is_known_until_it_is_touched(void)
{
    static struct engine engine;
    struct stat info;
    char path[] = "/tmp/atoll-unit-image-XXXXXX";
    auto_close int image = mkostemp(path, O_CLOEXEC);
    REQUIRE(image >= 0 && ftruncate(image, IMAGE_BYTES) == 0 && fstat(image, &info) == 0);
    CHECK(!snapshot_is_remembered(&engine, image, "one"));
    snapshot_remember(&engine, &info, "one");
    CHECK(snapshot_is_remembered(&engine, image, "one"));
    CHECK(!snapshot_is_remembered(&engine, image, "two"));
    for (int i = 0; i < KNOWN_IMAGES_MAX - 1; i++) {
        snapshot_remember(&engine, &info, "other");
    }
    CHECK(snapshot_is_remembered(&engine, image, "one"));
    info.st_ctim.tv_nsec ^= 1; /* as after a write */
    snapshot_remember(&engine, &info, "one");
    CHECK(!snapshot_is_remembered(&engine, image, "one"));
    unlink(path);
}

static const struct check_case cases[] = {
    {"holes and zeros are the same", holes_and_zeros_are_the_same},
    {"every byte, its place and the size count", every_byte_its_place_and_the_size_count},
    {"an image is known until it is touched", an_image_is_known_until_it_is_touched},
};

CHECK_MAIN(cases)
