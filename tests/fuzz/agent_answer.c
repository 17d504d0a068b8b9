/* What atoll-host makes of arbitrary bytes from an agent: it is done, waits or fails, and forgets only what it read. */
#include "engine/agent_link.h"

#include <assert.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size);

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size)
{
    static unsigned char bytes[AGENT_ANSWER_MAX];
    struct error err = {0};
    size_t length = size < sizeof(bytes) ? size : sizeof(bytes), before = length;
    memcpy(bytes, data, length);
    int done = agent_answer_parse(bytes, &length, &err);
    assert(length <= before);
    assert(done == 0 || done == 1 || (done == -1 && err.code != ERR_NONE));
    assert(done != 0 || length < AGENT_ANSWER_MAX); /* there is room for more */
    for (const char *at = err.message; *at; at++) {
        assert(*at >= ' ' && *at <= '~');
    }
    return 0;
}
