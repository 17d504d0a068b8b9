#include "gateway/dns_lookup.h"

#include <arpa/inet.h>
#include <arpa/nameser.h>
#include <resolv.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { ANSWER_MAX = 8192, RETRY_SEC = 2, RETRIES = 2, TEXT_MAX = 512 };

/* Points the resolver at the server; false: that is no address. */
static bool use_server(struct __res_state *resolver, const char *server)
{
    char address[INET_ADDRSTRLEN];
    const char *colon = strchr(server, ':');
    size_t length = colon ? (size_t)(colon - server) : strlen(server);
    struct sockaddr_in name = {.sin_family = AF_INET, .sin_port = htons(NAMESERVER_PORT)};
    if (length >= sizeof(address)) {
        return false;
    }
    memcpy(address, server, length);
    address[length] = '\0';
    if (colon) {
        name.sin_port = htons((uint16_t)strtol(colon + 1, NULL, 10));
    }
    if (inet_pton(AF_INET, address, &name.sin_addr) != 1) {
        return false;
    }
    resolver->nsaddr_list[0] = name;
    resolver->nscount = 1;
    return true;
}

/* The answer's length, or -1. */
static int ask(const char *server, const char *name, int type, unsigned char *answer)
{
    struct __res_state resolver = {0};
    if (res_ninit(&resolver) != 0) {
        return -1;
    }
    resolver.retrans = RETRY_SEC;
    resolver.retry = RETRIES;
    int length = -1;
    if (!server[0] || use_server(&resolver, server)) {
        length = res_nquery(&resolver, name, ns_c_in, type, answer, ANSWER_MAX);
    }
    res_nclose(&resolver);
    return length > ANSWER_MAX ? -1 : length;
}

/* Joins the strings of a TXT record; false: malformed or longer than anything looked for. */
static bool join_text(const unsigned char *data, size_t length, char text[TEXT_MAX])
{
    size_t used = 0;
    while (length > 0) {
        size_t part = data[0];
        if (part + 1 > length || used + part >= TEXT_MAX) {
            return false;
        }
        memcpy(text + used, data + 1, part);
        used += part;
        data += part + 1;
        length -= part + 1;
    }
    text[used] = '\0';
    return strlen(text) == used;
}

/* Steps through the records of that type in the answer; false at the end. *position begins at 0. */
static bool next_record(ns_msg *message, int type, int *position, ns_rr *ret_record)
{
    while (*position < ns_msg_count(*message, ns_s_an)) {
        if (ns_parserr(message, ns_s_an, (*position)++, ret_record) == 0 &&
            (int)ns_rr_type(*ret_record) == type) {
            return true;
        }
    }
    return false;
}

bool dns_has_text(const char *server, const char *name, const char *text)
{
    unsigned char answer[ANSWER_MAX];
    char found[TEXT_MAX];
    ns_msg message;
    ns_rr record;
    int position = 0;
    int length = ask(server, name, ns_t_txt, answer);
    if (length < 0 || ns_initparse(answer, length, &message) != 0) {
        return false;
    }
    while (next_record(&message, ns_t_txt, &position, &record)) {
        if (join_text(ns_rr_rdata(record), ns_rr_rdlen(record), found) &&
            strcmp(found, text) == 0) {
            return true;
        }
    }
    return false;
}

bool dns_address(const char *server, const char *name, char address[INET_ADDRSTRLEN])
{
    unsigned char answer[ANSWER_MAX];
    ns_msg message;
    ns_rr record;
    int position = 0;
    int length = ask(server, name, ns_t_a, answer);
    if (length < 0 || ns_initparse(answer, length, &message) != 0) {
        return false;
    }
    while (next_record(&message, ns_t_a, &position, &record)) {
        if (ns_rr_rdlen(record) == sizeof(struct in_addr)) {
            return inet_ntop(AF_INET, ns_rr_rdata(record), address, INET_ADDRSTRLEN);
        }
    }
    return false;
}
