/*
 * port_mem.h - rings in this process: a region of netmap's layout whose other side is the
 * application.
 *
 * One region holds one struct netmap_if, its rings and its buffers, in that order, and ends at a
 * page that may not be touched. The worker sees ring ports; the application fills rx rings and
 * drains tx rings. One thread at a time on each side of a ring.
 */
#ifndef NMJIT_PORT_MEM_H
#define NMJIT_PORT_MEM_H

#include "ring.h"

#define MEM_BUFFER_SIZE 2048u
#define MEM_MAX_RINGS	256u
#define MEM_MAX_SLOTS	65536u
#define MEM_MAX_BUFFERS 4000000u

/* Both sides of one ring. */
struct mem_ring {
	struct ring_port worker; /* first: a struct port of this kind is a struct mem_ring */
	uint32_t taken;		 /* application, tx: first slot not taken yet */
	uint32_t sleeping;	 /* atomic: the worker sleeps, or is about to */
	int bell;		 /* eventfd that wakes it */
};

struct mem_region {
	uint8_t *memory; /* struct netmap_if lies at its start */
	size_t size;	 /* bytes, without the guard page */
	void *mapping;
	size_t mapping_size;
	uint32_t rx_rings;
	uint32_t tx_rings;
	uint32_t slots;
	uint32_t num_bufs;
	struct mem_ring *rings; /* rx rings, then tx rings */
};

int mem_region_open(struct mem_region *region, uint32_t rx_rings, uint32_t tx_rings, uint32_t slots,
		    uint32_t num_bufs);
void mem_region_close(struct mem_region *region);
struct mem_ring *mem_region_rx(struct mem_region *region, uint32_t i);
struct mem_ring *mem_region_tx(struct mem_region *region, uint32_t i);

int mem_put(struct mem_ring *ring, const void *packet, uint32_t len, uint16_t flags);
uint32_t mem_waiting(struct mem_ring *ring);
int mem_take(struct mem_ring *ring, void *packet);

#endif
