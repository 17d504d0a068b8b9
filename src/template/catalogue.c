#include "template/catalogue.h"

#include "base/cleanup.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

enum { CATALOGUE_MAX = 1000, DEFINITION_BYTES_MAX = 256 * 1024, PATH_TEXT_MAX = 1024 };

const char catalogue_default_id[] = "miosa-sandbox";
const char engine_names[] = "auto, container, vm";

bool engine_name_valid(const char *name)
{
    return strcmp(name, "auto") == 0 || strcmp(name, "container") == 0 || strcmp(name, "vm") == 0;
}

struct catalogue {
    char *images_directory;
    struct template_definition *definitions; /* in order of id */
    size_t count;
};

static bool image_name_valid(const char *name)
{
    size_t length = strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789.-");
    return length > 0 && length <= 64 && name[length] == '\0' && name[0] != '.';
}

static int check_text(json_t *json, const char *key, const char **ret_text, const char *fallback,
                      const char *file, struct error *err)
{
    json_t *value = json_object_get(json, key);
    *ret_text = value ? json_string_value(value) : fallback;
    return *ret_text && **ret_text
               ? 0
               : error_set(err, ERR_VALIDATION, 0, "template %s: %s must be a text", file, key);
}

static int check_amount(json_t *json, const char *key, int64_t *ret_amount, const char *file,
                        struct error *err)
{
    json_t *value = json_object_get(json, key);
    *ret_amount = json_integer_value(value);
    if ((value && !json_is_integer(value)) || *ret_amount < 0) {
        return error_set(err, ERR_VALIDATION, 0, "template %s: %s must be a whole number", file,
                         key);
    }
    return 0;
}

static int check_env(json_t *json, json_t **ret_env, const char *file, struct error *err)
{
    *ret_env = json_object_get(json, "env");
    if (*ret_env && !json_is_object(*ret_env)) {
        return error_set(err, ERR_VALIDATION, 0, "template %s: env must be an object", file);
    }
    const char *key;
    json_t *value;
    json_object_foreach(*ret_env, key, value)
    {
        if (!json_is_string(value)) {
            return error_set(err, ERR_VALIDATION, 0, "template %s: env.%s must be a text", file,
                             key);
        }
    }
    return 0;
}

static int check_engine(json_t *json, const char **ret_engine, const char *file, struct error *err)
{
    json_t *value = json_object_get(json, "engine");
    const char *engine = json_string_value(value);
    *ret_engine = engine;
    return !value || (engine && engine_name_valid(engine))
               ? 0
               : error_set(err, ERR_VALIDATION, 0, "template %s: engine must be one of %s", file,
                           engine_names);
}

static int parse_definition(json_t *json, const char *file, struct template_definition *definition,
                            struct error *err)
{
    *definition = (struct template_definition){.json = json};
    if (check_text(json, "id", &definition->id, NULL, file, err) < 0 ||
        check_text(json, "image_id", &definition->image_id, definition->id, file, err) < 0 ||
        check_text(json, "workdir", &definition->workdir, "/workspace", file, err) < 0 ||
        check_engine(json, &definition->engine, file, err) < 0 ||
        check_amount(json, "cpu_count", &definition->cpu_count, file, err) < 0 ||
        check_amount(json, "memory_mb", &definition->memory_mb, file, err) < 0 ||
        check_amount(json, "disk_mb", &definition->disk_mb, file, err) < 0 ||
        check_env(json, &definition->env, file, err) < 0) {
        return -1;
    }
    if (definition->workdir[0] != '/' || !image_name_valid(definition->image_id) ||
        !image_name_valid(definition->id)) {
        return error_set(err, ERR_VALIDATION, 0,
                         "template %s: id and image_id are [a-z0-9.-]{1,64}, workdir is absolute",
                         file);
    }
    json_t *aliases = json_object_get(json, "aliases");
    if (aliases && !json_is_array(aliases)) {
        return error_set(err, ERR_VALIDATION, 0, "template %s: aliases must be an array", file);
    }
    return 0;
}

static int load_file(struct catalogue *catalogue, const char *directory, const char *name,
                     struct error *err)
{
    char path[PATH_TEXT_MAX];
    snprintf(path, sizeof(path), "%s/%s", directory, name);
    auto_fclose FILE *file = fopen(path, "re");
    if (!file) {
        return error_set(err, ERR_INTERNAL, errno, "template %s", path);
    }
    json_error_t problem;
    json_t *json = json_loadf(file, JSON_REJECT_DUPLICATES, &problem);
    if (!json_is_object(json)) {
        json_decref(json);
        return error_set(err, ERR_INVALID_JSON, 0, "template %s: line %d: %s", path, problem.line,
                         json ? "not an object" : problem.text);
    }
    size_t bytes = (catalogue->count + 1) * sizeof(*catalogue->definitions);
    struct template_definition *longer = realloc(catalogue->definitions, bytes);
    if (!longer) {
        json_decref(json);
        return error_set(err, ERR_INTERNAL, errno, "template %s", path);
    }
    catalogue->definitions = longer;
    if (parse_definition(json, path, &longer[catalogue->count], err) < 0) {
        json_decref(json);
        return -1;
    }
    catalogue->count++;
    return 0;
}

static int is_definition(const struct dirent *entry)
{
    size_t length = strlen(entry->d_name);
    return entry->d_name[0] != '.' && length > 5 &&
           strcmp(entry->d_name + length - 5, ".json") == 0;
}

static int load_directory(struct catalogue *catalogue, const char *directory, struct error *err)
{
    struct dirent **entries = NULL;
    int count = scandir(directory, &entries, is_definition, alphasort);
    if (count < 0) {
        return error_set(err, ERR_INTERNAL, errno, "template catalogue %s", directory);
    }
    int result = 0;
    for (int i = 0; i < count; i++) {
        if (result == 0 && i < CATALOGUE_MAX) {
            result = load_file(catalogue, directory, entries[i]->d_name, err);
        }
        free(entries[i]);
    }
    free(entries);
    return result;
}

/* Ids and aliases must name one template each. */
static int check_names(const struct catalogue *catalogue, struct error *err)
{
    for (size_t i = 0; i < catalogue->count; i++) {
        const struct template_definition *definition = &catalogue->definitions[i];
        if (catalogue_find(catalogue, definition->id) != definition) {
            return error_set(err, ERR_VALIDATION, 0, "two templates are named %s", definition->id);
        }
        size_t index;
        json_t *alias;
        json_array_foreach(json_object_get(definition->json, "aliases"), index, alias)
        {
            const char *name = json_string_value(alias);
            if (!name || catalogue_find(catalogue, name) != definition) {
                return error_set(err, ERR_VALIDATION, 0, "template %s: alias %s is taken",
                                 definition->id, name ? name : "?");
            }
        }
    }
    return 0;
}

struct catalogue *catalogue_load(const char *directory, const char *images_directory,
                                 struct error *err)
{
    struct catalogue *catalogue = calloc(1, sizeof(*catalogue));
    if (!catalogue || !(catalogue->images_directory = strdup(images_directory))) {
        error_set(err, ERR_INTERNAL, errno, "load the template catalogue");
        return catalogue_free(catalogue);
    }
    if (load_directory(catalogue, directory, err) < 0 || check_names(catalogue, err) < 0) {
        return catalogue_free(catalogue);
    }
    if (!catalogue_find(catalogue, catalogue_default_id)) {
        error_set(err, ERR_VALIDATION, 0,
                  "template catalogue %s: the default template, %s, is missing", directory,
                  catalogue_default_id);
        return catalogue_free(catalogue);
    }
    return catalogue;
}

struct catalogue *catalogue_free(struct catalogue *catalogue)
{
    if (catalogue) {
        for (size_t i = 0; i < catalogue->count; i++) {
            json_decref(catalogue->definitions[i].json);
        }
        free(catalogue->definitions);
        free(catalogue->images_directory);
        free(catalogue);
    }
    return NULL;
}

static bool has_alias(const struct template_definition *definition, const char *name)
{
    size_t index;
    json_t *alias;
    json_array_foreach(json_object_get(definition->json, "aliases"), index, alias)
    {
        if (json_is_string(alias) && strcmp(json_string_value(alias), name) == 0) {
            return true;
        }
    }
    return false;
}

const struct template_definition *catalogue_find(const struct catalogue *catalogue, const char *id)
{
    for (size_t i = 0; i < catalogue->count; i++) {
        if (strcmp(catalogue->definitions[i].id, id) == 0) {
            return &catalogue->definitions[i];
        }
    }
    for (size_t i = 0; i < catalogue->count; i++) {
        if (has_alias(&catalogue->definitions[i], id)) {
            return &catalogue->definitions[i];
        }
    }
    return NULL;
}

bool catalogue_image_ready(const struct catalogue *catalogue,
                           const struct template_definition *definition)
{
    /* What is in rootfs is for root only; that it is there can be seen by everybody. */
    char path[PATH_TEXT_MAX];
    struct stat info;
    snprintf(path, sizeof(path), "%s/%s/rootfs", catalogue->images_directory, definition->image_id);
    return stat(path, &info) == 0 && S_ISDIR(info.st_mode);
}

json_t *template_to_json(const struct catalogue *catalogue,
                         const struct template_definition *definition)
{
    json_t *json = json_copy(definition->json);
    json_object_set_new(json, "ready", json_boolean(catalogue_image_ready(catalogue, definition)));
    return json;
}

/* The template under another name. */
static json_t *alias_to_json(const struct catalogue *catalogue,
                             const struct template_definition *definition, json_t *alias)
{
    json_t *json = template_to_json(catalogue, definition);
    json_object_set(json, "id", alias);
    json_object_set_new(json, "alias_of", json_string(definition->id));
    json_object_del(json, "aliases");
    return json;
}

json_t *catalogue_to_json(const struct catalogue *catalogue, bool include_aliases)
{
    json_t *data = json_array();
    for (size_t i = 0; i < catalogue->count; i++) {
        const struct template_definition *definition = &catalogue->definitions[i];
        json_array_append_new(data, template_to_json(catalogue, definition));
        size_t index;
        json_t *alias;
        json_array_foreach(json_object_get(definition->json, "aliases"), index, alias)
        {
            if (include_aliases) {
                json_array_append_new(data, alias_to_json(catalogue, definition, alias));
            }
        }
    }
    return json_pack("{s:s, s:o}", "default_template_id", catalogue_default_id, "data", data);
}
