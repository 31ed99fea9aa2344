/*
 * table_read.c - see table.h: copies of entries, for readers whom no writer minds.
 *
 * A group's version is read before and after; what was copied counts where it did not change, and,
 * in an LRU, was even: there the lock makes changes of one set follow each other. In a HASH two
 * changes may overlap, but an entry is taken out in one and filled again in another that begins
 * later, so an unchanged version still means the entry stayed what it was.
 */
#include "table.h"

#include "relax.h"
#include "table_parts.h"

/* Looks at a group that keeps changing: some ms. Its writer may have died; tags then still tell. */
#define LOOKS 20000u

static uint32_t version_of(const struct nmjit_group *group)
{
	return __atomic_load_n(&group->version, __ATOMIC_ACQUIRE);
}

static bool settled(const struct nmjit_table *t, const struct nmjit_group *group, uint32_t version)
{
	return version_of(group) == version && !(t->evicting && version & 1);
}

/* Copy the value of the key's entry if it lies in group g: whether it does. */
static bool read_from_group(const struct nmjit_table *t, uint32_t g, const uint64_t *key,
			    uint8_t tag, void *value)
{
	for (uint32_t hits = tags_equal(table_group(t, g), tag); hits; hits &= hits - 1) {
		uint64_t index = g * (uint64_t)TABLE_GROUP + (uint32_t)__builtin_ctz(hits);

		if (!same_key(t, index, key))
			continue;
		load_bytes(value, table_entry(t, index) + t->value_at, t->value_size);
		return true;
	}
	return false;
}

/*
 * Copy the t->value_size bytes of the key's value: 1, or 0 where the key is absent. Bytes of one
 * entry, though workers may be changing its fields in place. Thread: any, in any process.
 */
int table_read(const struct nmjit_table *t, const uint64_t *key, void *value)
{
	const uint64_t hash = table_hash(t, key);
	const uint32_t home = group_of(t, hash);
	uint32_t g = home, spins = 0, looks = 0;

	do {
		const struct nmjit_group *group = table_group(t, g);
		uint32_t version = version_of(group);
		uint32_t overflow = __atomic_load_n(&group->overflow, __ATOMIC_ACQUIRE);
		bool found = read_from_group(t, g, key, tag_of(hash), value);

		if (!settled(t, group, version) && ++looks < LOOKS) {
			relax_or_yield(&spins);
			continue;
		}
		if (found)
			return 1;
		if (t->evicting || !overflow)
			return 0;
		g = next_group(t, g);
		looks = 0;
		if (g == home)
			return 0;
	} while (true);
}

/* Copy the live entries of a group, each as key and then value without a gap. Their number. */
static uint32_t copy_group(const struct nmjit_table *t, uint32_t g, uint8_t *records)
{
	const struct nmjit_group *group = table_group(t, g);
	const uint32_t size = t->key_size + t->value_size;
	uint32_t n = 0;

	for (uint32_t way = 0; way < TABLE_GROUP; way++) {
		const uint8_t *entry = table_entry(t, g * (uint64_t)TABLE_GROUP + way);

		if (!(tag_load(&group->tags[way]) & TAG_LIVE))
			continue;
		load_bytes(records + n * size, entry, t->key_size);
		load_bytes(records + n * size + t->key_size, entry + t->value_at, t->value_size);
		n++;
	}
	return n;
}

/*
 * Copy entries of group *next and those behind it, in their order, as key and value without gaps,
 * until less than a whole group's room is left or the table ends; *next is where to go on. room is
 * in records; the result is their number. Thread: any, in any process.
 */
uint64_t table_export(const struct nmjit_table *t, uint32_t *next, void *records, uint64_t room)
{
	const uint32_t size = t->key_size + t->value_size;
	uint64_t copied = 0;

	for (; *next < t->groups && room - copied >= TABLE_GROUP; ++*next) {
		const struct nmjit_group *group = table_group(t, *next);
		uint32_t version, n, spins = 0, looks = 0;

		do {
			if (looks)
				relax_or_yield(&spins);
			version = version_of(group);
			n = copy_group(t, *next, (uint8_t *)records + copied * size);
		} while (!settled(t, group, version) && ++looks < LOOKS);
		copied += n;
	}
	return copied;
}
