/*
 * table_parts.h - the pieces that the files of a table share: where things lie, tags, one entry.
 *
 * Everything that others may look at meanwhile is loaded and stored atomically, a word at a time;
 * what is ordered says so. Must not know: probing, locks, eviction.
 */
#ifndef NMJIT_TABLE_PARTS_H
#define NMJIT_TABLE_PARTS_H

#include "table.h"

#include <string.h>

static inline struct nmjit_group *table_group(const struct nmjit_table *t, uint32_t group)
{
	return (struct nmjit_group *)((uint8_t *)t + t->groups_at) + group;
}

static inline uint8_t *table_entry(const struct nmjit_table *t, uint64_t index)
{
	return (uint8_t *)t + t->entries_at + index * t->entry_size;
}

static inline uint8_t *table_tag(const struct nmjit_table *t, uint64_t index)
{
	return &table_group(t, (uint32_t)(index / TABLE_GROUP))->tags[index % TABLE_GROUP];
}

static inline struct nmjit_held *table_held(const struct nmjit_table *t, uint32_t worker)
{
	return (struct nmjit_held *)((uint8_t *)t + t->held_at) + worker;
}

static inline uint32_t group_of(const struct nmjit_table *t, uint64_t hash)
{
	return (uint32_t)(((hash >> 32) * t->groups) >> 32);
}

static inline uint8_t tag_of(uint64_t hash)
{
	return (uint8_t)(TAG_LIVE | (hash & 0x7f));
}

static inline uint32_t next_group(const struct nmjit_table *t, uint32_t group)
{
	return group + 1 == t->groups ? 0 : group + 1;
}

/* The bytes of `word` that are 0, a bit each. */
static inline uint32_t zero_bytes(uint64_t word)
{
	const uint64_t low = 0x7f7f7f7f7f7f7f7full;
	uint64_t zero = ~(((word & low) + low) | word | low);

	return (uint32_t)(((zero >> 7) * 0x0102040810204080ull) >> 56);
}

/* Which entries of a group have this tag, a bit each; their keys may be read afterwards. */
static inline uint32_t tags_equal(const struct nmjit_group *group, uint8_t tag)
{
	const uint64_t *words = (const uint64_t *)group->tags;
	uint64_t wanted = 0x0101010101010101ull * tag;
	uint32_t low = zero_bytes(__atomic_load_n(&words[0], __ATOMIC_ACQUIRE) ^ wanted);

	return low | zero_bytes(__atomic_load_n(&words[1], __ATOMIC_ACQUIRE) ^ wanted) << 8;
}

static inline uint8_t tag_load(const uint8_t *tag)
{
	return __atomic_load_n(tag, __ATOMIC_SEQ_CST);
}

/* What was written to the entry before is there for all who see the tag. */
static inline void tag_store(uint8_t *tag, uint8_t value)
{
	__atomic_store_n(tag, value, __ATOMIC_RELEASE);
}

static inline bool same_key(const struct nmjit_table *t, uint64_t index, const uint64_t *key)
{
	const uint64_t *stored = (const uint64_t *)table_entry(t, index);
	uint64_t different = 0;

	for (uint32_t i = 0; i < t->key_size / 8; i++)
		different |= __atomic_load_n(&stored[i], __ATOMIC_ACQUIRE) ^ key[i];
	return different == 0;
}

/* To an aligned place that others may read meanwhile; who sees a word sees all that was before it.
 */
static inline void store_bytes(void *to, const void *from, uint32_t size)
{
	uint8_t *out = to;
	const uint8_t *in = from;
	uint64_t word;

	for (; size >= sizeof(word);
	     size -= sizeof(word), in += sizeof(word), out += sizeof(word)) {
		memcpy(&word, in, sizeof(word));
		__atomic_store_n((uint64_t *)out, word, __ATOMIC_RELEASE);
	}
	for (; size; size--)
		__atomic_store_n(out++, *in++, __ATOMIC_RELEASE);
}

/* From an aligned place that others may write meanwhile; what is loaded next is loaded later. */
static inline void load_bytes(void *to, const void *from, uint32_t size)
{
	uint8_t *out = to;
	const uint8_t *in = from;
	uint64_t word;

	for (; size >= sizeof(word);
	     size -= sizeof(word), in += sizeof(word), out += sizeof(word)) {
		word = __atomic_load_n((const uint64_t *)in, __ATOMIC_ACQUIRE);
		memcpy(out, &word, sizeof(word));
	}
	for (; size; size--)
		*out++ = __atomic_load_n(in++, __ATOMIC_ACQUIRE);
}

/* Make a free or claimed entry the key's; it is in the map when this returns. */
static inline void publish_entry(struct nmjit_table *t, uint64_t index, const uint64_t *key,
				 uint64_t hash, const void *value)
{
	struct nmjit_group *group = table_group(t, (uint32_t)(index / TABLE_GROUP));
	uint8_t *entry = table_entry(t, index);
	uint16_t mark = (uint16_t)(1u << (index % TABLE_GROUP));

	if (t->evicting)
		__atomic_fetch_and(&group->referenced, (uint16_t)~mark, __ATOMIC_RELAXED);
	store_bytes(entry, key, t->key_size);
	store_bytes(entry + t->value_at, value, t->value_size);
	tag_store(&group->tags[index % TABLE_GROUP], tag_of(hash));
}

/* A key of group `home` came to lie in group `end`, or left it: the groups between know. */
static inline void count_passing(struct nmjit_table *t, uint32_t home, uint32_t end, int32_t by)
{
	for (uint32_t g = home; g != end; g = next_group(t, g))
		__atomic_fetch_add(&table_group(t, g)->overflow, (uint32_t)by, __ATOMIC_ACQ_REL);
}

/* The entries of a group that one worker holds, a bit each. */
static inline uint32_t ways_held(const struct nmjit_table *t, uint32_t group, uint32_t worker)
{
	const struct nmjit_held *held = table_held(t, worker);
	uint32_t ways = 0, n = __atomic_load_n(&held->count, __ATOMIC_SEQ_CST);

	for (uint32_t i = 0; i < n && i < TABLE_HELD; i++) {
		uint32_t index = __atomic_load_n(&held->slots[i], __ATOMIC_ACQUIRE);

		if (index / TABLE_GROUP == group)
			ways |= 1u << (index % TABLE_GROUP);
	}
	return ways;
}

#endif
