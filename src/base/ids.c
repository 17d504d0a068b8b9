#include "base/ids.h"

#include "base/clock.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

enum { ULID_LENGTH = 26 };

static const char crockford[] = "0123456789abcdefghjkmnpqrstvwxyz";

void random_bytes(void *bytes, size_t length)
{
    unsigned char *target = bytes;
    while (length > 0) {
        ssize_t got = getrandom(target, length, 0);
        if (got < 0 && errno == EINTR) {
            continue;
        }
        if (got <= 0) {
            abort();
        }
        target += got;
        length -= (size_t)got;
    }
}

char *id_of_bytes(const char *prefix, const unsigned char bytes[16], char id[ID_SIZE])
{
    char text[ULID_LENGTH + 1];
    /* 128 bits as 26 digits of 5 bits, the first digit holding only the top 3. */
    for (int digit = 0; digit < ULID_LENGTH; digit++) {
        int first_bit = digit * 5 - 2;
        unsigned value = 0;
        for (int bit = first_bit; bit < first_bit + 5; bit++) {
            value <<= 1;
            if (bit >= 0) {
                value |= (bytes[bit / 8] >> (7 - bit % 8)) & 1u;
            }
        }
        text[digit] = crockford[value];
    }
    text[ULID_LENGTH] = '\0';
    snprintf(id, ID_SIZE, "%s%s", prefix, text);
    return id;
}

char *id_make(const char *prefix, char id[ID_SIZE])
{
    unsigned char bytes[16];
    random_bytes(bytes + 6, 10);
    unsigned long long now_ms = (unsigned long long)clock_realtime_ms();
    for (int i = 5; i >= 0; i--) {
        bytes[i] = (unsigned char)(now_ms & 0xff);
        now_ms >>= 8;
    }
    return id_of_bytes(prefix, bytes, id);
}

bool id_valid(const char *prefix, const char *text)
{
    size_t prefix_length = strlen(prefix);
    return strncmp(text, prefix, prefix_length) == 0 &&
           strspn(text + prefix_length, crockford) == ULID_LENGTH &&
           text[prefix_length + ULID_LENGTH] == '\0' && text[prefix_length] <= '7';
}

static void random_from(const char *alphabet, size_t count, char *text, size_t length)
{
    size_t written = 0;
    while (written < length) {
        unsigned char pool[64];
        random_bytes(pool, sizeof(pool));
        for (size_t i = 0; i < sizeof(pool) && written < length; i++) {
            if (pool[i] < 256 - 256 % count) { /* rejection keeps it unbiased */
                text[written++] = alphabet[pool[i] % count];
            }
        }
    }
    text[length] = '\0';
}

char *slug_make(char slug[SLUG_SIZE])
{
    static const char letters[] = "abcdefghijklmnopqrstuvwxyz0123456789";
    char first[2];
    random_from(letters, 26, first, 1);
    random_from(letters, 36, slug + 1, 11);
    slug[0] = first[0];
    return slug;
}

char *secret_make(char *text, size_t length)
{
    static const char base62[] = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
    random_from(base62, 62, text, length - 1);
    return text;
}
