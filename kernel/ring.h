/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * A kring is the kernel's private side of one netmap ring: positions
 * that have been checked, buffers that have been checked, who waits. Must not
 * know devices or kinds of port.
 *
 * One thread at a time syncs a kring; it holds the kring's busy bit. What it
 * owns: rhead, rcur, rtail; and
 *
 *   transmit  hwcur and hwtail: the port takes [hwcur, rhead), moves hwcur up
 *             to rhead or less, and hwtail over what is done.
 *   receive   hwcur: slots given back go into the shadow and hwcur moves to
 *             rhead. hwtail belongs to the producer (softirq, a switch, a pipe
 *             peer), who fills [hwtail, hwcur - 1) under kring->lock, with _bh
 *             from process context. Neither side waits for the other.
 *
 * The producer uses the shadow (buffer index and offset, checked), never a
 * slot's buf_idx or ptr: a program may scribble there at any time.
 */
#ifndef NMJ_RING_H
#define NMJ_RING_H

#include <linux/cache.h>
#include <linux/compiler.h>
#include <linux/list.h>
#include <linux/nospec.h>
#include <linux/rculist.h>
#include <linux/spinlock.h>
#include <linux/wait.h>

#include "ring_rules.h"
#include "uapi/netmap.h"

struct nmj_claim;
struct nmj_kring;
struct nmj_mem;
struct nmj_port;

/* Directions, as indices of everything that there is one of in each. */
#define NMJ_RX NETMAP_RING_RX
#define NMJ_TX NETMAP_RING_TX
#define NMJ_DIRS 2

/* nmj_kring.state */
enum {
	NMJ_KR_BUSY, /* somebody is in sync */
	NMJ_KR_STOPPED, /* nobody may enter sync any more: the port is dead */
};

/* Flags of a sync. */
#define NMJ_SYNC_RECLAIM 0x1 /* tx: look for completions whatever it costs */
#define NMJ_SYNC_READ 0x2 /* rx: look at the device whatever was promised */

/* Why packets were dropped; names in stats.c, one counter a ring each. */
enum nmj_drop {
	NMJ_DROP_FULL, /* rx: no free slot */
	NMJ_DROP_BUF, /* slot named no buffer of the region */
	NMJ_DROP_LEN, /* too short, or longer than its buffer */
	NMJ_DROP_FRAGS, /* chain longer than NETMAP_MAX_FRAGS */
	NMJ_DROP_FAULT, /* NS_INDIRECT address not readable */
	NMJ_DROP_DRIVER, /* device refused the frame */
	NMJ_DROP_DOWN, /* device or destination not running */
	NMJ_DROP_NOMEM,
	NMJ_DROP_OFFLOAD, /* asks for work that cannot be done here */
	NMJ_DROP_DEST, /* switch: no destination, or the sender itself */
	NMJ_DROPS,
};

/* Written by whoever owns the end (busy bit or lock); read by stats.c. */
struct nmj_kring_stats {
	u64 packets;
	u64 bytes;
	u64 drops[NMJ_DROPS];
};

/* What a receive slot in the kernel's hands was checked to hold. */
struct nmj_shadow {
	u32 buf; /* < nbufs; 0 where the program named none */
	u32 ofs; /* <= buf_size */
};

/* 0, or -errno: -EIO dead port; anything else is the port's own failure. */
typedef int (*nmj_sync_fn)(struct nmj_kring *kr, unsigned int flags);

struct nmj_kring {
	/* Read by all, written when the ring is made. */
	struct netmap_ring *ring; /* shared with user space; NULL: no ring */
	void **bufs; /* kernel address of each buffer of the region */
	u32 nbufs;
	u32 buf_size;
	u32 num_slots;
	u16 id; /* within its direction; host rings follow NIC rings */
	u8 dir; /* NMJ_RX, NMJ_TX */
	bool host; /* a host ring, real or placeholder */
	bool on; /* in netmap mode; written under lock by nmj_krings_commit */
	bool pending_on; /* on is to become this; nmj_global */
	bool offsets; /* slot.ptr holds an offset */
	u64 offset_mask;
	u32 offset_max;
	u32 offset_gap; /* nro_min_gap: write no further than this; 0: no limit */
	struct nmj_port *port;
	nmj_sync_fn sync; /* the port's */
	struct nmj_kring *peer; /* pipe.c */
	void *priv; /* of the kind of port */

	/* The syncing side. */
	unsigned long state ____cacheline_aligned_in_smp;
	u32 rhead, rcur, rtail;
	u32 hwcur;
	u32 tapped; /* tx: taps have seen what is before; rx: not used */
	struct nmj_kring_stats tx_stats; /* tx: sent, dropped; rx: not used */
	struct list_head taps; /* RCU; changed under nmj_global */

	/* The producing side (receive rings). */
	spinlock_t lock ____cacheline_aligned_in_smp;
	u32 hwtail;
	struct nmj_shadow *shadow; /* receive rings; num_slots of them */
	struct nmj_kring_stats rx_stats; /* received, dropped */

	/* Waiting. */
	int armed ____cacheline_aligned_in_smp; /* somebody wants to know */
	wait_queue_head_t wait;
	/* Called when armed was found set; any context. Default: wake waiters. */
	void (*notify)(struct nmj_kring *kr);
	void *notify_priv; /* of whoever replaced notify */

	/* Claims; nmj_global. */
	unsigned int users; /* claims that hold this ring */
	bool exclusive;
	bool needed; /* the kind of port wants it even without users */
};

/* ---- making and freeing (ring.c; all under nmj_global) ---- */

/*
 * The default krings_create: arrays port->kr[dir] of rings + max(host rings, 1)
 * krings with the port's sync functions. @delete undoes it.
 */
int nmj_krings_create(struct nmj_port *port);
void nmj_krings_delete(struct nmj_port *port);

/*
 * The default rings_create: a ring and its buffers for each kring that has
 * users or is needed, and has none. A host ring on a port without host rings
 * is a placeholder: its slots have no buffers. All or nothing.
 */
int nmj_rings_create(struct nmj_port *port);
/* Frees rings without users and need, and the buffers their slots name now. */
void nmj_rings_delete(struct nmj_port *port);
/* One ring; @own_bufs: with a buffer in each slot. */
int nmj_ring_create(struct nmj_kring *kr, bool own_bufs);
void nmj_ring_delete(struct nmj_kring *kr, bool own_bufs);

/* For a port's reg(): kring->on = kring->pending_on for all, under kring->lock. */
void nmj_krings_commit(struct nmj_port *port);

/* ---- the busy bit ---- */

/* 0; -EBUSY: another thread is in sync; -EIO: stopped. */
int nmj_kring_enter(struct nmj_kring *kr);
void nmj_kring_leave(struct nmj_kring *kr);
/* No sync starts any more, waiters are woken. Does not wait; any context. */
void nmj_kring_stop(struct nmj_kring *kr);
/* Waits until nobody is in sync and keeps others out until leave(). Sleeps. */
void nmj_kring_enter_wait(struct nmj_kring *kr);

/* ---- sync (sync.c) ---- */

/*
 * Sync with the positions that the program wrote into the ring. @claim: whose
 * call this is, NULL if nobody's. 0, or how many slots were forwarded to transmit
 * rings; -ERANGE: bad positions, ring repaired; -EBUSY: in another thread's hands,
 * skipped; -EIO: dead; or the port's error.
 */
int nmj_kring_sync(struct nmj_kring *kr, const struct nmj_claim *claim, unsigned int flags);
/*
 * Same, positions given. The caller holds the busy bit. Of the ring header only
 * its flags are looked at, and nothing is repaired: see nmj_kring_repair().
 */
int nmj_kring_sync_at(struct nmj_kring *kr, const struct nmj_claim *claim, u32 head, u32 cur,
		      unsigned int flags);

/*
 * Puts rhead and rcur back to hwcur, rtail to hwtail, and clears slots that name
 * no buffer or too many bytes. The caller holds the busy bit.
 */
void nmj_kring_repair(struct nmj_kring *kr);

/* Wakes who waits for this ring; the default nmj_kring.notify. Any context. */
void nmj_kring_wake(struct nmj_kring *kr);

/*
 * After hwtail has moved: tells whoever is waiting, once. The barrier pairs
 * with the one after arming (nmj_kring_arm).
 */
static inline void nmj_kring_notify(struct nmj_kring *kr)
{
	smp_mb(); /* hwtail before armed */
	if (READ_ONCE(kr->armed))
		kr->notify(kr);
}

/* Then look at hwtail once more before sleeping. */
static inline void nmj_kring_arm(struct nmj_kring *kr)
{
	WRITE_ONCE(kr->armed, 1);
	smp_mb(); /* armed before hwtail */
}

/* ---- slots of a transmit ring ---- */

/* One slot, read once and checked; data points to its first byte. */
struct nmj_tx_slot {
	void *data; /* in its buffer: not for those who honour NS_INDIRECT */
	u64 ptr;
	u32 buf;
	u16 len;
	u16 flags;
};

/* The bits of slot.ptr that are an offset, capped; 0 without offsets. */
static inline u32 nmj_slot_offset(const struct nmj_kring *kr, u64 ptr)
{
	if (likely(!kr->offsets))
		return 0;
	return (u32)min_t(u64, ptr & kr->offset_mask, kr->offset_max);
}

/*
 * Reads slot @i, clears NS_BUF_CHANGED and NS_REPORT in it. False: the packet
 * must be dropped for @why.
 */
static inline bool nmj_tx_slot_read(struct nmj_kring *kr, u32 i, struct nmj_tx_slot *s,
				    enum nmj_drop *why)
{
	struct netmap_slot *slot = &kr->ring->slot[i];
	u32 ofs;

	s->buf = READ_ONCE(slot->buf_idx);
	s->len = READ_ONCE(slot->len);
	s->flags = READ_ONCE(slot->flags);
	s->ptr = READ_ONCE(slot->ptr);
	if (unlikely(s->flags & (NS_BUF_CHANGED | NS_REPORT)))
		WRITE_ONCE(slot->flags, s->flags & ~(NS_BUF_CHANGED | NS_REPORT));
	if (unlikely(s->buf < 2 || s->buf >= kr->nbufs)) {
		*why = NMJ_DROP_BUF;
		return false;
	}
	ofs = s->flags & NS_INDIRECT ? 0 : nmj_slot_offset(kr, s->ptr);
	if (unlikely((u32)s->len + ofs > kr->buf_size)) {
		*why = NMJ_DROP_LEN;
		return false;
	}
	s->data = (char *)kr->bufs[array_index_nospec(s->buf, kr->nbufs)] + ofs;
	return true;
}

/* ---- slots of a receive ring ---- */

/* hwtail of a transmit ring is not shared; this is for receive rings. */
static inline u32 nmj_rx_free(const struct nmj_kring *kr)
{
	u32 hwcur = smp_load_acquire(&kr->hwcur); /* pairs with nmj_rx_release */

	return nmj_dist(kr->hwtail, nmj_prev(hwcur, kr->num_slots), kr->num_slots);
}

static inline void *nmj_rx_data(const struct nmj_kring *kr, u32 i)
{
	const struct nmj_shadow *sh = &kr->shadow[i];

	return (char *)kr->bufs[sh->buf] + sh->ofs;
}

/* Bytes that may be written at nmj_rx_data(). */
static inline u32 nmj_rx_room(const struct nmj_kring *kr, u32 i)
{
	u32 room = kr->buf_size - kr->shadow[i].ofs;

	return kr->offset_gap && kr->offset_gap < room ? kr->offset_gap : room;
}

/* Fills in slot @i, whose data has been written. */
static inline void nmj_rx_slot_write(struct nmj_kring *kr, u32 i, u32 len, u16 flags)
{
	struct netmap_slot *slot = &kr->ring->slot[i];

	WRITE_ONCE(slot->buf_idx, kr->shadow[i].buf);
	WRITE_ONCE(slot->len, (u16)len);
	WRITE_ONCE(slot->flags, flags);
}

/* The producer's end of a batch: [hwtail, @tail) are full. Under kring->lock. */
static inline void nmj_rx_publish(struct nmj_kring *kr, u32 tail)
{
	smp_store_release(&kr->hwtail, tail); /* pairs with sync_rx */
}

/*
 * The common half of a port's rxsync: takes [hwcur, rhead) back into the shadow
 * and moves hwcur. With the busy bit.
 */
void nmj_rx_release(struct nmj_kring *kr);
/* Only that: the rxsync of ports whose producer does all the rest. */
int nmj_rx_sync_plain(struct nmj_kring *kr, unsigned int flags);

/* ---- taps: what a monitor hooks into a kring ---- */

struct nmj_tap;

/*
 * All are called in RCU read sections, so none may sleep; slots are read in
 * place and must be checked like any slot (a receive slot has its shadow, but
 * for rx_release). NULL where not wanted. Ranges are [first, end).
 */
struct nmj_tap_ops {
	/* Transmit: about to be given to the port. Busy bit. */
	void (*tx_push)(struct nmj_tap *tap, struct nmj_kring *kr, u32 first, u32 end);
	/* Transmit: done, about to become the program's; buffers may be swapped. Busy bit. */
	void (*tx_done)(struct nmj_tap *tap, struct nmj_kring *kr, u32 first, u32 end);
	/* Receive: just filled. The producer's context, kring->lock held, may be softirq. */
	void (*rx_arrive)(struct nmj_tap *tap, struct nmj_kring *kr, u32 first, u32 end);
	/* Receive: released by the program; buffers may be swapped. Busy bit. */
	void (*rx_release)(struct nmj_tap *tap, struct nmj_kring *kr, u32 first, u32 end);
	/* The port has no program any more: taps are off already. nmj_global, may sleep. */
	void (*gone)(struct nmj_tap *tap);
};

struct nmj_tap {
	struct list_head node;
	struct nmj_kring *kr; /* NULL when off */
	const struct nmj_tap_ops *ops;
};

/* Under nmj_global. At the end of the list. */
void nmj_tap_add(struct nmj_kring *kr, struct nmj_tap *tap);
/* No call is running or will be made any more when it returns. Twice is fine. */
void nmj_tap_del(struct nmj_tap *tap);

/* Producers call this before nmj_rx_publish(), under kring->lock. */
void __nmj_kring_arrived(struct nmj_kring *kr, u32 first, u32 end);
static inline void nmj_kring_arrived(struct nmj_kring *kr, u32 first, u32 end)
{
	if (unlikely(!list_empty(&kr->taps)))
		__nmj_kring_arrived(kr, first, end);
}

#endif
