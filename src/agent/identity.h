/* The files that tell a sandbox who it is. */
#ifndef ATOLL_AGENT_IDENTITY_H
#define ATOLL_AGENT_IDENTITY_H

/* Replaces hostname, hosts and resolv.conf in the directory etc. resolvers: comma-separated addresses.
 * Each may be NULL: its file is then left alone. Best effort: a full disk must not keep a sandbox from
 * starting. */
void identity_write(const char *etc, const char *hostname, const char *address,
                    const char *resolvers);

#endif
