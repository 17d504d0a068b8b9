/* One connection to the HTTP API: configuration, requests, errors. Single-threaded. */
#ifndef ATOLL_CLI_CLIENT_H
#define ATOLL_CLI_CLIENT_H

#include "base/buffer.h"
#include "base/error.h"

#include <curl/curl.h>
#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

enum {
    CLIENT_URL_MAX = 1024,
    CLIENT_REPLY_MAX = 64 * 1024 * 1024, /* two captured outputs of 10 MB, escaped as JSON */
};

struct client {
    char url[CLIENT_URL_MAX]; /* scheme, host and port; no slash at the end */
    char key[256];
    CURL *curl; /* kept for its open connection */
};

/* A request whose body or reply is not JSON names the descriptor; -1 otherwise. */
struct request {
    const char *method;
    const char *path;     /* below /api/v1, escaped; "//health" is outside of it */
    const json_t *body;   /* or NULL */
    int upload_fd;        /* raw body read from here */
    int64_t upload_bytes; /* its length; -1: unknown, sent chunked */
    int download_fd;      /* raw body of a successful reply is written here */
};

/* Where server and key were found. Fails with a hint that says how to set them. */
int client_configure(struct client *client, struct error *err);

/* client_configure and the HTTP handle. */
int client_open(struct client *client, struct error *err);

/* Accepts a zeroed client. */
void client_close(struct client *client);

/* Sends and waits. *ret_reply (may be NULL) is the caller's; NULL when the reply had no JSON.
 * Not reached: ERR_HOST_UNAVAILABLE with errnum ECONNREFUSED. API errors keep code and hint. */
int client_send(struct client *client, const struct request *request, json_t **ret_reply,
                struct error *err);

/* client_send with a JSON body or none. */
int client_call(struct client *client, const char *method, const char *path, const json_t *body,
                json_t **ret_reply, struct error *err);

/* Sets URL, key and defaults on a handle of the caller; *ret_headers is freed by the caller after
 * use (curl_slist_free_all). */
int client_prepare(const struct client *client, CURL *curl, const char *path,
                   const char *content_type, struct curl_slist **ret_headers, struct error *err);

/* Turns a failed transfer into *err; returns -1. */
int client_transfer_error(const struct client *client, CURLcode code, struct error *err);

/* Turns a reply with a status ≥ 400 into *err; returns -1. */
int client_status_error(long status, const char *body, size_t length, struct error *err);

/* The object inside an envelope {"data": …}, or the reply itself. Borrowed. */
json_t *reply_data(json_t *reply);

/* Member as text, number; "" or 0 when absent or of another type. Borrowed. */
const char *json_text(const json_t *object, const char *key);
int64_t json_number(const json_t *object, const char *key);

/* Appends text, percent-escaped but for unreserved characters. 0 or -1. */
int url_escape(struct buffer *buffer, const char *text);

/* The sandbox's id from an id or a name, into id[size]. */
int sandbox_resolve(struct client *client, const char *reference, char *id, size_t size,
                    struct error *err);

static inline void cleanup_json(json_t **json)
{
    json_decref(*json);
}

#define auto_json   __attribute__((cleanup(cleanup_json)))
#define auto_client __attribute__((cleanup(client_close)))

#endif
