#include "agent/file.h"
#include "agent/file_info.h"
#include "agent/path.h"
#include "base/cleanup.h"

#include <dirent.h>
#include <fcntl.h>
#include <string.h>

/* Entries travel in batches: a send for each would cost more than reading the directory. */
enum { OUTPUT_BYTES = 32 * 1024 };

struct listing {
    int fd;
    int64_t depth_max;
    int64_t entries_left;
    bool truncated;
    struct owner_names names;
    char path[AGENT_PATH_MAX]; /* of the directory being read; entries are appended and cut off */
    unsigned char *output;     /* OUTPUT_BYTES */
    size_t output_length;
};

static int flush(struct listing *listing)
{
    size_t length = listing->output_length;
    listing->output_length = 0;
    return length > 0 ? reply_send(listing->fd, listing->output, length) : 0;
}

/* Appends the entry at listing->path. 0, or -1 when the daemon left. */
static int put_entry(struct listing *listing, int dir_fd, const char *name, const struct stat *st)
{
    char target[AGENT_PATH_MAX];
    ssize_t length = -1;
    if (S_ISLNK(st->st_mode)) {
        length = readlinkat(dir_fd, name, target, sizeof(target) - 1);
        target[length > 0 ? length : 0] = '\0';
    }
    if (OUTPUT_BYTES - listing->output_length < FILE_FRAME_MAX && flush(listing) < 0) {
        return -1;
    }
    listing->output_length +=
        file_info_frame(listing->output + listing->output_length, AGENT_FRAME_STAT, listing->path,
                        st, length >= 0 ? target : NULL, &listing->names);
    return 0;
}

/* Appends "/name" to the path; returns the old length, or 0 when it does not fit. */
static size_t descend(struct listing *listing, const char *name)
{
    size_t length = strlen(listing->path);
    size_t name_length = strlen(name);
    if (length + 1 + name_length >= sizeof(listing->path)) {
        return 0;
    }
    bool is_root = listing->path[length - 1] == '/';
    if (!is_root) {
        listing->path[length] = '/';
    }
    memcpy(listing->path + length + !is_root, name, name_length + 1);
    return length;
}

static int list_directory(struct listing *listing, int dir_fd, int64_t depth);

static int list_entry(struct listing *listing, int dir_fd, const char *name, int64_t depth)
{
    struct stat st;
    if (fstatat(dir_fd, name, &st, AT_SYMLINK_NOFOLLOW) < 0) {
        return 0; /* gone meanwhile */
    }
    size_t length = descend(listing, name);
    if (length == 0 || listing->entries_left == 0) {
        listing->truncated = true;
        if (length > 0) {
            listing->path[length] = '\0';
        }
        return 0;
    }
    listing->entries_left--;
    int result = put_entry(listing, dir_fd, name, &st);
    if (result == 0 && S_ISDIR(st.st_mode) && depth < listing->depth_max) {
        int fd = openat(dir_fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        result = fd < 0 ? 0 : list_directory(listing, fd, depth + 1);
    }
    listing->path[length] = '\0';
    return result;
}

/* Takes dir_fd. 0, or -1 when the daemon left. */
static int list_directory(struct listing *listing, int dir_fd, int64_t depth)
{
    DIR *directory = fdopendir(dir_fd);
    if (!directory) {
        close_fd(dir_fd);
        return 0;
    }
    struct dirent *entry;
    int result = 0;
    while (result == 0 && !listing->truncated && (entry = readdir(directory))) {
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0) {
            result = list_entry(listing, dir_fd, entry->d_name, depth);
        }
    }
    closedir(directory);
    return result;
}

static void finish(struct listing *listing)
{
    struct frame_writer writer;
    if (OUTPUT_BYTES - listing->output_length < FILE_FRAME_MAX && flush(listing) < 0) {
        return;
    }
    frame_start(&writer, listing->output + listing->output_length, FILE_FRAME_MAX);
    fields_put_int(&writer.fields, AGENT_TRUNCATED, listing->truncated);
    listing->output_length += frame_finish(&writer, AGENT_FRAME_DONE);
    flush(listing);
}

int file_list(const struct request *request, int fd, const char **ret_what)
{
    *ret_what = "list";
    int dir_fd = path_open(request->path, O_RDONLY | O_DIRECTORY);
    if (dir_fd < 0) {
        return -1;
    }
    auto_free unsigned char *output = malloc(OUTPUT_BYTES);
    auto_free struct listing *listing = calloc(1, sizeof(*listing));
    if (!output || !listing) {
        close_fd(dir_fd);
        return -1;
    }
    listing->fd = fd;
    listing->depth_max = request->depth;
    listing->entries_left = request->limit;
    listing->output = output;
    path_copy(listing->path, request->path);
    if (list_directory(listing, dir_fd, 1) == 0) {
        finish(listing);
    }
    return 0;
}
