#include "engine/container/snapshot.h"

#include "base/cleanup.h"
#include "linux/process.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

/* Would a create from a snapshot find it as it was? What takes long, reading all of it, a helper does. */
struct snapshot_check {
    struct engine *engine;
    struct engine_call *call;
    char snapshot_id[ID_SIZE];
    char digest[ENGINE_DIGEST_SIZE]; /* that it should have */
    int image_fd;
    struct event_child helper;
    struct snapshot_report *report;
    struct snapshot_check *next;
};

static void free_check(struct snapshot_check *check)
{
    close_fd(check->image_fd);
    snapshot_report_free(check->report);
    free(check);
}

static void unlink_check(const struct snapshot_check *check)
{
    struct snapshot_check **link = &check->engine->checks;
    while (*link != check) {
        link = &(*link)->next;
    }
    *link = check->next;
}

static void answer(const struct snapshot_check *check, struct error *error)
{
    if (error->code != ERR_NONE) {
        error_prefix(error, "snapshot %s", check->snapshot_id);
    }
    call_done(check->call, error->code != ERR_NONE ? error : NULL);
}

static void on_helper_exit(void *owner, int wait_status)
{
    struct snapshot_check *check = owner;
    struct error error = check->report->error;
    unlink_check(check);
    if (wait_status == 0) {
        snapshot_remember(check->engine, &check->report->file, check->digest);
    } else if (error.code == ERR_NONE) {
        error_set(&error, ERR_ENGINE, 0, "the helper that was to read it ended");
    }
    answer(check, &error);
    free_check(check);
}

static int open_snapshot(struct snapshot_check *check, const char *digest,
                         const char *template_image, struct error *err)
{
    struct snapshot_about about;
    check->image_fd = snapshot_open(check->engine, check->snapshot_id, &about, err);
    if (check->image_fd < 0 || snapshot_check_about(check->engine, &about, check->image_fd, digest,
                                                    template_image, err) < 0) {
        return -1;
    }
    memcpy(check->digest, about.digest, sizeof(check->digest));
    return 0;
}

static int start_helper(struct snapshot_check *check, struct error *err)
{
    check->report = snapshot_report_new(err);
    if (!check->report) {
        return -1;
    }
    pid_t pid = process_fork_helper();
    if (pid == 0) {
        struct snapshot_report *report = check->report;
        snapshot_keep_only(&check->image_fd, 1);
        _exit(snapshot_check_digest(check->image_fd, check->digest, &report->file, &report->error) <
              0);
    }
    if (pid < 0 || event_child_add(check->engine->context.loop, &check->helper, pid, on_helper_exit,
                                   check) < 0) {
        return error_set(err, ERR_INTERNAL, errno, "fork");
    }
    check->next = check->engine->checks;
    check->engine->checks = check;
    return 0;
}

void container_snapshot_check(struct engine *engine, const char *snapshot_id, const char *digest,
                              const char *template_image, struct engine_call *call)
{
    struct error error = {0};
    struct snapshot_check *check = calloc(1, sizeof(*check));
    if (!check) {
        error_set(&error, ERR_INTERNAL, ENOMEM, "check snapshot %s", snapshot_id);
        call_done(call, &error);
        return;
    }
    *check = (struct snapshot_check){
        .engine = engine, .call = call, .image_fd = -1, .helper.source.fd = -1};
    snprintf(check->snapshot_id, sizeof(check->snapshot_id), "%s", snapshot_id);
    if (open_snapshot(check, digest, template_image, &error) < 0 ||
        snapshot_is_remembered(engine, check->image_fd, check->digest) ||
        start_helper(check, &error) < 0) {
        answer(check, &error);
        free_check(check);
    }
}

void snapshot_checks_cancel(struct engine *engine)
{
    struct error error;
    error_set(&error, ERR_SHUTTING_DOWN, 0, "atoll-host is stopping");
    while (engine->checks) {
        struct snapshot_check *check = engine->checks;
        engine->checks = check->next;
        event_child_remove(&check->helper);
        call_done(check->call, &error);
        free_check(check);
    }
}
