#include "app/services.h"

#include "app/environment.h"
#include "base/ids.h"
#include "base/log.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void service_show_command(json_t *spec, char text[AGENT_PATH_MAX])
{
    json_t *command = json_object_get(spec, "command");
    size_t length = 0;
    size_t i;
    json_t *word;
    text[0] = '\0';
    if (json_is_string(command)) {
        snprintf(text, AGENT_PATH_MAX, "%s", json_string_value(command));
    }
    json_array_foreach(command, i, word)
    {
        int added = snprintf(text + length, AGENT_PATH_MAX - length, "%s%s", i ? " " : "",
                             json_string_value(word));
        length += added > 0 ? (size_t)added : 0;
        length = length < AGENT_PATH_MAX ? length : AGENT_PATH_MAX - 1;
    }
}

/* Strings borrowed from command. */
static void fill_arguments(json_t *command, const char *arguments[SERVICE_WORDS_MAX + 1])
{
    size_t i;
    json_t *word;
    if (json_is_string(command)) {
        arguments[0] = "/bin/bash";
        arguments[1] = "-c";
        arguments[2] = json_string_value(command);
    }
    json_array_foreach(command, i, word)
    {
        if (i < SERVICE_WORDS_MAX) {
            arguments[i] = json_string_value(word);
        }
    }
}

int service_start(const struct settings *settings, const struct sandbox_use *use, const char *name,
                  json_t *spec, struct session *ret_session, struct error *err)
{
    json_t *command = json_object_get(spec, "command");
    const char *arguments[SERVICE_WORDS_MAX + 1] = {NULL};
    char shown[AGENT_PATH_MAX], id[ID_SIZE];
    fill_arguments(command, arguments);
    service_show_command(spec, shown);
    if (!arguments[0]) {
        return error_set(err, ERR_VALIDATION, 0, "service %s has no command", name);
    }
    const char *cwd = json_string_value(json_object_get(spec, "cwd"));
    char **environment = environment_make(use, json_object_get(spec, "env"), err);
    if (!environment) {
        return -1;
    }
    id_make("job_", id);
    struct session_start start = {
        .id = id,
        .kind = AGENT_SESSION_JOB,
        .name = name,
        .label = SERVICE_LABEL,
        .command = shown,
        .arguments = arguments,
        .environment = (const char *const *)environment,
        .cwd = cwd ? cwd : (use->workdir[0] ? use->workdir : "/"),
        .user = json_string_value(json_object_get(spec, "user")),
        .running_max = settings->max_jobs,
        .restart = true,
    };
    int result = session_start(use->agent_socket, &start, ret_session, err);
    environment_free(environment);
    return result;
}

int service_set_stopped(struct sandboxes *sandboxes, const char *sandbox_id, const char *name,
                        bool stopped, struct error *err)
{
    json_t *services = NULL;
    if (sandbox_get_services(sandboxes, sandbox_id, &services, err)) {
        return -1;
    }
    json_t *spec = json_deep_copy(json_object_get(services, name));
    json_decref(services);
    int result = 0;
    if (spec && json_is_true(json_object_get(spec, "stopped")) != stopped) {
        json_object_set_new(spec, "stopped", json_boolean(stopped));
        result = sandbox_set_service(sandboxes, sandbox_id, name, spec, err);
    }
    json_decref(spec);
    return result;
}

bool service_find(const struct session *sessions, size_t count, const char *name,
                  struct session *ret_session)
{
    bool found = false;
    for (size_t i = 0; i < count; i++) {
        const struct session *session = &sessions[i];
        bool is_it = session->kind == AGENT_SESSION_JOB &&
                     strcmp(session->label, SERVICE_LABEL) == 0 && strcmp(session->name, name) == 0;
        if (is_it && (!found || ret_session->state == AGENT_SESSION_ENDED)) {
            *ret_session = *session;
            found = true;
        }
    }
    return found;
}

void services_start_all(const struct settings *settings, struct sandboxes *sandboxes,
                        const struct sandbox_use *use)
{
    struct error err = {0};
    json_t *services = NULL;
    if (sandbox_get_services(sandboxes, use->id, &services, &err)) {
        log_warn("services.unknown", "sandbox=%s error=\"%s\"", use->id, err.message);
        return;
    }
    const char *name;
    json_t *spec;
    json_object_foreach(services, name, spec)
    {
        struct session started;
        err = (struct error){0};
        if (json_is_true(json_object_get(spec, "stopped")) ||
            service_start(settings, use, name, spec, &started, &err) == 0 ||
            err.code == ERR_NAME_TAKEN) {
            continue;
        }
        log_warn("services.not_started", "sandbox=%s service=%s error=\"%s\"", use->id, name,
                 err.message);
    }
    json_decref(services);
}
