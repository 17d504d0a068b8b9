/* Proof that a host name is whose it is said to be: a DNS record or a file that only its owner can place. */
#ifndef ATOLL_GATEWAY_DOMAIN_VERIFY_H
#define ATOLL_GATEWAY_DOMAIN_VERIFY_H

#include "base/error.h"
#include "base/settings.h"
#include "store/store_domains.h"

#include <stdbool.h>

enum { DOMAIN_RECORD_SIZE = HOSTNAME_SIZE + 16, DOMAIN_FILE_SIZE = HOSTNAME_SIZE + 96 };

/* "_atoll.<hostname>", where the TXT record with the token is looked for. Returns text. */
char *domain_record_name(const struct store_domain *domain, char text[DOMAIN_RECORD_SIZE]);

/* "http://<hostname>/.well-known/atoll-challenge/<token>", which may hold the token instead. Returns text. */
char *domain_file_url(const struct store_domain *domain, char text[DOMAIN_FILE_SIZE]);

/* Looks for either, for some seconds at most. ERR_DOMAIN_NOT_VERIFIED saying what to create. */
int domain_verify(const struct settings *settings, const struct store_domain *domain,
                  struct error *err);

/* As domain_verify, by the DNS record alone: a file proves nothing of the names below. */
int domain_verify_record(const struct settings *settings, const struct store_domain *domain,
                         struct error *err);

#endif
