/* Cleaning what a program wrote, so that it can be shown. */
#ifndef ATOLL_APP_LOG_CLEAN_H
#define ATOLL_APP_LOG_CLEAN_H

#include <stddef.h>

/* Cleans length bytes of text in place and ends them with NUL, for which there must be room: terminal sequences
 * and control characters but newline and tab go, bytes that are not UTF-8 become '?'. Returns the new length. */
size_t log_clean(char *text, size_t length);

#endif
