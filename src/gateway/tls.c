#include "gateway/tls.h"

#include "base/cleanup.h"
#include "base/log.h"

#include <errno.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <pthread.h>
#include <string.h>

enum { DOMAINS_MAX = 1024 };

/* The context of one custom domain, or of all names of a preview domain, as long as its certificate is the same. */
struct domain {
    struct domain *next;
    char hostname[DIRECTORY_HOST_SIZE];
    uint64_t generation;
    SSL_CTX *context;
};

struct tls {
    SSL_CTX *context;
    struct directory *directory;
    pthread_mutex_t mutex; /* guards what follows */
    struct domain *domains;
    size_t domain_count;
};

/* --- contexts -------------------------------------------------------------------------------- */

static int choose_protocol(SSL *ssl, const unsigned char **ret_name, unsigned char *ret_length,
                           const unsigned char *offered, unsigned int offered_length, void *context)
{
    (void)ssl;
    (void)context;
    static const unsigned char ours[] = "\x08http/1.1";
    unsigned char *chosen;
    if (SSL_select_next_proto(&chosen, ret_length, ours, sizeof(ours) - 1, offered,
                              offered_length) != OPENSSL_NPN_NEGOTIATED) {
        return SSL_TLSEXT_ERR_ALERT_FATAL;
    }
    *ret_name = chosen;
    return SSL_TLSEXT_ERR_OK;
}

static SSL_CTX *new_context(void)
{
    static const unsigned char session_id[] = "atoll";
    SSL_CTX *context = SSL_CTX_new(TLS_server_method());
    if (!context) {
        return NULL;
    }
    SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION);
    SSL_CTX_set_mode(context, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER |
                                  SSL_MODE_RELEASE_BUFFERS);
    SSL_CTX_set_options(context, SSL_OP_NO_RENEGOTIATION | SSL_OP_CIPHER_SERVER_PREFERENCE);
    SSL_CTX_set_session_id_context(context, session_id, sizeof(session_id) - 1);
    SSL_CTX_set_alpn_select_cb(context, choose_protocol, NULL);
    return context;
}

static SSL_CTX *context_of_pem(const char *pem)
{
    SSL_CTX *context = new_context();
    BIO *bio = BIO_new_mem_buf(pem, -1);
    X509 *certificate = bio ? PEM_read_bio_X509_AUX(bio, NULL, NULL, NULL) : NULL;
    bool good = context && certificate && SSL_CTX_use_certificate(context, certificate) == 1;
    X509 *issuer;
    while (good && (issuer = PEM_read_bio_X509(bio, NULL, NULL, NULL))) {
        good = SSL_CTX_add0_chain_cert(context, issuer) == 1;
    }
    BIO_free(bio);
    bio = BIO_new_mem_buf(pem, -1);
    EVP_PKEY *key = bio ? PEM_read_bio_PrivateKey(bio, NULL, NULL, NULL) : NULL;
    good = good && key && SSL_CTX_use_PrivateKey(context, key) == 1 &&
           SSL_CTX_check_private_key(context) == 1;
    BIO_free(bio);
    EVP_PKEY_free(key);
    X509_free(certificate);
    ERR_clear_error();
    if (!good) {
        SSL_CTX_free(context);
        return NULL;
    }
    return context;
}

/* --- custom domains -------------------------------------------------------------------------- */

static void free_domain(struct domain *domain)
{
    SSL_CTX_free(domain->context);
    free(domain);
}

static struct domain **find_domain(struct tls *tls, const char *hostname)
{
    struct domain **slot = &tls->domains;
    while (*slot && strcmp((*slot)->hostname, hostname) != 0) {
        slot = &(*slot)->next;
    }
    return slot;
}

/* Sets the context for the domain's certificate; called with the mutex held. */
static void use_domain(struct tls *tls, SSL *ssl, const char *hostname, const char *pem,
                       uint64_t generation)
{
    struct domain **slot = find_domain(tls, hostname);
    if (*slot && (*slot)->generation != generation) {
        struct domain *old = *slot;
        *slot = old->next;
        tls->domain_count--;
        free_domain(old);
        slot = find_domain(tls, hostname);
    }
    if (!*slot && tls->domain_count < DOMAINS_MAX) {
        struct domain *domain = calloc(1, sizeof(*domain));
        SSL_CTX *context = context_of_pem(pem);
        if (!domain || !context) {
            log_warn("gateway.certificate_unusable", "hostname=%s", hostname);
            SSL_CTX_free(context);
            free(domain);
            return;
        }
        snprintf(domain->hostname, sizeof(domain->hostname), "%s", hostname);
        domain->generation = generation;
        domain->context = context;
        *slot = domain;
        tls->domain_count++;
    }
    if (*slot) {
        SSL_set_SSL_CTX(ssl, (*slot)->context);
    }
}

static int choose_certificate(SSL *ssl, int *alert, void *argument)
{
    (void)alert;
    struct tls *tls = argument;
    const char *name = SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name);
    if (!name || strlen(name) >= DIRECTORY_HOST_SIZE) {
        return SSL_TLSEXT_ERR_OK;
    }
    auto_free char *pem = NULL;
    char kept_as[DIRECTORY_HOST_SIZE];
    uint64_t generation = 0;
    if (directory_certificate(tls->directory, name, &pem, kept_as, &generation)) {
        pthread_mutex_lock(&tls->mutex);
        use_domain(tls, ssl, kept_as, pem, generation);
        pthread_mutex_unlock(&tls->mutex);
    }
    return SSL_TLSEXT_ERR_OK;
}

/* --- the gateway's own ----------------------------------------------------------------------- */

struct tls *tls_open(const char *cert_path, struct directory *directory, struct error *err)
{
    struct tls *tls = calloc(1, sizeof(*tls));
    if (!tls || !(tls->context = new_context())) {
        error_set(err, ERR_INTERNAL, ENOMEM, "make a TLS context");
        return tls_close(tls);
    }
    tls->directory = directory;
    pthread_mutex_init(&tls->mutex, NULL);
    SSL_CTX_set_tlsext_servername_callback(tls->context, choose_certificate);
    SSL_CTX_set_tlsext_servername_arg(tls->context, tls);
    if (SSL_CTX_use_certificate_chain_file(tls->context, cert_path) != 1 ||
        SSL_CTX_use_PrivateKey_file(tls->context, cert_path, SSL_FILETYPE_PEM) != 1 ||
        SSL_CTX_check_private_key(tls->context) != 1) {
        const char *reason = ERR_reason_error_string(ERR_get_error());
        error_set_field(err, ERR_VALIDATION, "gateway_cert",
                        "gateway_cert '%s' does not hold a certificate chain and its key: %s",
                        cert_path, reason ? reason : "unusable");
        ERR_clear_error();
        return tls_close(tls);
    }
    return tls;
}

struct tls *tls_close(struct tls *tls)
{
    if (!tls) {
        return NULL;
    }
    while (tls->domains) {
        struct domain *domain = tls->domains;
        tls->domains = domain->next;
        free_domain(domain);
    }
    if (tls->directory) {
        pthread_mutex_destroy(&tls->mutex);
    }
    SSL_CTX_free(tls->context);
    free(tls);
    return NULL;
}

struct ssl_st *tls_accept(struct tls *tls, int fd)
{
    SSL *ssl = SSL_new(tls->context);
    if (ssl && SSL_set_fd(ssl, fd) != 1) {
        SSL_free(ssl);
        return NULL;
    }
    if (ssl) {
        SSL_set_accept_state(ssl);
    }
    return ssl;
}

int tls_handshake(struct ssl_st *ssl, bool *ret_wants_write)
{
    ERR_clear_error();
    int result = SSL_do_handshake(ssl);
    if (result == 1) {
        return 1;
    }
    int error = SSL_get_error(ssl, result);
    *ret_wants_write = error == SSL_ERROR_WANT_WRITE;
    return error == SSL_ERROR_WANT_READ || error == SSL_ERROR_WANT_WRITE ? 0 : -1;
}
