/*
 * Sandboxes: their life cycle, timers and what is known of them. The only writer of sandbox state:
 * every transition is one store transaction, and memory follows the store. Any thread may call;
 * calls that change the same sandbox take turns, and one that finds another change under way and
 * cannot wait for it answers ERR_CONFLICT.
 */
#ifndef ATOLL_SANDBOX_SANDBOX_H
#define ATOLL_SANDBOX_SANDBOX_H

#include "base/error.h"
#include "base/ids.h"
#include "base/settings.h"
#include "events/events.h"
#include "hostclient/hostclient.h"
#include "store/principal.h"
#include "store/store.h"
#include "template/catalogue.h"

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

/* The documented states. The table of allowed transitions is in sandbox/states.c. */
enum sandbox_state {
    SANDBOX_PROVISIONING,
    SANDBOX_RUNNING,
    SANDBOX_SNAPSHOTTING, /* runs on while a snapshot is taken of it */
    SANDBOX_PAUSING,
    SANDBOX_PAUSED,
    SANDBOX_RESUMING,
    SANDBOX_DESTROYING,
    SANDBOX_DESTROYED,
    SANDBOX_ERROR,
    SANDBOX_STATE_COUNT,
};

const char *sandbox_state_name(enum sandbox_state state);

/* Do its processes run, so that commands and files are in reach? */
static inline bool sandbox_state_runs(enum sandbox_state state)
{
    return state == SANDBOX_RUNNING || state == SANDBOX_SNAPSHOTTING;
}

struct sandboxes; /* all of them; one per atolld */
struct sandbox_origin;

/* What a create request asks for, validated by the API layer for type and range (sandbox_spec_parse). */
struct sandbox_spec {
    json_t
        *request; /* borrowed: the whole validated request object; free-form fields (metadata, tags,
                         env, external_*, …) are taken from it by reference */
    const struct template_definition *template_definition; /* borrowed from the catalogue */
    char name[128]; /* "" = none; unique among the tenant's living sandboxes */
    char slug[64];  /* "" = made up */
    char size[16];  /* "" = custom shape */
    char engine[16]; /* "auto", "container" or "vm", whether the host has it or not */
    int64_t cpu_count, memory_mb, disk_mb, process_limit;
    int64_t timeout_sec;      /* wall clock of a run; ignored when always_on */
    int64_t idle_timeout_sec; /* 0 = none */
    bool persistent, always_on;
    bool auto_resume; /* paused: exec, files and previews resume it */
    bool
        auto_start; /* start the template's app when it runs: its record is {"auto_start": true} then */
    json_t *services; /* borrowed: name → definition (app/services.h), checked; or NULL */
    const struct sandbox_origin *origin; /* its files are a snapshot's (sandbox/snapshot.h), or NULL */
    bool files_only; /* the snapshot's processes are left alone */
    enum host_network network;
    int64_t wait_ms; /* ?wait / body wait: how long the caller would wait; -1 = not asked */

    /* The claim of store_idempotency_begin that this create works for, or NULL (set by the API layer;
     * borrowed): what a crash cuts short is then neither lost nor made twice. */
    const char *idempotency_route, *idempotency_key;
};

/* Checks a create request (every documented field: type, range, unknown template, size names) and
 * fills *ret_spec with defaults applied. request must stay alive as long as the spec. -1 with err naming
 * the field. */
int sandbox_spec_parse(const struct settings *settings, const struct catalogue *catalogue,
                       json_t *request, struct sandbox_spec *ret_spec, struct error *err);

/* Loads everything from the store, starts the timer thread and the thread that watches atoll-host,
 * reconciles with what atoll-host reports alive (and again whenever it comes back). All borrowed. */
struct sandboxes *sandboxes_open(const struct settings *settings, struct store *store,
                                 struct events *events, struct hostclient *host,
                                 const struct catalogue *catalogue, struct error *err);

/* Stops the threads; sandboxes live on. Accepts NULL; returns NULL. */
struct sandboxes *sandboxes_close(struct sandboxes *sandboxes);

/*
 * All calls below that take id want the sandbox's id, answer ERR_NOT_FOUND for another tenant's or an
 * unknown one (a destroyed sandbox can still be read), and, when they return 0 and ret_json is not
 * NULL, give the full sandbox object in *ret_json (a new reference).
 */

/* Which engine the host has for that: "container" or "vm". What was asked for by name is had, or refused:
 * ERR_ENGINE_UNAVAILABLE, with the host's reason; "auto" is vm where KVM works, else container. */
int sandboxes_choose_engine(struct sandboxes *sandboxes, const char *wanted, char engine[16],
                            struct error *err);

/* Makes a sandbox and starts it; returns when it runs (the state in the reply is "running", ready
 * true) or failed (nothing of it is left but a record in state error). */
int sandbox_create(struct sandboxes *sandboxes, const struct principal *principal,
                   const struct sandbox_spec *spec, json_t **ret_json, struct error *err);

int sandbox_get(struct sandboxes *sandboxes, const struct principal *principal, const char *id,
                json_t **ret_json, struct error *err);

/* A living sandbox by its name. *ret_id optional. */
int sandbox_by_name(struct sandboxes *sandboxes, const struct principal *principal,
                    const char *name, json_t **ret_json, struct error *err);

struct sandbox_filter {
    const char *state, *engine, *template_id, *search, *workspace_id, *project_id, *external_workspace_id,
        *external_user_id,
        *external_project_id; /* NULL = any; search: substring of name, id or slug */
    json_t *
        tags; /* object: every pair must match; array of strings: every one must be there; or NULL */
    bool include_destroyed; /* default: destroyed ones only when state asks for them */
    int64_t page, limit;    /* from 1 */
};

/* {"data":[…],"meta":{page,limit,total,total_pages,has_next_page,state_counts,reserved_memory_mb},
 * "page":{page,page_size,total}}, newest first. */
int sandbox_list(struct sandboxes *sandboxes, const struct principal *principal,
                 const struct sandbox_filter *filter, json_t **ret_json, struct error *err);

/* changes: a validated-for-JSON object; checks each field (name, slug, tags, metadata, agent_session_id,
 * always_on, timeout_sec, idle_timeout_sec; external_* and unknown fields are refused by name). */
int sandbox_update(struct sandboxes *sandboxes, const struct principal *principal, const char *id,
                   json_t *changes, json_t **ret_json, struct error *err);

/* Freezes a running sandbox (source: "api", "timeout", "idle_timeout", "host_restart": kept in
 * metadata.last_pause). Pausing a paused one is success. */
int sandbox_pause(struct sandboxes *sandboxes, const struct principal *principal, const char *id,
                  json_t **ret_json, struct error *err);

/* Thaws, or starts again on the kept files when the host lost the processes (boot_path "cold"). */
int sandbox_resume(struct sandboxes *sandboxes, const struct principal *principal, const char *id,
                   json_t **ret_json, struct error *err);

/* Persistent: ends the processes, keeps the files, state paused. Others: destroys. */
int sandbox_stop(struct sandboxes *sandboxes, const struct principal *principal, const char *id,
                 json_t **ret_json, struct error *err);

/* Sets timeout_sec (0: keep its value) and counts it from now. */
int sandbox_extend(struct sandboxes *sandboxes, const struct principal *principal, const char *id,
                   int64_t timeout_sec, json_t **ret_json, struct error *err);

/* Ends it and removes its files. *ret_json: {id,state,total_runtime_sec}. A destroyed one: ERR_NOT_FOUND. */
int sandbox_destroy(struct sandboxes *sandboxes, const struct principal *principal, const char *id,
                    json_t **ret_json, struct error *err);

/* {"data":{sandbox_id,state,runtime_sec,active_cpu_ms,memory_bytes,…}} as in the contract. */
int sandbox_usage(struct sandboxes *sandboxes, const struct principal *principal, const char *id,
                  json_t **ret_json, struct error *err);

/* A borrowed right to talk to a running sandbox's agent: counts as activity from begin to end, so
 * the idle clock does not run meanwhile. */
struct sandbox_use {
    char id[ID_SIZE], tenant_id[ID_SIZE];
    char agent_socket[HOST_SOCKET_PATH_SIZE];
    char workdir[256]; /* the template's, such as "/workspace" */
    json_t *env;       /* object of strings: template's and sandbox's variables; new reference */
    void *sandbox;     /* internal */
};

/* ERR_NOT_RUNNING, or ERR_STARTING while provisioning or resuming: then waits up to wait_ms first. */
int sandbox_use_begin(struct sandboxes *sandboxes, const struct principal *principal,
                      const char *id, int64_t wait_ms, struct sandbox_use *ret_use,
                      struct error *err);
void sandbox_use_end(struct sandboxes *sandboxes, struct sandbox_use *use);

/* A sentence about why the agent of this sandbox may just have gone (destroyed, paused, died: reason),
 * to complete an ERR_AGENT_UNAVAILABLE. Leaves err alone when the sandbox runs. */
void sandbox_explain(struct sandboxes *sandboxes, const struct sandbox_use *use, struct error *err);

/* --- what the gateway and apps need (sandbox/view.c) --- */

/* A sandbox as others than its owner see it: no principal is asked. */
struct sandbox_view {
    char id[ID_SIZE], tenant_id[ID_SIZE];
    char slug[64], template_id[80];
    enum sandbox_state state; /* running while a snapshot is taken */
    bool auto_resume;
    uint64_t run;         /* changes with every start of its processes */
    int64_t run_since_ms; /* monotonic: when they were started; 0: before this process was */
    bool brings_back;     /* an app or services are started with them */
    int app_port; /* of its app, else the template's preview port, else 0 */
};

/* By id, or by slug when id is NULL. false: no such living sandbox. Never waits for a change. */
bool sandbox_peek(struct sandboxes *sandboxes, const char *id, const char *slug,
                  struct sandbox_view *ret_view);

/* As sandbox_peek by id, waiting at most wait_ms until that run is over: it does not run, or runs anew. */
bool sandbox_await_end(struct sandboxes *sandboxes, const char *id, uint64_t run, int64_t wait_ms,
                       struct sandbox_view *ret_view);

/* Activity that is not a use: resets the idle clock. Never waits. */
void sandbox_touch(struct sandboxes *sandboxes, const char *id);

/* Resumes a paused sandbox on behalf of whoever reached it (auto_resume); returns at once when it runs. */
int sandbox_wake(struct sandboxes *sandboxes, const char *id, struct error *err);

/* The app's record (JSON object or NULL: none), kept with the sandbox: command, port, workdir, paths; or
 * {"auto_start": true} of one that was asked for and never started. New references to objects that are shared:
 * not to be changed. Sets copy what they are given and are in the store when they return. */
int sandbox_get_app(struct sandboxes *sandboxes, const char *id, json_t **ret_app,
                    struct error *err);
int sandbox_set_app(struct sandboxes *sandboxes, const char *id, json_t *app, struct error *err);

/* Services: an object of name → definition, {} when there are none. set with spec NULL removes one. */
enum { SANDBOX_SERVICES_MAX = 64 };
int sandbox_get_services(struct sandboxes *sandboxes, const char *id, json_t **ret_services,
                         struct error *err);
int sandbox_set_service(struct sandboxes *sandboxes, const char *id, const char *name, json_t *spec,
                        struct error *err);

/* Cancels the auto-destroy and idle timers for a deployment: always_on, persistent and, should it be paused
 * nevertheless, auto_resume. */
int sandbox_keep(struct sandboxes *sandboxes, const struct principal *principal, const char *id,
                 struct error *err);

/*
 * Called after the processes of a sandbox that has an app or services were started, however that came about:
 * created is true for a new sandbox (auto_start, services of the request), false when it came back on its kept
 * files; not when it was thawed. In one of a few threads that may block; calls for different sandboxes run side
 * by side. A call that a crash or the end of this process cut short is made again when it runs again, so
 * that some of the work may be done already. One listener; NULL takes it away and returns when no call is
 * under way (make them end soon first). Must be gone before sandboxes_close.
 */
typedef void sandbox_start_listener(void *context, const char *tenant_id, const char *id,
                                    bool created);
void sandboxes_on_start(struct sandboxes *sandboxes, sandbox_start_listener *on_start,
                        void *context);

/* The port that the gateway listens on, where settings leave it to the kernel; for the URLs in objects. */
void sandboxes_gateway_port(struct sandboxes *sandboxes, int port);

/* The domain under which a tenant's previews are served instead of ours, for the URLs in objects and for apps; told by
 * whoever knows it. hostname NULL: there is none any more. Kept in memory; when that is out, URLs name our domain. */
enum { PREVIEW_DOMAIN_SIZE = 256 };
void sandboxes_set_preview_domain(struct sandboxes *sandboxes, const char *tenant_id,
                                  const char *hostname);
/* false: none, and hostname is not touched. Never waits. */
bool sandboxes_preview_domain(struct sandboxes *sandboxes, const char *tenant_id,
                              char hostname[PREVIEW_DOMAIN_SIZE]);

/* The engines that a sandbox may have. */
enum sandbox_engine { SANDBOX_CONTAINER, SANDBOX_VM, SANDBOX_ENGINE_COUNT };
/* How its processes came to run. */
enum sandbox_boot { SANDBOX_BOOT_COLD, SANDBOX_BOOT_WARM, SANDBOX_BOOT_SNAPSHOT, SANDBOX_BOOT_COUNT };
const char *sandbox_engine_name(enum sandbox_engine engine);
const char *sandbox_boot_name(enum sandbox_boot boot);

/* For /metrics and /health. */
struct sandbox_counts {
    int64_t by_state[SANDBOX_STATE_COUNT];
    int64_t running[SANDBOX_ENGINE_COUNT], paused[SANDBOX_ENGINE_COUNT];
    int64_t starts_total[SANDBOX_ENGINE_COUNT][SANDBOX_BOOT_COUNT];
    int64_t created_total, create_failed_total, destroyed_total, timeouts_total,
        ended_by_itself_total;
    bool host_connected; /* as sandboxes_host_connected */
};

/* Does atoll-host answer, and was what it has compared with the store since it was found? */
bool sandboxes_host_connected(const struct sandboxes *sandboxes);
void sandboxes_counts(struct sandboxes *sandboxes, struct sandbox_counts *ret_counts);

#endif
