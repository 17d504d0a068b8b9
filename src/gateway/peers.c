#include "gateway/peers.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

enum { PEER_BUCKETS = 4096 };

struct peer {
    struct peer *next;
    struct in6_addr address;
    int64_t connections;
};

struct peers {
    pthread_mutex_t mutex; /* guards buckets */
    int64_t max_each;
    struct peer *buckets[PEER_BUCKETS];
};

struct peers *peers_new(int64_t max_each)
{
    struct peers *peers = calloc(1, sizeof(*peers));
    if (peers) {
        pthread_mutex_init(&peers->mutex, NULL);
        peers->max_each = max_each;
    }
    return peers;
}

struct peers *peers_free(struct peers *peers)
{
    for (size_t i = 0; peers && i < PEER_BUCKETS; i++) {
        while (peers->buckets[i]) {
            struct peer *peer = peers->buckets[i];
            peers->buckets[i] = peer->next;
            free(peer);
        }
    }
    if (peers) {
        pthread_mutex_destroy(&peers->mutex);
        free(peers);
    }
    return NULL;
}

/* Where the address' row is, or the bucket's end. */
static struct peer **find(struct peers *peers, const struct in6_addr *address)
{
    uint32_t hash = 2166136261U;
    for (size_t i = 0; i < sizeof(address->s6_addr); i++) {
        hash = (hash ^ address->s6_addr[i]) * 16777619U;
    }
    struct peer **slot = &peers->buckets[hash % PEER_BUCKETS];
    while (*slot && memcmp(&(*slot)->address, address, sizeof(*address)) != 0) {
        slot = &(*slot)->next;
    }
    return slot;
}

bool peers_take(struct peers *peers, const struct in6_addr *address)
{
    pthread_mutex_lock(&peers->mutex);
    struct peer **slot = find(peers, address);
    if (!*slot && (*slot = calloc(1, sizeof(**slot)))) {
        (*slot)->address = *address;
    }
    bool is_free = *slot && (*slot)->connections < peers->max_each;
    if (is_free) {
        (*slot)->connections++;
    }
    pthread_mutex_unlock(&peers->mutex);
    return is_free;
}

void peers_give(struct peers *peers, const struct in6_addr *address)
{
    pthread_mutex_lock(&peers->mutex);
    struct peer **slot = find(peers, address);
    struct peer *peer = *slot;
    if (peer && --peer->connections <= 0) {
        *slot = peer->next;
        free(peer);
    }
    pthread_mutex_unlock(&peers->mutex);
}
