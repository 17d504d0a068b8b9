#include "engine/vm/snapshot.h"

#include "engine/listing.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int vm_snapshot_list(struct engine *engine, char (**ret_ids)[ID_SIZE], size_t *ret_count,
                     struct error *err)
{
    return snapshot_ids_list(engine->snapshots_path, ret_ids, ret_count, err);
}

void vm_snapshots_remove_unfinished(struct engine *engine)
{
    char path[VM_PATH_SIZE + 64];
    DIR *directory = opendir(engine->snapshots_path);
    const struct dirent *entry;
    while (directory && (entry = readdir(directory))) {
        const char *end = strrchr(entry->d_name, '.');
        if (end && strcmp(end, ".tmp") == 0 && strlen(entry->d_name) < ID_SIZE + 8) {
            snprintf(path, sizeof(path), "%s/%s", engine->snapshots_path, entry->d_name);
            trash_directory(engine, path);
        }
    }
    if (directory) {
        closedir(directory);
    }
}
