/* Names of a tenant's snapshots: unique without regard to case; a snapshot has at most one. */
#ifndef ATOLL_STORE_STORE_SNAPSHOT_NAMES_H
#define ATOLL_STORE_STORE_SNAPSHOT_NAMES_H

#include "store/store_snapshots.h"

struct store_snapshot_name {
    char tenant_id[ID_SIZE], snapshot_id[ID_SIZE];
    char name[SNAPSHOT_NAME_SIZE]; /* as it was given */
    bool made;                     /* the snapshot was taken for the name */
    int64_t created_ms;
};

/* Adds it. ERR_NAME_TAKEN: the tenant has the name, or the snapshot one; ERR_SNAPSHOT_LIMIT: max of them. */
int store_snapshot_name_insert(struct store *store, const struct store_snapshot_name *name,
                               int64_t max, struct error *err);

/* 1, 0 when there is none, -1. */
int store_snapshot_name_find(struct store *store, const char *tenant_id, const char *name,
                             struct store_snapshot_name *ret_name, struct error *err);

/* All of the tenant, in order. *ret_names is the caller's to free(). */
int store_snapshot_name_list(struct store *store, const char *tenant_id,
                             struct store_snapshot_name **ret_names, size_t *ret_count,
                             struct error *err);

/* 1: it was there; 0; -1. */
int store_snapshot_name_delete(struct store *store, const char *tenant_id, const char *name,
                               struct error *err);

#endif
