/*
 * table.h - hash tables in shared memory: HashMap, LruHashMap, and the networks of an LpmTrie.
 *
 * compiler/maplayout.py is the home of these layouts, lang/_hash.py of the hash, lang/_tables.py of
 * what a table does; a test compares them. An entry lies where it was put until it is taken out:
 * nothing ever moves, so an index is a reference. An entry's tag is written after its key and value
 * and cleared first, so whoever dies at whatever instant leaves entries that are whole.
 *
 * table.c serves one writer at a time, table_shared.c several at once, table_read.c readers that
 * nobody waits for, table_recover.c those who find memory that somebody else left behind. Must not
 * know: packets, Python, whose the memory is.
 */
#ifndef NMJIT_TABLE_H
#define NMJIT_TABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define TABLE_GROUP   16u /* entries of a group, and of an LRU set */
#define TABLE_WORKERS 64u
#define TABLE_HELD    255u

/* Flags of an operation; compiler/abi.py. */
#define TABLE_TOUCH  1u
#define TABLE_HOLD   2u
#define TABLE_SHARED 4u

#define TAG_FREE     0x00u
#define TAG_CLAIMED  0x01u /* somebody is writing the entry; no key's tag */
#define TAG_LIVE     0x80u

struct nmjit_table {
	uint64_t seed;
	uint64_t capacity; /* live entries of a HASH, at most */
	uint64_t length;
	uint64_t inserted; /* less deleted and evicted ones: the length */
	uint64_t deleted;
	uint64_t evicted;
	uint64_t failed; /* insertions without room */
	uint64_t held_at;
	uint64_t groups_at;
	uint64_t entries_at;
	uint32_t groups;
	uint32_t slots;
	uint32_t key_size;
	uint32_t value_at;
	uint32_t value_size;
	uint32_t entry_size;
	uint32_t evicting; /* an LRU: a key's group is all there is for it */
	uint32_t workers;  /* those that may hold entries have smaller numbers */
};

struct nmjit_group {
	uint8_t tags[TABLE_GROUP] __attribute__((aligned(16)));
	uint32_t overflow; /* keys that belong to this group or one before it and lie behind it */
	uint32_t version;  /* raised before and after every change of tags */
	uint16_t referenced;
	uint8_t hand;
	uint8_t lock; /* of the keys that belong to this group */
	uint32_t reserved;
};

/*
 * Entries that a worker's packet has met. Only the worker itself writes it; with several workers it
 * also keeps the others from giving these entries away while the packet may use them.
 */
struct nmjit_held {
	uint32_t count;
	uint32_t slots[TABLE_HELD];
};

/* One writer at a time. Who says neither HOLD nor SHARED holds nothing and minds nobody's holds. */
void table_init(struct nmjit_table *t, const struct nmjit_table *shape);
uint64_t table_hash(const struct nmjit_table *t, const uint64_t *key);
int64_t table_find(const struct nmjit_table *t, const uint64_t *key, uint64_t hash);
int64_t table_insert(struct nmjit_table *t, const uint64_t *key, uint64_t hash, const void *value,
		     uint32_t worker, uint32_t flags);
int64_t table_remove(struct nmjit_table *t, const uint64_t *key, uint64_t hash, uint32_t worker,
		     uint32_t flags);
void table_touch(struct nmjit_table *t, int64_t index);
void table_hold(struct nmjit_table *t, uint32_t worker, int64_t index);
bool table_write(struct nmjit_table *t, const uint64_t *key, uint32_t offset, const void *bytes,
		 uint32_t size);
uint64_t table_fill(struct nmjit_table *t, const void *records, uint64_t count);
void table_clear(struct nmjit_table *t);
void table_reset(struct nmjit_table *t);

/* Several at once; all with TABLE_HOLD where any of them removes, or the table evicts. */
int64_t shared_find(struct nmjit_table *t, const uint64_t *key, uint64_t hash, uint32_t worker,
		    uint32_t flags);
int64_t shared_insert(struct nmjit_table *t, const uint64_t *key, uint64_t hash, const void *value,
		      uint32_t worker, uint32_t flags);
int64_t shared_remove(struct nmjit_table *t, const uint64_t *key, uint64_t hash, uint32_t worker,
		      uint32_t flags);

/* Readers: of this process or another, beside any writer. They write nothing. */
int table_read(const struct nmjit_table *t, const uint64_t *key, void *value);
uint64_t table_export(const struct nmjit_table *t, uint32_t *next, void *records, uint64_t room);

bool table_shape_agrees(const struct nmjit_table *t, const struct nmjit_table *shape);
uint64_t table_recover(struct nmjit_table *t);

#endif
