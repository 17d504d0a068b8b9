#include "api/body_known.h"

#include <stdbool.h>
#include <string.h>

static bool contains(const char *const *known, const char *name)
{
    for (; *known; known++) {
        if (strcmp(*known, name) == 0) {
            return true;
        }
    }
    return false;
}

int body_known(json_t *body, const char *const *known, struct error *err)
{
    const char *name;
    json_t *value;
    json_object_foreach(body, name, value)
    {
        if (!contains(known, name)) {
            return error_set_field(err, ERR_VALIDATION, name, "unknown member '%.64s'", name);
        }
    }
    return 0;
}
