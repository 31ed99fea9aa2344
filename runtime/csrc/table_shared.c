/*
 * table_shared.c - see table.h: a table that several workers use at once.
 *
 * The lock of the group that a key belongs to is held while the key is put in or taken out; looking
 * a key up takes no lock. An entry that a worker holds is given to nobody (a hazard pointer): the
 * worker notes the entry, then looks at its tag again; who wants the entry changes its tag first,
 * then looks through what all workers hold, and puts the tag back if it is among that. All four
 * steps are sequentially consistent, so one of the two sees the other. Locks are held for a bounded
 * number of steps and by nobody who waits for anything, so waiting for one ends.
 */
#include "table.h"

#include "relax.h"
#include "table_parts.h"

#define ROUNDS 3u	  /* of the hand, before an LRU set gives up */
#define NOBODY UINT32_MAX /* holds nothing, and need not */
#define LOOKS  64u	  /* at a set that keeps changing, before its lock is taken */

/* A change of the group's tags begins or ends here; begun, nothing of it is seen before. */
static void raise_version(struct nmjit_group *group)
{
	__atomic_fetch_add(&group->version, 1, __ATOMIC_ACQ_REL);
}

static void count_up(uint64_t *counter, int64_t by)
{
	__atomic_fetch_add(counter, (uint64_t)by, __ATOMIC_RELAXED);
}

static void lock_group(struct nmjit_group *group)
{
	uint32_t spins = 0;

	while (__atomic_exchange_n(&group->lock, 1, __ATOMIC_ACQUIRE))
		while (__atomic_load_n(&group->lock, __ATOMIC_RELAXED))
			relax_or_yield(&spins);
}

static void unlock_group(struct nmjit_group *group)
{
	__atomic_store_n(&group->lock, 0, __ATOMIC_RELEASE);
}

/* Whose holds an operation adds to: where no worker gives entries away, none are needed. */
static uint32_t holder(uint32_t worker, uint32_t flags)
{
	return flags & TABLE_HOLD ? worker : NOBODY;
}

static uint32_t count_held(const struct nmjit_table *t, uint32_t worker)
{
	return worker == NOBODY ? 0
				: __atomic_load_n(&table_held(t, worker)->count, __ATOMIC_RELAXED);
}

/* Hold no more than the first `count` entries again. */
static void let_go(struct nmjit_table *t, uint32_t worker, uint32_t count)
{
	if (worker != NOBODY)
		__atomic_store_n(&table_held(t, worker)->count, count, __ATOMIC_RELEASE);
}

/* Whether the worker now holds the entry: not where it holds as many as it can. */
static bool hold(struct nmjit_table *t, uint32_t worker, uint64_t index)
{
	uint32_t n = count_held(t, worker);
	struct nmjit_held *held;

	if (worker == NOBODY)
		return true;
	held = table_held(t, worker);
	for (uint32_t i = 0; i < n; i++)
		if (__atomic_load_n(&held->slots[i], __ATOMIC_RELAXED) == index)
			return true;
	if (n >= TABLE_HELD)
		return false;
	__atomic_store_n(&held->slots[n], (uint32_t)index, __ATOMIC_RELAXED);
	__atomic_exchange_n(&held->count, n + 1, __ATOMIC_SEQ_CST);
	return true;
}

/* The entries of a group that any worker holds, a bit each. */
static uint32_t ways_held_by_any(const struct nmjit_table *t, uint32_t group)
{
	uint32_t ways = 0;

	for (uint32_t worker = 0; worker < t->workers; worker++)
		ways |= ways_held(t, group, worker);
	return ways;
}

/* Index of the key's entry among those of one group, held, or -1; -2: it cannot be held. */
static int64_t find_in_group(struct nmjit_table *t, uint32_t g, const uint64_t *key, uint8_t tag,
			     uint32_t worker)
{
	struct nmjit_group *group = table_group(t, g);

	for (uint32_t hits = tags_equal(group, tag); hits; hits &= hits - 1) {
		uint32_t way = (uint32_t)__builtin_ctz(hits);
		uint32_t before = count_held(t, worker);
		uint64_t index = g * (uint64_t)TABLE_GROUP + way;

		if (!same_key(t, index, key))
			continue;
		if (!hold(t, worker, index))
			return -2;
		/* Held now; what it was before that, it may not be any more. */
		if (tag_load(&group->tags[way]) == tag && same_key(t, index, key))
			return (int64_t)index;
		let_go(t, worker, before);
	}
	return -1;
}

/* The same, among all groups where the key may lie. */
static int64_t find_held(struct nmjit_table *t, const uint64_t *key, uint64_t hash, uint32_t worker)
{
	const uint32_t home = group_of(t, hash);
	uint32_t g = home;

	do {
		struct nmjit_group *group = table_group(t, g);
		int64_t index = find_in_group(t, g, key, tag_of(hash), worker);

		if (index != -1)
			return index;
		if (t->evicting || !__atomic_load_n(&group->overflow, __ATOMIC_ACQUIRE))
			return -1;
		g = next_group(t, g);
	} while (g != home);
	return -1;
}

/*
 * Index of the key's entry or -1. That it is absent is only sure where the set did not change
 * meanwhile: an eviction that was called off made the entry invisible for a moment.
 */
static int64_t find_unlocked(struct nmjit_table *t, const uint64_t *key, uint64_t hash,
			     uint32_t worker)
{
	struct nmjit_group *group = table_group(t, group_of(t, hash));
	uint32_t spins = 0;
	int64_t index;

	for (uint32_t look = 0; look < LOOKS; look++) {
		uint32_t version = __atomic_load_n(&group->version, __ATOMIC_ACQUIRE);

		index = find_held(t, key, hash, worker);
		if (index != -1 || !t->evicting)
			return index;
		if (!(version & 1) && __atomic_load_n(&group->version, __ATOMIC_ACQUIRE) == version)
			return -1;
		relax_or_yield(&spins);
	}
	lock_group(group);
	index = find_held(t, key, hash, worker);
	unlock_group(group);
	return index;
}

/* An index as the caller gets it: that an entry cannot be held counts as a failure. */
static int64_t reported(struct nmjit_table *t, int64_t index, uint32_t flags)
{
	if (index == -2)
		count_up(&t->failed, 1);
	if (index < 0)
		return -1;
	if (flags & TABLE_TOUCH && t->evicting)
		table_touch(t, index);
	return index;
}

/* Index of the key's entry or -1. Thread: the worker's. */
int64_t shared_find(struct nmjit_table *t, const uint64_t *key, uint64_t hash, uint32_t worker,
		    uint32_t flags)
{
	return reported(t, find_unlocked(t, key, hash, holder(worker, flags)), flags);
}

/* Whether the caller may write the entry, whose tag was `tag`, and holds it. */
static bool claim(struct nmjit_table *t, uint64_t index, uint8_t tag, uint32_t worker)
{
	uint32_t g = (uint32_t)(index / TABLE_GROUP);
	uint32_t bit = 1u << (index % TABLE_GROUP);
	uint8_t *at = table_tag(t, index), old = tag;

	if (!__atomic_compare_exchange_n(at, &old, TAG_CLAIMED, false, __ATOMIC_SEQ_CST,
					 __ATOMIC_SEQ_CST))
		return false;
	if (!(ways_held_by_any(t, g) & bit) && hold(t, worker, index))
		return true;
	tag_store(at, tag);
	return false;
}

/* Claim the lowest free entry of a group that nobody holds. Its index or -1. */
static int64_t claim_free(struct nmjit_table *t, uint32_t g, uint32_t worker)
{
	uint32_t ways = tags_equal(table_group(t, g), TAG_FREE);

	if (ways)
		ways &= ~ways_held_by_any(t, g);
	for (; ways; ways &= ways - 1) {
		uint64_t index = g * (uint64_t)TABLE_GROUP + (uint32_t)__builtin_ctz(ways);

		if (claim(t, index, TAG_FREE, worker))
			return (int64_t)index;
	}
	return -1;
}

/* Let the hand go round until an entry can be claimed. Its index or -1. Lock: the set's. */
static int64_t claim_victim(struct nmjit_table *t, uint32_t g, uint32_t worker)
{
	struct nmjit_group *group = table_group(t, g);
	uint32_t held = ways_held_by_any(t, g);

	for (uint32_t step = 0; step < ROUNDS * TABLE_GROUP; step++) {
		uint32_t way = group->hand;
		uint16_t mark = (uint16_t)(1u << way), marks;
		uint8_t tag = tag_load(&group->tags[way]);

		group->hand = (uint8_t)((way + 1) % TABLE_GROUP);
		if (held & mark || !(tag & TAG_LIVE))
			continue;
		marks = __atomic_fetch_and(&group->referenced, (uint16_t)~mark, __ATOMIC_RELAXED);
		if (marks & mark)
			continue;
		if (claim(t, g * (uint64_t)TABLE_GROUP + way, tag, worker))
			return (int64_t)(g * (uint64_t)TABLE_GROUP + way);
	}
	return -1;
}

/* Put a new key into its LRU set. Index or -1. Lock: the set's. */
static int64_t add_evicting(struct nmjit_table *t, const uint64_t *key, uint64_t hash,
			    const void *value, uint32_t worker)
{
	uint32_t home = group_of(t, hash);
	struct nmjit_group *group = table_group(t, home);
	int64_t index;
	bool evict;

	raise_version(group);
	index = claim_free(t, home, worker);
	evict = index < 0;
	if (evict)
		index = claim_victim(t, home, worker);
	if (index >= 0) {
		publish_entry(t, (uint64_t)index, key, hash, value);
		count_up(evict ? &t->evicted : &t->length, 1);
	}
	raise_version(group);
	return index;
}

/* Whether one more key may be in the table; it then counts. */
static bool reserve(struct nmjit_table *t)
{
	uint64_t length = __atomic_load_n(&t->length, __ATOMIC_RELAXED);

	do {
		if (length >= t->capacity)
			return false;
	} while (!__atomic_compare_exchange_n(&t->length, &length, length + 1, true,
					      __ATOMIC_RELAXED, __ATOMIC_RELAXED));
	return true;
}

/* Put a new key into the first group that gives an entry. Index or -1. Lock: the home group's. */
static int64_t add_probing(struct nmjit_table *t, const uint64_t *key, uint64_t hash,
			   const void *value, uint32_t worker)
{
	const uint32_t home = group_of(t, hash);
	uint32_t g = home;
	int64_t index;

	if (!reserve(t))
		return -1;
	while ((index = claim_free(t, g, worker)) < 0) {
		g = next_group(t, g);
		if (g == home) {
			count_up(&t->length, -1);
			return -1;
		}
	}
	count_passing(t, home, g, 1);
	raise_version(table_group(t, g));
	publish_entry(t, (uint64_t)index, key, hash, value);
	raise_version(table_group(t, g));
	return index;
}

/* As table_insert, while other workers use the table. Thread: the worker's. */
int64_t shared_insert(struct nmjit_table *t, const uint64_t *key, uint64_t hash, const void *value,
		      uint32_t worker, uint32_t flags)
{
	struct nmjit_group *home = table_group(t, group_of(t, hash));
	int64_t index;

	worker = holder(worker, flags);
	index = find_unlocked(t, key, hash, worker);
	if (index != -1)
		return reported(t, index, flags);
	lock_group(home);
	index = find_held(t, key, hash, worker);
	if (index != -1) {
		unlock_group(home);
		return reported(t, index, flags);
	}
	index = t->evicting ? add_evicting(t, key, hash, value, worker)
			    : add_probing(t, key, hash, value, worker);
	unlock_group(home);
	count_up(index < 0 ? &t->failed : &t->inserted, 1);
	return index;
}

/* As table_remove, while other workers use the table. Thread: the worker's. */
int64_t shared_remove(struct nmjit_table *t, const uint64_t *key, uint64_t hash, uint32_t worker,
		      uint32_t flags)
{
	struct nmjit_group *home = table_group(t, group_of(t, hash)), *group;
	int64_t index;

	lock_group(home);
	index = find_held(t, key, hash, holder(worker, flags));
	if (index >= 0) {
		group = table_group(t, (uint32_t)(index / TABLE_GROUP));
		raise_version(group);
		tag_store(table_tag(t, (uint64_t)index), TAG_FREE);
		raise_version(group);
		count_passing(t, group_of(t, hash), (uint32_t)(index / TABLE_GROUP), -1);
		count_up(&t->length, -1);
		count_up(&t->deleted, 1);
	}
	unlock_group(home);
	return reported(t, index, 0);
}
