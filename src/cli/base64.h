/* Base64 (RFC 4648) decoding. */
#ifndef ATOLL_CLI_BASE64_H
#define ATOLL_CLI_BASE64_H

#include <stddef.h>
#include <sys/types.h>

/* Decodes into bytes[at least length / 4 * 3]; may be the same memory as text. Returns how many
 * bytes, or -1 when text is not base64. */
ssize_t base64_decode(const char *text, size_t length, unsigned char *bytes);

#endif
