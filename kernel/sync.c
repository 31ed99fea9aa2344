// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * See ring.h and sync.h: what happens around a port's own sync, and
 * when. Must not know what a port does in it.
 *
 * Everything in a ring may change while it is read here: head and cur are read
 * once, checked, and used from the kring from then on.
 */
#include <linux/poll.h>
#include <linux/timekeeping.h>

#include "file.h"
#include "params.h"
#include "sync.h"

/* ---- one ring ---- */

void nmj_kring_wake(struct nmj_kring *kr)
{
	__poll_t news = kr->dir == NMJ_TX ? EPOLLOUT | EPOLLWRNORM : EPOLLIN | EPOLLRDNORM;

	if (unlikely(test_bit(NMJ_KR_STOPPED, &kr->state)))
		news |= EPOLLERR;
	WRITE_ONCE(kr->armed, 0);
	wake_up_interruptible_poll(&kr->wait, news);
	wake_up_interruptible_poll(&kr->port->wait[kr->dir], news);
}

void nmj_rx_release(struct nmj_kring *kr)
{
	u32 i;

	for (i = kr->hwcur; i != kr->rhead; i = nmj_next(i, kr->num_slots)) {
		struct netmap_slot *slot = &kr->ring->slot[i];
		u32 buf = READ_ONCE(slot->buf_idx);
		u16 flags;

		kr->shadow[i].buf = buf < kr->nbufs ? array_index_nospec(buf, kr->nbufs) : 0;
		kr->shadow[i].ofs = nmj_slot_offset(kr, READ_ONCE(slot->ptr));
		flags = READ_ONCE(slot->flags);
		if (flags & NS_BUF_CHANGED)
			WRITE_ONCE(slot->flags, flags & ~NS_BUF_CHANGED);
	}
	/* Pairs with nmj_rx_free: the shadow is there before hwcur says so. */
	smp_store_release(&kr->hwcur, kr->rhead);
}

int nmj_rx_sync_plain(struct nmj_kring *kr, unsigned int flags)
{
	nmj_rx_release(kr);
	return 0;
}

/* The callbacks of all taps, with the member of struct nmj_tap_ops to call. */
#define tell_taps(kr, member, first, end)                                       \
	do {                                                                    \
		struct nmj_tap *tap_;                                           \
										\
		if (likely(list_empty(&(kr)->taps)) || (first) == (end))        \
			break;                                                  \
		rcu_read_lock();                                                \
		list_for_each_entry_rcu(tap_, &(kr)->taps, node)                \
			if (tap_->ops->member)                                  \
				tap_->ops->member(tap_, kr, first, end);        \
		rcu_read_unlock();                                              \
	} while (0)

static int sync_tx(struct nmj_kring *kr, u32 head, u32 cur, unsigned int flags)
{
	u32 n = kr->num_slots;
	u32 was;
	int ret;

	if (unlikely(!nmj_rules_accept(kr->rhead, head, cur, kr->rtail, n)))
		return -ERANGE;
	kr->rhead = head;
	kr->rcur = cur;
	tell_taps(kr, tx_push, kr->tapped, head);
	kr->tapped = head;
	was = kr->hwtail;
	ret = kr->sync(kr, flags);
	if (was != kr->hwtail)
		tell_taps(kr, tx_done, nmj_next(was, n), nmj_next(kr->hwtail, n));
	kr->rtail = kr->hwtail;
	return ret;
}

static bool forwards(const struct nmj_kring *kr)
{
	return kr->port->ops->forward && test_bit(NMJ_PORT_HOST, &kr->port->flags) &&
	       (READ_ONCE(nmj_fwd) || READ_ONCE(kr->ring->flags) & NR_FORWARD);
}

static int sync_rx(struct nmj_kring *kr, const struct nmj_claim *claim, u32 head, u32 cur,
		   unsigned int flags)
{
	u32 tail, moved = 0;
	int ret;

	tail = smp_load_acquire(&kr->hwtail); /* pairs with nmj_rx_publish */
	if (unlikely(!nmj_rules_accept(kr->hwcur, head, cur, tail, kr->num_slots)))
		return -ERANGE;
	kr->rhead = head;
	kr->rcur = cur;
	if (kr->hwcur != head) {
		if (unlikely(forwards(kr)))
			moved = kr->port->ops->forward(kr, claim, kr->hwcur, head);
		tell_taps(kr, rx_release, kr->hwcur, head);
	}
	ret = kr->sync(kr, flags);
	kr->rtail = smp_load_acquire(&kr->hwtail); /* pairs with nmj_rx_publish */
	return ret ? ret : moved;
}

int nmj_kring_sync_at(struct nmj_kring *kr, const struct nmj_claim *claim, u32 head, u32 cur,
		      unsigned int flags)
{
	return kr->dir == NMJ_TX ? sync_tx(kr, head, cur, flags) :
				   sync_rx(kr, claim, head, cur, flags);
}

void nmj_kring_repair(struct nmj_kring *kr)
{
	u32 i;

	for (i = 0; i < kr->num_slots; i++) {
		struct netmap_slot *slot = &kr->ring->slot[i];
		u32 buf = READ_ONCE(slot->buf_idx);

		if (buf < NMJ_BUF_FIRST || buf >= kr->nbufs) {
			WRITE_ONCE(slot->buf_idx, 0);
			WRITE_ONCE(slot->len, 0);
		} else if (READ_ONCE(slot->len) > kr->buf_size) {
			WRITE_ONCE(slot->len, 0);
		}
	}
	kr->rhead = kr->hwcur;
	kr->rcur = kr->hwcur;
	kr->tapped = kr->hwcur;
	kr->rtail = smp_load_acquire(&kr->hwtail); /* pairs with nmj_rx_publish */
}

static void stamp(struct netmap_ring *ring)
{
	struct timespec64 now;

	if (READ_ONCE(nmj_no_timestamp) && !(READ_ONCE(ring->flags) & NR_TIMESTAMP))
		return;
	ktime_get_real_ts64(&now);
	ring->ts.tv_sec = now.tv_sec;
	ring->ts.tv_usec = now.tv_nsec / NSEC_PER_USEC;
}

int nmj_kring_sync(struct nmj_kring *kr, const struct nmj_claim *claim, unsigned int flags)
{
	struct netmap_ring *ring = kr->ring;
	int ret;

	ret = nmj_kring_enter(kr);
	if (unlikely(ret))
		return ret;
	ret = nmj_kring_sync_at(kr, claim, READ_ONCE(ring->head), READ_ONCE(ring->cur), flags);
	if (unlikely(ret == -ERANGE)) {
		nmj_kring_repair(kr);
		WRITE_ONCE(ring->head, kr->rhead);
		WRITE_ONCE(ring->cur, kr->rcur);
	}
	WRITE_ONCE(ring->tail, kr->rtail);
	if (kr->dir == NMJ_RX)
		stamp(ring);
	nmj_kring_leave(kr);
	return ret;
}

/* ---- the rings of a descriptor ---- */

static bool is_dead(const struct nmj_file *f)
{
	return test_bit(NMJ_PORT_DEAD, &f->claim.port->flags);
}

static wait_queue_head_t *wait_queue(struct nmj_file *f, int dir)
{
	struct nmj_port *port = f->claim.port;

	if (nmj_claim_rings(&f->claim, dir) == 1)
		return &port->kr[dir][f->claim.first[dir]].wait;
	return &port->wait[dir];
}

/* Edge-triggered waiters stay queued and never poll again by themselves. */
static void arm_if_awaited(struct nmj_kring *kr)
{
	/* Unlocked: they queued themselves in a poll of this very descriptor, or armed it then. */
	if (unlikely(waitqueue_active(&kr->wait) || waitqueue_active(&kr->port->wait[kr->dir])))
		nmj_kring_arm(kr);
}

int nmj_file_sync(struct nmj_file *f, int dir)
{
	unsigned int flags = dir == NMJ_TX ? NMJ_SYNC_RECLAIM : NMJ_SYNC_READ;
	u32 i;

	if (!nmj_file_bound(f))
		return -ENXIO;
	if (nmj_file_csb(f))
		return -EBUSY;
	if (is_dead(f))
		return -EIO;
	for (i = f->claim.first[dir]; i < f->claim.end[dir]; i++) {
		struct nmj_kring *kr = &f->claim.port->kr[dir][i];

		arm_if_awaited(kr);
		nmj_kring_sync(kr, &f->claim, flags);
	}
	return is_dead(f) ? -EIO : 0;
}

/* Bits for poll after @ret of a sync; @ready if something is there. */
static __poll_t outcome(const struct nmj_kring *kr, int ret, __poll_t ready)
{
	__poll_t bits = READ_ONCE(kr->rcur) != READ_ONCE(kr->rtail) ? ready : 0;

	return ret < 0 && ret != -EBUSY ? bits | EPOLLERR : bits;
}

static bool has_unsent(const struct nmj_kring *kr)
{
	return READ_ONCE(kr->ring->head) != READ_ONCE(kr->hwcur);
}

/* Sends what there is; @want: until one ring has room. */
static __poll_t poll_tx(struct nmj_file *f, __poll_t want)
{
	__poll_t bits = 0;
	u32 i;

	for (i = f->claim.first[NMJ_TX]; i < f->claim.end[NMJ_TX]; i++) {
		struct nmj_kring *kr = &f->claim.port->kr[NMJ_TX][i];

		if ((!want || bits & want) && !has_unsent(kr))
			continue;
		if (want)
			nmj_kring_arm(kr);
		bits |= outcome(kr, nmj_kring_sync(kr, &f->claim, 0), want);
	}
	return bits;
}

/* All rings, so that none starves. @forwarded: some went to transmit rings. */
static __poll_t poll_rx(struct nmj_file *f, __poll_t want, bool *forwarded)
{
	__poll_t bits = 0;
	u32 i;

	for (i = f->claim.first[NMJ_RX]; i < f->claim.end[NMJ_RX]; i++) {
		struct nmj_kring *kr = &f->claim.port->kr[NMJ_RX][i];
		int ret;

		if (want)
			nmj_kring_arm(kr);
		ret = nmj_kring_sync(kr, &f->claim, 0);
		*forwarded |= ret > 0;
		bits |= outcome(kr, ret, want);
	}
	return bits;
}

/*
 * Rings are armed before they are looked at: what comes later wakes the caller,
 * so that one look is enough.
 */
__poll_t nmj_file_poll(struct nmj_file *f, struct file *filp, poll_table *pt)
{
	__poll_t asked = poll_requested_events(pt);
	__poll_t want_tx = asked & (EPOLLOUT | EPOLLWRNORM);
	__poll_t want_rx = asked & (EPOLLIN | EPOLLRDNORM);
	bool forwarded = false;
	__poll_t bits = 0;

	if (!nmj_file_bound(f) || nmj_file_csb(f))
		return EPOLLERR;
	poll_wait(filp, wait_queue(f, NMJ_RX), pt);
	poll_wait(filp, wait_queue(f, NMJ_TX), pt);
	if (is_dead(f))
		return EPOLLERR;
	if (want_tx || !(f->flags & NR_NO_TX_POLL))
		bits |= poll_tx(f, want_tx);
	if (want_rx || f->flags & NR_DO_RX_POLL)
		bits |= poll_rx(f, want_rx, &forwarded);
	if (forwarded)
		bits |= poll_tx(f, want_tx);
	return bits;
}
