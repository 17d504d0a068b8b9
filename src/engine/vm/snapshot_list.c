#include "engine/vm/snapshot.h"

#include "base/cleanup.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int compare(const void *left, const void *right)
{
    return strcmp(left, right);
}

/* All ids, in no order. 0, or -1 errno. */
static int collect(DIR *directory, char (**ids)[ID_SIZE], size_t *count)
{
    const struct dirent *entry;
    size_t capacity = 0;
    while ((entry = readdir(directory))) {
        if (!id_valid("snp_", entry->d_name)) {
            continue;
        }
        if (*count == capacity) {
            capacity = capacity ? 2 * capacity : 64;
            void *larger = reallocarray(*ids, capacity, ID_SIZE);
            if (!larger) {
                return -1;
            }
            *ids = larger;
        }
        snprintf((*ids)[(*count)++], ID_SIZE, "%s", entry->d_name);
    }
    return 0;
}

int vm_snapshot_list(struct engine *engine, char (**ret_ids)[ID_SIZE], size_t *ret_count,
                     struct error *err)
{
    auto_free char(*ids)[ID_SIZE] = NULL;
    size_t count = 0;
    DIR *directory = opendir(engine->snapshots_path);
    int failed = directory ? collect(directory, &ids, &count) : -1;
    if (directory) {
        closedir(directory);
    }
    if (failed) {
        return error_set(err, ERR_ENGINE, errno, "list the snapshots");
    }
    if (count > 0) {
        qsort(ids, count, ID_SIZE, compare);
    }
    *ret_ids = take_pointer(&ids);
    *ret_count = count;
    return 0;
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
