#include "api/engines.h"

#include "api/api.h"

#include <string.h>

/* null for "". */
static json_t *text_or_null(const char *text)
{
    return text[0] ? json_string(text) : json_null();
}

static json_t *engine_json(const struct host_info *info, const struct host_engine *engine)
{
    return json_pack("{s:s, s:s, s:b, s:o, s:s, s:{s:b, s:o, s:b}}", "id", engine->name,
                     "isolation", engine->isolation, "usable", engine->problem[0] == '\0',
                     "problem", text_or_null(engine->problem), "accel", engine->accel,
                     "capabilities", "memory_snapshot", engine->memory_snapshots,
                     "memory_snapshot_problem", text_or_null(engine->memory_problem), "network",
                     info->network_problem[0] == '\0');
}

json_t *engines_json(const struct host_info *info)
{
    json_t *engines = json_array();
    for (size_t i = 0; i < info->engine_count; i++) {
        if (json_array_append_new(engines, engine_json(info, &info->engines[i])) < 0) {
            json_decref(engines);
            return NULL;
        }
    }
    return engines;
}

bool engines_serve_default(const struct host_info *info, const char *setting)
{
    const char *name = strcmp(setting, "vm") == 0 ? "vm" : "container";
    for (size_t i = 0; i < info->engine_count; i++) {
        if (strcmp(info->engines[i].name, name) == 0) {
            return info->engines[i].problem[0] == '\0';
        }
    }
    return false;
}

int engines_write_metrics(struct buffer *page, const struct host_info *info)
{
    int failed = buffer_printf(page, "# HELP atoll_engine_usable 1 when the engine can run here.\n"
                                     "# TYPE atoll_engine_usable gauge\n");
    for (size_t i = 0; i < info->engine_count; i++) {
        const struct host_engine *engine = &info->engines[i];
        failed |= buffer_printf(page, "atoll_engine_usable{engine=\"%s\",accel=\"%s\"} %d\n",
                                engine->name, engine->accel, engine->problem[0] == '\0');
    }
    failed |= buffer_printf(page, "# HELP atoll_engine_memory_snapshots 1 when snapshots and "
                                  "pauses keep memory.\n"
                                  "# TYPE atoll_engine_memory_snapshots gauge\n");
    for (size_t i = 0; i < info->engine_count; i++) {
        failed |= buffer_printf(page, "atoll_engine_memory_snapshots{engine=\"%s\"} %d\n",
                                info->engines[i].name, info->engines[i].memory_snapshots);
    }
    return failed;
}

static void engines_handle(struct request *request)
{
    struct error err = {0};
    struct host_info info = {0};
    if (host_hello(api_of(request)->host, &info, &err)) {
        respond_error(request, &err);
        return;
    }
    respond_json(request, 200, json_pack("{s:o}", "data", engines_json(&info)));
}

const struct route api_engine_routes[] = {
    {.method = "GET",
     .pattern = "/engines",
     .scope = SCOPE_SANDBOXES_READ,
     .body = BODY_NONE,
     .handler = engines_handle},
    {0},
};
