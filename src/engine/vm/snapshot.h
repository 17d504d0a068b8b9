/*
 * Snapshots of the vm engine; for the files of this directory.
 *
 * <vm>/snapshots/<id>/ is like a machine's directory whose every layer is finished: about, layers, the layers, root.ext4,
 * and, of a machine that was running or suspended, memory.base and saved/. It gets its name when all of it is on the
 * host's disk; "<id>.tmp" is one in the making. Its digest is that of its texts, which name those of its files.
 */
#ifndef ATOLL_ENGINE_VM_SNAPSHOT_H
#define ATOLL_ENGINE_VM_SNAPSHOT_H

#include "engine/vm/job.h"
#include "engine/vm/state.h"

/* Longest that a machine may stand still for a snapshot; after it the helper is killed and the machine goes on. */
enum { STANDSTILL_MAX_S = 30, AGENT_SYNC_MS = 30 * 1000 };

/* A snapshot in the making, in a helper. */
struct snapshot_files {
    const struct engine *engine;
    int parent_fd;    /* of the snapshots */
    int source_fd;    /* the sandbox's directory */
    int directory_fd; /* <id>.tmp */
    int saved_fd;     /* its saved/, or -1 */
    char temporary[ID_SIZE + 8];
    struct vm_layers layers; /* what it is to hold */
    struct vm_about about;
    struct vm_about saved_about;
    struct engine_saved result;
};

/* snapshot_files.c: opens the directories (saved: with saved/). Close in any case. */
int vm_snapshot_open(struct snapshot_files *files, const struct engine *engine, const char *id,
                     const char *snapshot_id, bool saved, struct error *err);
void vm_snapshot_close(struct snapshot_files *files);
/* Puts in what is finished: the root, the memory's base, count layers. */
int snapshot_link(struct snapshot_files *files, int count, struct error *err);
/* All is there: digests, texts, onto the disk, the name. */
int snapshot_publish(struct snapshot_files *files, const char *snapshot_id, struct error *err);

/* snapshot_check.c: opens it and checks all of it. digest "": not asked. ret_about: of the machine. The descriptor of its
 * directory; -1 with err: ERR_NOT_RESTORABLE. memory_problem (may be NULL): why its memory cannot be used here, or "". */
int snapshot_open_checked(const struct engine *engine, const char *snapshot_id, const char *digest,
                          struct vm_about *ret_about, char memory_problem[ENGINE_REASON_SIZE],
                          struct error *err);
int snapshot_digest_of(int directory_fd, char digest[ENGINE_DIGEST_SIZE], struct error *err);

/* recover.c: makes sure, in a job, that a machine runs which a helper that died may have stopped. */
void machine_recover(struct machine *machine);

/* snapshot_list.c: what an earlier atoll-host did not finish. */
void vm_snapshots_remove_unfinished(struct engine *engine);

/* The runs of jobs. */
int snapshot_run_live(struct vm_job *job, struct error *err);
int snapshot_run_kept(struct vm_job *job, struct error *err);

/* moment.c: what a snapshot and a suspension do alike with a machine that stands still. */
/* Flushes the guest's files. */
int moment_sync(const struct vm_job *job, struct error *err);
/* Saves memory and devices into saved_fd, of a machine that was stopped. source_fd: with its base. */
int moment_save(const struct vm_job *job, struct qmp *qmp, int source_fd, int saved_fd,
                struct error *err);
/* Digests and texts of saved_fd, and all of it onto the disk. about: of the machine. */
int moment_finish(const struct vm_job *job, int saved_fd, const struct vm_about *about,
                  struct vm_about *ret_saved, int64_t *stored_bytes, struct error *err);
/* The clock of a machine that stood still is set. */
void moment_correct_clock(const struct vm_job *job);
/* Does the host's disk have its reserve? ERR_CAPACITY. */
int moment_check_space(const struct engine *engine, struct error *err);

#endif
