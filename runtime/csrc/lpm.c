/*
 * lpm.c - see lpm.h. Thread of all but lpm_find: the only writer, while no packet runs.
 */
#include "lpm.h"

#include "table_parts.h"

#define LOOKS  16u /* of a reader, at networks that change */
#define LEVELS 15u /* below the root, at most: 128 bits, of which the root takes 8 or more */

typedef unsigned __int128 address_t;

/* Where a network's cells lie: cells[first] and those behind it, count of them. */
struct span {
	uint32_t *cells;
	uint32_t first;
	uint32_t count;
	uint32_t *parents[LEVELS]; /* the cells that led there, from the root's on */
	uint32_t depth;
};

/* The table of the networks. */
struct nmjit_table *lpm_table(const struct nmjit_lpm *lpm)
{
	return (struct nmjit_table *)((uint8_t *)lpm + lpm->table_at);
}

static uint32_t *root_of(const struct nmjit_lpm *lpm)
{
	return (uint32_t *)((uint8_t *)lpm + lpm->root_at);
}

static uint32_t *node_of(const struct nmjit_lpm *lpm, uint32_t cell)
{
	return (uint32_t *)((uint8_t *)lpm + lpm->nodes_at) +
	       (uint64_t)(cell & ~LPM_CHILD) * LPM_NODE_CELLS;
}

/* The packed key of a network: address, then length. Words in use: 2 or 3. */
static void pack_network(const struct nmjit_lpm *lpm, const struct lpm_network *network,
			 uint64_t key[3])
{
	key[0] = network->low;
	key[1] = lpm->width > 64 ? network->high : network->length;
	key[2] = network->length;
}

static const uint64_t *key_at(const struct nmjit_lpm *lpm, uint64_t index)
{
	return (const uint64_t *)table_entry(lpm_table(lpm), index);
}

static uint32_t entry_length(const struct nmjit_lpm *lpm, uint32_t cell)
{
	return (uint32_t)key_at(lpm, cell - 1)[lpm->width > 64 ? 2 : 1];
}

/* The cell's number, among those of a level whose last bit is number `bits`, of an address. */
static uint32_t place_of(const struct nmjit_lpm *lpm, address_t address, uint32_t bits)
{
	uint32_t level = bits == lpm->root_bits ? lpm->root_bits : LPM_NODE_BITS;

	return (uint32_t)(address >> (lpm->width - bits)) & ((1u << level) - 1);
}

/* A node whose cells are all `cell`; its own cell, or 0 where there are no more. */
static uint32_t take_node(struct nmjit_lpm *lpm, uint32_t cell)
{
	uint32_t number = lpm->free_node, *cells;

	if (number)
		lpm->free_node = *node_of(lpm, --number);
	else if (lpm->nodes_used < lpm->node_capacity)
		number = lpm->nodes_used++;
	else
		return 0;
	cells = node_of(lpm, number);
	for (uint32_t i = 0; i < LPM_NODE_CELLS; i++)
		cells[i] = cell;
	return LPM_CHILD | number;
}

static void free_node(struct nmjit_lpm *lpm, uint32_t cell)
{
	*node_of(lpm, cell) = lpm->free_node;
	lpm->free_node = 1 + (cell & ~LPM_CHILD);
}

/* Find the cells of a network, making nodes on the way. false: a node is missing, or too many. */
static bool find_span(struct nmjit_lpm *lpm, const struct lpm_network *network, bool make,
		      struct span *span)
{
	address_t address = (address_t)network->high << 64 | network->low;
	uint32_t bits = lpm->root_bits;

	span->cells = root_of(lpm);
	span->depth = 0;
	while (network->length > bits) {
		uint32_t *cell = &span->cells[place_of(lpm, address, bits)];
		uint32_t child = *cell;

		if (!(child & LPM_CHILD)) {
			child = make ? take_node(lpm, child) : 0;
			if (!child)
				return false;
			*cell = child;
		}
		span->parents[span->depth++] = cell;
		span->cells = node_of(lpm, child);
		bits += LPM_NODE_BITS;
	}
	span->first = place_of(lpm, address, bits);
	span->count = 1u << (bits - network->length);
	return true;
}

/* Free the nodes on the way to a span that no network needs any more, the last one first. */
static void collapse(struct nmjit_lpm *lpm, struct span *span)
{
	while (span->depth) {
		uint32_t *parent = span->parents[--span->depth];
		uint32_t node = *parent, cell = *node_of(lpm, node);

		if (cell & LPM_CHILD)
			return;
		for (uint32_t i = 1; i < LPM_NODE_CELLS; i++)
			if (node_of(lpm, node)[i] != cell)
				return;
		*parent = cell;
		free_node(lpm, node);
	}
}

/* A network of this length covers the cells now: it takes those of shorter ones. */
static void cover(struct nmjit_lpm *lpm, uint32_t *cells, uint32_t count, uint32_t length,
		  uint32_t to)
{
	for (uint32_t i = 0; i < count; i++) {
		if (cells[i] & LPM_CHILD)
			cover(lpm, node_of(lpm, cells[i]), LPM_NODE_CELLS, length, to);
		else if (!cells[i] || entry_length(lpm, cells[i]) < length)
			cells[i] = to;
	}
}

/* Cells that were one network's are the next shorter one's now. */
static void uncover(struct nmjit_lpm *lpm, uint32_t *cells, uint32_t count, uint32_t from,
		    uint32_t to)
{
	for (uint32_t i = 0; i < count; i++) {
		if (cells[i] & LPM_CHILD)
			uncover(lpm, node_of(lpm, cells[i]), LPM_NODE_CELLS, from, to);
		else if (cells[i] == from)
			cells[i] = to;
	}
}

/* The cell of the longest network that covers a whole shorter one than itself, 0 for none. */
static uint32_t shorter_cell(const struct nmjit_lpm *lpm, struct lpm_network network)
{
	address_t address = (address_t)network.high << 64 | network.low;

	while (network.length) {
		int64_t index;

		address &= ~((address_t)1 << (lpm->width - network.length--));
		network.low = (uint64_t)address;
		network.high = (uint64_t)(address >> 64);
		index = lpm_exact(lpm, &network);
		if (index >= 0)
			return (uint32_t)index + 1;
	}
	return 0;
}

/* Make zeroed memory an empty LPM of this shape. */
void lpm_init(struct nmjit_lpm *lpm, const struct nmjit_lpm *shape, const struct nmjit_table *table)
{
	*lpm = *shape;
	lpm->nodes_used = lpm->free_node = 0;
	table_init(lpm_table(lpm), table);
}

/* Index of the longest network that contains the address, or -1. Thread: any but beside a writer.
 */
int64_t lpm_find(const struct nmjit_lpm *lpm, uint64_t low, uint64_t high)
{
	address_t address = (address_t)high << 64 | low;
	uint32_t bits = lpm->root_bits;
	uint32_t cell = root_of(lpm)[place_of(lpm, address, bits)];

	while (cell & LPM_CHILD && bits < lpm->width) {
		bits += LPM_NODE_BITS;
		cell = node_of(lpm, cell)[place_of(lpm, address, bits)];
	}
	return cell <= lpm_table(lpm)->slots ? (int64_t)cell - 1 : -1;
}

/* Index of just this network, or -1. */
int64_t lpm_exact(const struct nmjit_lpm *lpm, const struct lpm_network *network)
{
	const struct nmjit_table *t = lpm_table(lpm);
	uint64_t key[3];

	pack_network(lpm, network, key);
	return table_find(t, key, table_hash(t, key));
}

/*
 * Index of the network: the entry it has, as it is, or a new one that holds the value; -1, and
 * counted, where there is no room.
 */
int64_t lpm_insert(struct nmjit_lpm *lpm, const struct lpm_network *network, const void *value)
{
	struct nmjit_table *t = lpm_table(lpm);
	int64_t index = lpm_exact(lpm, network);
	struct span span;
	uint64_t key[3];

	if (index >= 0)
		return index;
	pack_network(lpm, network, key);
	index = table_insert(t, key, table_hash(t, key), value, 0, 0);
	if (index < 0)
		return -1;
	if (!find_span(lpm, network, true, &span)) {
		collapse(lpm, &span);
		table_remove(t, key, table_hash(t, key), 0, 0);
		t->failed++;
		return -1;
	}
	cover(lpm, span.cells + span.first, span.count, network->length, (uint32_t)index + 1);
	return index;
}

/* Take just this network out: the index that was its own, or -1. */
int64_t lpm_remove(struct nmjit_lpm *lpm, const struct lpm_network *network)
{
	struct nmjit_table *t = lpm_table(lpm);
	int64_t index = lpm_exact(lpm, network);
	struct span span;
	uint64_t key[3];

	if (index < 0)
		return -1;
	if (find_span(lpm, network, false, &span)) {
		uncover(lpm, span.cells + span.first, span.count, (uint32_t)index + 1,
			shorter_cell(lpm, *network));
		collapse(lpm, &span);
	}
	pack_network(lpm, network, key);
	return table_remove(t, key, table_hash(t, key), 0, 0);
}

/* Whether memory says of itself that it is an LPM of this shape. */
bool lpm_shape_agrees(const struct nmjit_lpm *lpm, const struct nmjit_lpm *shape)
{
	return lpm->table_at == shape->table_at && lpm->root_at == shape->root_at &&
	       lpm->nodes_at == shape->nodes_at && lpm->width == shape->width &&
	       lpm->root_bits == shape->root_bits && lpm->node_capacity == shape->node_capacity;
}

/* Whether a packed key is a network's, and which. */
static bool unpack_network(const struct nmjit_lpm *lpm, const uint64_t *key,
			   struct lpm_network *network)
{
	uint64_t length = key[lpm->width > 64 ? 2 : 1];
	address_t address = lpm->width > 64 ? (address_t)key[1] << 64 | key[0] : key[0];

	if (length > lpm->width || (lpm->width < 128 && address >> lpm->width))
		return false;
	*network = (struct lpm_network){
		.low = (uint64_t)address,
		.high = (uint64_t)(address >> 64),
		.length = (uint32_t)length,
	};
	return length == 0 ? !address : !(address & (((address_t)1 << (lpm->width - length)) - 1));
}

/*
 * Make an LPM of the right shape, whose root and nodes are zeroed, consistent from its table. As
 * table_recover.
 */
uint64_t lpm_recover(struct nmjit_lpm *lpm)
{
	struct nmjit_table *t = lpm_table(lpm);
	uint64_t dropped = table_recover(t);
	struct lpm_network network;
	struct span span;

	lpm->nodes_used = lpm->free_node = 0;
	for (uint64_t index = 0; index < t->slots; index++) {
		const uint64_t *key = key_at(lpm, index);

		if (*table_tag(t, index) == TAG_FREE)
			continue;
		if (unpack_network(lpm, key, &network) && find_span(lpm, &network, true, &span)) {
			cover(lpm, span.cells + span.first, span.count, network.length,
			      (uint32_t)index + 1);
			continue;
		}
		table_remove(t, key, table_hash(t, key), 0, 0);
		dropped++;
	}
	return dropped;
}

/* How many nodes are in use. */
uint32_t lpm_nodes(const struct nmjit_lpm *lpm)
{
	uint32_t n = lpm->nodes_used;

	for (uint32_t number = lpm->free_node; number; number = *node_of(lpm, number - 1))
		n--;
	return n;
}

/*
 * Copy the packed key (address, then length) of the longest network that contains the address:
 * whether there is one. Thread: any, in any process; while networks change, one that was or will be
 * the longest may be given.
 */
bool lpm_look(const struct nmjit_lpm *lpm, uint64_t low, uint64_t high, uint64_t *key)
{
	address_t address = (address_t)high << 64 | low;

	for (uint32_t look = 0; look < LOOKS; look++) {
		int64_t index = lpm_find(lpm, low, high);
		struct lpm_network network;
		address_t first;

		if (index < 0)
			return false;
		load_bytes(key, key_at(lpm, (uint64_t)index), lpm_table(lpm)->key_size);
		if (!unpack_network(lpm, key, &network))
			continue;
		first = (address_t)network.high << 64 | network.low;
		if (network.length == 0 || (address ^ first) >> (lpm->width - network.length) == 0)
			return true;
	}
	return false;
}

/* As table_fill. A record that is no network ends it as one without room does. */
uint64_t lpm_fill(struct nmjit_lpm *lpm, const void *records, uint64_t count)
{
	const struct nmjit_table *t = lpm_table(lpm);
	const uint8_t *record = records;
	struct lpm_network network;
	uint64_t key[3];

	for (uint64_t i = 0; i < count; i++, record += t->key_size + t->value_size) {
		memcpy(key, record, t->key_size);
		if (!unpack_network(lpm, key, &network) ||
		    lpm_insert(lpm, &network, record + t->key_size) < 0)
			return i;
	}
	return count;
}
