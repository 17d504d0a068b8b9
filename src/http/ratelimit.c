#include "http/ratelimit.h"

#include "base/ids.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* 4,096 buckets in sets of four. A full set gives up its fullest bucket, which forgets least. */
enum { SETS = 1024, WAYS = 4 };

/* One request; a bucket gains per_minute of these units each millisecond. */
enum { UNITS_PER_REQUEST = 60000 };

struct bucket {
    char key[ID_SIZE];
    int64_t level; /* units */
    int64_t at_ms; /* when level was right */
};

struct ratelimit {
    int64_t per_minute;
    int64_t capacity; /* units */
    pthread_mutex_t mutex;
    struct bucket buckets[SETS][WAYS];
};

struct ratelimit *ratelimit_new(int64_t per_minute)
{
    struct ratelimit *limit = calloc(1, sizeof(*limit));
    if (limit) {
        limit->per_minute = per_minute;
        limit->capacity = per_minute * UNITS_PER_REQUEST;
        pthread_mutex_init(&limit->mutex, NULL);
    }
    return limit;
}

struct ratelimit *ratelimit_free(struct ratelimit *limit)
{
    if (limit) {
        pthread_mutex_destroy(&limit->mutex);
    }
    free(limit);
    return NULL;
}

static void refill(const struct ratelimit *limit, struct bucket *bucket, int64_t now_ms)
{
    int64_t elapsed_ms = now_ms - bucket->at_ms;
    bucket->at_ms = now_ms;
    if (elapsed_ms >= UNITS_PER_REQUEST) { /* a minute fills it, and cannot overflow */
        bucket->level = limit->capacity;
    } else if (elapsed_ms > 0) {
        bucket->level += elapsed_ms * limit->per_minute;
        bucket->level = bucket->level > limit->capacity ? limit->capacity : bucket->level;
    }
}

/* FNV-1a: keys are ids that the server made, so nobody chooses them to collide. */
static unsigned set_of(const char *key)
{
    uint32_t hash = 2166136261u;
    for (; *key; key++) {
        hash = (hash ^ (unsigned char)*key) * 16777619u;
    }
    return hash % SETS;
}

static struct bucket *find_bucket(struct ratelimit *limit, const char *key, int64_t now_ms)
{
    struct bucket *set = limit->buckets[set_of(key)];
    struct bucket *victim = NULL;
    for (int i = 0; i < WAYS; i++) {
        if (strcmp(set[i].key, key) == 0) {
            refill(limit, &set[i], now_ms);
            return &set[i];
        }
    }
    for (int i = 0; i < WAYS; i++) {
        if (!set[i].key[0]) {
            victim = &set[i];
            break;
        }
        refill(limit, &set[i], now_ms);
        if (!victim || set[i].level > victim->level) {
            victim = &set[i];
        }
    }
    *victim = (struct bucket){.level = limit->capacity, .at_ms = now_ms};
    snprintf(victim->key, sizeof(victim->key), "%s", key);
    return victim;
}

int64_t ratelimit_take(struct ratelimit *limit, const char *key, int64_t now_ms)
{
    if (limit->per_minute == 0) {
        return 0;
    }
    int64_t wait_ms = 0;
    pthread_mutex_lock(&limit->mutex);
    struct bucket *bucket = find_bucket(limit, key, now_ms);
    if (bucket->level >= UNITS_PER_REQUEST) {
        bucket->level -= UNITS_PER_REQUEST;
    } else {
        int64_t missing = UNITS_PER_REQUEST - bucket->level;
        wait_ms = (missing + limit->per_minute - 1) / limit->per_minute;
    }
    pthread_mutex_unlock(&limit->mutex);
    return wait_ms;
}
