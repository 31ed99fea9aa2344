/*
 * The hand-written routing table: DIR-24-8 (Gupta, Lin, McKeown 1998). A root of 2^24 cells by the
 * first 24 bits of an address, blocks of 256 for the rest. A cell is 0 for no route, ROUTE_BLOCK
 * with a block's number, or 1 + the next hop; lengths of the prefixes are needed only while
 * building.
 *
 * BENCH_KEYS  most routes
 */
#ifndef BENCH_ROUTES_H
#define BENCH_ROUTES_H

#include "parse.h"
#include "table_memory.h"

#define ROUTE_BLOCK 0x80000000u
#define ROOT_CELLS  (1u << 24)

static uint32_t *root, *blocks;
static uint8_t *root_length, *block_length;
static uint32_t blocks_used;

const char *bench_routes(const uint32_t *networks, const uint8_t *lengths, const uint32_t *hops,
			 uint32_t count);

static void put(uint32_t *cells, uint8_t *held, uint32_t first, uint32_t last, uint32_t cell,
		uint8_t length)
{
	for (uint32_t i = first; i <= last; i++) {
		if (held[i] > length || cells[i] & ROUTE_BLOCK)
			continue;
		cells[i] = cell;
		held[i] = length;
	}
}

static uint32_t block_of(uint32_t at)
{
	if (!(root[at] & ROUTE_BLOCK)) {
		for (uint32_t i = 0; i < 256; i++) {
			blocks[blocks_used * 256 + i] = root[at];
			block_length[blocks_used * 256 + i] = root_length[at];
		}
		root[at] = ROUTE_BLOCK | blocks_used++;
	}
	return root[at] & ~ROUTE_BLOCK;
}

/* Routes must come with shorter prefixes first. NULL, or why not. */
const char *bench_routes(const uint32_t *networks, const uint8_t *lengths, const uint32_t *hops,
			 uint32_t count)
{
	size_t cells = 256ul * BENCH_KEYS; /* taken only where written */

	if (count > BENCH_KEYS)
		return "too many routes";
	root = table_memory(root, ROOT_CELLS * sizeof(*root));
	root_length = table_memory(root_length, ROOT_CELLS);
	blocks = table_memory(blocks, cells * sizeof(*blocks));
	block_length = table_memory(block_length, cells);
	blocks_used = 0;
	if (!root || !root_length || !blocks || !block_length)
		return "no memory for the table";
	for (uint32_t i = 0; i < count; i++) {
		uint32_t network = networks[i], length = lengths[i], cell = hops[i] + 1;

		if (length <= 24) {
			put(root, root_length, network >> 8,
			    (network >> 8) + (1u << (24 - length)) - 1, cell, (uint8_t)length);
		} else {
			uint32_t block = block_of(network >> 8), first = network & 0xff;

			put(blocks + block * 256, block_length + block * 256, first,
			    first + (1u << (32 - length)) - 1, cell, (uint8_t)length);
		}
	}
	return NULL;
}

/* 1 + the next hop, or 0. */
static inline uint32_t route_of(uint32_t address)
{
	uint32_t cell = root[address >> 8];

	if (unlikely(cell & ROUTE_BLOCK))
		cell = blocks[(cell & ~ROUTE_BLOCK) * 256 + (address & 0xff)];
	return cell;
}

static inline uint8_t route_verdict(uint32_t cell)
{
	return cell == 0 ? DROP : (cell - 1) & 1 ? TX : PASS;
}

/* Where the destination lies, or false where the packet is no IPv4. */
static inline bool destination_of(const uint8_t *packet, uint32_t len, uint32_t *address)
{
	struct layer3 l3 = parse_layer3(packet, len);
	uint32_t header_end, end;

	if (unlikely(l3.type != TYPE_IPV4) ||
	    unlikely(!parse_ipv4(packet, len, l3.offset, &header_end, &end)))
		return false;
	*address = load32(packet + l3.offset + 16);
	return true;
}

#endif
