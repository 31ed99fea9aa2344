/*
 * arena.h - packets of an application, laid out for a batch function that reads descriptors.
 *
 * Cells of one size, a packet in each. Guarded: every packet ends where a page begins that may not
 * be touched, so that a read or write behind it ends the process. Must not know: ports, workers.
 */
#ifndef NMJIT_ARENA_H
#define NMJIT_ARENA_H

#include "abi.h"

#include <stdbool.h>

#define ARENA_READABLE 64u /* bytes readable from a packet's start, without guards */

struct arena {
	uint8_t *memory;
	size_t size; /* bytes mapped */
	size_t cell;
	size_t room; /* bytes of a cell that may hold a packet */
	uint32_t cells;
	uint32_t headroom; /* bytes of a cell in front of its packet */
	bool guarded;
	struct nmjit_descriptor *packets;
};

int arena_open(struct arena *arena, uint32_t cells, size_t longest, uint32_t headroom,
	       bool guarded);
void arena_close(struct arena *arena);
void arena_place(struct arena *arena, uint32_t i, const void *packet, uint32_t len,
		 uint32_t wire_len, uint64_t timestamp);
const uint8_t *arena_packet(const struct arena *arena, uint32_t i);
void arena_batch(const struct arena *arena, uint32_t count, struct nmjit_batch *batch);

#endif
