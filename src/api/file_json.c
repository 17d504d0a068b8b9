#include "api/file_json.h"

#include "api/file_path.h"
#include "api/utf8_json.h"
#include "base/clock.h"

#include <stdio.h>
#include <string.h>

char *file_mode_text(int64_t mode, char text[FILE_MODE_TEXT_SIZE])
{
    snprintf(text, FILE_MODE_TEXT_SIZE, "%04o", (unsigned)mode & 07777);
    return text;
}

/* "rwxr-xr-x" */
static char *permissions_text(int64_t mode, char text[FILE_PERMISSIONS_TEXT_SIZE])
{
    for (int i = 0; i < 9; i++) {
        text[i] = mode & (0400 >> i) ? "rwxrwxrwx"[i] : '-';
    }
    text[9] = '\0';
    return text;
}

const char *file_type_name(enum agent_file_type type)
{
    switch (type) {
    case AGENT_FILE_REGULAR:
        return "file";
    case AGENT_FILE_DIRECTORY:
        return "directory";
    case AGENT_FILE_SYMLINK:
        return "symlink";
    case AGENT_FILE_OTHER:
        break;
    }
    return "other";
}

json_t *file_path_json(const char *path)
{
    bool exact;
    return utf8_json(path, strlen(path), &exact);
}

json_t *file_json(const struct agent_stat *file)
{
    char mode[FILE_MODE_TEXT_SIZE], permissions[FILE_PERMISSIONS_TEXT_SIZE];
    char modified_at[CLOCK_ISO8601_SIZE];
    json_t *json = json_pack(
        "{s:o,s:o,s:s,s:b,s:I,s:I,s:s,s:s,s:s,s:I,s:I,s:o,s:o}", "name",
        file_path_json(file_path_name(file->path)), "path", file_path_json(file->path), "type",
        file_type_name(file->type), "is_dir", file->type == AGENT_FILE_DIRECTORY, "size",
        (json_int_t)file->size, "size_bytes", (json_int_t)file->size, "mode",
        file_mode_text(file->mode, mode), "permissions", permissions_text(file->mode, permissions),
        "modified_at", clock_iso8601(file->modified_ms, modified_at), "uid", (json_int_t)file->uid,
        "gid", (json_int_t)file->gid, "owner", file_path_json(file->owner), "group",
        file_path_json(file->group));
    if (json && file->type == AGENT_FILE_SYMLINK) {
        json_object_set_new(json, "symlink_target", file_path_json(file->link_target));
    }
    return json;
}
