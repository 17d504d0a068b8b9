#include "daemon/instance.h"

#include <errno.h>
#include <grp.h>
#include <linux/capability.h>
#include <pwd.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { CAPABILITY_MAX = 63 };

/* So that no capability can come back through a file that is executed. */
static void empty_bounding_set(void)
{
    for (int capability = 0; capability <= CAPABILITY_MAX; capability++) {
        prctl(PR_CAPBSET_DROP, capability, 0, 0, 0); /* beyond the kernel's last one: EINVAL */
    }
}

static int become(const struct passwd *entry, struct error *err)
{
    if (initgroups(entry->pw_name, entry->pw_gid) < 0 ||
        setresgid(entry->pw_gid, entry->pw_gid, entry->pw_gid) < 0 ||
        setresuid(entry->pw_uid, entry->pw_uid, entry->pw_uid) < 0) {
        return error_set(err, ERR_INTERNAL, errno, "become the user '%s'", entry->pw_name);
    }
    if (setuid(0) == 0 || setgid(0) == 0 || getuid() != entry->pw_uid ||
        geteuid() != entry->pw_uid || getegid() != entry->pw_gid) {
        return error_set(err, ERR_INTERNAL, 0, "root's privileges are still there as user '%s'",
                         entry->pw_name);
    }
    return 0;
}

static bool is_low_port(const char *address)
{
    const char *colon = strrchr(address, ':');
    long port = colon ? strtol(colon + 1, NULL, 10) : 0;
    return port > 0 && port < 1024;
}

static bool needs_low_port(const struct settings *settings)
{
    return is_low_port(settings->listen) || is_low_port(settings->gateway) ||
           is_low_port(settings->gateway_tls);
}

/* All but the one that serves ports below 1024, which stays only if such a port is to be served and it is
 * there to be kept. */
static int clear_capabilities(const struct settings *settings, struct error *err)
{
    struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct own[2] = {0}, kept[2] = {0};
    prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
    if (needs_low_port(settings) && syscall(SYS_capget, &header, own) == 0) {
        kept[0].permitted = own[0].permitted & (1u << CAP_NET_BIND_SERVICE);
        kept[0].effective = kept[0].permitted;
    }
    if (syscall(SYS_capset, &header, kept) < 0) {
        return error_set(err, ERR_INTERNAL, errno, "give up capabilities");
    }
    prctl(PR_SET_KEEPCAPS, 0, 0, 0, 0);
    return 0;
}

int instance_drop_privileges(const struct settings *settings, struct error *err)
{
    if (geteuid() == 0) {
        const struct passwd *entry = getpwnam(settings->user);
        if (!entry || entry->pw_uid == 0) {
            error_set_field(err, ERR_NOT_FOUND, "user",
                            entry ? "the user '%s' is root" : "there is no user '%s'",
                            settings->user);
            return error_hint(err, "Make it: useradd --system --user-group %s", settings->user);
        }
        empty_bounding_set();
        prctl(PR_SET_KEEPCAPS, needs_low_port(settings), 0, 0, 0);
        if (become(entry, err) < 0) {
            return -1;
        }
    }
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0) {
        return error_set(err, ERR_INTERNAL, errno, "no_new_privs");
    }
    return clear_capabilities(settings, err);
}
