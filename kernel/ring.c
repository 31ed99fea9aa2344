// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * See ring.h: making and freeing krings and rings, the busy bit, taps.
 */
#include <linux/delay.h>
#include <linux/mm.h>
#include <linux/overflow.h>
#include <linux/rcupdate.h>
#include <linux/slab.h>

#include "port.h"
#include "ring.h"

/* ---- krings ---- */

/* The rings of a port that has none there: the host's. Nothing ever moves. */
static int sync_placeholder(struct nmj_kring *kr, unsigned int flags)
{
	return 0;
}

static nmj_sync_fn sync_of(const struct nmj_port_ops *ops, int dir, bool host)
{
	nmj_sync_fn fn;

	if (host)
		fn = dir == NMJ_TX ? ops->host_txsync : ops->host_rxsync;
	else
		fn = dir == NMJ_TX ? ops->txsync : ops->rxsync;
	return fn ? fn : sync_placeholder;
}

static void kring_init(struct nmj_kring *kr, struct nmj_port *port, int dir, u16 id)
{
	kr->port = port;
	kr->id = id;
	kr->dir = dir;
	kr->host = id >= port->rings[dir];
	kr->num_slots = port->slots[dir];
	kr->sync = sync_of(port->ops, dir, kr->host);
	kr->notify = nmj_kring_wake;
	spin_lock_init(&kr->lock);
	init_waitqueue_head(&kr->wait);
	INIT_LIST_HEAD(&kr->taps);
	if (test_bit(NMJ_PORT_DEAD, &port->flags))
		__set_bit(NMJ_KR_STOPPED, &kr->state);
}

int nmj_krings_create(struct nmj_port *port)
{
	u32 i, n;
	int dir;

	for (dir = 0; dir < NMJ_DIRS; dir++) {
		n = nmj_port_all_rings(port, dir);
		port->kr[dir] = kvcalloc(n, sizeof(*port->kr[dir]), GFP_KERNEL_ACCOUNT);
		if (!port->kr[dir])
			goto err;
		for (i = 0; i < n; i++)
			kring_init(&port->kr[dir][i], port, dir, i);
	}
	return 0;
err:
	nmj_krings_delete(port);
	return -ENOMEM;
}

void nmj_krings_delete(struct nmj_port *port)
{
	int dir;

	for (dir = 0; dir < NMJ_DIRS; dir++) {
		kvfree(port->kr[dir]);
		port->kr[dir] = NULL;
	}
}

void nmj_krings_commit(struct nmj_port *port)
{
	u32 i;
	int dir;

	for (dir = 0; dir < NMJ_DIRS; dir++) {
		for (i = 0; i < nmj_port_all_rings(port, dir); i++) {
			struct nmj_kring *kr = &port->kr[dir][i];

			spin_lock_bh(&kr->lock);
			kr->on = kr->pending_on;
			spin_unlock_bh(&kr->lock);
		}
	}
}

/* ---- rings ---- */

static int fill_slots(struct nmj_kring *kr, struct nmj_mem *mem)
{
	u32 *idx, i;
	int ret;

	idx = kvmalloc_array(kr->num_slots, sizeof(*idx), GFP_KERNEL);
	if (!idx)
		return -ENOMEM;
	ret = nmj_mem_bufs_alloc(mem, idx, kr->num_slots);
	if (ret)
		goto out;
	for (i = 0; i < kr->num_slots; i++) {
		kr->ring->slot[i].buf_idx = idx[i];
		kr->ring->slot[i].len = kr->buf_size;
		if (kr->shadow)
			kr->shadow[i].buf = idx[i];
	}
out:
	kvfree(idx);
	return ret;
}

static void ring_header(struct nmj_kring *kr, struct nmj_mem *mem)
{
	struct netmap_ring *ring = kr->ring;

	ring->buf_ofs = mem->pool[NMJ_POOL_BUF].offset - nmj_mem_offset(mem, NMJ_POOL_RING, ring);
	ring->num_slots = kr->num_slots;
	ring->nr_buf_size = kr->buf_size;
	ring->ringid = kr->id;
	ring->dir = kr->dir;
	ring->tail = kr->rtail;
}

static void kring_reset(struct nmj_kring *kr, struct nmj_mem *mem)
{
	kr->bufs = mem->pool[NMJ_POOL_BUF].lut;
	kr->nbufs = nmj_mem_bufs(mem);
	kr->buf_size = nmj_mem_bufsize(mem);
	kr->rhead = 0;
	kr->rcur = 0;
	kr->hwcur = 0;
	kr->tapped = 0;
	kr->hwtail = kr->dir == NMJ_TX && kr->num_slots ? kr->num_slots - 1 : 0;
	kr->rtail = kr->hwtail;
	kr->armed = 0;
	kr->offsets = false;
	kr->offset_mask = 0;
	kr->offset_max = 0;
	kr->offset_gap = 0;
	memset(&kr->tx_stats, 0, sizeof(kr->tx_stats));
	memset(&kr->rx_stats, 0, sizeof(kr->rx_stats));
}

int nmj_ring_create(struct nmj_kring *kr, bool own_bufs)
{
	struct nmj_mem *mem = kr->port->mem;
	int ret = -ENOMEM;

	kring_reset(kr, mem);
	kr->ring = nmj_mem_ring_alloc(mem, struct_size(kr->ring, slot, kr->num_slots));
	if (!kr->ring)
		return -ENOMEM;
	if (kr->dir == NMJ_RX) {
		kr->shadow = kvcalloc(kr->num_slots, sizeof(*kr->shadow), GFP_KERNEL_ACCOUNT);
		if (!kr->shadow)
			goto err;
	}
	ring_header(kr, mem);
	if (own_bufs) {
		ret = fill_slots(kr, mem);
		if (ret)
			goto err;
	}
	return 0;
err:
	nmj_ring_delete(kr, false);
	return ret;
}

void nmj_ring_delete(struct nmj_kring *kr, bool own_bufs)
{
	struct nmj_mem *mem = kr->port->mem;
	u32 i;

	for (i = 0; own_bufs && i < kr->num_slots; i++)
		nmj_mem_buf_free(mem, READ_ONCE(kr->ring->slot[i].buf_idx));
	nmj_mem_ring_free(mem, kr->ring);
	kr->ring = NULL;
	kvfree(kr->shadow);
	kr->shadow = NULL;
}

static bool has_buffers(const struct nmj_kring *kr)
{
	return !kr->host || test_bit(NMJ_PORT_HOST, &kr->port->flags);
}

/* Receive rings first, so that they lie at the start of the pool. */
int nmj_rings_create(struct nmj_port *port)
{
	int dir, ret;
	u32 i;

	for (dir = NMJ_RX; dir <= NMJ_TX; dir++) {
		for (i = 0; i < nmj_port_all_rings(port, dir); i++) {
			struct nmj_kring *kr = &port->kr[dir][i];

			if (kr->ring || !(kr->users || kr->needed))
				continue;
			ret = nmj_ring_create(kr, has_buffers(kr));
			if (ret)
				return ret;
		}
	}
	return 0;
}

void nmj_rings_delete(struct nmj_port *port)
{
	u32 i;
	int dir;

	for (dir = 0; dir < NMJ_DIRS; dir++) {
		for (i = 0; i < nmj_port_all_rings(port, dir); i++) {
			struct nmj_kring *kr = &port->kr[dir][i];

			if (kr->ring && !kr->users && !kr->needed)
				nmj_ring_delete(kr, has_buffers(kr));
		}
	}
}

/* ---- the busy bit ---- */

int nmj_kring_enter(struct nmj_kring *kr)
{
	if (unlikely(test_and_set_bit_lock(NMJ_KR_BUSY, &kr->state)))
		return test_bit(NMJ_KR_STOPPED, &kr->state) ? -EIO : -EBUSY;
	if (unlikely(test_bit(NMJ_KR_STOPPED, &kr->state))) {
		nmj_kring_leave(kr);
		return -EIO;
	}
	return 0;
}

void nmj_kring_leave(struct nmj_kring *kr)
{
	clear_bit_unlock(NMJ_KR_BUSY, &kr->state);
}

void nmj_kring_stop(struct nmj_kring *kr)
{
	set_bit(NMJ_KR_STOPPED, &kr->state);
	nmj_kring_wake(kr);
}

/* Rare, and a sync is short: sleeping is cheaper than a wake-up in each leave(). */
void nmj_kring_enter_wait(struct nmj_kring *kr)
{
	while (test_and_set_bit_lock(NMJ_KR_BUSY, &kr->state))
		usleep_range(50, 200);
}

/* ---- taps ---- */

void nmj_tap_add(struct nmj_kring *kr, struct nmj_tap *tap)
{
	tap->kr = kr;
	list_add_tail_rcu(&tap->node, &kr->taps);
}

void nmj_tap_del(struct nmj_tap *tap)
{
	if (!tap->kr)
		return;
	list_del_rcu(&tap->node);
	tap->kr = NULL;
	synchronize_rcu();
}

void __nmj_kring_arrived(struct nmj_kring *kr, u32 first, u32 end)
{
	struct nmj_tap *tap;

	rcu_read_lock();
	list_for_each_entry_rcu(tap, &kr->taps, node)
		if (tap->ops->rx_arrive)
			tap->ops->rx_arrive(tap, kr, first, end);
	rcu_read_unlock();
}
