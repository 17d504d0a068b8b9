/* What requests about custom domains and preview domains have in common. */
#ifndef ATOLL_API_DOMAIN_FIELDS_H
#define ATOLL_API_DOMAIN_FIELDS_H

#include "base/settings.h"
#include "store/store_domains.h"

#include <jansson.h>

/* Lower case, without the dot of the root. */
void hostname_normalise(const char *text, char hostname[HOSTNAME_SIZE]);

/* Normalises; as domain_check_hostname. */
int hostname_check(const struct settings *settings, const char *field, const char *text,
                   char hostname[HOSTNAME_SIZE], struct error *err);

/* The members "certificate" and "private_key", when they are there: checked for hostname, put into *domain. */
int certificate_member(json_t *body, const char *hostname, struct store_domain *domain,
                       struct error *err);

/* {status, expires_at} */
json_t *domain_tls(const struct store_domain *domain);

#endif
