/* What the commands about jobs and services share. */
#ifndef ATOLL_CLI_JOBS_H
#define ATOLL_CLI_JOBS_H

#include "cli/client.h"

#include <stdbool.h>

/* The job's id from its id, its pid or its name (a running one first, else the latest), or the latest job of all
 * when reference is NULL; into id[size]. */
int job_resolve(struct client *client, const char *sandbox_id, const char *reference, char *id,
                size_t size, struct error *err);

/* Prints the last lines below path ("/sandboxes/…/processes/…" or "…/services/…"), as the API's reply when json.
 * position[size]: from where to follow, or "". */
int logs_print(struct client *client, const char *path, int64_t tail, bool json, char *position,
               size_t size, struct error *err);

/* Prints what the job writes, from position on until it ends; waits for a server that restarts. */
int logs_follow(struct client *client, const char *sandbox_id, const char *job_id,
                const char *position, bool json, struct error *err);

#endif
