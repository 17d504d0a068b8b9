#include "agent/request_parts.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>

enum { TAGS_MAX = 128 };

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

static int take_word(struct parse *parse, const struct field *field, char **slot)
{
    assert(slot); /* make_vectors counted it */
    *slot = request_terminate(field);
    return *slot ? 0 : refuse(parse, "an argument or variable contains a NUL byte");
}

static int take_field(struct parse *parse, const struct field *field)
{
    struct request *request = parse->request;
    switch (field->tag) {
    case AGENT_ARGUMENT:
        return take_word(parse, field, &request->arguments[parse->argument_count++]);
    case AGENT_ENV:
        return take_word(parse, field, &request->environment[request->environment_count++]);
    default:
        return request_take_field(request, field, &parse->problem);
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
        errnum = request_check(&request, &parse.problem);
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
