/*
 * A client of QEMU's monitor protocol (QMP): one command at a time, synchronous, for helper processes.
 *
 * What QEMU says is not trusted, since a guest may have taken it over: lines, their nesting and the time for an
 * answer are bounded, descriptors are never accepted, and events are skipped.
 */
#ifndef ATOLL_LINUX_QMP_H
#define ATOLL_LINUX_QMP_H

#include "base/error.h"

#include <jansson.h>
#include <stddef.h>
#include <stdint.h>

enum {
    QMP_LINE_MAX_BYTES = 1024 * 1024,
    QMP_DEPTH_MAX = 100,     /* of objects and arrays; a chain of images is told nested */
    QMP_SKIPPED_MAX = 10000, /* events before an answer */
};

struct qmp;

/* Connects to the Unix socket at path and agrees on capabilities, all within timeout_ms. NULL with err
 * (ERR_ENGINE). Release with qmp_close. */
struct qmp *qmp_open(const char *path, int64_t timeout_ms, struct error *err);

/* The same over a connected descriptor, which it owns from then on, whatever comes of it. */
struct qmp *qmp_open_fd(int fd, int64_t timeout_ms, struct error *err);

/* Accepts NULL; returns NULL. */
struct qmp *qmp_close(struct qmp *qmp);

/* How long each following command may take; at first the timeout_ms of opening. */
void qmp_set_timeout(struct qmp *qmp, int64_t timeout_ms);

/* Runs a command and waits for its answer. arguments (may be NULL) are its own from then on, whatever comes of it;
 * *ret_result (may be NULL) is the caller's. fd: sent along, -1: none; stays the caller's. 0, or -1 with err:
 * ERR_ENGINE, with what QEMU says. After an answer that did not come all that follow fail at once. */
int qmp_execute(struct qmp *qmp, const char *command, json_t *arguments, int fd,
                json_t **ret_result, struct error *err);

/* Gives QEMU a descriptor under "/dev/fdset/<set>". */
int qmp_add_fd(struct qmp *qmp, int set, int fd, struct error *err);

/* Takes it back: QEMU closes it when nothing uses it any more. */
int qmp_remove_fds(struct qmp *qmp, int set, struct error *err);

/* QEMU's run state ("running", "paused", "inmigrate", …). */
int qmp_run_state(struct qmp *qmp, char state[32], struct error *err);

enum qmp_line { QMP_LINE_ANSWER, QMP_LINE_ERROR, QMP_LINE_OTHER };

/* What one line says: *ret_value is the result (ANSWER) and the caller's, or NULL; err: QEMU's words
 * (ERROR). -1 with err when it is not a line of the protocol. Pure. */
int qmp_parse_line(const char *line, size_t length, enum qmp_line *ret_kind, json_t **ret_value,
                   struct error *err);

#endif
