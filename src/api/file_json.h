/* How the API shows a file of a sandbox. */
#ifndef ATOLL_API_FILE_JSON_H
#define ATOLL_API_FILE_JSON_H

#include "agentclient/agentclient.h"

#include <jansson.h>

enum { FILE_MODE_TEXT_SIZE = 8, FILE_PERMISSIONS_TEXT_SIZE = 10 };

/* "0644"; returns text. */
char *file_mode_text(int64_t mode, char text[FILE_MODE_TEXT_SIZE]);

/* "file", "directory", "symlink" or "other". */
const char *file_type_name(enum agent_file_type type);

/* A path as JSON; names that are no UTF-8 show U+FFFD. */
json_t *file_path_json(const char *path);

/* {name,path,type,is_dir,size,size_bytes,mode,permissions,modified_at,uid,gid,owner,group,
 * symlink_target?}; NULL without memory. */
json_t *file_json(const struct agent_stat *file);

#endif
