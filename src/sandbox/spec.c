#include "sandbox/fields.h"
#include "sandbox/sandbox.h"
#include "sandbox/sizes.h"

#include <stdio.h>
#include <string.h>

enum {
    TIMEOUT_MAX_SEC = 86400,
    MEMORY_MIN_MB = 128,
    DISK_MIN_MB = 256,
    PROCESSES_MIN = 32,
    PROCESSES_MAX = 65536,
    EXTERNAL_MAX = 255,
    PLACE_NAME_MAX = 128,
    WAIT_DEFAULT_MS = 30 * 1000,
    WAIT_MAX_SEC = 120,
};

/* Members that parse_… below read. */
static const char *const known[] = {
    "template_id",
    "image",
    "size",
    "cpu_count",
    "memory_mb",
    "disk_mb",
    "disk_size_mb",
    "process_limit",
    "timeout_sec",
    "idle_timeout_sec",
    "persistent",
    "always_on",
    "auto_resume",
    "auto_start",
    "services", /* spec.services: checked by those who run them */
    "network",
    "engine",
    "memory",
    "env",
    "metadata",
    "tags",
    "name",
    "slug",
    "wait",
    "response_format",
    "workspace_id",
    "workspace_slug",
    "workspace_name",
    "project_id",
    "project_slug",
    "project_name",
    "external_user_id",
    "external_workspace_id",
    "external_project_id",
};

/* Documented members that change nothing here: there is one region and no bill. */
static const char *const harmless[] = {
    "region", "bill_to", "agent_runtime_profile_id", "no_env", "allow_provision",
};

/* Documented members that this version cannot honour: an empty value asks for nothing. */
static const char *const unsupported[] = {
    "snapshot_id",         "database",
    "github_repo_url",     "github_branch",
    "github_clone_path",   "branch",
    "clone_path",          "setup_file",
    "entrypoint",          "environment",
    "environment_id",      "readiness_probe",
    "environment_version", "restore_from_snapshot",
};

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static bool listed(const char *const *list, size_t count, const char *key)
{
    for (size_t i = 0; i < count; i++) {
        if (strcmp(list[i], key) == 0) {
            return true;
        }
    }
    return false;
}

static bool asks_for_nothing(json_t *value)
{
    return json_is_null(value) || json_is_false(value) ||
           (json_is_string(value) && json_string_length(value) == 0) ||
           (json_is_array(value) && json_array_size(value) == 0) ||
           (json_is_object(value) && json_object_size(value) == 0);
}

static int check_members(json_t *request, struct error *err)
{
    const char *key;
    json_t *value;
    json_object_foreach(request, key, value)
    {
        if (listed(known, COUNT(known), key) || listed(harmless, COUNT(harmless), key)) {
            continue;
        }
        if (!listed(unsupported, COUNT(unsupported), key)) {
            error_set_field(err, ERR_VALIDATION, key, "there is no field '%.64s'", key);
            return error_hint(err, "Remove it, or see GET /api/v1/openapi.json for the fields.");
        }
        if (!asks_for_nothing(value)) {
            error_set_field(err, ERR_VALIDATION, key, "this version does not support '%s'", key);
            return error_hint(err, "Remove the field; nothing was created.");
        }
    }
    return 0;
}

static int parse_template(const struct catalogue *catalogue, json_t *request,
                          struct sandbox_spec *spec, struct error *err)
{
    const char *id = catalogue_default_id;
    const char *image = NULL;
    if (field_read_text(request, "template_id", 128, &id, err) < 0 ||
        field_read_text(request, "image", 128, &image, err) < 0) {
        return -1;
    }
    const char *field = "template_id";
    if (image && json_is_string(json_object_get(request, "template_id")) &&
        strcmp(id, image) != 0) {
        return error_set_field(err, ERR_VALIDATION, "image",
                               "image is another name of template_id; they differ");
    }
    if (image) {
        id = image;
        field = "image";
    }
    spec->template_definition = catalogue_find(catalogue, id);
    if (!spec->template_definition) {
        return error_set_field(err, ERR_INVALID_TEMPLATE, field, "there is no template '%.64s'",
                               id);
    }
    if (!catalogue_image_ready(catalogue, spec->template_definition)) {
        error_set_field(err, ERR_TEMPLATE_NOT_READY, field,
                        "the image '%s' of template '%s' is not built on this host",
                        spec->template_definition->image_id, spec->template_definition->id);
        return error_hint(err, "On the host, run: sudo ./scripts/build-template %s",
                          spec->template_definition->image_id);
    }
    return 0;
}

static int64_t first_positive(int64_t a, int64_t b)
{
    return a > 0 ? a : b;
}

/* size gives the three amounts; each may be said on its own, which makes the shape a custom one. */
static int parse_shape(const struct settings *settings, json_t *request, struct sandbox_spec *spec,
                       struct error *err)
{
    const struct template_definition *template_definition = spec->template_definition;
    struct sandbox_size shape = {
        .cpu_count = first_positive(template_definition->cpu_count, settings->default_cpu),
        .memory_mb = first_positive(template_definition->memory_mb, settings->default_memory_mb),
        .disk_mb = first_positive(template_definition->disk_mb, settings->default_disk_mb),
    };
    const char *size_name = NULL;
    if (field_read_text(request, "size", 15, &size_name, err) < 0) {
        return -1;
    }
    const struct sandbox_size *size = size_name ? size_find(size_name) : NULL;
    if (size_name && !size) {
        return error_set_field(err, ERR_VALIDATION, "size", "size must be one of %s", size_names);
    }
    if (size) {
        shape = *size;
    }
    spec->cpu_count = shape.cpu_count;
    spec->memory_mb = shape.memory_mb;
    spec->disk_mb = shape.disk_mb;
    spec->process_limit = settings->process_limit;
    if (field_read_int(request, "cpu_count", 1, settings->max_cpu, &spec->cpu_count, err) < 0 ||
        field_read_int(request, "memory_mb", MEMORY_MIN_MB, settings->max_memory_mb,
                       &spec->memory_mb, err) < 0 ||
        field_read_int(request, "disk_size_mb", DISK_MIN_MB, settings->max_disk_mb, &spec->disk_mb,
                       err) < 0 ||
        field_read_int(request, "disk_mb", DISK_MIN_MB, settings->max_disk_mb, &spec->disk_mb,
                       err) < 0 ||
        field_read_int(request, "process_limit", PROCESSES_MIN, PROCESSES_MAX, &spec->process_limit,
                       err) < 0) {
        return -1;
    }
    if (spec->cpu_count > settings->max_cpu || spec->memory_mb > settings->max_memory_mb ||
        spec->disk_mb > settings->max_disk_mb) {
        return error_set_field(
            err, ERR_VALIDATION, size ? "size" : "template_id",
            "its shape is over this instance's limit (%lld vCPU, %lld MiB memory, "
            "%lld MiB disk)",
            (long long)settings->max_cpu, (long long)settings->max_memory_mb,
            (long long)settings->max_disk_mb);
    }
    bool exact = size && spec->cpu_count == size->cpu_count && spec->memory_mb == size->memory_mb &&
                 spec->disk_mb == size->disk_mb;
    snprintf(spec->size, sizeof(spec->size), "%s", exact ? size->name : "");
    return 0;
}

static int parse_life(const struct settings *settings, json_t *request, struct sandbox_spec *spec,
                      struct error *err)
{
    spec->timeout_sec = settings->default_timeout_sec;
    spec->idle_timeout_sec = 0;
    spec->persistent = true;
    if (field_read_int(request, "timeout_sec", 1, TIMEOUT_MAX_SEC, &spec->timeout_sec, err) < 0 ||
        field_read_int(request, "idle_timeout_sec", 0, TIMEOUT_MAX_SEC, &spec->idle_timeout_sec,
                       err) < 0 ||
        field_read_bool(request, "persistent", &spec->persistent, err) < 0 ||
        field_read_bool(request, "always_on", &spec->always_on, err) < 0 ||
        field_read_bool(request, "auto_resume", &spec->auto_resume, err) < 0 ||
        field_read_bool(request, "auto_start", &spec->auto_start, err) < 0) {
        return -1;
    }
    const char *network = "egress";
    if (field_read_text(request, "network", 16, &network, err) < 0) {
        return -1;
    }
    spec->network = strcmp(network, "none") == 0 ? HOST_NETWORK_NONE : HOST_NETWORK_EGRESS;
    if (spec->network == HOST_NETWORK_EGRESS && strcmp(network, "egress") != 0) {
        return error_set_field(err, ERR_VALIDATION, "network",
                               "network must be \"egress\" or \"none\"");
    }
    return 0;
}

/* The request's, else the template's, else the instance's. */
static int parse_engine(const struct settings *settings, json_t *request, struct sandbox_spec *spec,
                        struct error *err)
{
    const char *of_template = spec->template_definition->engine;
    const char *engine = of_template ? of_template : settings->engine;
    bool memory = true;
    if (field_read_text(request, "engine", 15, &engine, err) < 0 ||
        field_read_bool(request, "memory", &memory, err) < 0) {
        return -1;
    }
    if (!engine_name_valid(engine)) {
        return error_set_field(err, ERR_VALIDATION, "engine", "engine must be one of %s",
                               engine_names);
    }
    snprintf(spec->engine, sizeof(spec->engine), "%s", engine);
    spec->files_only = !memory;
    return 0;
}

/* true, false or seconds. */
static int parse_wait(json_t *request, struct sandbox_spec *spec, struct error *err)
{
    json_t *wait = json_object_get(request, "wait");
    spec->wait_ms = -1;
    if (json_is_true(wait)) {
        spec->wait_ms = WAIT_DEFAULT_MS;
    } else if (!json_is_false(wait)) {
        int64_t seconds;
        int found = field_read_int(request, "wait", 0, WAIT_MAX_SEC, &seconds, err);
        if (found < 0) {
            return -1;
        }
        spec->wait_ms = found ? seconds * 1000 : -1;
    }
    return 0;
}

static int parse_names(json_t *request, struct sandbox_spec *spec, struct error *err)
{
    const char *name = "", *slug = "", *format = "";
    if (field_read_name(request, "name", &name, err) < 0 ||
        field_read_slug(request, "slug", &slug, err) < 0 ||
        field_read_text(request, "response_format", 16, &format, err) < 0) {
        return -1;
    }
    if (format[0] && strcmp(format, "compact") != 0 && strcmp(format, "full") != 0) {
        return error_set_field(err, ERR_VALIDATION, "response_format",
                               "response_format must be \"compact\" or \"full\"");
    }
    snprintf(spec->name, sizeof(spec->name), "%s", name);
    snprintf(spec->slug, sizeof(spec->slug), "%s", slug);
    return 0;
}

static int check_texts(json_t *request, struct error *err)
{
    static const struct {
        const char *key;
        size_t max;
    } texts[] = {
        {"workspace_id", EXTERNAL_MAX},          {"project_id", EXTERNAL_MAX},
        {"workspace_name", PLACE_NAME_MAX},      {"project_name", PLACE_NAME_MAX},
        {"external_workspace_id", EXTERNAL_MAX}, {"external_user_id", EXTERNAL_MAX},
        {"external_project_id", EXTERNAL_MAX},
    };
    const char *text;
    for (size_t i = 0; i < COUNT(texts); i++) {
        if (field_read_text(request, texts[i].key, texts[i].max, &text, err) < 0) {
            return -1;
        }
    }
    if (field_read_name(request, "workspace_slug", &text, err) < 0 ||
        field_read_name(request, "project_slug", &text, err) < 0) {
        return -1;
    }
    json_t *value;
    return field_read_env(request, "env", &value, err) < 0 ||
                   field_read_metadata(request, "metadata", &value, err) < 0 ||
                   field_read_tags(request, "tags", &value, err) < 0
               ? -1
               : 0;
}

int sandbox_spec_parse(const struct settings *settings, const struct catalogue *catalogue,
                       json_t *request, struct sandbox_spec *ret_spec, struct error *err)
{
    struct sandbox_spec spec = {.request = request};
    if (check_members(request, err) < 0 || parse_names(request, &spec, err) < 0 ||
        check_texts(request, err) < 0 || parse_life(settings, request, &spec, err) < 0 ||
        parse_wait(request, &spec, err) < 0 || parse_template(catalogue, request, &spec, err) < 0 ||
        parse_shape(settings, request, &spec, err) < 0 ||
        parse_engine(settings, request, &spec, err) < 0) {
        return -1;
    }
    *ret_spec = spec;
    return 0;
}
