#include "api/exec_request.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char base_path[] =
    "/opt/venv/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

static json_t *merged_variables(const struct exec_request *request, const struct sandbox_use *use)
{
    json_t *all = json_pack("{s:s,s:s}", "PATH", base_path, "LANG", "C.UTF-8");
    if (!all || (use->env && json_object_update(all, use->env)) ||
        (request->env && json_object_update(all, request->env))) {
        json_decref(all);
        return NULL;
    }
    return all;
}

static int fill_environment(struct exec_request *request, json_t *variables)
{
    request->environment = calloc(json_object_size(variables) + 1, sizeof(char *));
    if (!request->environment) {
        return -1;
    }
    size_t count = 0;
    const char *name;
    json_t *value;
    json_object_foreach(variables, name, value)
    {
        if (json_is_string(value) &&
            asprintf(&request->environment[count], "%s=%s", name, json_string_value(value)) < 0) {
            request->environment[count] = NULL;
            return -1;
        }
        count += json_is_string(value) ? 1 : 0;
    }
    return 0;
}

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
    json_t *variables = merged_variables(request, use);
    int failed = !variables || fill_environment(request, variables);
    json_decref(variables);
    if (failed) {
        return error_set(err, ERR_INTERNAL, ENOMEM, "make a command's environment");
    }
    return check_total(request, err) || resolve_cwd(request, use, err) ? -1 : 0;
}
