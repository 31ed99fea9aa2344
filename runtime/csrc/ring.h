/*
 * ring.h - the program's side of netmap rings: receive, move between rings, commit.
 *
 * Packets of more than one slot (NS_MOREFRAG) are not supported yet: their slots are given back
 * unseen, and counted as refused. Serves every port whose rings have netmap's layout. Source:
 * kernel/uapi/netmap.h. Must not know: who is on the other side of the ring, or how to wait for it.
 */
#ifndef NMJIT_RING_H
#define NMJIT_RING_H

#include "port.h"

#include <stdbool.h>

/*
 * One ring as its worker sees it. The worker's thread owns everything here and ring->head and
 * ring->cur; the ring's memory belongs to the region, which outlives it.
 */
struct ring_port {
	struct port port;
	struct netmap_ring *ring;
	uint8_t *buffers;  /* buffer 0 */
	uint32_t num_bufs; /* buffers of the region */
	uint32_t next;	   /* rx: first packet not disposed of; tx: first slot not filled */
	bool in_chain;	   /* rx: the next slot continues a packet that is being dropped */
};

static inline uint32_t ring_next(const struct netmap_ring *ring, uint32_t i)
{
	return i + 1 == ring->num_slots ? 0 : i + 1;
}

/* Slots from `from` forward to `to`. */
static inline uint32_t ring_distance(const struct netmap_ring *ring, uint32_t from, uint32_t to)
{
	return to >= from ? to - from : to + ring->num_slots - from;
}

/* Index n slots behind i; n is at most num_slots. */
static inline uint32_t ring_forward(const struct netmap_ring *ring, uint32_t i, uint32_t n)
{
	uint64_t sum = (uint64_t)i + n;

	return (uint32_t)(sum >= ring->num_slots ? sum - ring->num_slots : sum);
}

void ring_port_init(struct ring_port *rp, const struct port_ops *ops, struct netmap_ring *ring,
		    uint32_t num_bufs);
int ring_recv(struct port *port, uint32_t max, struct nmjit_batch *batch);
int ring_commit(struct port *port, uint32_t n);
int ring_accepts(const struct port *port, const struct port *from);
int ring_send(struct port *port, const struct nmjit_batch *batch, uint32_t first, uint32_t n);
int ring_copy(struct port *port, const uint8_t *packet, uint32_t len, uint64_t timestamp);
int ring_flush(struct port *port);
bool ring_ready(const struct ring_port *rp);

#endif
