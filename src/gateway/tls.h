/* TLS of the gateway's second listener: the gateway's own certificate, and those of custom domains by server name. Any
 * thread. */
#ifndef ATOLL_GATEWAY_TLS_H
#define ATOLL_GATEWAY_TLS_H

#include "base/error.h"
#include "gateway/directory.h"

struct tls;
struct ssl_st;

/* cert_path: PEM with the chain and the private key. */
struct tls *tls_open(const char *cert_path, struct directory *directory, struct error *err);
struct tls *tls_close(struct tls *tls);

/* A server's side for an accepted socket; NULL when out of memory. */
struct ssl_st *tls_accept(struct tls *tls, int fd);

/* Goes on with the handshake. 1: done, 0: more must come (*ret_wants_write: go), -1: failed. */
int tls_handshake(struct ssl_st *ssl, bool *ret_wants_write);

#endif
