#include "app/environment.h"

#include "wire/sandbox_environment.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

static json_t *merged_variables(const struct sandbox_use *use, json_t *more)
{
    json_t *all = json_pack("{s:s,s:s}", "PATH", SANDBOX_PATH, "LANG", SANDBOX_LANG);
    if (!all || (use->env && json_object_update(all, use->env)) ||
        (more && json_object_update(all, more))) {
        json_decref(all);
        return NULL;
    }
    return all;
}

static char **as_array(json_t *variables)
{
    char **environment = calloc(json_object_size(variables) + 1, sizeof(char *));
    size_t count = 0;
    const char *name;
    json_t *value;
    json_object_foreach(variables, name, value)
    {
        if (!environment || !json_is_string(value)) {
            continue;
        }
        if (asprintf(&environment[count], "%s=%s", name, json_string_value(value)) < 0) {
            environment[count] = NULL;
            environment_free(environment);
            return NULL;
        }
        count++;
    }
    return environment;
}

char **environment_make(const struct sandbox_use *use, json_t *more, struct error *err)
{
    json_t *variables = merged_variables(use, more);
    char **environment = variables ? as_array(variables) : NULL;
    json_decref(variables);
    if (!environment) {
        error_set(err, ERR_INTERNAL, ENOMEM, "make a command's environment");
    }
    return environment;
}

void environment_free(char **environment)
{
    for (char **variable = environment; variable && *variable; variable++) {
        free(*variable);
    }
    free(environment);
}
