/* Handlers of …/logs. */
#ifndef ATOLL_API_LOGS_H
#define ATOLL_API_LOGS_H

#include "http/http.h"

void log_stream_handle(struct request *request); /* log_stream.c */

#endif
