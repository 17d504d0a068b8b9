/* A domain as clients see it. */
#ifndef ATOLL_API_DOMAIN_OBJECT_H
#define ATOLL_API_DOMAIN_OBJECT_H

#include "api/api.h"
#include "store/store_domains.h"

#include <jansson.h>

json_t *domain_object(struct api *api, const struct store_domain *domain);

#endif
