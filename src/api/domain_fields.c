#include "api/domain_fields.h"

#include "api/body_fields.h"
#include "api/domains.h"
#include "api/preview_fields.h"
#include "gateway/certificate.h"
#include "gateway/domains.h"

#include <ctype.h>
#include <string.h>

void hostname_normalise(const char *text, char hostname[HOSTNAME_SIZE])
{
    size_t length = 0;
    for (; text[length] && length + 1 < HOSTNAME_SIZE; length++) {
        hostname[length] = (char)tolower((unsigned char)text[length]);
    }
    if (length > 1 && hostname[length - 1] == '.') {
        length--;
    }
    hostname[length] = '\0';
}

int hostname_check(const struct settings *settings, const char *field, const char *text,
                   char hostname[HOSTNAME_SIZE], struct error *err)
{
    if (strlen(text) >= HOSTNAME_SIZE) {
        return error_set_field(err, ERR_VALIDATION, field, "%s is too long", field);
    }
    hostname_normalise(text, hostname);
    return domain_check_hostname(settings, field, hostname, err);
}

int certificate_member(json_t *body, const char *hostname, struct store_domain *domain,
                       struct error *err)
{
    const char *chain, *key;
    char *pem;
    if (body_string(body, "certificate", &chain, err) < 0 ||
        body_string(body, "private_key", &key, err) < 0) {
        return -1;
    }
    if (!chain && !key) {
        return 0;
    }
    if (!chain || !key) {
        const char *missing = chain ? "private_key" : "certificate";
        return error_set_field(err, ERR_MISSING_PARAM, missing,
                               "certificate and private_key go together; %s is missing", missing);
    }
    if (certificate_check(chain, key, hostname, &pem, &domain->certificate_expires_ms, err) < 0) {
        return -1;
    }
    domain_clear(domain);
    domain->pem = pem;
    return 0;
}

json_t *domain_tls(const struct store_domain *domain)
{
    return json_pack("{s:s, s:o}", "status", domain->pem ? "certificate" : "none", "expires_at",
                     time_member(domain->certificate_expires_ms));
}
