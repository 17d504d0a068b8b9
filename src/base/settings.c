#include "base/settings.h"

#include <errno.h>
#include <ini.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

enum { KEY_MAX_BYTES = 64 };

static const char default_file[] = "/etc/atoll/atoll.conf";

struct text_setting {
    const char *key, *variable, *fallback, *help;
    size_t offset;
};

struct int_setting {
    const char *key, *variable, *help;
    int64_t fallback, min, max;
    size_t offset;
};

static const struct text_setting text_settings[] = {
#define X(member, key, variable, fallback, help)                                                   \
    {key, variable, fallback, help, offsetof(struct settings, member)},
    SETTINGS_TEXT(X)
#undef X
};

static const struct int_setting int_settings[] = {
#define X(member, key, variable, fallback, min, max, help)                                         \
    {key, variable, help, fallback, min, max, offsetof(struct settings, member)},
    SETTINGS_INT(X)
#undef X
};

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

enum { TEXT_VALUE_SIZE = sizeof(((struct settings *)0)->state) };

static char *text_value(struct settings *settings, const struct text_setting *setting)
{
    return (char *)settings + setting->offset;
}

static int64_t *int_value(struct settings *settings, const struct int_setting *setting)
{
    return (int64_t *)(void *)((char *)settings + setting->offset);
}

/* Settings that take one of a few words. */
static int check_choice(const char *key, const char *value, const char *source, struct error *err)
{
    static const struct {
        const char *key, *words[3];
    } choices[] = {{"engine", {"auto", "container", "vm"}}, {"vm_accel", {"auto", "kvm", "tcg"}}};
    for (size_t i = 0; i < COUNT(choices); i++) {
        const char *const *words = choices[i].words;
        if (strcmp(choices[i].key, key) == 0 && strcmp(words[0], value) != 0 &&
            strcmp(words[1], value) != 0 && strcmp(words[2], value) != 0) {
            return error_set_field(err, ERR_VALIDATION, key,
                                   "%s: %s must be %s, %s or %s, not '%.64s'", source, key,
                                   words[0], words[1], words[2], value);
        }
    }
    return 0;
}

/* source: where the value came from, for the message. Returns 0, or -1 with err. */
static int assign(struct settings *settings, const char *key, const char *value, const char *source,
                  struct error *err)
{
    for (size_t i = 0; i < COUNT(text_settings); i++) {
        if (strcmp(text_settings[i].key, key) == 0) {
            if (strlen(value) >= TEXT_VALUE_SIZE) {
                return error_set_field(err, ERR_VALIDATION, key, "%s: %s is longer than %d bytes",
                                       source, key, TEXT_VALUE_SIZE - 1);
            }
            if (check_choice(key, value, source, err) < 0) {
                return -1;
            }
            memcpy(text_value(settings, &text_settings[i]), value, strlen(value) + 1);
            return 0;
        }
    }
    for (size_t i = 0; i < COUNT(int_settings); i++) {
        const struct int_setting *setting = &int_settings[i];
        if (strcmp(setting->key, key) != 0) {
            continue;
        }
        char *end;
        errno = 0;
        long long number = strtoll(value, &end, 10);
        if (errno || end == value || *end || number < setting->min || number > setting->max) {
            return error_set_field(err, ERR_VALIDATION, key,
                                   "%s: %s must be a whole number from %lld to %lld, not '%s'",
                                   source, key, (long long)setting->min, (long long)setting->max,
                                   value);
        }
        *int_value(settings, setting) = number;
        return 0;
    }
    return error_set_field(err, ERR_VALIDATION, key, "%s: there is no setting '%s'", source, key);
}

struct file_context {
    struct settings *settings;
    const char *path;
    struct error *err;
};

static int file_entry(void *user, const char *section, const char *name, const char *value)
{
    struct file_context *context = user;
    if (section[0]) {
        error_set(context->err, ERR_VALIDATION, 0, "%s: sections ([%s]) are not used",
                  context->path, section);
        return 0;
    }
    return assign(context->settings, name, value, context->path, context->err) == 0;
}

static int load_file(struct settings *settings, const char *path, int required, struct error *err)
{
    struct file_context context = {settings, path, err};
    int result = ini_parse(path, file_entry, &context);
    if (result == -1) {
        return required ? error_set(err, ERR_NOT_FOUND, errno, "read %s", path) : 0;
    }
    if (result != 0 && err->code == ERR_NONE) {
        return error_set(err, ERR_VALIDATION, 0, "%s: line %d is not 'key = value'", path, result);
    }
    return result == 0 ? 0 : -1;
}

static int load_variables(struct settings *settings, struct error *err)
{
    for (size_t i = 0; i < COUNT(text_settings); i++) {
        const char *value = getenv(text_settings[i].variable);
        if (value &&
            assign(settings, text_settings[i].key, value, text_settings[i].variable, err)) {
            return -1;
        }
    }
    for (size_t i = 0; i < COUNT(int_settings); i++) {
        const char *value = getenv(int_settings[i].variable);
        if (value && assign(settings, int_settings[i].key, value, int_settings[i].variable, err)) {
            return -1;
        }
    }
    return 0;
}

/* Splits argv[index] into key and value; *ret_used says how many arguments it took. */
static int split_flag(int argc, char **argv, int index, char key[KEY_MAX_BYTES],
                      const char **ret_value, int *ret_used, struct error *err)
{
    const char *name = argv[index] + 2;
    size_t length = strcspn(name, "=");
    if (length == 0 || length >= KEY_MAX_BYTES) {
        return error_set(err, ERR_VALIDATION, 0, "unknown flag '%s'", argv[index]);
    }
    for (size_t i = 0; i < length; i++) {
        key[i] = name[i] == '-' ? '_' : name[i];
    }
    key[length] = '\0';
    if (name[length] == '=') {
        *ret_value = name + length + 1;
        *ret_used = 1;
        return 0;
    }
    if (index + 1 >= argc) {
        return error_set(err, ERR_VALIDATION, 0, "flag '%s' needs a value", argv[index]);
    }
    *ret_value = argv[index + 1];
    *ret_used = 2;
    return 0;
}

/* Two passes over the flags: the first finds --config, the second assigns the others. */
static int walk_flags(int argc, char **argv, struct settings *settings, const char **config_path,
                      int *ret_rest, struct error *err)
{
    int index = 1;
    while (index < argc && strncmp(argv[index], "--", 2) == 0) {
        if (argv[index][2] == '\0') {
            index++;
            break;
        }
        char key[KEY_MAX_BYTES];
        const char *value = NULL;
        int used = 0;
        if (split_flag(argc, argv, index, key, &value, &used, err) < 0) {
            return -1;
        }
        if (strcmp(key, "config") == 0) {
            *config_path = value;
        } else if (settings && assign(settings, key, value, argv[index], err) < 0) {
            return -1;
        }
        index += used;
    }
    *ret_rest = index;
    return 0;
}

int settings_load(int argc, char **argv, struct settings *ret_settings, int *ret_rest,
                  struct error *err)
{
    struct settings settings;
    memset(&settings, 0, sizeof(settings));
    for (size_t i = 0; i < COUNT(text_settings); i++) {
        snprintf(text_value(&settings, &text_settings[i]), TEXT_VALUE_SIZE, "%s",
                 text_settings[i].fallback);
    }
    for (size_t i = 0; i < COUNT(int_settings); i++) {
        *int_value(&settings, &int_settings[i]) = int_settings[i].fallback;
    }
    *err = (struct error){0};
    const char *config_path = getenv("ATOLL_CONFIG");
    if (walk_flags(argc, argv, NULL, &config_path, ret_rest, err) < 0 ||
        load_file(&settings, config_path ? config_path : default_file, config_path != NULL, err) <
            0 ||
        load_variables(&settings, err) < 0 ||
        walk_flags(argc, argv, &settings, &config_path, ret_rest, err) < 0) {
        return -1;
    }
    if (settings.state[0] != '/') {
        return error_set_field(err, ERR_VALIDATION, "state", "state must be an absolute path");
    }
    *ret_settings = settings;
    return 0;
}

void settings_print_help(FILE *out)
{
    fprintf(out, "  --%-20s %s (variable ATOLL_CONFIG, default %s)\n", "config",
            "configuration file: 'key = value' lines with the keys below", default_file);
    for (size_t i = 0; i < COUNT(text_settings); i++) {
        fprintf(out, "  --%-20s %s (%s, default '%s')\n", text_settings[i].key,
                text_settings[i].help, text_settings[i].variable, text_settings[i].fallback);
    }
    for (size_t i = 0; i < COUNT(int_settings); i++) {
        fprintf(out, "  --%-20s %s (%s, default %lld)\n", int_settings[i].key, int_settings[i].help,
                int_settings[i].variable, (long long)int_settings[i].fallback);
    }
}

static void print_quoted(const char *text, FILE *out)
{
    fputc('\'', out);
    for (; *text; text++) {
        fputs(*text == '\'' ? "'\\''" : (char[]){*text, '\0'}, out);
    }
    fputs("'\n", out);
}

void settings_print_values(const struct settings *settings, FILE *out)
{
    for (size_t i = 0; i < COUNT(text_settings); i++) {
        fprintf(out, "%s=", text_settings[i].variable);
        print_quoted((const char *)settings + text_settings[i].offset, out);
    }
    for (size_t i = 0; i < COUNT(int_settings); i++) {
        int64_t value;
        memcpy(&value, (const char *)settings + int_settings[i].offset, sizeof(value));
        fprintf(out, "%s=%lld\n", int_settings[i].variable, (long long)value);
    }
}

char *settings_path(const struct settings *settings, const char *relative, char *text, size_t size)
{
    snprintf(text, size, "%s/%s", settings->state, relative);
    return text;
}
