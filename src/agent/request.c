#include "agent/request.h"

#include "wire/fields.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct parse {
    struct request *request;
    uint64_t seen; /* one bit a tag: only ARGUMENT and ENV may repeat */
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

static int take_path(struct parse *parse, const struct field *field, const char **ret_path)
{
    if (field->value.length == 0 || field->value.data[0] != '/') {
        return refuse(parse, "path must be absolute");
    }
    if (field->value.length >= AGENT_PATH_MAX) {
        parse->problem = "path";
        return ENAMETOOLONG;
    }
    *ret_path = terminate(field);
    return *ret_path ? 0 : refuse(parse, "path contains a NUL byte");
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

static int take_flag(struct parse *parse, const struct field *field, bool *ret_flag)
{
    int64_t value;
    int errnum = take_int(parse, field, 0, 1, &value);
    if (errnum == 0) {
        *ret_flag = value == 1;
    }
    return errnum;
}

static int take_word(struct parse *parse, const struct field *field, char **slot)
{
    assert(slot); /* make_vectors counted it */
    *slot = terminate(field);
    return *slot ? 0 : refuse(parse, "an argument or variable contains a NUL byte");
}

static int take_user(struct parse *parse, const struct field *field)
{
    parse->request->user = terminate(field);
    return parse->request->user ? 0 : refuse(parse, "user contains a NUL byte");
}

static int take_operation(struct parse *parse, const struct field *field)
{
    int64_t value;
    int errnum = take_int(parse, field, AGENT_OP_HELLO, AGENT_OP_SYNC, &value);
    if (errnum == 0) {
        parse->request->operation = (enum agent_operation)value;
    }
    return errnum;
}

static int take_field(struct parse *parse, const struct field *field)
{
    struct request *request = parse->request;
    switch (field->tag) {
    case AGENT_OPERATION:
        return take_operation(parse, field);
    case AGENT_PATH:
        return take_path(parse, field, &request->path);
    case AGENT_TARGET:
        return take_path(parse, field, &request->target);
    case AGENT_CWD:
        return take_path(parse, field, &request->cwd);
    case AGENT_USER:
        return take_user(parse, field);
    case AGENT_MODE:
        return take_int(parse, field, 0, 07777, &request->mode);
    case AGENT_OFFSET:
        return take_int(parse, field, INT64_MIN + 1, INT64_MAX, &request->offset);
    case AGENT_LENGTH:
        return take_int(parse, field, 0, INT64_MAX, &request->length);
    case AGENT_DEPTH:
        return take_int(parse, field, 1, AGENT_LIST_DEPTH_MAX, &request->depth);
    case AGENT_LIMIT:
        return take_int(parse, field, 1, AGENT_LIST_LIMIT_MAX, &request->limit);
    case AGENT_TIMEOUT_MS:
        return take_int(parse, field, 0, INT32_MAX, &request->timeout_ms);
    case AGENT_RECURSIVE:
        return take_flag(parse, field, &request->recursive);
    case AGENT_NO_FOLLOW:
        return take_flag(parse, field, &request->no_follow);
    case AGENT_OPEN_STDIN:
        return take_flag(parse, field, &request->open_stdin);
    case AGENT_ARGUMENT:
        return take_word(parse, field, &request->arguments[parse->argument_count++]);
    case AGENT_ENV:
        return take_word(parse, field, &request->environment[request->environment_count++]);
    default:
        return 0; /* of a newer daemon */
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
        if (field.tag < 64 && !may_repeat(field.tag)) {
            uint64_t bit = UINT64_C(1) << field.tag;
            if (parse->seen & bit) {
                return refuse(parse, "a field is given twice");
            }
            parse->seen |= bit;
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

static int check_complete(struct parse *parse)
{
    const struct request *request = parse->request;
    switch (request->operation) {
    case AGENT_OP_HELLO:
    case AGENT_OP_SYNC:
        return 0;
    case AGENT_OP_EXEC:
        return parse->argument_count > 0 && request->arguments[0][0] != '\0'
                   ? 0
                   : refuse(parse, "a command needs at least one argument");
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
        return request->path ? 0 : refuse(parse, "path is needed");
    default:
        break;
    }
    return refuse(parse, "operation is missing");
}

int request_parse(unsigned char *head, size_t length, struct request *ret_request,
                  const char **ret_problem)
{
    struct request request = {.mode = -1, .length = -1, .depth = 1, .limit = AGENT_LIST_LIMIT_MAX};
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
