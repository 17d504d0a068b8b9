/* Base64 (RFC 4648): a decoder that is fed piece by piece, an encoder. Pure functions. */
#ifndef ATOLL_BASE_BASE64_H
#define ATOLL_BASE_BASE64_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Zero-initialise. Both alphabets are taken, padding may be missing, line breaks and blanks are the
 * caller's to leave out. */
struct base64_decoder {
    uint32_t bits;
    unsigned count;   /* characters of the group that is begun */
    unsigned padding; /* '=' seen */
};

/* Room that base64_decode needs for length characters. */
#define BASE64_DECODED_MAX(length) ((length) / 4 * 3 + 3)

/* Decodes until the text ends or a character is not base64: *ret_used says how far it came. Returns the
 * number of bytes written to out. */
size_t base64_decode(struct base64_decoder *decoder, const char *text, size_t length,
                     unsigned char *out, size_t *ret_used);

/* Was the whole a complete encoding? */
bool base64_complete(const struct base64_decoder *decoder);

/* Decodes a whole text. *ret_bytes is the caller's to free(). Returns 0, or -1 (not base64, or ENOMEM
 * in errno). */
int base64_decode_all(const char *text, size_t length, unsigned char **ret_bytes,
                      size_t *ret_length);

/* Returns the encoding with padding and a NUL, the caller's to free(), or NULL. */
char *base64_encode(const void *bytes, size_t length, size_t *ret_length);

#endif
