/* What commands find in their environment unless they are given something else. */
#ifndef ATOLL_WIRE_SANDBOX_ENVIRONMENT_H
#define ATOLL_WIRE_SANDBOX_ENVIRONMENT_H

#define SANDBOX_PATH "/opt/venv/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
#define SANDBOX_LANG "C.UTF-8"

#endif
