#include "engine/digest.h"

#include "base/cleanup.h"

#include <endian.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

/* The plain functions: linked statically they bring nothing else along, and atoll-host stays small. */
#define OPENSSL_SUPPRESS_DEPRECATED
#include <openssl/sha.h>

enum { BLOCK_BYTES = 4096, READ_BYTES = 256 * 1024 };

static void finish(SHA256_CTX *sum, char digest[ENGINE_DIGEST_SIZE])
{
    unsigned char bytes[SHA256_DIGEST_LENGTH];
    SHA256_Final(bytes, sum);
    for (size_t i = 0; i < sizeof(bytes); i++) {
        snprintf(digest + 2 * i, 3, "%02x", bytes[i]);
    }
}

int digest_text(const void *text, size_t length, char digest[ENGINE_DIGEST_SIZE])
{
    SHA256_CTX sum;
    if (!SHA256_Init(&sum) || !SHA256_Update(&sum, text, length)) {
        return -1;
    }
    finish(&sum, digest);
    return 0;
}

static bool is_zero(const unsigned char *bytes, size_t length)
{
    return bytes[0] == 0 && memcmp(bytes, bytes + 1, length - 1) == 0;
}

/* bytes: what the file holds from offset on, which is a multiple of a block. */
static void add_blocks(SHA256_CTX *sum, uint64_t offset, const unsigned char *bytes, size_t length)
{
    for (size_t at = 0; at < length; at += BLOCK_BYTES) {
        size_t size = length - at < BLOCK_BYTES ? length - at : BLOCK_BYTES;
        uint64_t place = htole64(offset + at);
        if (!is_zero(bytes + at, size)) {
            SHA256_Update(sum, &place, sizeof(place));
            SHA256_Update(sum, bytes + at, size);
        }
    }
}

/* Reads until the buffer is full or the file ends. */
static ssize_t read_at(int fd, unsigned char *bytes, size_t length, off_t offset)
{
    size_t used = 0;
    while (used < length) {
        ssize_t got = pread(fd, bytes + used, length - used, offset + (off_t)used);
        if (got < 0 && errno == EINTR) {
            continue;
        }
        if (got < 0) {
            return -1;
        }
        if (got == 0) {
            break;
        }
        used += (size_t)got;
    }
    return (ssize_t)used;
}

/* From the block that holds the first data behind offset on. Returns how far it came, or -1 errno (ENXIO:
 * there is no more). */
static off_t add_next(SHA256_CTX *sum, int fd, off_t offset, unsigned char *buffer)
{
    off_t data = lseek(fd, offset, SEEK_DATA);
    if (data < 0) {
        return -1;
    }
    data -= data % BLOCK_BYTES;
    ssize_t got = read_at(fd, buffer, READ_BYTES, data);
    if (got <= 0) {
        errno = got == 0 ? ENXIO : errno;
        return -1;
    }
    add_blocks(sum, (uint64_t)data, buffer, (size_t)got);
    return data + got;
}

int digest_file(int fd, char digest[ENGINE_DIGEST_SIZE], struct error *err)
{
    struct stat info;
    SHA256_CTX sum;
    auto_free unsigned char *buffer = malloc(READ_BYTES);
    if (!buffer || fstat(fd, &info) < 0 || !SHA256_Init(&sum)) {
        return error_set(err, ERR_ENGINE, errno, "read the file");
    }
    uint64_t size = htole64((uint64_t)info.st_size);
    SHA256_Update(&sum, &size, sizeof(size));
    off_t at = 0;
    while (at >= 0 && at < info.st_size) {
        at = add_next(&sum, fd, at, buffer);
    }
    if (at < 0 && errno != ENXIO) {
        return error_set(err, ERR_ENGINE, errno, "read the file");
    }
    finish(&sum, digest);
    return 0;
}
