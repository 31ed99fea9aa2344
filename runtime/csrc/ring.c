/*
 * ring.c - see ring.h. Verdicts move slots, not bytes: between rings of one region two buffer
 * indices change places; between regions the bytes are copied.
 */
#include "ring.h"

#include <errno.h>
#include <string.h>

static struct ring_port *as_ring(struct port *port)
{
	return (struct ring_port *)port;
}

/* Thread: any, before the worker starts. rp is the caller's; the ring must outlive it. */
void ring_port_init(struct ring_port *rp, const struct port_ops *ops, struct netmap_ring *ring,
		    uint32_t num_bufs)
{
	*rp = (struct ring_port){
		.port = {.ops = ops, .accessor = PORT_NETMAP},
		.ring = ring,
		.buffers = (uint8_t *)ring + ring->buf_ofs,
		.num_bufs = num_bufs,
		.next = ring->head,
	};
}

/* Slots that are the program's, from next on. Tail is the other side's and may be anything. */
static int ring_space(const struct ring_port *rp)
{
	uint32_t tail = __atomic_load_n(&rp->ring->tail, __ATOMIC_ACQUIRE);

	if (tail >= rp->ring->num_slots)
		return -EIO;
	return (int)ring_distance(rp->ring, rp->next, tail);
}

/* Thread: the worker. Whether a slot is the program's; a bad tail counts, so that it is found. */
bool ring_ready(const struct ring_port *rp)
{
	return ring_space(rp) != 0;
}

static void ring_publish(struct ring_port *rp)
{
	rp->ring->cur = rp->next;
	__atomic_store_n(&rp->ring->head, rp->next, __ATOMIC_RELEASE);
}

/* Give back the slots of a multi-slot packet at the front. Returns the slots left of n. */
static uint32_t skip_chain(struct ring_port *rp, uint32_t n)
{
	while (n > 0) {
		bool more = rp->ring->slot[rp->next].flags & NS_MOREFRAG;

		if (!more && !rp->in_chain)
			break;
		rp->in_chain = more;
		rp->next = ring_next(rp->ring, rp->next);
		rp->port.refused++;
		n--;
	}
	return n;
}

/* Single-slot packets among the n slots from next on, up to the first chain. */
static uint32_t run_of_whole_packets(const struct ring_port *rp, uint32_t n)
{
	uint32_t i = rp->next;

	for (uint32_t k = 0; k < n; k++, i = ring_next(rp->ring, i))
		if (rp->ring->slot[i].flags & NS_MOREFRAG)
			return k;
	return n;
}

/* Thread: the worker. The batch is the ring itself: nothing is copied. */
int ring_recv(struct port *port, uint32_t max, struct nmjit_batch *batch)
{
	struct ring_port *rp = as_ring(port);
	uint32_t before = rp->next;
	int space = ring_space(rp);
	uint32_t n;

	if (space <= 0)
		return space;
	n = skip_chain(rp, (uint32_t)space);
	if (rp->next != before)
		ring_publish(rp);
	n = run_of_whole_packets(rp, n < max ? n : max);
	*batch = (struct nmjit_batch){
		.slots = rp->ring->slot,
		.base = rp->buffers,
		.stride = rp->ring->nr_buf_size,
		.num_slots = rp->ring->num_slots,
		.head = rp->next,
		.count = n,
		.num_bufs = rp->num_bufs,
		.readable = rp->ring->nr_buf_size,
	};
	return (int)n;
}

/* Thread: the worker. Its slots go back to the other side. */
int ring_commit(struct port *port, uint32_t n)
{
	struct ring_port *rp = as_ring(port);

	rp->next = ring_forward(rp->ring, rp->next, n);
	ring_publish(rp);
	return 0;
}

/* Thread: any. Takes from rings whose packets fit into this ring's buffers. */
int ring_accepts(const struct port *port, const struct port *from)
{
	const struct ring_port *to = (const struct ring_port *)port;

	if (from->accessor != PORT_NETMAP)
		return -EXDEV;
	if (((const struct ring_port *)from)->ring->nr_buf_size > to->ring->nr_buf_size)
		return -EXDEV;
	return 0;
}

static void slot_swap(struct netmap_slot *from, struct netmap_slot *to)
{
	uint32_t buf = to->buf_idx;

	to->buf_idx = from->buf_idx;
	to->len = from->len;
	to->flags = NS_BUF_CHANGED;
	from->buf_idx = buf;
	from->flags = NS_BUF_CHANGED;
}

/* A slot from another process may say anything: it is read once, and kept inside the region. */
static void slot_copy(const struct nmjit_batch *batch, const struct netmap_slot *from,
		      const struct ring_port *rp, struct netmap_slot *to)
{
	uint32_t buf = __atomic_load_n(&from->buf_idx, __ATOMIC_RELAXED);
	uint16_t len = __atomic_load_n(&from->len, __ATOMIC_RELAXED);

	if (buf >= batch->num_bufs) {
		buf = 0;
		len = 0;
	}
	if (len > batch->stride)
		len = (uint16_t)batch->stride;
	memcpy(rp->buffers + (size_t)to->buf_idx * rp->ring->nr_buf_size,
	       batch->base + buf * batch->stride, len);
	to->len = len;
	to->flags = 0;
}

/* Thread: the worker that owns both rings. */
int ring_send(struct port *port, const struct nmjit_batch *batch, uint32_t first, uint32_t n)
{
	struct ring_port *rp = as_ring(port);
	struct netmap_slot *slots = batch->slots;
	bool same_region = batch->base == rp->buffers;
	uint64_t at = (uint64_t)batch->head + first;
	uint32_t from = (uint32_t)(at >= batch->num_slots ? at - batch->num_slots : at);
	int space = ring_space(rp);

	if (space < 0)
		return space;
	if (n > (uint32_t)space)
		n = (uint32_t)space;
	for (uint32_t k = 0; k < n; k++) {
		struct netmap_slot *to = &rp->ring->slot[rp->next];

		if (same_region)
			slot_swap(&slots[from], to);
		else
			slot_copy(batch, &slots[from], rp, to);
		from = from + 1 == batch->num_slots ? 0 : from + 1;
		rp->next = ring_next(rp->ring, rp->next);
	}
	return (int)n;
}

/* Thread: the worker. A packet that is longer than a buffer is cut. */
int ring_copy(struct port *port, const uint8_t *packet, uint32_t len, uint64_t timestamp)
{
	struct ring_port *rp = as_ring(port);
	int space = ring_space(rp);
	struct netmap_slot *to;

	(void)timestamp;
	if (space <= 0)
		return space;
	to = &rp->ring->slot[rp->next];
	if (len > rp->ring->nr_buf_size)
		len = rp->ring->nr_buf_size;
	memcpy(rp->buffers + (size_t)to->buf_idx * rp->ring->nr_buf_size, packet, len);
	to->len = (uint16_t)len;
	to->flags = 0;
	rp->next = ring_next(rp->ring, rp->next);
	return 1;
}

/* Thread: the worker. What was sent becomes the other side's. */
int ring_flush(struct port *port)
{
	ring_publish(as_ring(port));
	return 0;
}
