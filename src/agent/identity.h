/* The files that tell a sandbox who it is. */
#ifndef ATOLL_AGENT_IDENTITY_H
#define ATOLL_AGENT_IDENTITY_H

/* Replaces hostname, hosts and resolv.conf in the directory etc. resolvers: comma-separated addresses.
 * Each may be NULL: its file is then left alone. Best effort: a full disk must not keep a sandbox from
 * starting. */
void identity_write(const char *etc, const char *hostname, const char *address,
                    const char *resolvers);

/* Replaces the machine id in the directory, unless it is empty or missing: a copy of a sandbox is not the one
 * it was copied from. Best effort. */
void identity_renew(const char *directory);

#endif
