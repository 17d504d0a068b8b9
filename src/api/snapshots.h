/* Handlers about snapshots, and what they share. */
#ifndef ATOLL_API_SNAPSHOTS_H
#define ATOLL_API_SNAPSHOTS_H

#include "api/api.h"
#include "sandbox/snapshot.h"

/* snapshot_list.c */
void snapshots_of_sandbox_handle(struct request *request);
void snapshots_of_tenant_handle(struct request *request);

void snapshot_groups_handle(struct request *request);

/* named_snapshots.c */
void named_snapshots_handle(struct request *request);
void named_snapshot_create_handle(struct request *request);
void named_snapshot_get_handle(struct request *request);
void named_snapshot_delete_handle(struct request *request);

/* snapshot_files.c */
void snapshot_tree_handle(struct request *request);
void snapshot_files_handle(struct request *request);

/* snapshot_delete.c */
void snapshot_of_sandbox_delete_handle(struct request *request);
void snapshot_delete_handle(struct request *request);
void snapshots_delete_handle(struct request *request);

/* snapshot_use.c */
void restore_handle(struct request *request);
void sandbox_fork_handle(struct request *request);
void snapshot_fork_handle(struct request *request);
void named_snapshot_deploy_handle(struct request *request);

#endif
