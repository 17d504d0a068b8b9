/* The parts of request.c: how one field is taken, and what an operation needs. */
#ifndef ATOLL_AGENT_REQUEST_PARTS_H
#define ATOLL_AGENT_REQUEST_PARTS_H

#include "agent/request.h"

/* Ends the text with a NUL by moving it one byte into its own field header, which is read already. NULL
 * when it holds one. */
char *request_terminate(const struct field *field);

/* Takes a field that does not repeat; one of a newer daemon is passed over. 0, or a positive errno and what
 * is wrong. */
int request_take_field(struct request *request, const struct field *field,
                       const char **ret_problem);

/* Is everything there that the operation needs? 0, or a positive errno and what is wrong. */
int request_check(const struct request *request, const char **ret_problem);

#endif
