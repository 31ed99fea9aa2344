/*
 * wear.c - one table worked for long: its length stays right, and in the end nothing has leaked.
 *
 *	wear KIND OPERATIONS
 *
 * KIND: hash, lru, shared (an LRU as one of several workers uses it), lpm. A model in plain arrays
 * says which keys are in.
 */
#include "lpm.h"
#include "model.h"

#include <sys/mman.h>

#define KEYS	 1024u
#define CAPACITY 512u
#define PACKET	 3u /* operations that hold what they meet */

static bool in[KEYS];

static void *zeros(size_t bytes)
{
	void *memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
			    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	CHECK(memory != MAP_FAILED);
	return memory;
}

/* An eviction takes out a key that the model still has; it is looked up anew. */
static void wear_table(const char *kind, uint64_t operations)
{
	bool evicting = strcmp(kind, "hash") != 0, shared = !strcmp(kind, "shared");
	struct nmjit_table shape = shape_of(CAPACITY, evicting, 1);
	struct nmjit_table *t = zeros(shape_bytes(&shape));
	uint64_t random = 1, model = 0;

	table_init(t, &shape);
	for (uint64_t i = 0; i < operations; i++) {
		uint64_t number = next_random(&random) % KEYS, key[2], hash;
		struct value value = value_of(number, 0);
		bool put = next_random(&random) % 2;
		int64_t index;

		if (i % PACKET == 0)
			table_held(t, 0)->count = 0;
		key_of(number, key);
		hash = table_hash(t, key);
		if (put)
			index = shared ? shared_insert(t, key, hash, &value, 0, TABLE_HOLD)
				       : table_insert(t, key, hash, &value, 0, TABLE_HOLD);
		else
			index = shared ? shared_remove(t, key, hash, 0, TABLE_HOLD)
				       : table_remove(t, key, hash, 0, TABLE_HOLD);
		if (index >= 0)
			check_entry(t, index, number);
		if (!evicting) {
			CHECK(put ? index >= 0 || model == CAPACITY : (index >= 0) == in[number]);
			model += (put && index >= 0 && !in[number]) - (!put && index >= 0);
			in[number] = put ? in[number] || index >= 0 : false;
			CHECK(t->length == model);
		}
		CHECK(t->inserted - t->deleted - t->evicted == t->length);
	}
	check_table(t);
	for (uint64_t number = 0; number < KEYS; number++) {
		uint64_t key[2];

		key_of(number, key);
		table_remove(t, key, table_hash(t, key), 0, 0);
	}
	CHECK(t->length == 0);
	for (uint32_t g = 0; g < t->groups; g++)
		CHECK(table_group(t, g)->overflow == 0);
	munmap(t, shape_bytes(&shape));
}

/* An IPv6-like trie of 48-bit addresses, so that networks lie nodes deep. */
static void wear_lpm(uint64_t operations)
{
	static struct lpm_network networks[KEYS];
	struct nmjit_table table = shape_of(KEYS, false, 1);
	struct nmjit_lpm shape = {.table_at = 4096, .width = 48, .root_bits = 16}, *lpm;
	uint64_t random = 3, live = 0;
	size_t bytes;

	shape.root_at = shape.table_at + (shape_bytes(&table) + 4095) / 4096 * 4096;
	shape.nodes_at = shape.root_at + 4 * 65536;
	shape.node_capacity = 4 * KEYS;
	bytes = shape.nodes_at + 4ull * LPM_NODE_CELLS * shape.node_capacity;
	lpm = zeros(bytes);
	lpm_init(lpm, &shape, &table);
	for (uint32_t i = 0; i < KEYS; i++) {
		uint32_t length = 12 + i % 37;
		uint64_t address = next_random(&random) % 16 << 44 | next_random(&random) >> 16;

		address &= ~0ull << (48 - length) & ((1ull << 48) - 1);
		networks[i] = (struct lpm_network){.low = address, .length = length};
	}
	for (uint64_t i = 0; i < operations; i++) {
		const struct lpm_network *network = &networks[next_random(&random) % KEYS];
		struct value value = value_of(network->low, 0);
		bool was = lpm_exact(lpm, network) >= 0;

		if (next_random(&random) % 2) {
			CHECK(lpm_insert(lpm, network, &value) >= 0);
			live += !was;
			CHECK(lpm_find(lpm, network->low, 0) >= 0);
		} else {
			CHECK((lpm_remove(lpm, network) >= 0) == was);
			live -= was;
		}
		CHECK(lpm_table(lpm)->length == live);
		CHECK(lpm->nodes_used <= live * 4 + 4 * KEYS);
	}
	for (uint32_t i = 0; i < KEYS; i++)
		lpm_remove(lpm, &networks[i]);
	CHECK(lpm_table(lpm)->length == 0 && lpm_nodes(lpm) == 0);
	for (uint32_t i = 0; i < 65536; i++)
		CHECK(((uint32_t *)((uint8_t *)lpm + shape.root_at))[i] == 0);
	munmap(lpm, bytes);
}

int main(int argc, char **argv)
{
	CHECK(argc == 3);
	if (!strcmp(argv[1], "lpm"))
		wear_lpm(strtoull(argv[2], NULL, 0));
	else
		wear_table(argv[1], strtoull(argv[2], NULL, 0));
	printf("%s: %s operations\n", argv[1], argv[2]);
	return 0;
}
