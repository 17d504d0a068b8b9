/* What belongs to one running atolld: its data directory, its lock, its privileges, its limits. */
#ifndef ATOLL_DAEMON_INSTANCE_H
#define ATOLL_DAEMON_INSTANCE_H

#include "base/error.h"
#include "base/settings.h"

enum { INSTANCE_PATH_SIZE = 512 };

/* Makes STATE and STATE/data when they are missing (as root: data belongs to settings.user). */
int instance_prepare(const struct settings *settings, struct error *err);

/* Started as root: becomes settings.user for good, without capabilities (but the one to
 * serve ports below 1024, when a setting names one), and checks that there is no way back. Started as anybody else: only gives up the means to gain privileges. */
int instance_drop_privileges(const struct settings *settings, struct error *err);

/* Takes the lock of the data directory, so that one atolld writes there; *ret_fd holds it. Writes the
 * process id into the same file. ERR_CONFLICT when another one has it. */
int instance_lock(const struct settings *settings, int *ret_fd, struct error *err);

/* Raises the limit of open descriptors as far as it may be raised. */
void instance_raise_limits(const struct settings *settings);

/* Path of the database. */
char *instance_database(const struct settings *settings, char path[INSTANCE_PATH_SIZE]);

/* Directory of the template definitions: the setting, else STATE/templates, else the installed ones,
 * else those of the source tree. */
char *instance_catalogue(const struct settings *settings, char path[INSTANCE_PATH_SIZE]);

/* Directory of the template images: the setting, else STATE/images. */
char *instance_images(const struct settings *settings, char path[INSTANCE_PATH_SIZE]);

#endif
