#include "gateway/domain_verify.h"

#include "gateway/dns_lookup.h"

#include <curl/curl.h>
#include <stdio.h>
#include <string.h>

enum { FILE_TIMEOUT_MS = 5000, FILE_MAX = 256 };

char *domain_record_name(const struct store_domain *domain, char text[DOMAIN_RECORD_SIZE])
{
    snprintf(text, DOMAIN_RECORD_SIZE, "_atoll.%s", domain->hostname);
    return text;
}

char *domain_file_url(const struct store_domain *domain, char text[DOMAIN_FILE_SIZE])
{
    snprintf(text, DOMAIN_FILE_SIZE, "http://%s/.well-known/atoll-challenge/%s", domain->hostname,
             domain->token);
    return text;
}

struct file {
    char text[FILE_MAX];
    size_t length;
};

static size_t take(char *bytes, size_t size, size_t count, void *context)
{
    struct file *file = context;
    size_t length = size * count;
    if (length >= sizeof(file->text) - file->length) {
        return 0; /* longer than a token: ends the transfer */
    }
    memcpy(file->text + file->length, bytes, length);
    file->length += length;
    file->text[file->length] = '\0';
    return length;
}

/* With our own DNS server, its word counts for the address as well. */
static struct curl_slist *resolve(const struct settings *settings, const char *hostname)
{
    char address[INET_ADDRSTRLEN], entry[HOSTNAME_SIZE + INET_ADDRSTRLEN + 8];
    if (!settings->dns_server[0] || !dns_address(settings->dns_server, hostname, address)) {
        return NULL;
    }
    snprintf(entry, sizeof(entry), "%s:80:%s", hostname, address);
    return curl_slist_append(NULL, entry);
}

static bool fetch(const struct settings *settings, const struct store_domain *domain,
                  struct file *ret_file)
{
    char url[DOMAIN_FILE_SIZE];
    long status = 0;
    struct curl_slist *address = resolve(settings, domain->hostname);
    CURL *curl = curl_easy_init();
    bool fetched = false;
    if (curl && (address || !settings->dns_server[0])) {
        curl_easy_setopt(curl, CURLOPT_URL, domain_file_url(domain, url));
        curl_easy_setopt(curl, CURLOPT_RESOLVE, address);
        curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "http");
        curl_easy_setopt(curl, CURLOPT_PROXY, "");
        curl_easy_setopt(curl, CURLOPT_TIMEOUT_MS, (long)FILE_TIMEOUT_MS);
        curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
        curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, take);
        curl_easy_setopt(curl, CURLOPT_WRITEDATA, ret_file);
        fetched = curl_easy_perform(curl) == CURLE_OK &&
                  curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &status) == CURLE_OK &&
                  status == 200;
    }
    curl_easy_cleanup(curl);
    curl_slist_free_all(address);
    return fetched;
}

static bool file_holds_token(const struct settings *settings, const struct store_domain *domain)
{
    struct file file = {0};
    if (!fetch(settings, domain, &file)) {
        return false;
    }
    file.text[strcspn(file.text, "\r\n")] = '\0';
    return strcmp(file.text, domain->token) == 0;
}

int domain_verify_record(const struct settings *settings, const struct store_domain *domain,
                         struct error *err)
{
    char name[DOMAIN_RECORD_SIZE];
    if (dns_has_text(settings->dns_server, domain_record_name(domain, name), domain->token)) {
        return 0;
    }
    error_set(err, ERR_DOMAIN_NOT_VERIFIED, 0, "the TXT record %s has not the domain's token",
              name);
    return error_hint(err, "Create the records that dns_records names, wait until they are "
                           "visible, and verify again.");
}

int domain_verify(const struct settings *settings, const struct store_domain *domain,
                  struct error *err)
{
    char name[DOMAIN_RECORD_SIZE];
    domain_record_name(domain, name);
    if (dns_has_text(settings->dns_server, name, domain->token) ||
        file_holds_token(settings, domain)) {
        return 0;
    }
    /* No more than that: what a server of somebody's choice answered is nobody's business. */
    error_set(err, ERR_DOMAIN_NOT_VERIFIED, 0,
              "neither the TXT record %s nor the file at "
              "http://%s/.well-known/atoll-challenge/ has the domain's token",
              name, domain->hostname);
    return error_hint(err,
                      "Create the record that dns_records names, wait until it is visible, and "
                      "verify again.");
}
