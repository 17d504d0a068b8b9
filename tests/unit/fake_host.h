/* atoll-host and agents without either: implements hostclient.h and agent_hello in memory, with faults. */
#ifndef ATOLL_TESTS_FAKE_HOST_H
#define ATOLL_TESTS_FAKE_HOST_H

#include "base/error.h"
#include "hostclient/hostclient.h"

#include <stdbool.h>

enum fake_call {
    FAKE_CREATE,
    FAKE_DESTROY,
    FAKE_FREEZE,
    FAKE_THAW,
    FAKE_HELLO, /* agent_hello */
    FAKE_SNAPSHOT,
    FAKE_SNAPSHOT_REMOVE,
    FAKE_SNAPSHOT_CHECK,
    FAKE_POOL,
    FAKE_CALL_COUNT,
};

/* Forgets everything. */
void fake_host_reset(void);

/* The next call of that kind fails with code. took_effect: the host did it, and the answer was lost. */
void fake_host_fail_next(enum fake_call call, enum error_code code, bool took_effect);

/* Reachable or not; connections break when it becomes unreachable. */
void fake_host_reachable(bool reachable);

/* The host has a vm engine, too, which keeps memory: accel "kvm" or "tcg"; problem: why it is not usable, or "".
 * accel NULL: it has none (so it begins). */
void fake_host_vm(const char *accel, const char *problem);
/* A freeze of that sandbox takes until it is let go (NULL). */
void fake_host_hold_freeze(const char *id);
/* What was saved of memory cannot be used any more: everything starts anew on its files. */
void fake_host_forget_memory(void);
/* What the next end of a sandbox shows of its machine's console. */
void fake_host_console(const char *text);

/* The sandbox's processes end by themselves: its disk stays, watchers hear of it (when told). */
void fake_host_end(const char *id, const char *reason, bool tell);

/* Puts a sandbox there that nobody asked for. */
void fake_host_add(const char *id, enum host_state state);
void fake_host_forget(const char *id);

/* 0 when there is none. */
enum host_state fake_host_state(const char *id);
size_t fake_host_count(void);

/* Snapshots: their files appear, are lost, and are counted. */
void fake_host_add_snapshot(const char *id);
void fake_host_forget_snapshot(const char *id);
bool fake_host_has_snapshot(const char *id);
size_t fake_host_snapshot_count(void);
/* The snapshot of the last host_create, or "", and whether its files only. */
const char *fake_host_created_from(void);
bool fake_host_created_files_only(void);
/* How many sandboxes of that engine and memory it keeps ready; -1: it was never told. */
int64_t fake_host_wanted(const char *engine, int64_t memory_mb);
int fake_host_calls(enum fake_call call);

#endif
