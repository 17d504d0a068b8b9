#include "store/principal.h"

#include <string.h>

static const struct {
    unsigned scope;
    const char *name;
} names[] = {
#define X(scope, bit, name) {scope, name},
    SCOPE_TABLE(X)
#undef X
#define X(scope, name) {scope, name},
        SCOPE_ALIASES(X)
#undef X
};

enum { NAME_COUNT = sizeof(names) / sizeof(names[0]) };

#define X(scope, bit, name) ", " name
static const char joined[] = "" SCOPE_TABLE(X);
#undef X

const char *const scope_name_list = joined + 2;

const char *scope_name(unsigned scopes)
{
    for (int i = 0; i < SCOPE_COUNT; i++) {
        if (scopes & names[i].scope) {
            return names[i].name;
        }
    }
    return "";
}

unsigned scope_find(const char *name, size_t length)
{
    for (int i = 0; i < NAME_COUNT; i++) {
        if (strlen(names[i].name) == length && strncmp(names[i].name, name, length) == 0) {
            return names[i].scope;
        }
    }
    return 0;
}
