#include "agent/request.h"

#include "wire/fields.h"
#include "wire/frame.h"

#include <assert.h>
#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

enum { TAGS_MAX = 128, SIGNAL_MAX = 64, FIELD_TEXT_MAX = FRAME_PAYLOAD_MAX };

struct parse {
    struct request *request;
    uint64_t seen[TAGS_MAX / 64]; /* one bit a tag: only ARGUMENT and ENV may repeat */
    size_t argument_count;
    const char *problem;
};

static int refuse(struct parse *parse, const char *problem)
{
    parse->problem = problem;
    return EINVAL;
}

/* Ends the text with a NUL by moving it one byte into its own field header, which is read already. */
static char *terminate(const struct field *field)
{
    if (memchr(field->value.data, '\0', field->value.length)) {
        return NULL;
    }
    char *text = (char *)(uintptr_t)field->value.data - 1;
    memmove(text, text + 1, field->value.length);
    text[field->value.length] = '\0';
    return text;
}

/* Where a field goes: a member of struct request and what it may hold. */
struct number_rule {
    uint16_t tag;
    int64_t min, max;
    size_t member;
};

struct text_rule {
    uint16_t tag;
    size_t length_max;
    size_t member;
};

struct flag_rule {
    uint16_t tag;
    size_t member;
};

#define MEMBER(name) offsetof(struct request, name)

static const struct number_rule number_rules[] = {
    {AGENT_MODE, 0, 07777, MEMBER(mode)},
    {AGENT_OFFSET, INT64_MIN + 1, INT64_MAX, MEMBER(offset)},
    {AGENT_LENGTH, 0, INT64_MAX, MEMBER(length)},
    {AGENT_DEPTH, 1, AGENT_LIST_DEPTH_MAX, MEMBER(depth)},
    {AGENT_LIMIT, 1, AGENT_LIST_LIMIT_MAX, MEMBER(limit)},
    {AGENT_TIMEOUT_MS, 0, INT32_MAX, MEMBER(timeout_ms)},
    {AGENT_SESSION_KIND, AGENT_SESSION_JOB, AGENT_SESSION_TERMINAL, MEMBER(kind)},
    {AGENT_POSITION, 0, INT64_MAX, MEMBER(position)},
    {AGENT_SIGNAL, 1, SIGNAL_MAX, MEMBER(signal)},
    {AGENT_ROWS, 1, AGENT_WINDOW_MAX, MEMBER(rows)},
    {AGENT_COLS, 1, AGENT_WINDOW_MAX, MEMBER(cols)},
    {AGENT_DETACH_MS, 0, INT32_MAX, MEMBER(detach_ms)},
    {AGENT_GRACE_MS, 0, INT32_MAX, MEMBER(grace_ms)},
};

static const struct text_rule path_rules[] = {
    {AGENT_PATH, AGENT_PATH_MAX - 1, MEMBER(path)},
    {AGENT_TARGET, AGENT_PATH_MAX - 1, MEMBER(target)},
    {AGENT_CWD, AGENT_PATH_MAX - 1, MEMBER(cwd)},
    {AGENT_LOG_PATH, AGENT_PATH_MAX - 1, MEMBER(log_path)},
    {AGENT_PID_PATH, AGENT_PATH_MAX - 1, MEMBER(pid_path)},
};

static const struct text_rule text_rules[] = {
    {AGENT_USER, FIELD_TEXT_MAX, MEMBER(user)},
    {AGENT_SESSION_ID, AGENT_SESSION_ID_SIZE - 1, MEMBER(session_id)},
    {AGENT_NAME, AGENT_NAME_SIZE - 1, MEMBER(name)},
    {AGENT_LABEL, AGENT_PATH_MAX - 1, MEMBER(label)},
    {AGENT_COMMAND, AGENT_PATH_MAX - 1, MEMBER(command)},
};

static const struct flag_rule flag_rules[] = {
    {AGENT_RECURSIVE, MEMBER(recursive)},   {AGENT_NO_FOLLOW, MEMBER(no_follow)},
    {AGENT_OPEN_STDIN, MEMBER(open_stdin)}, {AGENT_FOLLOW, MEMBER(follow)},
    {AGENT_RESTART, MEMBER(restart)},       {AGENT_END_OF_INPUT, MEMBER(end_of_input)},
    {AGENT_FORGET, MEMBER(forget)},
};

#define RULE_COUNT(rules) (sizeof(rules) / sizeof((rules)[0]))

static void *member_at(struct parse *parse, size_t member)
{
    return (char *)parse->request + member;
}

static int take_path(struct parse *parse, const struct field *field, const struct text_rule *rule)
{
    if (field->value.length == 0 || field->value.data[0] != '/') {
        return refuse(parse, "path must be absolute");
    }
    if (field->value.length > rule->length_max) {
        parse->problem = "path";
        return ENAMETOOLONG;
    }
    const char **text = member_at(parse, rule->member);
    *text = terminate(field);
    return *text ? 0 : refuse(parse, "path contains a NUL byte");
}

static int take_text(struct parse *parse, const struct field *field, const struct text_rule *rule)
{
    if (field->value.length > rule->length_max) {
        return refuse(parse, "a text is too long");
    }
    const char **text = member_at(parse, rule->member);
    *text = terminate(field);
    return *text ? 0 : refuse(parse, "a text contains a NUL byte");
}

static int take_int(struct parse *parse, const struct field *field, int64_t min, int64_t max,
                    int64_t *ret_value)
{
    int64_t value;
    if (!field_int(field, &value) || value < min || value > max) {
        return refuse(parse, "a number is out of range");
    }
    *ret_value = value;
    return 0;
}

static int take_flag(struct parse *parse, const struct field *field, size_t member)
{
    int64_t value;
    int errnum = take_int(parse, field, 0, 1, &value);
    if (errnum == 0) {
        bool *flag = member_at(parse, member);
        *flag = value == 1;
    }
    return errnum;
}

static int take_word(struct parse *parse, const struct field *field, char **slot)
{
    assert(slot); /* make_vectors counted it */
    *slot = terminate(field);
    return *slot ? 0 : refuse(parse, "an argument or variable contains a NUL byte");
}

static int take_operation(struct parse *parse, const struct field *field)
{
    int64_t value;
    int errnum = take_int(parse, field, AGENT_OP_HELLO, AGENT_OP_PORTS, &value);
    if (errnum == 0) {
        parse->request->operation = (enum agent_operation)value;
    }
    return errnum;
}

/* A field that a rule describes; others are of a newer daemon. */
static int take_by_rule(struct parse *parse, const struct field *field)
{
    for (size_t i = 0; i < RULE_COUNT(number_rules); i++) {
        const struct number_rule *rule = &number_rules[i];
        if (rule->tag == field->tag) {
            return take_int(parse, field, rule->min, rule->max, member_at(parse, rule->member));
        }
    }
    for (size_t i = 0; i < RULE_COUNT(flag_rules); i++) {
        if (flag_rules[i].tag == field->tag) {
            return take_flag(parse, field, flag_rules[i].member);
        }
    }
    for (size_t i = 0; i < RULE_COUNT(path_rules); i++) {
        if (path_rules[i].tag == field->tag) {
            return take_path(parse, field, &path_rules[i]);
        }
    }
    for (size_t i = 0; i < RULE_COUNT(text_rules); i++) {
        if (text_rules[i].tag == field->tag) {
            return take_text(parse, field, &text_rules[i]);
        }
    }
    return 0;
}

static int take_field(struct parse *parse, const struct field *field)
{
    struct request *request = parse->request;
    switch (field->tag) {
    case AGENT_OPERATION:
        return take_operation(parse, field);
    case AGENT_BYTES:
        request->bytes = field->value;
        return 0;
    case AGENT_ARGUMENT:
        return take_word(parse, field, &request->arguments[parse->argument_count++]);
    case AGENT_ENV:
        return take_word(parse, field, &request->environment[request->environment_count++]);
    default:
        return take_by_rule(parse, field);
    }
}

static bool may_repeat(uint16_t tag)
{
    return tag == AGENT_ARGUMENT || tag == AGENT_ENV;
}

static int take_all(struct parse *parse, const unsigned char *head, size_t length)
{
    struct fields_reader reader = {head, length, 0};
    struct field field;
    while (fields_next(&reader, &field) == 1) {
        if (field.tag < TAGS_MAX && !may_repeat(field.tag)) {
            uint64_t bit = UINT64_C(1) << field.tag % 64;
            if (parse->seen[field.tag / 64] & bit) {
                return refuse(parse, "a field is given twice");
            }
            parse->seen[field.tag / 64] |= bit;
        }
        int errnum = take_field(parse, &field);
        if (errnum != 0) {
            return errnum;
        }
    }
    return 0;
}

/* Counts the repeated fields, so that the vectors can be made, and finds a malformed head. */
static int make_vectors(struct parse *parse, const unsigned char *head, size_t length)
{
    size_t argument_count = 0;
    size_t environment_count = 0;
    struct fields_reader reader = {head, length, 0};
    struct field field;
    int more;
    while ((more = fields_next(&reader, &field)) == 1) {
        argument_count += field.tag == AGENT_ARGUMENT;
        environment_count += field.tag == AGENT_ENV;
    }
    if (more < 0) {
        return refuse(parse, "malformed head");
    }
    if (argument_count > AGENT_ARGUMENTS_MAX || environment_count > AGENT_ENV_MAX) {
        parse->problem = "too many arguments or variables";
        return E2BIG;
    }
    if (argument_count + environment_count == 0) {
        return 0;
    }
    size_t slots = REQUEST_ARGUMENT_SPARE + argument_count + 1 + environment_count +
                   REQUEST_ENVIRONMENT_SPARE + 1;
    char **block = calloc(slots, sizeof(*block));
    if (!block) {
        parse->problem = "no memory for the arguments";
        return ENOMEM;
    }
    parse->request->block = block;
    parse->request->arguments = block + REQUEST_ARGUMENT_SPARE;
    parse->request->environment = parse->request->arguments + argument_count + 1;
    return 0;
}

static int check_command(struct parse *parse)
{
    return parse->argument_count > 0 && parse->request->arguments[0][0] != '\0'
               ? 0
               : refuse(parse, "a command needs at least one argument");
}

static bool is_session_id(const char *text)
{
    static const char allowed[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-";
    return text && *text && text[strspn(text, allowed)] == '\0';
}

static int check_session(struct parse *parse)
{
    const struct request *request = parse->request;
    if (!is_session_id(request->session_id)) {
        return refuse(parse, "a session id is needed");
    }
    switch (request->operation) {
    case AGENT_OP_SESSION_START:
        if (request->kind == 0 || !request->command) {
            return refuse(parse, "kind and command are needed");
        }
        return check_command(parse);
    case AGENT_OP_SESSION_INPUT:
        return request->bytes.data ? 0 : refuse(parse, "bytes are needed");
    case AGENT_OP_SESSION_SIGNAL:
        return request->signal != 0 ? 0 : refuse(parse, "signal is needed");
    default:
        return 0;
    }
}

static int check_complete(struct parse *parse)
{
    const struct request *request = parse->request;
    switch (request->operation) {
    case AGENT_OP_HELLO:
    case AGENT_OP_SYNC:
    case AGENT_OP_SESSION_LIST:
    case AGENT_OP_PORTS:
        return 0;
    case AGENT_OP_EXEC:
        return check_command(parse);
    case AGENT_OP_SESSION_START:
    case AGENT_OP_SESSION_GET:
    case AGENT_OP_SESSION_READ:
    case AGENT_OP_SESSION_INPUT:
    case AGENT_OP_SESSION_SIGNAL:
    case AGENT_OP_SESSION_STOP:
        return check_session(parse);
    case AGENT_OP_FILE_RENAME:
        return request->path && request->target ? 0 : refuse(parse, "path and target are needed");
    case AGENT_OP_FILE_CHMOD:
        return request->path && request->mode >= 0 ? 0 : refuse(parse, "path and mode are needed");
    case AGENT_OP_FILE_WRITE:
    case AGENT_OP_FILE_READ:
    case AGENT_OP_FILE_LIST:
    case AGENT_OP_FILE_STAT:
    case AGENT_OP_FILE_MKDIR:
    case AGENT_OP_FILE_REMOVE:
    case AGENT_OP_FILE_WATCH:
        return request->path ? 0 : refuse(parse, "path is needed");
    default:
        break;
    }
    return refuse(parse, "operation is missing");
}

int request_parse(unsigned char *head, size_t length, struct request *ret_request,
                  const char **ret_problem)
{
    struct request request = {
        .mode = -1, .length = -1, .depth = 1, .limit = AGENT_LIST_LIMIT_MAX, .position = -1};
    struct parse parse = {.request = &request, .problem = "malformed head"};
    int errnum = make_vectors(&parse, head, length);
    if (errnum == 0) {
        errnum = take_all(&parse, head, length);
    }
    if (errnum == 0) {
        errnum = check_complete(&parse);
    }
    if (errnum != 0) {
        request_free(&request);
        *ret_problem = parse.problem;
        return errnum;
    }
    *ret_request = request;
    return 0;
}

void request_free(struct request *request)
{
    free(request->block);
    request->block = NULL;
    request->arguments = NULL;
    request->environment = NULL;
}
