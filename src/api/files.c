#include "api/files.h"

#include "api/api.h"

enum { WRITE_MANY_BODY_MAX_BYTES = 16 * 1024 * 1024 };

#define FILES "/sandboxes/{id}/files"
#define FS    "/sandboxes/{id}/fs"

/* A question: nothing in the body. */
#define READ(route_pattern, route_handler)                                                         \
    {                                                                                              \
        .method = "GET", .pattern = route_pattern, .scope = SCOPE_SANDBOXES_READ,                  \
        .body = BODY_NONE, .handler = route_handler                                                \
    }

/* A change that a JSON body describes. */
#define CHANGE(route_method, route_pattern, route_handler)                                         \
    {                                                                                              \
        .method = route_method, .pattern = route_pattern, .scope = SCOPE_SANDBOXES_WRITE,          \
        .body = BODY_JSON, .handler = route_handler                                                \
    }

/* A file in the body, which streams. */
#define WRITE(route_method, route_pattern, begin, route_handler)                                   \
    {                                                                                              \
        .method = route_method, .pattern = route_pattern, .scope = SCOPE_SANDBOXES_WRITE,          \
        .body = BODY_STREAM, .body_begin = begin, .body_data = files_write_data,                   \
        .handler = route_handler                                                                   \
    }

/* Many small files in one JSON body. */
#define WRITE_MANY(route_pattern)                                                                  \
    {                                                                                              \
        .method = "POST", .pattern = route_pattern, .scope = SCOPE_SANDBOXES_WRITE,                \
        .body = BODY_JSON, .body_max = WRITE_MANY_BODY_MAX_BYTES,                                  \
        .handler = files_write_many_handle                                                         \
    }

const struct route api_file_routes[] = {
    READ(FILES, files_list_handle),
    READ(FILES "/list", files_list_handle),
    READ(FILES "/tree", files_tree_handle),
    READ(FILES "/read", files_read_handle),
    READ(FILES "/stat", files_stat_get_handle),
    READ(FILES "/exists", files_exists_handle),
    READ(FILES "/{path...}", files_download_handle),
    {.method = "POST",
     .pattern = FILES "/stat",
     .scope = SCOPE_SANDBOXES_READ,
     .body = BODY_JSON,
     .handler = files_stat_handle},
    WRITE("POST", FILES, files_write_begin, files_write_handle),
    WRITE("POST", FILES "/write", files_write_json_begin, files_write_handle),
    WRITE("PUT", FILES "/raw", files_write_raw_begin, files_write_handle),
    WRITE("POST", FILES "/raw", files_write_raw_begin, files_write_handle),
    WRITE("PUT", FILES "/{path...}", files_write_url_begin, files_write_handle),
    WRITE_MANY(FILES "/write-many"),
    WRITE_MANY(FILES "/batch"),
    CHANGE("POST", FILES "/mkdir", files_mkdir_handle),
    CHANGE("POST", FILES "/rename", files_rename_handle),
    CHANGE("POST", FILES "/move", files_rename_handle),
    CHANGE("POST", FILES "/chmod", files_chmod_handle),
    CHANGE("POST", FILES "/delete", files_delete_handle),
    {.method = "DELETE",
     .pattern = FILES "/{path...}",
     .scope = SCOPE_SANDBOXES_WRITE,
     .body = BODY_NONE,
     .handler = files_delete_url_handle},
    READ(FS, fs_list_handle),
    READ(FS "/read", fs_read_handle),
    READ(FS "/download", fs_download_handle),
    {.method = "POST",
     .pattern = FS "/stat",
     .scope = SCOPE_SANDBOXES_READ,
     .body = BODY_JSON,
     .handler = files_stat_handle},
    WRITE("POST", FS "/write", files_write_text_begin, fs_write_handle),
    CHANGE("POST", FS "/mkdir", files_mkdir_handle),
    CHANGE("POST", FS "/rename", files_rename_handle),
    CHANGE("POST", FS "/chmod", files_chmod_handle),
    CHANGE("DELETE", FS, fs_delete_handle),
    {0},
};
