/* The plan of an app: what the request says, over what the template says. */
#include "app/internal.h"

#include <stdio.h>
#include <string.h>

enum {
    COMMAND_MAX_BYTES = 64 * 1024,
    VARIABLE_MAX_BYTES = 64 * 1024,
    USER_MAX_BYTES = 63,
    INSTALL_TIMEOUT_MAX_SEC = 3600,
    INSTALL_TIMEOUT_SEC = 600,
    START_TIMEOUT_MAX_SEC = 600,
    START_TIMEOUT_SEC = 60,
};

static const char *const known[] = {
    "install",
    "install_command",
    "start_command",
    "port",
    "workdir",
    "env",
    "user",
    "install_timeout_sec",
    "start_timeout_sec",
    "readiness_probe",
    "restart",
    "wait",
};

/* The member, or NULL when it is absent or null. */
static json_t *given(json_t *object, const char *name)
{
    json_t *value = json_object_get(object, name);
    return json_is_null(value) ? NULL : value;
}

static int check_members(json_t *request, struct error *err)
{
    const char *key;
    json_t *value;
    json_object_foreach(request, key, value)
    {
        size_t i = 0;
        while (i < sizeof(known) / sizeof(known[0]) && strcmp(known[i], key) != 0) {
            i++;
        }
        if (i == sizeof(known) / sizeof(known[0])) {
            error_set_field(err, ERR_VALIDATION, key, "there is no field '%.64s'", key);
            return error_hint(err, "Remove it, or see GET /api/v1/openapi.json for the fields.");
        }
    }
    return 0;
}

static int take_text(json_t *request, json_t *plan, const char *name, size_t max, struct error *err)
{
    json_t *value = given(request, name);
    if (!value) {
        return 0;
    }
    if (json_string_length(value) == 0 || json_string_length(value) > max) {
        return error_set_field(err, ERR_VALIDATION, name, "%s must be a string of 1 to %zu bytes",
                               name, max);
    }
    return json_object_set(plan, name, value);
}

static int take_bool(json_t *request, const char *name, bool *value, struct error *err)
{
    json_t *member = given(request, name);
    if (member && !json_is_boolean(member)) {
        return error_set_field(err, ERR_VALIDATION, name, "%s must be true or false", name);
    }
    *value = member ? json_is_true(member) : *value;
    return 0;
}

static int take_seconds(json_t *request, json_t *plan, const char *name, int64_t fallback,
                        int64_t max, struct error *err)
{
    json_t *value = given(request, name);
    if (value && (!json_is_integer(value) || json_integer_value(value) < 1 ||
                  json_integer_value(value) > max)) {
        return error_set_field(err, ERR_VALIDATION, name,
                               "%s must be a whole number from 1 to %lld", name, (long long)max);
    }
    return json_object_set_new(plan, name,
                               json_integer(value ? json_integer_value(value) : fallback));
}

static int take_port(json_t *request, json_t *plan, struct error *err)
{
    json_t *port = given(request, "port");
    if (!port) {
        return 0;
    }
    if (!json_is_integer(port) || json_integer_value(port) < 1 ||
        json_integer_value(port) > 65535) {
        return error_set_field(err, ERR_INVALID_PORT, "port",
                               "port must be a whole number from 1 to 65535");
    }
    return json_object_set(plan, "port", port);
}

static int take_workdir(json_t *request, json_t *plan, struct error *err)
{
    const char *path = json_string_value(given(request, "workdir"));
    if (given(request, "workdir") && (!path || path[0] != '/')) {
        return error_set_field(err, ERR_VALIDATION, "workdir", "workdir must be an absolute path");
    }
    return take_text(request, plan, "workdir", AGENT_PATH_MAX - 1, err);
}

static int take_env(json_t *request, json_t *plan, struct error *err)
{
    json_t *env = given(request, "env"), *value;
    const char *name;
    if (env && !json_is_object(env)) {
        return error_set_field(err, ERR_VALIDATION, "env", "env must be an object of strings");
    }
    json_object_foreach(env, name, value)
    {
        if (!*name || strchr(name, '=') || !json_is_string(value) ||
            json_string_length(value) > VARIABLE_MAX_BYTES) {
            return error_set_field(err, ERR_VALIDATION, "env",
                                   "env must be an object of strings of at most %d bytes, without "
                                   "'=' in a name",
                                   VARIABLE_MAX_BYTES);
        }
    }
    return env ? json_object_set(plan, "env", env) : 0;
}

/* The template's probe asks the template's port: move it along when the port is another one. */
static json_t *probe_at_port(json_t *probe, json_t *port)
{
    if (json_is_integer(port) && json_object_get(probe, "port")) {
        json_object_set(probe, "port", port);
    }
    return probe;
}

static int take_probe(json_t *request, json_t *plan, struct error *err)
{
    json_t *own = given(request, "readiness_probe"), *port = given(plan, "port");
    json_t *templates = given(plan, "readiness_probe");
    json_t *probe = NULL;
    if (own) {
        probe = probe_normalise(own, err);
    } else if (templates) {
        probe = probe_at_port(probe_normalise(templates, err), port);
    } else {
        probe = port ? json_pack("{s:s, s:O}", "type", "tcp", "port", port) : json_null();
    }
    return probe ? json_object_set_new(plan, "readiness_probe", probe) : -1;
}

static int take_install(json_t *request, json_t *plan, struct error *err)
{
    bool install = given(request, "install_command") != NULL;
    if (take_bool(request, "install", &install, err)) {
        return -1;
    }
    return json_object_set_new(plan, "install",
                               json_boolean(install && given(plan, "install_command")));
}

static int take_restart(json_t *request, json_t *plan, struct error *err)
{
    bool restart = false;
    if (take_bool(request, "restart", &restart, err)) {
        return -1;
    }
    return json_object_set_new(plan, "restart", json_boolean(restart));
}

static int check_start_command(json_t *plan, struct error *err)
{
    if (given(plan, "start_command")) {
        return 0;
    }
    error_set_field(err, ERR_MISSING_PARAM, "start_command",
                    "template '%s' has no start command: name one", plan_text(plan, "template_id"));
    return error_hint(err, "Send {\"start_command\":\"npm run dev\",\"port\":3000}, or create the "
                           "sandbox from a template such as vite-react.");
}

static void copy_or_null(json_t *plan, const char *name, json_t *from, const char *source)
{
    json_t *value = json_object_get(from, source);
    json_object_set_new(plan, name, value ? json_incref(value) : json_null());
}

json_t *plan_of_template(const struct apps *apps, const struct sandbox_use *use)
{
    struct sandbox_view view = {0};
    const struct template_definition *definition =
        sandbox_peek(apps->sandboxes, use->id, NULL, &view)
            ? catalogue_find(apps->catalogue, view.template_id)
            : NULL;
    json_t *json = definition ? definition->json : NULL;
    json_t *plan = json_pack("{s:s, s:s, s:n}", "template_id", view.template_id, "workdir",
                             use->workdir[0] ? use->workdir : "/", "env");
    copy_or_null(plan, "port", json, "preview_port");
    copy_or_null(plan, "install_command", json, "install_command");
    copy_or_null(plan, "start_command", json, "start_command");
    copy_or_null(plan, "user", json, "user");
    copy_or_null(plan, "readiness_probe", json, "readiness_probe");
    json_t *paths = json_object_get(json, "artifact_paths");
    json_object_set_new(plan, "artifact_paths",
                        json_is_array(paths) ? json_incref(paths) : json_array());
    return plan;
}

json_t *plan_make(const struct apps *apps, const struct sandbox_use *use, json_t *request,
                  struct error *err)
{
    if (check_members(request, err)) {
        return NULL;
    }
    json_t *plan = plan_of_template(apps, use);
    if (take_text(request, plan, "install_command", COMMAND_MAX_BYTES, err) ||
        take_text(request, plan, "start_command", COMMAND_MAX_BYTES, err) ||
        take_text(request, plan, "user", USER_MAX_BYTES, err) || take_workdir(request, plan, err) ||
        take_port(request, plan, err) || take_env(request, plan, err) ||
        take_probe(request, plan, err) || take_install(request, plan, err) ||
        take_restart(request, plan, err) ||
        take_seconds(request, plan, "install_timeout_sec", INSTALL_TIMEOUT_SEC,
                     INSTALL_TIMEOUT_MAX_SEC, err) ||
        take_seconds(request, plan, "start_timeout_sec", START_TIMEOUT_SEC, START_TIMEOUT_MAX_SEC,
                     err) ||
        check_start_command(plan, err)) {
        json_decref(plan);
        return NULL;
    }
    return plan;
}
