/* Arbitrary lines from a QEMU that a guest has taken over. */
#include "linux/qmp.h"

#include <assert.h>

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size);

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size)
{
    enum qmp_line kind;
    json_t *value = NULL;
    struct error err = {0};
    if (qmp_parse_line((const char *)data, size, &kind, &value, &err) == 0) {
        assert((kind == QMP_LINE_ANSWER) == (value != NULL));
        assert((kind == QMP_LINE_ERROR) == (err.code != ERR_NONE));
        json_decref(value);
    } else {
        assert(err.code != ERR_NONE && !value);
    }
    return 0;
}
