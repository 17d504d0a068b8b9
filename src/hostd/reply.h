/* Replies of atoll-host: what engines found out, as fields. Pure functions. */
#ifndef ATOLL_HOSTD_REPLY_H
#define ATOLL_HOSTD_REPLY_H

#include "engine/engine.h"
#include "wire/fields.h"
#include "wire/host_protocol.h"

/* Starts a reply with the error, or with success when error is NULL. */
void reply_start(struct fields_writer *writer, const struct error *error);

/* The results of a call that succeeded; probe: of its engine. */
void reply_call(struct fields_writer *writer, enum host_operation operation,
                const struct engine_call *call, const struct engine_probe *probe);

void reply_usage(struct fields_writer *writer, const struct engine_usage *usage);

/* One item of a list each. */
void reply_engine(struct fields_writer *writer, const struct engine_probe *probe);
void reply_sandbox(struct fields_writer *writer, const char *engine,
                   const struct engine_sandbox *sandbox);
void reply_pool(struct fields_writer *writer, const char *engine, const struct engine_pool *pool);

/* The packet that tells of a sandbox that ended by itself. */
void reply_ended(struct fields_writer *writer, const struct engine_ended *ended);

#endif
