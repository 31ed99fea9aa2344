/*
 * lpm.h - longest prefix match: an LpmTrie's networks, and the cells that find the longest one.
 *
 * compiler/maplayout.py is the home of the layout. The networks are keys of a table (address, then
 * length); root and nodes say for each range of addresses which entry is the longest that covers
 * it, and follow from the table. A node exists while a network longer than its own prefix lies in
 * it. Networks change while no packet runs. Source: DIR-24-8 (Gupta, Lin, McKeown, INFOCOM 1998).
 * Must not know: Python, packets.
 */
#ifndef NMJIT_LPM_H
#define NMJIT_LPM_H

#include "table.h"

#define LPM_NODE_CELLS 256u
#define LPM_NODE_BITS  8u
#define LPM_CHILD      0x80000000u

struct nmjit_lpm {
	uint64_t table_at;
	uint64_t root_at;
	uint64_t nodes_at;
	uint32_t width;	    /* of an address, in bits */
	uint32_t root_bits; /* of an address, that choose the root's cell */
	uint32_t node_capacity;
	uint32_t nodes_used; /* from the first on, freed ones included */
	uint32_t free_node;  /* 1 + number of the first freed one */
	uint32_t reserved;
};

/* An address's low bits first; bits behind a network's length are 0. */
struct lpm_network {
	uint64_t low;
	uint64_t high;
	uint32_t length;
};

struct nmjit_table *lpm_table(const struct nmjit_lpm *lpm);
void lpm_init(struct nmjit_lpm *lpm, const struct nmjit_lpm *shape,
	      const struct nmjit_table *table);
int64_t lpm_find(const struct nmjit_lpm *lpm, uint64_t low, uint64_t high);
int64_t lpm_exact(const struct nmjit_lpm *lpm, const struct lpm_network *network);
int64_t lpm_insert(struct nmjit_lpm *lpm, const struct lpm_network *network, const void *value);
int64_t lpm_remove(struct nmjit_lpm *lpm, const struct lpm_network *network);
bool lpm_look(const struct nmjit_lpm *lpm, uint64_t low, uint64_t high, uint64_t *key);
uint64_t lpm_fill(struct nmjit_lpm *lpm, const void *records, uint64_t count);
bool lpm_shape_agrees(const struct nmjit_lpm *lpm, const struct nmjit_lpm *shape);
uint64_t lpm_recover(struct nmjit_lpm *lpm);
uint32_t lpm_nodes(const struct nmjit_lpm *lpm);

#endif
