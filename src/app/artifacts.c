/* The files that an app's work left, without what its tools put there. */
#include "app/internal.h"

#include "base/clock.h"

#include <stdlib.h>
#include <string.h>

enum { DIRECTORIES_MAX = 200, ENTRIES_MAX = 2000 };

struct walk {
    json_t *files;
    json_t *pending; /* directories to be read, as strings */
    bool truncated;
};

static const char *base_name(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash ? slash + 1 : path;
}

static bool is_of_tools(const char *name)
{
    static const char *const names[] = {"node_modules", ".git",  ".venv", "__pycache__",  ".next",
                                        ".cache",       ".vite", ".npm",  ".pytest_cache"};
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        if (strcmp(name, names[i]) == 0) {
            return true;
        }
    }
    return false;
}

/* Names that are no UTF-8 cannot stand in JSON: such files are read by directory listings. */
static void add_file(struct walk *walk, const struct agent_stat *entry)
{
    char modified_at[CLOCK_ISO8601_SIZE];
    json_t *path = json_string(entry->path);
    if (!path || json_array_size(walk->files) >= APP_ARTIFACTS_MAX) {
        walk->truncated = true;
        json_decref(path);
        return;
    }
    json_array_append_new(walk->files, json_pack("{s:o, s:I, s:s, s:s}", "path", path, "size",
                                                 (json_int_t)entry->size, "modified_at",
                                                 clock_iso8601(entry->modified_ms, modified_at),
                                                 "type", "file"));
}

static bool on_entry(const struct agent_stat *entry, void *context)
{
    struct walk *walk = context;
    if (entry->type == AGENT_FILE_REGULAR) {
        add_file(walk, entry);
    } else if (entry->type == AGENT_FILE_DIRECTORY && !is_of_tools(base_name(entry->path))) {
        if (json_array_append_new(walk->pending, json_string(entry->path)) < 0) {
            walk->truncated = true;
        }
    }
    return json_array_size(walk->files) < APP_ARTIFACTS_MAX;
}

/* A directory that is missing, or went meanwhile, has no files. */
static int read_directory(const struct sandbox_use *use, const char *path, struct walk *walk,
                          struct error *err)
{
    struct error problem = {0};
    bool truncated = false;
    if (agent_list(use->agent_socket, path, 1, ENTRIES_MAX, on_entry, walk, &truncated, &problem) ==
        0) {
        walk->truncated |= truncated;
        return 0;
    }
    if (problem.code == ERR_FILE_NOT_FOUND || problem.code == ERR_NOT_DIRECTORY) {
        return 0;
    }
    *err = problem;
    return -1;
}

int app_artifacts(const struct sandbox_use *use, json_t *paths, json_t **ret_files,
                  bool *ret_truncated, struct error *err)
{
    struct walk walk = {.files = json_array(), .pending = json_array()};
    int result = walk.pending ? json_array_extend(walk.pending, paths) : -1;
    for (size_t i = 0; result == 0 && i < json_array_size(walk.pending); i++) {
        const char *path = json_string_value(json_array_get(walk.pending, i));
        if (i == DIRECTORIES_MAX || json_array_size(walk.files) >= APP_ARTIFACTS_MAX) {
            walk.truncated = true;
            break;
        }
        result = path ? read_directory(use, path, &walk, err) : 0;
    }
    json_decref(walk.pending);
    if (result < 0) {
        json_decref(walk.files);
        return -1;
    }
    *ret_files = walk.files;
    *ret_truncated = walk.truncated;
    return 0;
}
