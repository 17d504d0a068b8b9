/* The opening handshake's pure parts. */
#include "websocket/websocket.h"

#include <ctype.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

enum { KEY_LENGTH = 24, DIGEST_BYTES = 20 };

static bool is_key(const char *key)
{
    size_t length = strspn(key, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/");
    return length == KEY_LENGTH - 2 && strcmp(key + length, "==") == 0;
}

bool websocket_accept_key(const char *key, char accept[WEBSOCKET_ACCEPT_SIZE])
{
    if (!is_key(key)) {
        return false;
    }
    char text[64];
    unsigned char digest[EVP_MAX_MD_SIZE];
    int length = snprintf(text, sizeof(text), "%s258EAFA5-E914-47DA-95CA-C5AB0DC85B11", key);
    if (!EVP_Digest(text, (size_t)length, digest, NULL, EVP_sha1(), NULL)) {
        return false;
    }
    EVP_EncodeBlock((unsigned char *)accept, digest, DIGEST_BYTES);
    return true;
}

bool websocket_offers(const char *header, const char *protocol)
{
    size_t wanted = strlen(protocol);
    while (*header) {
        header += strspn(header, " \t,");
        size_t length = strcspn(header, ",");
        size_t trimmed = length;
        while (trimmed > 0 && isblank((unsigned char)header[trimmed - 1])) {
            trimmed--;
        }
        if (trimmed == wanted && strncmp(header, protocol, wanted) == 0) {
            return true;
        }
        header += length;
    }
    return false;
}
