#include "sandbox/sizes.h"

#include <stddef.h>
#include <string.h>

const char size_names[] = "micro, tiny, xs, small, medium, large, xl";

/* Clients check xs to xl against these exact triples. */
const struct sandbox_size sandbox_sizes[] = {
    {"micro", 1, 512, 3072},    {"tiny", 1, 1024, 5120},
    {"xs", 1, 2048, 10240},     {"small", 2, 4096, 10240},
    {"medium", 4, 8192, 20480}, {"large", 8, 16384, 40960},
    {"xl", 16, 32768, 81920},   {NULL, 0, 0, 0},
};

const struct sandbox_size *size_find(const char *name)
{
    for (const struct sandbox_size *size = sandbox_sizes; size->name; size++) {
        if (strcmp(size->name, name) == 0) {
            return size;
        }
    }
    return NULL;
}
