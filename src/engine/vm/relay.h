/* Passes connections of a Unix socket on to the agent of the machine whose network namespace this is, as bytes. For the
 * supervisor: not trusted, bounded, one thread. */
#ifndef ATOLL_ENGINE_VM_RELAY_H
#define ATOLL_ENGINE_VM_RELAY_H

enum { RELAY_LINKS_MAX = 1800 /* two descriptors each */, RELAY_CHUNK_BYTES = 64 * 1024 };

struct relay;

/* listener: a listening socket that does not block; the caller's. NULL with errno. */
struct relay *relay_new(int listener);

/* Readable when there is something to do. */
int relay_fd(const struct relay *relay);

/* Does what can be done without waiting. */
void relay_work(struct relay *relay);

#endif
