/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * traffic.h - packets that can be told from each other and from damaged ones, and moving them.
 *
 * A packet names its stream, its number and its length, and carries a sum over all of it behind the
 * Ethernet header. Knows rings, not how ports move what is in them.
 */
#ifndef NMJIT_GUEST_TRAFFIC_H
#define NMJIT_GUEST_TRAFFIC_H

#include "client.h"

#define PACKET_MIN	32
#define PACKET_MAX	65536
#define ETHERNET_HEADER 14

/* Write a packet of `length` bytes; broadcast from 02:00:00:00:00:<stream>. */
void packet_make(void *bytes, uint32_t length, uint32_t stream, uint32_t number);
void packet_address(void *bytes, const uint8_t to[6], const uint8_t from[6]);
/* NULL, or what is wrong with it. */
const char *packet_fault(const void *bytes, uint32_t length, uint32_t stream, uint32_t number);
uint32_t packet_number(const void *bytes);
uint32_t packet_stream(const void *bytes);

/*
 * Put a packet at head in pieces of up to `piece` bytes (0: whole buffers), each at its slot's
 * offset, and move head and cur. Slots used; 0 where there is no room for all of it.
 */
uint32_t ring_put(struct netmap_ring *ring, const void *bytes, uint32_t length, uint32_t piece);
/* Take the packet at head; 0 if there is none. A chain that does not end fails the test. */
uint32_t ring_take(struct netmap_ring *ring, void *bytes, uint32_t capacity);

enum waiting { BY_SYNC, BY_POLL, BY_SELECT, BY_EPOLL };

/* One stream of packets between two rings. */
struct flow {
	const struct client *from;
	const struct client *to;
	uint32_t from_ring; /* indices as tx_ring and rx_ring take them */
	uint32_t to_ring;
	uint32_t stream;
	uint32_t min_length;
	uint32_t max_length;
	uint32_t piece;	 /* bytes in a slot at most; 0: a whole buffer */
	uint32_t window; /* packets on their way at most; 0: as many as the rings take */
	uint32_t packets;
};

/* Both ends in this thread, by sync ioctls. */
void flow_run(const struct flow *flow);
/* Each end in a thread of its own, each waiting as said. */
void flow_run_threads(const struct flow *flow, enum waiting waiting);

#endif
