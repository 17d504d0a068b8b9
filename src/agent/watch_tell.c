#include "agent/watch_state.h"

#include "agent/file_info.h"
#include "agent/path.h"
#include "agent/reply.h"

void watch_flush(struct file_watch *watch)
{
    if (watch->output_length > 0 && !watch->is_left &&
        reply_send(watch->fd, watch->output, watch->output_length) < 0) {
        watch->is_left = true;
    }
    watch->output_length = 0;
}

static void put_file(struct fields_writer *fields, const char *path, bool is_directory,
                     enum agent_change change)
{
    struct stat st;
    enum agent_file_type type = is_directory ? AGENT_FILE_DIRECTORY : AGENT_FILE_REGULAR;
    if (!is_directory && change != AGENT_CHANGE_DELETED && path_stat(path, false, &st) == 0) {
        type = file_type_of(st.st_mode);
        fields_put_int(fields, AGENT_SIZE, st.st_size);
    }
    fields_put_int(fields, AGENT_FILE_TYPE, type);
}

void watch_tell(struct file_watch *watch, enum agent_change change, const char *path,
                const char *target, bool is_directory)
{
    if (WATCH_OUTPUT_BYTES - watch->output_length < FILE_FRAME_MAX) {
        watch_flush(watch);
    }
    struct frame_writer writer;
    frame_start(&writer, watch->output + watch->output_length, FILE_FRAME_MAX);
    fields_put_int(&writer.fields, AGENT_CHANGE, change);
    fields_put_string(&writer.fields, AGENT_PATH, path);
    if (target) {
        fields_put_string(&writer.fields, AGENT_TARGET, target);
    }
    if (change != AGENT_CHANGE_OVERFLOW) {
        put_file(&writer.fields, target ? target : path, is_directory, change);
    }
    watch->output_length += frame_finish(&writer, AGENT_FRAME_CHANGE);
}

void watch_tell_lost(struct file_watch *watch)
{
    watch_tell(watch, AGENT_CHANGE_OVERFLOW, watch->tree.path, NULL, true);
    watch->is_lost = false;
}

/* What has no path is told as lost. */
void watch_tell_entry(struct file_watch *watch, enum agent_change change,
                      const struct watch_node *directory, const char *name, bool is_directory)
{
    char path[AGENT_PATH_MAX];
    if (watch_tree_path(&watch->tree, directory, name, path)) {
        watch_tell(watch, change, path, NULL, is_directory);
    } else {
        watch->is_lost = true;
    }
}

void watch_tell_found(void *context, struct watch_node *directory, const char *name,
                      bool is_directory)
{
    struct file_watch *watch = context;
    if (watch_name_hidden(name)) {
        return;
    }
    if (!seen_names_add(&watch->seen, directory->wd, name)) {
        watch->is_lost = true;
        return;
    }
    watch_tell_entry(watch, AGENT_CHANGE_CREATED, directory, name, is_directory);
}

int watch_tell_created(struct file_watch *watch, struct watch_node *directory, const char *name,
                       bool is_directory)
{
    watch_tell_entry(watch, AGENT_CHANGE_CREATED, directory, name, is_directory);
    return is_directory && watch->tree.recursive ? watch_tree_add(&watch->tree, directory, name)
                                                 : 0;
}
