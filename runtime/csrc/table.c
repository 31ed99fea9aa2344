/*
 * table.c - see table.h: a table with one writer at a time.
 *
 * The writer is a lone worker, or Python while the gate keeps the workers out. Readers may look on,
 * so the order of stores matters here too.
 */
#include "table.h"

#include "table_parts.h"

#define ROUNDS 3u /* of the hand, before an LRU set gives up */

#define FIRST  0x9e3779b97f4a7c15ull
#define SECOND 0xd6e8feb86659fd93ull

/* A change of the group's tags begins or ends here; begun, nothing of it is seen before. */
static void raise_version(struct nmjit_group *group)
{
	__atomic_store_n(&group->version, group->version + 1, __ATOMIC_RELEASE);
}

/* Others may read the counter; nobody else writes it. */
static void count_up(uint64_t *counter, int64_t by)
{
	__atomic_store_n(counter, *counter + (uint64_t)by, __ATOMIC_RELAXED);
}

/* Both halves of the product, by exclusive or. */
static uint64_t fold(uint64_t a, uint64_t b)
{
	unsigned __int128 product = (unsigned __int128)a * b;

	return (uint64_t)(product >> 64) ^ (uint64_t)product;
}

/* Hash of a packed key of t->key_size bytes. Thread: any. */
uint64_t table_hash(const struct nmjit_table *t, const uint64_t *key)
{
	uint32_t words = t->key_size / 8;
	uint64_t value = t->seed;

	for (uint32_t i = 0; i < words; i += 2)
		value = fold(key[i] ^ FIRST ^ value, (i + 1 < words ? key[i + 1] : 0) ^ SECOND);
	return fold(value ^ SECOND, FIRST);
}

/* Make zeroed memory a table of this shape: its numbers, not its counters, are taken over. */
void table_init(struct nmjit_table *t, const struct nmjit_table *shape)
{
	*t = *shape;
	t->length = t->inserted = t->deleted = t->evicted = t->failed = 0;
}

/* Index of the key's entry or -1. Thread: the writer's. */
int64_t table_find(const struct nmjit_table *t, const uint64_t *key, uint64_t hash)
{
	const uint32_t home = group_of(t, hash);
	uint32_t g = home;

	do {
		const struct nmjit_group *group = table_group(t, g);

		for (uint32_t hits = tags_equal(group, tag_of(hash)); hits; hits &= hits - 1) {
			uint64_t index = g * (uint64_t)TABLE_GROUP + (uint32_t)__builtin_ctz(hits);

			if (same_key(t, index, key))
				return (int64_t)index;
		}
		if (t->evicting || !__atomic_load_n(&group->overflow, __ATOMIC_ACQUIRE))
			return -1;
		g = next_group(t, g);
	} while (g != home);
	return -1;
}

/* Mark an entry of an LRU as used. Thread: any that keeps the entry from being given away. */
void table_touch(struct nmjit_table *t, int64_t index)
{
	struct nmjit_group *group = table_group(t, (uint32_t)(index / TABLE_GROUP));
	uint16_t mark = (uint16_t)(1u << (index % TABLE_GROUP));

	if (!(__atomic_load_n(&group->referenced, __ATOMIC_RELAXED) & mark))
		__atomic_fetch_or(&group->referenced, mark, __ATOMIC_RELAXED);
}

/* Note that the worker's packet has met an entry, unless it has met as many as can be noted. */
void table_hold(struct nmjit_table *t, uint32_t worker, int64_t index)
{
	struct nmjit_held *held = table_held(t, worker);
	uint32_t n = __atomic_load_n(&held->count, __ATOMIC_RELAXED);

	if (n >= TABLE_HELD)
		return;
	__atomic_store_n(&held->slots[n], (uint32_t)index, __ATOMIC_RELAXED);
	__atomic_store_n(&held->count, n + 1, __ATOMIC_RELEASE);
}

/* The lowest free way of a group that is not held, or -1. */
static int free_way(const struct nmjit_group *group, uint32_t held)
{
	uint32_t ways = tags_equal(group, TAG_FREE) & ~held;

	return ways ? __builtin_ctz(ways) : -1;
}

/* Let the hand go round until it finds a way to give up; -1 where the packet holds them all. */
static int victim_way(struct nmjit_group *group, uint32_t held)
{
	for (uint32_t step = 0; step < ROUNDS * TABLE_GROUP; step++) {
		uint32_t way = group->hand;
		uint16_t mark = (uint16_t)(1u << way), marks = group->referenced;

		group->hand = (uint8_t)((way + 1) % TABLE_GROUP);
		if (held & mark)
			continue;
		if (!(marks & mark))
			return (int)way;
		__atomic_store_n(&group->referenced, marks & (uint16_t)~mark, __ATOMIC_RELAXED);
	}
	return -1;
}

/* Put a new key into its LRU set. Index or -1. */
static int64_t insert_evicting(struct nmjit_table *t, const uint64_t *key, uint64_t hash,
			       const void *value, uint32_t worker, bool holding)
{
	uint32_t home = group_of(t, hash);
	struct nmjit_group *group = table_group(t, home);
	uint32_t held = holding ? ways_held(t, home, worker) : 0;
	int way = free_way(group, held);
	bool evict = way < 0;
	uint64_t index;

	if (evict)
		way = victim_way(group, held);
	if (way < 0)
		return -1;
	index = home * (uint64_t)TABLE_GROUP + (uint32_t)way;
	raise_version(group);
	if (evict)
		tag_store(&group->tags[way], TAG_CLAIMED);
	publish_entry(t, index, key, hash, value);
	raise_version(group);
	count_up(evict ? &t->evicted : &t->length, 1);
	return (int64_t)index;
}

/* Put a new key into the first group from its own on that has room. Index or -1. */
static int64_t insert_probing(struct nmjit_table *t, const uint64_t *key, uint64_t hash,
			      const void *value, uint32_t worker, bool holding)
{
	const uint32_t home = group_of(t, hash);
	uint32_t g = home;
	int way;

	if (__atomic_load_n(&t->length, __ATOMIC_RELAXED) >= t->capacity)
		return -1;
	while ((way = free_way(table_group(t, g), holding ? ways_held(t, g, worker) : 0)) < 0) {
		g = next_group(t, g);
		if (g == home)
			return -1;
	}
	count_passing(t, home, g, 1);
	raise_version(table_group(t, g));
	publish_entry(t, g * (uint64_t)TABLE_GROUP + (uint32_t)way, key, hash, value);
	raise_version(table_group(t, g));
	count_up(&t->length, 1);
	return (int64_t)(g * (uint64_t)TABLE_GROUP + (uint32_t)way);
}

/*
 * Index of the key's entry: the one it has, as it is, or a new one that holds the t->value_size
 * bytes at value; -1, and counted, where there is no room. Thread: the writer's.
 */
int64_t table_insert(struct nmjit_table *t, const uint64_t *key, uint64_t hash, const void *value,
		     uint32_t worker, uint32_t flags)
{
	bool holding = flags & TABLE_HOLD;
	int64_t index = table_find(t, key, hash);

	if (index >= 0) {
		if (flags & TABLE_TOUCH && t->evicting)
			table_touch(t, index);
	} else {
		index = t->evicting ? insert_evicting(t, key, hash, value, worker, holding)
				    : insert_probing(t, key, hash, value, worker, holding);
		count_up(index < 0 ? &t->failed : &t->inserted, 1);
	}
	if (index >= 0 && holding)
		table_hold(t, worker, index);
	return index;
}

/* Take the key out: the index of the entry that was its own, or -1. Thread: the writer's. */
int64_t table_remove(struct nmjit_table *t, const uint64_t *key, uint64_t hash, uint32_t worker,
		     uint32_t flags)
{
	int64_t index = table_find(t, key, hash);
	uint32_t g = (uint32_t)(index / TABLE_GROUP);

	if (index < 0)
		return -1;
	raise_version(table_group(t, g));
	tag_store(table_tag(t, (uint64_t)index), TAG_FREE);
	raise_version(table_group(t, g));
	count_passing(t, group_of(t, hash), g, -1);
	count_up(&t->length, -1);
	count_up(&t->deleted, 1);
	if (flags & TABLE_HOLD)
		table_hold(t, worker, index);
	return index;
}

/* Take out everything. Thread: the writer's, while no packet runs. */
void table_clear(struct nmjit_table *t)
{
	for (uint32_t g = 0; g < t->groups; g++) {
		struct nmjit_group *group = table_group(t, g);

		raise_version(group);
		for (uint32_t way = 0; way < TABLE_GROUP; way++)
			tag_store(&group->tags[way], TAG_FREE);
		__atomic_store_n(&group->overflow, 0, __ATOMIC_RELEASE);
		__atomic_store_n(&group->referenced, 0, __ATOMIC_RELAXED);
		group->hand = 0;
		raise_version(group);
	}
	count_up(&t->deleted, (int64_t)t->length);
	__atomic_store_n(&t->length, 0, __ATOMIC_RELAXED);
}

/* Begin anew: nothing in it, nothing counted. Thread: as table_clear. */
void table_reset(struct nmjit_table *t)
{
	table_clear(t);
	t->inserted = t->deleted = t->evicted = t->failed = 0;
}

/* Store bytes into the value of the key's entry, from `offset` on: whether it has one. */
bool table_write(struct nmjit_table *t, const uint64_t *key, uint32_t offset, const void *bytes,
		 uint32_t size)
{
	int64_t index = table_find(t, key, table_hash(t, key));

	if (index < 0)
		return false;
	memcpy(table_entry(t, (uint64_t)index) + t->value_at + offset, bytes, size);
	return true;
}

/*
 * Insert records, each a key and a value without a gap, until one finds no room: how many did.
 * Thread: the writer's.
 */
uint64_t table_fill(struct nmjit_table *t, const void *records, uint64_t count)
{
	const uint8_t *record = records;
	uint64_t key[8];

	for (uint64_t i = 0; i < count; i++, record += t->key_size + t->value_size) {
		memcpy(key, record, t->key_size);
		if (table_insert(t, key, table_hash(t, key), record + t->key_size, 0, 0) < 0)
			return i;
	}
	return count;
}
