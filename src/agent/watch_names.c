#include "agent/watch_names.h"

#include <stdlib.h>
#include <string.h>

struct seen_name {
    struct seen_name *next;
    int wd;
    char name[];
};

bool watch_name_hidden(const char *name)
{
    static const char prefix[] = ".atoll-";
    size_t length = sizeof(prefix) - 1;
    return strncmp(name, prefix, length) == 0 && strspn(name + length, "0123456789abcdef") == 16 &&
           name[length + 16] == '\0';
}

/* Its last digit is odd then: see open_temporary in file_target.c. */
bool watch_name_replaces(const char *name)
{
    return watch_name_hidden(name) && strchr("13579bdf", name[strlen(name) - 1]);
}

static struct seen_name **find(struct seen_names *names, int wd, const char *name)
{
    size_t hash = (size_t)wd * 16777619u;
    for (const char *at = name; *at; at++) {
        hash = (hash ^ (unsigned char)*at) * 16777619u;
    }
    struct seen_name **link = &names->buckets[hash % SEEN_BUCKETS];
    while (*link && ((*link)->wd != wd || strcmp((*link)->name, name) != 0)) {
        link = &(*link)->next;
    }
    return link;
}

bool seen_names_add(struct seen_names *names, int wd, const char *name)
{
    size_t size = strlen(name) + 1;
    struct seen_name **link = find(names, wd, name);
    if (*link) {
        return true;
    }
    struct seen_name *seen = names->count < SEEN_MAX ? malloc(sizeof(*seen) + size) : NULL;
    if (!seen) {
        return false;
    }
    seen->next = NULL;
    seen->wd = wd;
    memcpy(seen->name, name, size);
    *link = seen;
    names->count++;
    return true;
}

bool seen_names_take(struct seen_names *names, int wd, const char *name)
{
    struct seen_name **link = find(names, wd, name);
    struct seen_name *seen = *link;
    if (!seen) {
        return false;
    }
    *link = seen->next;
    free(seen);
    names->count--;
    return true;
}

void seen_names_clear(struct seen_names *names)
{
    for (size_t i = 0; names->count > 0 && i < SEEN_BUCKETS; i++) {
        while (names->buckets[i]) {
            struct seen_name *seen = names->buckets[i];
            names->buckets[i] = seen->next;
            free(seen);
            names->count--;
        }
    }
}
