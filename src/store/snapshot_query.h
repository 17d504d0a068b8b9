/* Inside store/: which snapshots a struct store_snapshot_filter selects. */
#ifndef ATOLL_STORE_SNAPSHOT_QUERY_H
#define ATOLL_STORE_SNAPSHOT_QUERY_H

/* Parameters 1 to 4: tenant_id, sandbox_id, workspace_id, text. */
#define SNAPSHOTS_MATCHING                                                                         \
    "WHERE (?1 IS NULL OR tenant_id = ?1) AND (?2 IS NULL OR sandbox_id = ?2)"                     \
    " AND (?3 IS NULL OR workspace_id = ?3)"                                                       \
    " AND (?4 IS NULL OR instr(id, ?4) OR instr(comment, ?4) OR instr(sandbox_name, ?4)) "

#endif
