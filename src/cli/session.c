#include "cli/session.h"

#include <string.h>

int sandbox_call(struct client *client, const char *method, const char *reference,
                 const char *suffix, const json_t *body, json_t **ret_reply, struct error *err)
{
    char id[64];
    char path[128];
    if (sandbox_resolve(client, reference, id, sizeof id, err)) {
        return -1;
    }
    snprintf(path, sizeof path, "/sandboxes/%s%s", id, suffix);
    return client_call(client, method, path, body, ret_reply, err);
}

int add_pairs(const struct command *command, const struct arguments *arguments, const char *option,
              json_t *body, const char *member)
{
    json_t *pairs = NULL;
    int cursor = 0;
    const char *text;
    while ((text = arguments_next(arguments, option, &cursor))) {
        const char *equals = strchr(text, '=');
        if (!equals || equals == text) {
            return usage_error(command, "--%s needs KEY=VALUE, not '%s'", option, text);
        }
        if (!pairs) {
            pairs = json_object();
            json_object_set_new(body, member, pairs);
        }
        char key[256];
        if ((size_t)(equals - text) >= sizeof key) {
            return usage_error(command, "the name in --%s is too long", option);
        }
        memcpy(key, text, (size_t)(equals - text));
        key[equals - text] = 0;
        if (json_object_set_new(pairs, key, json_string(equals + 1))) {
            return usage_error(command, "--%s %s is not valid UTF-8", option, key);
        }
    }
    return EXIT_OK;
}

int add_duration(const struct command *command, const struct arguments *arguments,
                 const char *option, json_t *body, const char *member)
{
    const char *text = arguments_value(arguments, option);
    int64_t seconds;
    if (!text) {
        return EXIT_OK;
    }
    if (duration_parse(text, &seconds)) {
        return usage_error(command, "--%s needs seconds or a duration such as 15m, not '%s'",
                           option, text);
    }
    json_object_set_new(body, member, json_integer(seconds));
    return EXIT_OK;
}

void add_text(const struct arguments *arguments, const char *option, json_t *body,
              const char *member)
{
    const char *text = arguments_value(arguments, option);
    if (text) {
        json_object_set_new(body, member, json_string(text));
    }
}
