/* What the agent makes of an arbitrary head: an error, or a request whose parts are all usable. */
#include "agent/request.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size);

static void check_path(const char *path)
{
    assert(!path || (path[0] == '/' && strlen(path) < AGENT_PATH_MAX));
}

static size_t check_texts(char **texts)
{
    size_t count = 0;
    while (texts[count]) {
        assert(strlen(texts[count]) < 1024 * 1024);
        count++;
    }
    return count;
}

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size)
{
    struct request request;
    const char *problem = NULL;
    unsigned char *head = malloc(size + 1); /* the parser rewrites it, and reads no byte beyond */
    assert(head);
    memcpy(head, data, size);
    int errnum = request_parse(head, size, &request, &problem);
    if (errnum != 0) {
        assert(errnum > 0 && problem);
    } else {
        check_path(request.path);
        check_path(request.target);
        check_path(request.cwd);
        assert(request.mode >= -1 && request.mode <= 07777 && request.depth >= 1);
        if (request.operation == AGENT_OP_EXEC) {
            assert(check_texts(request.arguments) > 0);
            assert(check_texts(request.environment) == request.environment_count);
        }
        request_free(&request);
    }
    free(head);
    return 0;
}
