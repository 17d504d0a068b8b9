/* A hash table of nodes that live inside of what it holds. Several nodes may have the same key. */
#ifndef ATOLL_GATEWAY_TABLE_H
#define ATOLL_GATEWAY_TABLE_H

#include <stddef.h>
#include <stdint.h>

struct table_node {
    struct table_node *next;
    const char *key; /* borrowed: part of what the node is in */
    uint64_t hash;
};

struct table {
    struct table_node **buckets;
    size_t bucket_count; /* a power of two */
    size_t node_count;
    uint64_t seed; /* so that nobody can choose keys that collide */
};

/* 0, or -1 on ENOMEM. */
int table_init(struct table *table);
/* Frees the table, not what it held. */
void table_free(struct table *table);

/* Grows when it can; never fails. */
void table_add(struct table *table, struct table_node *node, const char *key);
void table_remove(struct table *table, struct table_node *node);

/* The first node with the key, NULL; table_next: another one with the same key. */
struct table_node *table_find(const struct table *table, const char *key);
struct table_node *table_next(const struct table_node *node);

/* All of them, in no order: table_each(table, NULL) is the first, NULL the end. Do not change the table meanwhile. */
struct table_node *table_each(const struct table *table, const struct table_node *node);

/* What a node is part of. */
#define TABLE_ENTRY(node, type, member) ((type *)(void *)((char *)(node)-offsetof(type, member)))

#endif
