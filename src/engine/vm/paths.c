#include "engine/vm/internal.h"

#include "base/cleanup.h"
#include "base/fault.h"
#include "base/ids.h"
#include "base/io.h"
#include "engine/vm/preload.h"
#include "linux/process.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

/* Names in the directory of what nobody needs any more. */
#define TRASH_PREFIX "old_"

char *sandbox_directory(const struct engine *engine, const char *id, char path[VM_PATH_SIZE])
{
    snprintf(path, VM_PATH_SIZE, "%s/%s", engine->sandboxes_path, id);
    return path;
}

char *snapshot_directory(const struct engine *engine, const char *snapshot_id,
                         char path[VM_PATH_SIZE])
{
    snprintf(path, VM_PATH_SIZE, "%s/%s", engine->snapshots_path, snapshot_id);
    return path;
}

bool directory_exists(const char *path)
{
    struct stat info;
    return stat(path, &info) == 0 && S_ISDIR(info.st_mode);
}

static int make_directory(const char *path, mode_t mode, struct error *err)
{
    return (mkdir(path, mode) < 0 && errno != EEXIST) || chmod(path, mode) < 0
               ? error_set(err, ERR_INTERNAL, errno, "make %s", path)
               : 0;
}

/* What QEMU will see as its root: names to mount on, and the library that is preloaded. */
static int make_root(const struct engine *engine, struct error *err)
{
    static const char *const directories[] = {"usr",       "usr/bin",           "usr/lib",
                                              "usr/lib64", "usr/share",         "usr/share/qemu",
                                              "etc",       "usr/share/seabios", "guest"};
    static const char *const files[] = {"usr/bin/qemu-system-x86_64", "etc/ld.so.cache",
                                        "guest/vmlinuz", "guest/initrd"};
    char path[VM_PATH_SIZE + 64];
    if (make_directory(engine->root_path, 0755, err) < 0) {
        return -1;
    }
    for (size_t i = 0; i < sizeof(directories) / sizeof(directories[0]); i++) {
        snprintf(path, sizeof(path), "%s/%s", engine->root_path, directories[i]);
        if (make_directory(path, 0755, err) < 0) {
            return -1;
        }
    }
    for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
        snprintf(path, sizeof(path), "%s/%s", engine->root_path, files[i]);
        auto_close int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0444);
        if (fd < 0) {
            return error_set(err, ERR_INTERNAL, errno, "make %s", path);
        }
    }
    static const char *const links[][2] = {{"usr/lib", "lib"}, {"usr/lib64", "lib64"}};
    for (size_t i = 0; i < sizeof(links) / sizeof(links[0]); i++) {
        snprintf(path, sizeof(path), "%s/%s", engine->root_path, links[i][1]);
        if (symlink(links[i][0], path) < 0 && errno != EEXIST) {
            return error_set(err, ERR_INTERNAL, errno, "make %s", path);
        }
    }
    snprintf(path, sizeof(path), "%s/preload.so", engine->root_path);
    return write_file_atomic(path, preload_library, preload_library_length, 0444) < 0
               ? error_set(err, ERR_INTERNAL, errno, "write %s", path)
               : 0;
}

int paths_make(struct engine *engine, struct error *err)
{
    const struct settings *settings = engine->context.settings;
    settings_path(settings, "vm", engine->vm_path, VM_PATH_SIZE);
    settings_path(settings, "vm/sandboxes", engine->sandboxes_path, VM_PATH_SIZE);
    settings_path(settings, "vm/snapshots", engine->snapshots_path, VM_PATH_SIZE);
    settings_path(settings, "vm/pool", engine->pool_path, VM_PATH_SIZE);
    settings_path(settings, "vm/trash", engine->trash_path, VM_PATH_SIZE);
    settings_path(settings, "vm/run", engine->run_path, VM_PATH_SIZE);
    settings_path(settings, "vm/empty", engine->empty_path, VM_PATH_SIZE);
    settings_path(settings, "vm/root", engine->root_path, VM_PATH_SIZE);
    settings_path(settings, "vm/seeds", engine->seeds_path, VM_PATH_SIZE);
    settings_path(settings, "images", engine->images_path, VM_PATH_SIZE);
    settings_path(settings, "run/agent", engine->agent_path, VM_PATH_SIZE);
    if (settings->seeds[0]) {
        snprintf(engine->seeds_path, VM_PATH_SIZE, "%s", settings->seeds);
    }
    if (settings->images[0]) {
        snprintf(engine->images_path, VM_PATH_SIZE, "%s", settings->images);
    }
    const char *const private[] = {engine->sandboxes_path, engine->snapshots_path,
                                   engine->pool_path,      engine->trash_path,
                                   engine->run_path,       engine->seeds_path};
    if (make_directory(engine->vm_path, 0711, err) < 0 ||
        make_directory(engine->empty_path, 0555, err) < 0) {
        return -1;
    }
    for (size_t i = 0; i < sizeof(private) / sizeof(private[0]); i++) {
        if (make_directory(private[i], 0700, err) < 0) {
            return -1;
        }
    }
    return make_root(engine, err);
}

int trash_directory(struct engine *engine, const char *path)
{
    char name[ID_SIZE], target[VM_PATH_SIZE];
    id_make(TRASH_PREFIX, name);
    snprintf(target, sizeof(target), "%s/%s", engine->trash_path, name);
    int result = rename(path, target);
    if (result < 0 && errno == EXDEV) { /* seeds may be on a file system of their own */
        snprintf(target, sizeof(target), "%s/.%s", engine->seeds_path, name);
        result = rename(path, target);
    }
    if (result < 0) {
        return errno == ENOENT ? 0 : -1;
    }
    FAULT_POINT("host.vm.trash.moved");
    vm_trash_collect(engine);
    return 0;
}

/* A directory of ours: files, and directories of files. */
static void remove_tree(int parent, const char *name, int depth)
{
    int fd = openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    DIR *directory = fd >= 0 ? fdopendir(fd) : NULL;
    const struct dirent *entry;
    while (directory && (entry = readdir(directory))) {
        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0) {
            continue;
        }
        if (unlinkat(fd, entry->d_name, 0) < 0 && errno == EISDIR && depth > 0) {
            remove_tree(fd, entry->d_name, depth - 1);
        }
    }
    if (directory) {
        closedir(directory);
    } else {
        close_fd(fd);
    }
    unlinkat(parent, name, AT_REMOVEDIR);
}

static void remove_those_with(const char *prefix, const char *path)
{
    DIR *directory = opendir(path);
    const struct dirent *entry;
    while (directory && (entry = readdir(directory))) {
        if (strncmp(entry->d_name, prefix, strlen(prefix)) == 0) {
            remove_tree(dirfd(directory), entry->d_name, 2);
        }
    }
    if (directory) {
        closedir(directory);
    }
}

void vm_trash_empty(const struct engine *engine)
{
    remove_those_with(TRASH_PREFIX, engine->trash_path);
    remove_those_with("." TRASH_PREFIX, engine->seeds_path);
}

static void on_helper(void *owner, int wait_status)
{
    struct engine *engine = owner;
    (void)wait_status;
    if (engine->trash_waits && !engine->closing) {
        engine->trash_waits = false;
        vm_trash_collect(engine);
    }
}

void vm_trash_collect(struct engine *engine)
{
    if (engine->trash_helper.source.fd >= 0) {
        engine->trash_waits = true;
        return;
    }
    pid_t pid = process_fork_helper();
    if (pid == 0) {
        vm_trash_empty(engine);
        _exit(0);
    }
    if (pid > 0) {
        event_child_add(engine->context.loop, &engine->trash_helper, pid, on_helper, engine);
    }
}
