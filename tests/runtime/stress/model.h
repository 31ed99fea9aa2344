/*
 * model.h - what the stress programs share: a table in plain memory, values that tell their key,
 * and the check that a table which rests is consistent.
 */
#ifndef STRESS_MODEL_H
#define STRESS_MODEL_H

#include "table.h"
#include "table_parts.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The value of an entry: two words that follow from its key, and a count. */
struct value {
	uint64_t first;
	uint64_t count;
	uint64_t last;
};

#define CHECK(what)                                                                \
	do {                                                                       \
		if (!(what)) {                                                     \
			fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #what); \
			abort();                                                   \
		}                                                                  \
	} while (0)

static inline uint64_t next_random(uint64_t *state)
{
	uint64_t z = *state += 0x9e3779b97f4a7c15ull;

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9ull;
	z = (z ^ z >> 27) * 0x94d049bb133111ebull;
	return z ^ z >> 31;
}

static inline void key_of(uint64_t number, uint64_t key[2])
{
	key[0] = number;
	key[1] = ~number;
}

static inline struct value value_of(uint64_t number, uint64_t count)
{
	return (struct value){number * 3 + 1, count, number * 5 + 2};
}

/*
 * As compiler/maplayout.py lays out a table with keys of 16 bytes and `struct value`, but a HASH
 * has only two groups to spare, so that many keys leave their group.
 */
static inline struct nmjit_table shape_of(uint64_t capacity, bool evicting, uint32_t workers)
{
	struct nmjit_table shape = {.capacity = capacity, .evicting = evicting, .workers = workers};

	shape.seed = 7;
	shape.groups = (uint32_t)((capacity + 15) / 16 + (evicting ? 0 : 2));
	shape.slots = shape.groups * TABLE_GROUP;
	shape.key_size = 16;
	shape.value_at = 16;
	shape.value_size = sizeof(struct value);
	shape.entry_size = 64;
	shape.held_at = 256;
	shape.groups_at = (256 + TABLE_WORKERS * sizeof(struct nmjit_held) + 4095) / 4096 * 4096;
	shape.entries_at =
		(shape.groups_at + shape.groups * sizeof(struct nmjit_group) + 4095) / 4096 * 4096;
	return shape;
}

static inline size_t shape_bytes(const struct nmjit_table *shape)
{
	return shape->entries_at + (size_t)shape->slots * shape->entry_size;
}

static inline struct value *value_at(struct nmjit_table *t, int64_t index)
{
	return (struct value *)(table_entry(t, (uint64_t)index) + t->value_at);
}

/* Whether the entry is the key's, whole. Only for one who keeps it from being given away. */
static inline void check_entry(struct nmjit_table *t, int64_t index, uint64_t number)
{
	const uint64_t *key = (const uint64_t *)table_entry(t, (uint64_t)index);
	struct value wanted = value_of(number, 0);

	CHECK(key[0] == number && key[1] == ~number);
	CHECK(value_at(t, index)->first == wanted.first && value_at(t, index)->last == wanted.last);
}

/* A table that rests is as recovery would make it, and every entry whole. The entries' number. */
static inline uint64_t check_table(struct nmjit_table *t)
{
	uint32_t *overflow = calloc(t->groups, sizeof(*overflow));
	uint64_t length = t->length, found = 0;

	CHECK(overflow);
	for (uint32_t g = 0; g < t->groups; g++) {
		overflow[g] = table_group(t, g)->overflow;
		CHECK(!(table_group(t, g)->version & 1) && !table_group(t, g)->lock);
	}
	CHECK(t->inserted - t->deleted - t->evicted == length);
	CHECK(table_recover(t) == 0 && t->length == length);
	for (uint64_t index = 0; index < t->slots; index++) {
		if (*table_tag(t, index) == TAG_FREE)
			continue;
		check_entry(t, (int64_t)index, *(const uint64_t *)table_entry(t, index));
		found++;
	}
	for (uint32_t g = 0; g < t->groups; g++)
		CHECK(table_group(t, g)->overflow == overflow[g]);
	CHECK(found == length);
	free(overflow);
	return found;
}

#endif
