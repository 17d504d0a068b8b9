/* Names that matter to a file watch: its own temporaries, and entries that were told of already. */
#ifndef ATOLL_AGENT_WATCH_NAMES_H
#define ATOLL_AGENT_WATCH_NAMES_H

#include <stdbool.h>
#include <stddef.h>

/* Does the agent itself use such a name while it writes or removes files (".atoll-" and 16 digits)? They
 * are nobody's business. */
bool watch_name_hidden(const char *name);

/* Of such a name: does what was written there replace a file that existed? */
bool watch_name_replaces(const char *name);

enum { SEEN_BUCKETS = 1024, SEEN_MAX = 65536 };

struct seen_name;

/* Entries that were found in a directory while changes that tell of them may still wait to be read. */
struct seen_names {
    size_t count;
    struct seen_name *buckets[SEEN_BUCKETS];
};

/* false: there is no room. */
bool seen_names_add(struct seen_names *names, int wd, const char *name);
/* Was it there? It no longer is. */
bool seen_names_take(struct seen_names *names, int wd, const char *name);
void seen_names_clear(struct seen_names *names);

#endif
