/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * client.h - a minimal netmap client: requests, bound descriptors, rings and slots.
 *
 * Calls return 0 or an errno where a test may want to see a failure, and end the test where not.
 * Nothing here waits, retries or counts packets: see traffic.h.
 */
#ifndef NMJIT_GUEST_CLIENT_H
#define NMJIT_GUEST_CLIENT_H

#include "netmap.h"

#include <stdbool.h>

#define DEVICE "/dev/netmap"

struct client {
	int fd;
	struct nmreq_register reg; /* the reply */
	char *mem;		   /* the region, or NULL */
	struct netmap_if *nif;	   /* NULL while not mapped */
};

/* An open, unbound descriptor. */
int netmap_open(void);
/* One NIOCCTRL. Checks that what must come back unchanged in the header does. */
int netmap_ctrl(int fd, uint16_t type, const char *name, void *body, void *options);
/* The same on a descriptor of its own. */
int netmap_ask(uint16_t type, const char *name, void *body, void *options);
/* ioctl, giving 0 or the errno; a positive result ends the test. */
int netmap_ioctl(int fd, unsigned long command, void *argument);

/* A request for `mode`, everything else 0. */
struct nmreq_register want(uint32_t mode);
/* A request for a null port in region 1. */
struct nmreq_register want_null(uint16_t tx_rings, uint16_t rx_rings, uint32_t slots);

/* Bind a fresh descriptor; on failure it is closed again. Does not map. */
int client_bind(struct client *client, const char *name, const struct nmreq_register *request,
		void *options);
/* Bind and map, or end the test. */
void client_open(struct client *client, const char *name, const struct nmreq_register *request,
		 void *options);
void client_map(struct client *client);
void client_close(struct client *client);

/* Ring `index` of a direction, host rings after the others; NULL where it is not bound. */
struct netmap_ring *tx_ring(const struct client *client, unsigned int index);
struct netmap_ring *rx_ring(const struct client *client, unsigned int index);

void tx_sync(const struct client *client);
void rx_sync(const struct client *client);
/* poll with `events` for `ms` milliseconds: the events that came. */
short client_poll(const struct client *client, short events, int ms);

/* The module's parameter; fails the test where there is none. */
long parameter_get(const char *name);
void parameter_set(const char *name, long value);

/* Region 1's buffers that nobody holds now. */
uint32_t free_buffers(uint16_t region);

static inline uint32_t ring_next(const struct netmap_ring *ring, uint32_t index)
{
	return index + 1 == ring->num_slots ? 0 : index + 1;
}

static inline uint32_t ring_distance(const struct netmap_ring *ring, uint32_t from, uint32_t to)
{
	return to >= from ? to - from : to + ring->num_slots - from;
}

/* Slots that the program owns. */
static inline uint32_t ring_room(const struct netmap_ring *ring)
{
	return ring_distance(ring, ring->head, ring->tail);
}

static inline char *buffer_at(struct netmap_ring *ring, uint32_t index)
{
	return (char *)ring + ring->buf_ofs + (uint64_t)index * ring->nr_buf_size;
}

static inline char *slot_data(struct netmap_ring *ring, const struct netmap_slot *slot)
{
	return buffer_at(ring, slot->buf_idx) + (slot->ptr & ring->offset_mask);
}

#endif
