/*
 * table_recover.c - see table.h: make sense of a table whose writers are gone, killed at any
 * instant.
 *
 * What tags and entries say is kept; all that follows from them is worked out again.
 */
#include "table.h"

#include "table_parts.h"

/* Whether memory says of itself that it is a table of this shape. The seed may be any. */
bool table_shape_agrees(const struct nmjit_table *t, const struct nmjit_table *shape)
{
	return t->capacity == shape->capacity && t->held_at == shape->held_at &&
	       t->groups_at == shape->groups_at && t->entries_at == shape->entries_at &&
	       t->groups == shape->groups && t->slots == shape->slots &&
	       t->key_size == shape->key_size && t->value_at == shape->value_at &&
	       t->value_size == shape->value_size && t->entry_size == shape->entry_size &&
	       t->evicting == shape->evicting;
}

static uint64_t hash_of_entry(const struct nmjit_table *t, uint64_t index)
{
	return table_hash(t, (const uint64_t *)table_entry(t, index));
}

/* Free what is no entry: half-written ones, and keys where no look-up would find them. */
static uint64_t drop_strangers(struct nmjit_table *t, uint32_t g)
{
	struct nmjit_group *group = table_group(t, g);
	uint64_t dropped = 0;

	for (uint32_t way = 0; way < TABLE_GROUP; way++) {
		uint64_t hash = hash_of_entry(t, g * (uint64_t)TABLE_GROUP + way);
		uint8_t tag = group->tags[way];

		if (tag == TAG_FREE)
			continue;
		if (tag == tag_of(hash) && (!t->evicting || group_of(t, hash) == g))
			continue;
		group->tags[way] = TAG_FREE;
		dropped += tag != TAG_CLAIMED;
	}
	return dropped;
}

/*
 * Count anew which keys passed which groups. First each group gets, modulo 2^32, by how much its
 * count differs from that of the group before; a key passes its home and what follows, up to where
 * it lies, and group 0 too where that goes round the end.
 */
static void count_overflow(struct nmjit_table *t)
{
	uint32_t passing = 0;

	for (uint32_t g = 0; g < t->groups; g++)
		table_group(t, g)->overflow = 0;
	for (uint64_t index = 0; index < t->slots; index++) {
		uint32_t home, g = (uint32_t)(index / TABLE_GROUP);

		if (*table_tag(t, index) == TAG_FREE)
			continue;
		home = group_of(t, hash_of_entry(t, index));
		table_group(t, home)->overflow++;
		table_group(t, g)->overflow--;
		passing += home > g;
	}
	for (uint32_t g = 0; g < t->groups; g++) {
		passing += table_group(t, g)->overflow;
		table_group(t, g)->overflow = passing;
	}
}

/* Take out every entry whose key is found elsewhere first. Their number. */
static uint64_t drop_doubles(struct nmjit_table *t)
{
	uint64_t dropped = 0;

	for (uint64_t index = 0; index < t->slots; index++) {
		const uint64_t *key = (const uint64_t *)table_entry(t, index);
		uint32_t g = (uint32_t)(index / TABLE_GROUP);
		uint64_t hash = table_hash(t, key);

		if (*table_tag(t, index) == TAG_FREE || table_find(t, key, hash) == (int64_t)index)
			continue;
		*table_tag(t, index) = TAG_FREE;
		if (!t->evicting)
			count_passing(t, group_of(t, hash), g, -1);
		dropped++;
	}
	return dropped;
}

static uint64_t count_entries(const struct nmjit_table *t)
{
	uint64_t n = 0;

	for (uint32_t g = 0; g < t->groups; g++)
		n += TABLE_GROUP - (uint32_t)__builtin_popcount(tags_equal(table_group(t, g), 0));
	return n;
}

/*
 * Make a table of the right shape consistent: every entry is found, once; lengths, counts of
 * overflow and versions are right, no lock is taken, nothing is held. Returns how many entries were
 * wrong and are gone, besides those that were being written. Thread: the only one that knows it.
 */
uint64_t table_recover(struct nmjit_table *t)
{
	uint64_t dropped = 0;

	for (uint32_t g = 0; g < t->groups; g++) {
		struct nmjit_group *group = table_group(t, g);

		group->lock = 0;
		group->version += group->version & 1;
		group->hand %= TABLE_GROUP;
		dropped += drop_strangers(t, g);
	}
	count_overflow(t);
	dropped += drop_doubles(t);
	for (uint32_t worker = 0; worker < TABLE_WORKERS; worker++)
		table_held(t, worker)->count = 0;
	t->length = count_entries(t);
	t->inserted = t->length + t->deleted + t->evicted;
	return dropped;
}
