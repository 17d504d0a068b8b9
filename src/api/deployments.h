/* Deployments' handlers, and what they share. */
#ifndef ATOLL_API_DEPLOYMENTS_H
#define ATOLL_API_DEPLOYMENTS_H

#include "api/api.h"
#include "store/store_deployments.h"

void deploy_handle(struct request *request);

/* The deployment as clients see it. */
json_t *deployment_object(struct api *api, const struct store_deployment *deployment);

/* The caller's deployment {id}; its spec is the caller's reference. */
int deployment_of_request(struct request *request, struct store_deployment *ret_deployment,
                          struct error *err);

/* Writes the event "deployment.<what>". */
void deployment_tell(struct api *api, const struct store_deployment *deployment, const char *what);

#endif
