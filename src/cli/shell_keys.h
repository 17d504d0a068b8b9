/* What is typed in a shell: escape sequences at the beginning of a line, as ssh has them. Pure. */
#ifndef ATOLL_CLI_SHELL_KEYS_H
#define ATOLL_CLI_SHELL_KEYS_H

#include <stdbool.h>
#include <stddef.h>

/* Zero-initialise with at_line_start true. */
struct shell_keys {
    bool at_line_start;
    bool tilde; /* held back: what follows decides */
};

/* Copies what is to be sent into out[2 * length + 1]; returns how much. "~." at the beginning of a line sets
 * *ret_leave and ends the copying, "~~" is one tilde. */
size_t shell_keys_take(struct shell_keys *keys, const char *bytes, size_t length, char *out,
                       bool *ret_leave);

#endif
