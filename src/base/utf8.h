/* UTF-8, checked piece by piece. Pure functions. */
#ifndef ATOLL_BASE_UTF8_H
#define ATOLL_BASE_UTF8_H

#include <stdbool.h>
#include <stddef.h>

/* Zero-initialise. */
struct utf8_check {
    unsigned char missing;   /* bytes that the current character still needs */
    unsigned char low, high; /* range of the next one, when missing > 0 */
};

/* Takes the next piece; false when the text is not UTF-8 (RFC 3629: no surrogates, no long forms). */
bool utf8_check(struct utf8_check *check, const void *bytes, size_t length);

/* Does the text end at the end of a character? */
static inline bool utf8_check_complete(const struct utf8_check *check)
{
    return check->missing == 0;
}

bool utf8_valid(const void *bytes, size_t length);

/* Bytes at the end that begin a character whose rest has not come (0 to 3). */
size_t utf8_incomplete_tail(const char *bytes, size_t length);

/* Writes the character's encoding (1 to 4 bytes), returns its length. code_point ≤ 0x10FFFF. */
size_t utf8_encode(unsigned code_point, char bytes[4]);

#endif
