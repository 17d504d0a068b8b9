#include "gateway/certificate.h"

#include <errno.h>
#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

/* So that a key with a passphrase is refused instead of asked for on the daemon's terminal. */
static int no_passphrase(char *text, int size, int writing, void *context)
{
    (void)text;
    (void)size;
    (void)writing;
    (void)context;
    return 0;
}

static X509 *read_certificate(const char *chain, struct error *err)
{
    ERR_clear_error();
    BIO *bio = BIO_new_mem_buf(chain, -1);
    X509 *certificate = bio ? PEM_read_bio_X509(bio, NULL, no_passphrase, NULL) : NULL;
    /* the others of the chain must be readable, too */
    X509 *next = NULL;
    while (certificate && (next = PEM_read_bio_X509(bio, NULL, no_passphrase, NULL))) {
        X509_free(next);
    }
    bool whole = certificate && ERR_GET_REASON(ERR_peek_last_error()) == PEM_R_NO_START_LINE;
    ERR_clear_error();
    BIO_free(bio);
    if (!whole) {
        X509_free(certificate);
        error_set_field(err, ERR_VALIDATION, "certificate",
                        "certificate must be a chain of PEM certificates, the host's own first");
        return NULL;
    }
    return certificate;
}

static int check_key(X509 *certificate, const char *key, struct error *err)
{
    BIO *bio = BIO_new_mem_buf(key, -1);
    EVP_PKEY *parsed = bio ? PEM_read_bio_PrivateKey(bio, NULL, no_passphrase, NULL) : NULL;
    bool matches = parsed && X509_check_private_key(certificate, parsed) == 1;
    BIO_free(bio);
    EVP_PKEY_free(parsed);
    ERR_clear_error();
    if (!parsed) {
        return error_set_field(err, ERR_VALIDATION, "private_key",
                               "private_key must be a PEM key without passphrase");
    }
    return matches ? 0
                   : error_set_field(err, ERR_VALIDATION, "private_key",
                                     "private_key is not the key of the certificate");
}

static int check_host(X509 *certificate, const char *hostname, struct error *err)
{
    /* A name that none but a wildcard's certificate is for. */
    char example[512];
    bool is_wildcard = strncmp(hostname, "*.", 2) == 0;
    snprintf(example, sizeof(example), "%s%s", is_wildcard ? "atoll-7f3k9w2m" : "",
             hostname + is_wildcard);
    if (X509_check_host(certificate, example, strlen(example), 0, NULL) != 1) {
        return error_set_field(err, ERR_VALIDATION, "certificate", "certificate is not for %s",
                               hostname);
    }
    return 0;
}

static int check_time(X509 *certificate, int64_t *ret_expires_ms, struct error *err)
{
    struct tm until = {0};
    if (ASN1_TIME_to_tm(X509_get0_notAfter(certificate), &until) != 1) {
        return error_set_field(err, ERR_VALIDATION, "certificate", "certificate has no valid end");
    }
    time_t expires = timegm(&until);
    if (expires <= time(NULL)) {
        return error_set_field(err, ERR_VALIDATION, "certificate", "certificate has expired");
    }
    *ret_expires_ms = (int64_t)expires * 1000;
    return 0;
}

int certificate_check(const char *chain, const char *key, const char *hostname, char **ret_pem,
                      int64_t *ret_expires_ms, struct error *err)
{
    if (strlen(chain) + strlen(key) > CERTIFICATE_PEM_MAX) {
        return error_set_field(err, ERR_VALIDATION, "certificate",
                               "certificate and private_key together are longer than %d bytes",
                               CERTIFICATE_PEM_MAX);
    }
    X509 *certificate = read_certificate(chain, err);
    if (!certificate) {
        return -1;
    }
    int result = check_key(certificate, key, err) < 0 ||
                         check_host(certificate, hostname, err) < 0 ||
                         check_time(certificate, ret_expires_ms, err) < 0
                     ? -1
                     : 0;
    X509_free(certificate);
    if (result == 0 && asprintf(ret_pem, "%s\n%s\n", chain, key) < 0) {
        *ret_pem = NULL;
        result = error_set(err, ERR_INTERNAL, ENOMEM, "keep a certificate");
    }
    return result;
}
