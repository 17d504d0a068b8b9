#include "api/exec_request.h"

#include "app/environment.h"

#include <stdio.h>
#include <string.h>

/* Is all of it small enough for the one frame that starts a command? */
static int check_total(const struct exec_request *request, struct error *err)
{
    size_t total = 0, count = 0;
    for (const char **argument = request->arguments; *argument; argument++) {
        total += strlen(*argument) + 1;
    }
    for (char **variable = request->environment; *variable; variable++) {
        total += strlen(*variable) + 1;
        count++;
    }
    if (total > EXEC_STRINGS_MAX_BYTES || count > AGENT_ENV_MAX) {
        return error_set_field(err, ERR_VALIDATION, count > AGENT_ENV_MAX ? "env" : "command",
                               "arguments and variables are more than %d bytes or %d variables",
                               EXEC_STRINGS_MAX_BYTES, AGENT_ENV_MAX);
    }
    return 0;
}

static int resolve_cwd(struct exec_request *request, const struct sandbox_use *use,
                       struct error *err)
{
    if (request->cwd[0] == '/') {
        return 0;
    }
    char relative[AGENT_PATH_MAX];
    memcpy(relative, request->cwd, sizeof(relative));
    const char *workdir = use->workdir[0] ? use->workdir : "/";
    int length = snprintf(request->cwd, sizeof(request->cwd), "%s%s%s", workdir,
                          relative[0] ? "/" : "", relative);
    if (length < 0 || (size_t)length >= sizeof(request->cwd)) {
        return error_set_field(err, ERR_VALIDATION, "cwd", "cwd is too long");
    }
    return 0;
}

int exec_request_resolve(struct exec_request *request, const struct sandbox_use *use,
                         struct error *err)
{
    request->environment = environment_make(use, request->env, err);
    if (!request->environment) {
        return -1;
    }
    return check_total(request, err) || resolve_cwd(request, use, err) ? -1 : 0;
}
