/* The URLs under which the gateway serves things. */
#ifndef ATOLL_GATEWAY_URLS_H
#define ATOLL_GATEWAY_URLS_H

#include "base/urls.h"

#endif
