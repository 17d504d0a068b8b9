#include "app/services.h"

#include <ctype.h>
#include <string.h>

enum {
    NAME_MAX_BYTES = 64,
    STRING_MAX_BYTES = 64 * 1024, /* a definition lies in the sandbox's record */
};

static json_t *member(json_t *body, const char *name)
{
    json_t *value = json_object_get(body, name);
    return json_is_null(value) ? NULL : value;
}

static int refuse_unknown(json_t *body, struct error *err)
{
    static const char *const known[] = {"name", "command",     "cmd", "argv", "args",
                                        "cwd",  "working_dir", "env", "user", "sudo"};
    const char *name;
    json_t *value;
    json_object_foreach(body, name, value)
    {
        bool found = false;
        for (size_t i = 0; i < sizeof(known) / sizeof(known[0]) && !found; i++) {
            found = strcmp(known[i], name) == 0;
        }
        if (!found) {
            return error_set_field(err, ERR_VALIDATION, name, "a service has no member '%.64s'",
                                   name);
        }
    }
    return 0;
}

static int take_name(json_t *body, const char **ret_name, struct error *err)
{
    json_t *value = member(body, "name");
    if (!value) {
        return error_set_field(err, ERR_MISSING_PARAM, "name", "name is missing");
    }
    const char *name = json_string_value(value);
    size_t length = name ? strlen(name) : 0;
    bool valid = length > 0 && length <= NAME_MAX_BYTES && isalnum((unsigned char)name[0]);
    for (size_t i = 0; valid && i < length; i++) {
        valid = isalnum((unsigned char)name[i]) || strchr("._-", name[i]);
    }
    if (!valid) {
        return error_set_field(
            err, ERR_VALIDATION, "name",
            "name must be 1 to %d letters, digits, '.', '_' or '-' and begin with "
            "a letter or digit",
            NAME_MAX_BYTES);
    }
    *ret_name = name;
    return 0;
}

static int check_word(json_t *word, const char *field, struct error *err)
{
    if (!json_is_string(word) || json_string_length(word) >= STRING_MAX_BYTES) {
        return error_set_field(err, ERR_VALIDATION, field,
                               "%s must be made of strings below %d bytes", field,
                               STRING_MAX_BYTES);
    }
    return 0;
}

/* The array that begins with program (or NULL) and goes on with list; new reference. */
static json_t *vector(json_t *program, json_t *list, const char *field, struct error *err)
{
    json_t *words = json_array();
    if (program) {
        json_array_append(words, program);
    }
    json_array_extend(words, list);
    size_t i;
    json_t *word;
    int failed = 0;
    json_array_foreach(words, i, word)
    {
        failed = failed || check_word(word, field, err);
    }
    if (!failed &&
        (i == 0 || i > SERVICE_WORDS_MAX || !*json_string_value(json_array_get(words, 0)))) {
        failed = error_set_field(err, ERR_VALIDATION, field,
                                 "%s must be 1 to %d words that begin with a program", field,
                                 SERVICE_WORDS_MAX);
    }
    if (failed) {
        json_decref(words);
        return NULL;
    }
    return words;
}

/* A string for the shell or an array of words; new reference. */
static json_t *take_command(json_t *body, struct error *err)
{
    static const char *const names[] = {"command", "cmd", "argv"};
    const char *field = NULL;
    json_t *value = NULL, *args = member(body, "args");
    for (size_t i = 0; i < 3 && !value; i++) {
        field = names[i];
        value = member(body, field);
    }
    if (!value) {
        error_set_field(err, ERR_MISSING_PARAM, "command", "command is missing");
        return NULL;
    }
    if (json_is_array(value) && !args) {
        return vector(NULL, value, field, err);
    }
    if (check_word(value, field, err)) {
        return NULL;
    }
    if (args && !json_is_array(args)) {
        error_set_field(err, ERR_VALIDATION, "args", "args must be an array of strings");
        return NULL;
    }
    if (args) {
        return vector(value, args, "args", err);
    }
    if (json_string_length(value) == 0) {
        error_set_field(err, ERR_VALIDATION, field, "%s must not be empty", field);
        return NULL;
    }
    return json_incref(value);
}

static int take_cwd(json_t *body, json_t *spec, struct error *err)
{
    const char *field = member(body, "cwd") ? "cwd" : "working_dir";
    json_t *value = member(body, field);
    if (!value) {
        return 0;
    }
    const char *path = json_string_value(value);
    if (!path || path[0] != '/' || strlen(path) >= AGENT_PATH_MAX) {
        return error_set_field(err, ERR_VALIDATION, field,
                               "%s must be an absolute path below %d bytes", field, AGENT_PATH_MAX);
    }
    return json_object_set(spec, "cwd", value);
}

static int take_env(json_t *body, json_t *spec, struct error *err)
{
    json_t *env = member(body, "env");
    if (env && !json_is_object(env)) {
        return error_set_field(err, ERR_VALIDATION, "env", "env must be an object of strings");
    }
    const char *name;
    json_t *value;
    json_object_foreach(env, name, value)
    {
        if (!*name || strchr(name, '=') || !json_is_string(value) ||
            json_string_length(value) >= STRING_MAX_BYTES) {
            return error_set_field(err, ERR_VALIDATION, "env",
                                   "env must be an object of strings below %d bytes, without '=' "
                                   "in a name",
                                   STRING_MAX_BYTES);
        }
    }
    return env ? json_object_set(spec, "env", env) : 0;
}

static int take_user(json_t *body, json_t *spec, struct error *err)
{
    json_t *user = member(body, "user"), *sudo = member(body, "sudo");
    if (user && (json_string_length(user) == 0 || json_string_length(user) >= 64)) {
        return error_set_field(err, ERR_VALIDATION, "user", "user must be 1 to 63 bytes");
    }
    if (sudo && !json_is_boolean(sudo)) {
        return error_set_field(err, ERR_VALIDATION, "sudo", "sudo must be true or false");
    }
    if (json_is_true(sudo)) {
        return json_object_set_new(spec, "user", json_string("root"));
    }
    return user ? json_object_set(spec, "user", user) : 0;
}

int service_define(json_t *body, const char **ret_name, json_t **ret_spec, struct error *err)
{
    if (!json_is_object(body)) {
        return error_set_field(err, ERR_VALIDATION, "services", "a service must be an object");
    }
    if (refuse_unknown(body, err) || take_name(body, ret_name, err)) {
        return -1;
    }
    json_t *command = take_command(body, err);
    json_t *spec = command ? json_pack("{s:o}", "command", command) : NULL;
    if (!spec || take_cwd(body, spec, err) || take_env(body, spec, err) ||
        take_user(body, spec, err)) {
        json_decref(spec);
        return -1;
    }
    *ret_spec = spec;
    return 0;
}
