#include "gateway/table.h"

#include "base/ids.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

enum { FIRST_BUCKETS = 64 };

static uint64_t hash_of(const struct table *table, const char *key)
{
    uint64_t hash = 1469598103934665603u ^ table->seed;
    for (; *key; key++) {
        hash = (hash ^ (unsigned char)*key) * 1099511628211u;
        hash ^= hash >> 29;
    }
    return hash;
}

static struct table_node **bucket_of(const struct table *table, uint64_t hash)
{
    return &table->buckets[hash & (table->bucket_count - 1)];
}

int table_init(struct table *table)
{
    *table = (struct table){.bucket_count = FIRST_BUCKETS};
    random_bytes(&table->seed, sizeof(table->seed));
    table->buckets = calloc(FIRST_BUCKETS, sizeof(struct table_node *));
    return table->buckets ? 0 : -1;
}

void table_free(struct table *table)
{
    free(table->buckets);
    *table = (struct table){0};
}

static void grow(struct table *table)
{
    struct table longer = *table;
    longer.bucket_count = 2 * table->bucket_count;
    longer.buckets = calloc(longer.bucket_count, sizeof(struct table_node *));
    if (!longer.buckets) {
        return; /* it works on, with longer chains */
    }
    for (size_t i = 0; i < table->bucket_count; i++) {
        struct table_node *node = table->buckets[i];
        while (node) {
            struct table_node *next = node->next;
            struct table_node **bucket = bucket_of(&longer, node->hash);
            node->next = *bucket;
            *bucket = node;
            node = next;
        }
    }
    free(table->buckets);
    *table = longer;
}

void table_add(struct table *table, struct table_node *node, const char *key)
{
    if (table->node_count >= table->bucket_count) {
        grow(table);
    }
    node->key = key;
    node->hash = hash_of(table, key);
    struct table_node **bucket = bucket_of(table, node->hash);
    node->next = *bucket;
    *bucket = node;
    table->node_count++;
}

void table_remove(struct table *table, struct table_node *node)
{
    struct table_node **link = bucket_of(table, node->hash);
    while (*link != node) {
        assert(*link);
        link = &(*link)->next;
    }
    *link = node->next;
    table->node_count--;
}

static struct table_node *same(struct table_node *node, uint64_t hash, const char *key)
{
    while (node && (node->hash != hash || strcmp(node->key, key) != 0)) {
        node = node->next;
    }
    return node;
}

struct table_node *table_find(const struct table *table, const char *key)
{
    uint64_t hash = hash_of(table, key);
    return same(*bucket_of(table, hash), hash, key);
}

struct table_node *table_next(const struct table_node *node)
{
    return same(node->next, node->hash, node->key);
}

struct table_node *table_each(const struct table *table, const struct table_node *node)
{
    if (node && node->next) {
        return node->next;
    }
    size_t i = node ? (node->hash & (table->bucket_count - 1)) + 1 : 0;
    for (; i < table->bucket_count; i++) {
        if (table->buckets[i]) {
            return table->buckets[i];
        }
    }
    return NULL;
}
