/* Users and groups of the sandbox, from its /etc/passwd and /etc/group; no NSS. */
#ifndef ATOLL_AGENT_ACCOUNT_H
#define ATOLL_AGENT_ACCOUNT_H

#include <stddef.h>
#include <sys/types.h>

enum { ACCOUNT_NAME_SIZE = 64, ACCOUNT_HOME_SIZE = 256, ACCOUNT_GROUPS_MAX = 64 };

struct account {
    uid_t uid;
    gid_t gid;
    gid_t groups[ACCOUNT_GROUPS_MAX]; /* with gid first */
    size_t group_count;
    char name[ACCOUNT_NAME_SIZE]; /* decimal uid when the uid has no name */
    char home[ACCOUNT_HOME_SIZE]; /* "/" when unknown */
};

/* user: a name, or a decimal uid (which need not have a name; its gid is then the same number).
 * etc_fd: directory that holds passwd and group. Returns 0, or ENOENT. */
int account_find(int etc_fd, const char *user, struct account *ret_account);

/* The name, or the decimal number. */
void account_user_name(int etc_fd, uid_t uid, char text[ACCOUNT_NAME_SIZE]);
void account_group_name(int etc_fd, gid_t gid, char text[ACCOUNT_NAME_SIZE]);

#endif
