/*
 * events.c - see events.h.
 */
#include "events.h"

#include <string.h>

/* Copy the oldest `count` records, which are there, and leave them. Thread: a reader's. */
void events_peek(const struct nmjit_ring *ring, uint32_t capacity, uint32_t record_size,
		 void *records, uint32_t count)
{
	uint64_t tail = __atomic_load_n(&ring->tail, __ATOMIC_RELAXED);
	uint8_t *out = records;

	for (uint32_t i = 0; i < count; i++, out += record_size)
		memcpy(out, ring->records + (tail + i) % capacity * record_size, record_size);
}

/* Begin anew with records that wait. Thread: any, while no worker writes. */
void events_load(struct nmjit_ring *ring, uint32_t record_size, const void *records, uint32_t count)
{
	if (count)
		memcpy(ring->records, records, (size_t)count * record_size);
	ring->tail = ring->dropped = 0;
	ring->head = count;
}

/*
 * Take the oldest records out, at most `room` of them: their number. Thread: any, one at a time;
 * the worker may write meanwhile.
 */
uint32_t events_read(struct nmjit_ring *ring, uint32_t capacity, uint32_t record_size,
		     void *records, uint32_t room)
{
	uint64_t tail = __atomic_load_n(&ring->tail, __ATOMIC_RELAXED);
	uint64_t waiting = __atomic_load_n(&ring->head, __ATOMIC_ACQUIRE) - tail;
	uint32_t n = waiting < room ? (uint32_t)waiting : room;

	events_peek(ring, capacity, record_size, records, n);
	__atomic_store_n(&ring->tail, tail + n, __ATOMIC_RELEASE);
	return n;
}

/* The counts as of now; read ≤ written, whatever happens meanwhile. Thread: any. */
struct events_count events_count(const struct nmjit_ring *ring)
{
	struct events_count count;

	count.read = __atomic_load_n(&ring->tail, __ATOMIC_ACQUIRE);
	count.written = __atomic_load_n(&ring->head, __ATOMIC_ACQUIRE);
	count.dropped = __atomic_load_n(&ring->dropped, __ATOMIC_RELAXED);
	return count;
}

/* A ring of which more seems to wait than fits keeps what fits. Thread: the only one. */
void events_recover(struct nmjit_ring *ring, uint32_t capacity)
{
	if (ring->head - ring->tail > capacity)
		ring->tail = ring->head > capacity ? ring->head - capacity : 0;
	if (ring->tail > ring->head)
		ring->tail = ring->head;
}
