/* The page that people see instead of an application. */
#ifndef ATOLL_GATEWAY_ANSWER_PAGE_H
#define ATOLL_GATEWAY_ANSWER_PAGE_H

#include "base/error.h"

/* HTML that says what is wrong and what to do; the caller's to free(). NULL when out of memory. */
char *answer_page(int status, const struct error *err, const char *request_id);

#endif
