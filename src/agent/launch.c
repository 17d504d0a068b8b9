#include "agent/launch.h"

#include "base/cleanup.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

static const char default_search_path[] =
    "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

void launch_clear(struct launch *launch)
{
    for (int i = 0; i < 3; i++) {
        launch->child_end[i] = close_fd(launch->child_end[i]);
    }
}

/* Value of a variable, or NULL. */
static const char *environment_get(const struct request *request, const char *name)
{
    size_t length = strlen(name);
    for (size_t i = 0; i < request->environment_count; i++) {
        const char *entry = request->environment[i];
        if (strncmp(entry, name, length) == 0 && entry[length] == '=') {
            return entry + length + 1;
        }
    }
    return NULL;
}

/* Adds name=value in text[size] where the request has no such variable. */
static size_t complete(const struct request *request, size_t count, const char *name,
                       const char *value, char *text, size_t size)
{
    if (environment_get(request, name)) {
        return count;
    }
    snprintf(text, size, "%s=%s", name, value);
    request->environment[count] = text;
    return count + 1;
}

static void complete_environment(const struct request *request, struct launch *launch)
{
    size_t count = request->environment_count;
    const struct account *account = &launch->account;
    count = complete(request, count, "HOME", account->home, launch->home, sizeof(launch->home));
    count = complete(request, count, "USER", account->name, launch->user, sizeof(launch->user));
    count = complete(request, count, "LOGNAME", account->name, launch->logname,
                     sizeof(launch->logname));
    request->environment[count] = NULL;
}

/* Makes a pipe: the agent's end, not blocking, into *ret_own; the other for the child. */
static int open_pipe(struct launch *launch, int stdio, int *ret_own)
{
    int ends[2];
    if (pipe2(ends, O_CLOEXEC) < 0) {
        return -1;
    }
    int own = stdio == 0 ? ends[1] : ends[0];
    launch->child_end[stdio] = stdio == 0 ? ends[0] : ends[1];
    *ret_own = own;
    return fcntl(own, F_SETFL, O_NONBLOCK);
}

int launch_open_pipes(struct launch *launch, struct agent *agent, const struct request *request,
                      int *ret_input, int *ret_output, int *ret_error_output)
{
    if (open_pipe(launch, 1, ret_output) < 0 || open_pipe(launch, 2, ret_error_output) < 0 ||
        (request->open_stdin && open_pipe(launch, 0, ret_input) < 0)) {
        return -1;
    }
    launch->plan.stdio[0] = request->open_stdin ? launch->child_end[0] : agent->null_fd;
    launch->plan.stdio[1] = launch->child_end[1];
    launch->plan.stdio[2] = launch->child_end[2];
    return 0;
}

enum spawn_stage launch_prepare(struct launch *launch, struct agent *agent,
                                const struct request *request)
{
    int errnum =
        account_find(agent->etc_fd, request->user ? request->user : "root", &launch->account);
    if (errnum != 0) {
        errno = errnum;
        return SPAWN_USER;
    }
    const char *search_path = environment_get(request, "PATH");
    complete_environment(request, launch);
    launch->plan.arguments = request->arguments;
    launch->plan.environment = request->environment;
    launch->plan.search_path = search_path ? search_path : default_search_path;
    launch->plan.account = &launch->account;
    launch->plan.cwd = request->cwd ? request->cwd : launch->account.home;
    launch->plan.cwd_optional = request->cwd == NULL;
    launch->plan.cgroup_fd = -1;
    return SPAWN_NONE;
}

const char *launch_failed_step(const struct request *request, enum spawn_stage stage)
{
    switch (stage) {
    case SPAWN_CWD:
        return request->cwd ? request->cwd : "home directory";
    case SPAWN_USER:
        return request->user ? request->user : "root";
    case SPAWN_EXEC:
        return request->arguments[0];
    case SPAWN_PTY:
        return "open a terminal";
    case SPAWN_NONE:
    case SPAWN_FORK:
    case SPAWN_PIPE:
        break;
    }
    return "start a process";
}
