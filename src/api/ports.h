/* GET …/ports. */
#ifndef ATOLL_API_PORTS_H
#define ATOLL_API_PORTS_H

#include "http/http.h"

void api_ports_handle(struct request *request);

#endif
