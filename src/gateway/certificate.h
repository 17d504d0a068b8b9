/* Certificates that users bring. Pure. */
#ifndef ATOLL_GATEWAY_CERTIFICATE_H
#define ATOLL_GATEWAY_CERTIFICATE_H

#include "base/error.h"

#include <stdint.h>

enum { CERTIFICATE_PEM_MAX = 64 * 1024 };

/* Checks that chain (PEM, the host's own certificate first) is for hostname ("*.…": for every name one label longer) and
 * has not expired, and that key (PEM, without passphrase) is its key. *ret_pem: both together, the caller's to free().
 * ERR_VALIDATION naming "certificate" or "private_key"; messages hold nothing of the key. */
int certificate_check(const char *chain, const char *key, const char *hostname, char **ret_pem,
                      int64_t *ret_expires_ms, struct error *err);

#endif
