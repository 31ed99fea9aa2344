/*
 * port_mem.c - see port_mem.h. Layout: netmap API, region offsets; kernel/uapi/netmap.h.
 */
#define _GNU_SOURCE
#include "port_mem.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <unistd.h>

#define PAGE	  4096u /* unit of the pools; a multiple of it on machines with larger pages */
#define HUGE_PAGE (2u << 20)
#define RESERVED  2u /* buffers 0 and 1 are never handed out */

static size_t round_up(size_t n, size_t unit)
{
	return (n + unit - 1) / unit * unit;
}

/* Thread: the worker. Sleep until the application has moved the ring's tail. */
static int mem_poll(struct port *port, int timeout_ms)
{
	struct mem_ring *ring = (struct mem_ring *)port;
	struct pollfd pfd = {.fd = ring->bell, .events = POLLIN};
	uint64_t rung;
	int ready = 1;

	__atomic_store_n(&ring->sleeping, 1, __ATOMIC_SEQ_CST);
	__atomic_thread_fence(
		__ATOMIC_SEQ_CST); /* pairs with wake(): one of the two sees the other */
	if (!ring_ready(&ring->worker)) {
		ready = poll(&pfd, 1, timeout_ms);
		if (ready < 0)
			ready = errno == EINTR ? 0 : -errno;
		if (ready > 0 && read(ring->bell, &rung, sizeof(rung)) < 0 && errno != EAGAIN)
			ready = -errno;
	}
	__atomic_store_n(&ring->sleeping, 0, __ATOMIC_RELAXED);
	return ready;
}

/* Thread: the application, after it has moved the tail. */
static int wake(struct mem_ring *ring)
{
	const uint64_t one = 1;

	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	if (!__atomic_load_n(&ring->sleeping, __ATOMIC_RELAXED))
		return 0;
	if (write(ring->bell, &one, sizeof(one)) < 0 && errno != EAGAIN)
		return -errno;
	return 0;
}

static const struct port_ops mem_rx_ops = {
	.recv = ring_recv,
	.commit = ring_commit,
	.poll = mem_poll,
};

static const struct port_ops mem_tx_ops = {
	.accepts = ring_accepts,
	.send = ring_send,
	.copy = ring_copy,
	.flush = ring_flush,
	.poll = mem_poll,
};

/* Map the region at a huge page's boundary, and one page behind it that may not be touched. */
static int map_region(struct mem_region *region)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE);
	uintptr_t start;
	void *map;

	region->size = round_up(region->size, page);
	region->mapping_size = region->size + HUGE_PAGE + page;
	map = mmap(NULL, region->mapping_size, PROT_NONE,
		   MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (map == MAP_FAILED)
		return -errno;
	region->mapping = map;
	start = round_up((uintptr_t)map, HUGE_PAGE);
	region->memory = (uint8_t *)start;
	if (mprotect(region->memory, region->size, PROT_READ | PROT_WRITE) < 0)
		return -errno;
	/* A wish: a kernel built without huge pages refuses it, and the region works as well. */
	(void)madvise(region->memory, region->size, MADV_HUGEPAGE);
	return 0;
}

static void ring_create(struct mem_region *region, struct netmap_ring *ring, uint32_t id, bool tx,
			size_t buffers, uint32_t *buf)
{
	ring->buf_ofs = (int64_t)buffers - ((uint8_t *)ring - region->memory);
	ring->num_slots = region->slots;
	ring->nr_buf_size = MEM_BUFFER_SIZE;
	ring->ringid = (uint16_t)id;
	ring->dir = tx ? NETMAP_RING_TX : NETMAP_RING_RX;
	ring->tail = tx ? region->slots - 1 : 0;
	for (uint32_t i = 0; i < region->slots; i++)
		ring->slot[i] = (struct netmap_slot){.buf_idx = (*buf)++, .len = MEM_BUFFER_SIZE};
}

/* Link buffers from `buf` on into the list of spare ones. */
static void link_spare_buffers(struct mem_region *region, struct netmap_if *nifp, uint8_t *buffers,
			       uint32_t buf)
{
	uint32_t last = region->num_bufs;

	while (last-- > buf) {
		memcpy(buffers + (size_t)last * MEM_BUFFER_SIZE, &nifp->ni_bufs_head,
		       sizeof(nifp->ni_bufs_head));
		nifp->ni_bufs_head = last;
	}
}

/* Write the if-object and the rings into zeroed memory. */
static int lay_out(struct mem_region *region, size_t ring_pool, size_t ring_size, size_t buffers)
{
	struct netmap_if *nifp = (struct netmap_if *)region->memory;
	uint32_t n = region->rx_rings + region->tx_rings;
	uint32_t buf = RESERVED;

	snprintf(nifp->ni_name, sizeof(nifp->ni_name), "mem");
	nifp->ni_flags = NI_PRIV_MEM;
	nifp->ni_tx_rings = region->tx_rings;
	nifp->ni_rx_rings = region->rx_rings;
	nifp->ni_host_tx_rings =
		1; /* entries that are always there, 0 as nothing is bound to them */
	nifp->ni_host_rx_rings = 1;
	for (uint32_t i = 0; i < n; i++) {
		bool tx = i >= region->rx_rings;
		uint32_t id = tx ? i - region->rx_rings : i;
		uint32_t entry = tx ? id : region->tx_rings + 1 + id;
		struct mem_ring *mr = &region->rings[i];
		struct netmap_ring *ring;

		nifp->ring_ofs[entry] = (int64_t)(ring_pool + i * ring_size);
		ring = (struct netmap_ring *)(region->memory + nifp->ring_ofs[entry]);
		ring_create(region, ring, id, tx, buffers, &buf);
		ring_port_init(&mr->worker, tx ? &mem_tx_ops : &mem_rx_ops, ring, region->num_bufs);
		mr->bell = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
		if (mr->bell < 0)
			return -errno;
	}
	link_spare_buffers(region, nifp, region->memory + buffers, buf);
	return 0;
}

/*
 * Make a region. num_bufs counts all buffers; 0 asks for just enough. The caller owns *region and
 * closes it, also after an error. Thread: any. -EINVAL: a number out of range, or too few buffers.
 */
int mem_region_open(struct mem_region *region, uint32_t rx_rings, uint32_t tx_rings, uint32_t slots,
		    uint32_t num_bufs)
{
	size_t rings = (size_t)rx_rings + tx_rings;
	size_t if_size = sizeof(struct netmap_if) + (rings + 2) * sizeof(int64_t);
	size_t ring_size, ring_pool, buffers, needed;
	int err;

	*region = (struct mem_region){.rx_rings = rx_rings, .tx_rings = tx_rings, .slots = slots};
	if (rings == 0 || rx_rings > MEM_MAX_RINGS || tx_rings > MEM_MAX_RINGS)
		return -EINVAL;
	if (slots < 2 || slots > MEM_MAX_SLOTS)
		return -EINVAL;
	needed = RESERVED + rings * slots;
	if (num_bufs == 0)
		num_bufs = (uint32_t)needed;
	if (num_bufs < needed || num_bufs > MEM_MAX_BUFFERS)
		return -EINVAL;
	region->num_bufs = num_bufs;
	region->rings = calloc(rings, sizeof(*region->rings));
	if (!region->rings)
		return -ENOMEM;
	for (size_t i = 0; i < rings; i++)
		region->rings[i].bell = -1;

	ring_size = round_up(sizeof(struct netmap_ring) + slots * sizeof(struct netmap_slot),
			     NM_CACHE_ALIGN);
	ring_pool = round_up(if_size, PAGE);
	buffers = ring_pool + round_up(rings * ring_size, PAGE);
	region->size = buffers + (size_t)num_bufs * MEM_BUFFER_SIZE;
	err = map_region(region);
	return err ? err : lay_out(region, ring_pool, ring_size, buffers);
}

/* Thread: any, when no worker and no application uses the region any more. */
void mem_region_close(struct mem_region *region)
{
	for (uint32_t i = 0; region->rings && i < region->rx_rings + region->tx_rings; i++)
		if (region->rings[i].bell >= 0)
			close(region->rings[i].bell);
	free(region->rings);
	if (region->mapping)
		munmap(region->mapping, region->mapping_size);
	*region = (struct mem_region){0};
}

/* The i-th rx ring, owned by the region; NULL where there is none. */
struct mem_ring *mem_region_rx(struct mem_region *region, uint32_t i)
{
	return i < region->rx_rings ? &region->rings[i] : NULL;
}

/* The i-th tx ring, owned by the region; NULL where there is none. */
struct mem_ring *mem_region_tx(struct mem_region *region, uint32_t i)
{
	return i < region->tx_rings ? &region->rings[region->rx_rings + i] : NULL;
}

/*
 * Copy one packet, or one piece of it, into an rx ring. Thread: the application.
 * -EAGAIN: the ring is full. -EMSGSIZE: longer than a buffer. -EIO: the worker's head is bad.
 */
int mem_put(struct mem_ring *mr, const void *packet, uint32_t len, uint16_t flags)
{
	struct netmap_ring *ring = mr->worker.ring;
	uint32_t head = __atomic_load_n(&ring->head, __ATOMIC_ACQUIRE);
	struct netmap_slot *slot = &ring->slot[ring->tail];

	if (head >= ring->num_slots || slot->buf_idx >= mr->worker.num_bufs)
		return -EIO;
	if (len > ring->nr_buf_size)
		return -EMSGSIZE;
	if (ring_next(ring, ring->tail) == head)
		return -EAGAIN;
	memcpy(mr->worker.buffers + (size_t)slot->buf_idx * ring->nr_buf_size, packet, len);
	slot->len = (uint16_t)len;
	slot->flags = flags;
	__atomic_store_n(&ring->tail, ring_next(ring, ring->tail), __ATOMIC_RELEASE);
	return wake(mr);
}

/* Packets of an rx ring that the worker has not given back. Thread: the application. */
uint32_t mem_waiting(struct mem_ring *mr)
{
	struct netmap_ring *ring = mr->worker.ring;

	return ring_distance(ring, __atomic_load_n(&ring->head, __ATOMIC_ACQUIRE), ring->tail);
}

/*
 * Copy the oldest packet of a tx ring to packet (MEM_BUFFER_SIZE bytes) and free its slot. Returns
 * its length. Thread: the application. -EAGAIN: the ring is empty. -EIO: the worker's slot is bad.
 */
int mem_take(struct mem_ring *mr, void *packet)
{
	struct netmap_ring *ring = mr->worker.ring;
	uint32_t head = __atomic_load_n(&ring->head, __ATOMIC_ACQUIRE);
	const struct netmap_slot *slot = &ring->slot[mr->taken];
	uint16_t len;
	int err;

	if (head == mr->taken)
		return -EAGAIN;
	len = slot->len;
	if (head >= ring->num_slots || slot->buf_idx >= mr->worker.num_bufs ||
	    len > ring->nr_buf_size)
		return -EIO;
	memcpy(packet, mr->worker.buffers + (size_t)slot->buf_idx * ring->nr_buf_size, len);
	__atomic_store_n(&ring->tail, mr->taken, __ATOMIC_RELEASE);
	mr->taken = ring_next(ring, mr->taken);
	err = wake(mr);
	return err ? err : len;
}
