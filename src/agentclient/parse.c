#include "agentclient/call.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

enum { MESSAGE_SIZE = 256, STAGE_SIZE = 16, ERRNO_MAX = 4095 };

/* Length of the UTF-8 sequence at text, or 0 when it is none. */
static size_t sequence_length(const unsigned char *text)
{
    static const struct {
        unsigned char mask, lead;
        unsigned min;
    } forms[] = {
        {0x80, 0x00, 0x01}, {0xe0, 0xc0, 0x80}, {0xf0, 0xe0, 0x800}, {0xf8, 0xf0, 0x10000}};
    for (size_t length = 1; length <= 4; length++) {
        if ((text[0] & forms[length - 1].mask) != forms[length - 1].lead) {
            continue;
        }
        unsigned value = text[0] & (unsigned char)~forms[length - 1].mask;
        for (size_t i = 1; i < length; i++) {
            if ((text[i] & 0xc0) != 0x80) {
                return 0;
            }
            value = value << 6 | (text[i] & 0x3f);
        }
        bool surrogate = value >= 0xd800 && value <= 0xdfff;
        return value >= forms[length - 1].min && value <= 0x10ffff && !surrogate ? length : 0;
    }
    return 0;
}

/* What the agent says ends in replies and logs. */
void call_sanitize(char *text, bool allow_controls)
{
    unsigned char *at = (unsigned char *)text;
    while (*at) {
        size_t length = sequence_length(at);
        bool is_control = *at < 0x20 || *at == 0x7f;
        if (length == 0 || (is_control && !allow_controls)) {
            *at = '?';
            length = 1;
        }
        at += length;
    }
}

/* Text of at most size - 1 bytes; longer is cut. */
static void get_message(const struct call_frame *frame, char *text, size_t size)
{
    struct bytes_view value = {"", 0};
    fields_find(frame->payload, frame->length, AGENT_MESSAGE, &value);
    size_t length = value.length < size ? value.length : size - 1;
    memcpy(text, value.data, length);
    text[length] = '\0';
    call_sanitize(text, false);
}

/* For limits that no setting raises. */
static const char no_room_hint[] = "End some of the sandbox's processes and terminals.";

static enum error_code limit_code(enum call_subject subject)
{
    return subject == CALL_TERMINAL ? ERR_TERMINAL_LIMIT : ERR_JOB_LIMIT;
}

static int start_error(const char *stage, int errnum, const char *message, struct error *err)
{
    if (strcmp(stage, "fork") == 0 && errnum == EAGAIN) {
        return error_set(err, ERR_PROCESS_LIMIT, 0,
                         "the sandbox is at its process limit; the command was not started");
    }
    if (strcmp(stage, "exec") == 0 && errnum == ENOENT) {
        error_set(err, ERR_COMMAND_NOT_FOUND, 0, "command not found: %s", message);
        snprintf(err->field, sizeof(err->field), "command");
        return -1;
    }
    if (strcmp(stage, "user") == 0) {
        error_set(err, ERR_COMMAND_START, errnum == ENOENT ? 0 : errnum,
                  errnum == ENOENT ? "there is no user '%s' in the sandbox" : "become user '%s'",
                  message);
        snprintf(err->field, sizeof(err->field), "user");
        return -1;
    }
    if (strcmp(stage, "cwd") == 0) {
        error_set(err, ERR_COMMAND_START, errnum, "enter directory '%s'", message);
        snprintf(err->field, sizeof(err->field), "cwd");
        return -1;
    }
    if (strcmp(stage, "pty") == 0) {
        if (errnum != ENOSPC) {
            return error_set(err, ERR_HOST_UNSUPPORTED, errnum, "open a terminal");
        }
        error_set(err, ERR_TERMINAL_LIMIT, 0, "the sandbox has no pseudo-terminal left");
        return error_hint(err, no_room_hint);
    }
    error_set(err, ERR_COMMAND_START, errnum, "start '%s'", message);
    snprintf(err->field, sizeof(err->field), "command");
    return -1;
}

/* Errors of SESSION_* that are not about a start's steps. False: it is like any other. */
static bool session_error(enum call_subject subject, int errnum, const char *message,
                          struct error *err)
{
    switch (errnum) {
    case ENOENT:
        error_set(err, ERR_PROCESS_NOT_FOUND, 0, "there is no such process: %s", message);
        return true;
    case EPIPE:
    case ESRCH:
        error_set(err, ERR_PROCESS_ENDED, 0,
                  errnum == EPIPE ? "its standard input is not open" : "it has ended");
        return true;
    case EEXIST:
        error_set(err, ERR_NAME_TAKEN, 0, "'%s' is running already", message);
        snprintf(err->field, sizeof(err->field), "name");
        return true;
    case EDQUOT:
        error_set(err, limit_code(subject), 0, "too many at once");
        return true;
    case EUSERS:
        error_set(err, limit_code(subject), 0,
                  "%d processes, services and terminals run in this sandbox already",
                  AGENT_SESSIONS_LIVE_MAX);
        error_hint(err, no_room_hint);
        return true;
    default:
        return false;
    }
}

int call_error(const struct call_frame *frame, enum call_subject subject, struct error *err)
{
    char message[MESSAGE_SIZE];
    char stage[STAGE_SIZE];
    struct error ignored;
    if (!err) {
        err = &ignored;
    }
    int64_t errnum = fields_get_int(frame->payload, frame->length, AGENT_ERRNO, EIO);
    if (errnum < 1 || errnum > ERRNO_MAX) {
        errnum = EIO;
    }
    get_message(frame, message, sizeof(message));
    if (subject != CALL_FILES && subject != CALL_SESSION &&
        fields_get_text(frame->payload, frame->length, AGENT_STAGE, stage, sizeof(stage))) {
        return start_error(stage, (int)errnum, message, err);
    }
    if (subject >= CALL_JOB && session_error(subject, (int)errnum, message, err)) {
        return -1;
    }
    if (errnum == EAGAIN) {
        return error_set(err, ERR_AGENT_BUSY, 0, "the sandbox is busy: %s", message);
    }
    return error_set(err, error_code_for_file_errno((int)errnum), (int)errnum, "%s", message);
}

/* Names of users and groups come from the sandbox's files; odd ones become '?'. */
static void get_name(const struct call_frame *frame, enum agent_tag tag, char *text, size_t size)
{
    fields_get_text(frame->payload, frame->length, (uint16_t)tag, text, size);
    call_sanitize(text, false);
}

static int64_t get_int(const struct call_frame *frame, enum agent_tag tag)
{
    return fields_get_int(frame->payload, frame->length, (uint16_t)tag, -1);
}

int call_parse_stat(const struct call_frame *frame, struct agent_stat *ret_stat)
{
    if (!fields_get_text(frame->payload, frame->length, AGENT_PATH, ret_stat->path,
                         sizeof(ret_stat->path))) {
        return -1;
    }
    int64_t type = get_int(frame, AGENT_FILE_TYPE);
    ret_stat->type = (enum agent_file_type)type;
    ret_stat->size = get_int(frame, AGENT_SIZE);
    ret_stat->modified_ms = get_int(frame, AGENT_MODIFIED_MS);
    ret_stat->mode = get_int(frame, AGENT_MODE);
    ret_stat->uid = get_int(frame, AGENT_UID);
    ret_stat->gid = get_int(frame, AGENT_GID);
    get_name(frame, AGENT_OWNER, ret_stat->owner, sizeof(ret_stat->owner));
    get_name(frame, AGENT_GROUP, ret_stat->group, sizeof(ret_stat->group));
    fields_get_text(frame->payload, frame->length, AGENT_LINK_TARGET, ret_stat->link_target,
                    sizeof(ret_stat->link_target));
    bool valid = ret_stat->path[0] == '/' && type >= AGENT_FILE_REGULAR &&
                 type <= AGENT_FILE_OTHER && ret_stat->size >= 0 && ret_stat->mode >= 0 &&
                 ret_stat->mode <= 07777 && ret_stat->uid >= 0 && ret_stat->uid <= UINT32_MAX &&
                 ret_stat->gid >= 0 && ret_stat->gid <= UINT32_MAX;
    return valid ? 0 : -1;
}
