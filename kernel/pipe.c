// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * Two ends, master and slave, made and freed together. What is sent
 * into ring i of one end is received from ring i of the other, without touching
 * a byte of it: slots are copied, buffers change hands.
 *
 *   writer's ring   hwtail+1 ... hwcur ... rhead
 *                   with reader  | to send
 *   reader's ring   hwcur ...... hwtail
 *
 * Both rings of a pair have the same number of slots and stay in step: slot k of
 * one is slot k of the other. Who is in the writer's sync (its busy bit) fills
 * the reader's ring up to hwtail; who is in the reader's sync gives slots back
 * up to the reader's hwcur. They never touch the same slot.
 *
 * A closed end keeps its rings as long as the other is open: what was written
 * waits for it.
 */
#include <linux/err.h>
#include <linux/minmax.h>
#include <linux/slab.h>
#include <linux/string.h>

#include "null.h"
#include "pipe.h"
#include "port.h"

#define MAX_PIPES 64 /* of a parent */
#define MAX_SLOTS 4096
#define MAX_RINGS 256
#define MAX_NESTING 8

enum { MASTER, SLAVE, ENDS };

struct pipe_end {
	struct nmj_port port;
	struct pipe *pipe;
};

struct pipe {
	struct pipe_end end[ENDS];
	struct nmj_port *parent; /* a reference */
	struct list_head node; /* of parent->pipes */
	char id[NETMAP_REQ_IFNAMSIZ];
};

/* ---- moving slots ---- */

/* A slot as it is moved: read and written in two words. */
union slot_words {
	struct netmap_slot slot;
	u64 word[2];
};

static inline void slot_load(union slot_words *w, const struct netmap_slot *slot)
{
	const u64 *from = (const u64 *)slot;

	w->word[0] = READ_ONCE(from[0]);
	w->word[1] = READ_ONCE(from[1]);
}

static inline void slot_store(struct netmap_slot *slot, const union slot_words *w)
{
	u64 *to = (u64 *)slot;

	WRITE_ONCE(to[0], w->word[0]);
	WRITE_ONCE(to[1], w->word[1]);
}

/* The offset of what @from sent, in the bits that @to has for it. */
static u64 offset_for(const struct nmj_kring *to, const struct nmj_kring *from, u64 ptr)
{
	return (ptr & ~to->offset_mask) | (nmj_slot_offset(from, ptr) & to->offset_mask);
}

/* For taps: what the reader's slots hold, checked. */
static void fill_shadow(struct nmj_kring *rx, u32 first, u32 end)
{
	u32 i;

	for (i = first; i != end; i = nmj_next(i, rx->num_slots)) {
		const struct netmap_slot *slot = &rx->ring->slot[i];
		u32 buf = READ_ONCE(slot->buf_idx);

		rx->shadow[i].buf = buf < rx->nbufs ? array_index_nospec(buf, rx->nbufs) : 0;
		rx->shadow[i].ofs = nmj_slot_offset(rx, READ_ONCE(slot->ptr));
	}
}

static void publish(struct nmj_kring *rx, u32 tail)
{
	spin_lock_bh(&rx->lock);
	if (unlikely(!list_empty(&rx->taps))) {
		fill_shadow(rx, rx->hwtail, tail);
		nmj_kring_arrived(rx, rx->hwtail, tail);
	}
	nmj_rx_publish(rx, tail);
	spin_unlock_bh(&rx->lock);
	nmj_kring_notify(rx);
}

/*
 * Slots go over at once, but the reader sees whole packets only; a chain that is
 * longer than a packet can be is shown in pieces, or it would block the pipe.
 */
static int txsync(struct nmj_kring *tx, unsigned int flags)
{
	struct nmj_kring *rx = tx->peer;
	struct netmap_slot *from = tx->ring->slot, *to = rx->ring->slot;
	u32 i = tx->hwcur, n = tx->num_slots, head = tx->rhead;
	u32 tail = rx->hwtail;
	u32 frags = nmj_dist(tail, i, n);
	u64 bytes = 0, packets = 0;

	for (; i != head; i = nmj_next(i, n)) {
		union slot_words w;

		slot_load(&w, &from[i]);
		if (unlikely(rx->offsets))
			w.slot.ptr = offset_for(rx, tx, w.slot.ptr);
		slot_store(&to[i], &w);
		bytes += w.slot.len;
		if (likely(!(w.slot.flags & NS_MOREFRAG)) || ++frags >= NETMAP_MAX_FRAGS) {
			tail = nmj_next(i, n);
			frags = 0;
			packets++;
		}
	}
	tx->hwcur = head;
	tx->tx_stats.bytes += bytes;
	tx->tx_stats.packets += packets;
	rx->rx_stats.bytes += bytes;
	rx->rx_stats.packets += packets;
	if (tail != rx->hwtail)
		publish(rx, tail);
	/* Pairs with rxsync: slots given back are there before hwcur says so. */
	tx->hwtail = nmj_prev(smp_load_acquire(&rx->hwcur), n);
	return 0;
}

/* Buffers that the reader put into its slots go to the writer. */
static int rxsync(struct nmj_kring *rx, unsigned int flags)
{
	struct nmj_kring *tx = rx->peer;
	struct netmap_slot *from = rx->ring->slot, *to = tx->ring->slot;
	u32 i, n = rx->num_slots, head = rx->rhead;

	if (rx->hwcur == head)
		return 0;
	for (i = rx->hwcur; i != head; i = nmj_next(i, n)) {
		union slot_words w;

		slot_load(&w, &from[i]);
		w.slot.flags &= NS_BUF_CHANGED;
		if (unlikely(tx->offsets))
			w.slot.ptr = offset_for(tx, rx, w.slot.ptr);
		slot_store(&to[i], &w);
	}
	smp_store_release(&rx->hwcur, head); /* pairs with txsync */
	nmj_kring_notify(tx);
	return 0;
}

/* ---- krings and rings: of both ends ---- */

static struct pipe *pipe_of(struct nmj_port *port)
{
	return container_of(port, struct pipe_end, port)->pipe;
}

static bool has_claims(const struct pipe *p)
{
	return p->end[MASTER].port.claims || p->end[SLAVE].port.claims;
}

static void delete_both_krings(struct pipe *p)
{
	nmj_krings_delete(&p->end[MASTER].port);
	nmj_krings_delete(&p->end[SLAVE].port);
}

static void join_krings(struct nmj_port *from, struct nmj_port *to)
{
	u32 i;

	for (i = 0; i < from->rings[NMJ_TX]; i++) {
		from->kr[NMJ_TX][i].peer = &to->kr[NMJ_RX][i];
		to->kr[NMJ_RX][i].peer = &from->kr[NMJ_TX][i];
	}
}

static int krings_create(struct nmj_port *port)
{
	struct pipe *p = pipe_of(port);
	int e, ret;

	if (port->kr[NMJ_TX])
		return 0;
	for (e = 0; e < ENDS; e++) {
		ret = nmj_krings_create(&p->end[e].port);
		if (ret) {
			delete_both_krings(p);
			return ret;
		}
	}
	join_krings(&p->end[MASTER].port, &p->end[SLAVE].port);
	join_krings(&p->end[SLAVE].port, &p->end[MASTER].port);
	return 0;
}

static void krings_delete(struct nmj_port *port)
{
	if (!has_claims(pipe_of(port)))
		delete_both_krings(pipe_of(port));
}

/* The writer's ring has the buffers; the reader's slots name the same ones. */
static int create_pair(struct nmj_kring *tx)
{
	int ret;

	ret = nmj_ring_create(tx->peer, false);
	if (ret)
		return ret;
	ret = nmj_ring_create(tx, true);
	if (ret) {
		nmj_ring_delete(tx->peer, false);
		return ret;
	}
	memcpy(tx->peer->ring->slot, tx->ring->slot, tx->num_slots * sizeof(struct netmap_slot));
	return 0;
}

/* Of slots that are on the reader's side the reader's say which buffer they have. */
static void delete_pair(struct nmj_kring *tx)
{
	u32 i, n = tx->num_slots;

	for (i = nmj_next(tx->hwtail, n); i != tx->hwcur; i = nmj_next(i, n))
		tx->ring->slot[i].buf_idx = READ_ONCE(tx->peer->ring->slot[i].buf_idx);
	nmj_ring_delete(tx, true);
	nmj_ring_delete(tx->peer, false);
}

static bool wanted(const struct nmj_kring *tx)
{
	return tx->users || tx->peer->users;
}

static int rings_create(struct nmj_port *port)
{
	struct pipe *p = pipe_of(port);
	int e, ret;
	u32 i;

	for (e = 0; e < ENDS; e++) {
		for (i = 0; i < p->end[e].port.rings[NMJ_TX]; i++) {
			struct nmj_kring *tx = &p->end[e].port.kr[NMJ_TX][i];

			if (tx->ring || !wanted(tx))
				continue;
			ret = create_pair(tx);
			if (ret)
				return ret;
		}
	}
	return 0;
}

static void rings_delete(struct nmj_port *port)
{
	struct pipe *p = pipe_of(port);
	u32 i;
	int e;

	for (e = 0; e < ENDS; e++) {
		for (i = 0; i < p->end[e].port.rings[NMJ_TX]; i++) {
			struct nmj_kring *tx = &p->end[e].port.kr[NMJ_TX][i];

			if (tx->ring && !wanted(tx))
				delete_pair(tx);
		}
	}
}

/* A pipe has nothing to switch on: the other end may come later or never. */
static int reg(struct nmj_port *port, bool on)
{
	nmj_krings_commit(port);
	return 0;
}

/* ---- life ---- */

static void dtor(struct nmj_port *port)
{
	struct pipe *p = pipe_of(port);

	if (p->end[MASTER].port.refs || p->end[SLAVE].port.refs)
		return;
	list_del(&p->node);
	p->parent->npipes--;
	nmj_port_fini(&p->end[MASTER].port);
	nmj_port_fini(&p->end[SLAVE].port);
	nmj_port_put(p->parent);
	kfree(p);
}

static const struct nmj_port_ops ops = {
	.krings_create = krings_create,
	.krings_delete = krings_delete,
	.rings_create = rings_create,
	.rings_delete = rings_delete,
	.reg = reg,
	.txsync = txsync,
	.rxsync = rxsync,
	.dtor = dtor,
};

static u32 wish(u32 asked, u32 by_default, u32 least, u32 most)
{
	return clamp(asked ? asked : by_default, least, most);
}

/* What the request says, it says of the master. */
static void init_end(struct pipe *p, int e, const struct nmj_want *want)
{
	struct nmj_port *port = &p->end[e].port;
	struct nmj_want mine = *want;
	char name[NETMAP_REQ_IFNAMSIZ];
	int dir;

	scnprintf(name, sizeof(name), "%s%c%s", p->parent->name, e == MASTER ? '{' : '}', p->id);
	mine.name = name;
	for (dir = 0; dir < NMJ_DIRS; dir++) {
		int from = e == MASTER ? dir : !dir;

		mine.slots[dir] = wish(want->slots[from], p->parent->slots[from], 2, MAX_SLOTS);
		mine.rings[dir] = wish(want->rings[from], 1, 1, MAX_RINGS);
	}
	nmj_port_init(port, &nmj_pipe_kind, &ops, &mine);
	nmj_port_set_mem(port, nmj_mem_get(p->parent->mem));
	set_bit(NMJ_PORT_OFFSETS, &port->flags);
	port->refs = 0;
	p->end[e].pipe = p;
}

/* Takes over the reference to @parent, unless it fails. */
static struct pipe *new_pipe(struct nmj_port *parent, const char *id, const struct nmj_want *want)
{
	struct pipe *p;

	if (parent->npipes >= MAX_PIPES)
		return ERR_PTR(-EINVAL);
	p = kzalloc(sizeof(*p), GFP_KERNEL_ACCOUNT);
	if (!p)
		return ERR_PTR(-ENOMEM);
	strscpy(p->id, id, sizeof(p->id));
	p->parent = parent;
	init_end(p, MASTER, want);
	init_end(p, SLAVE, want);
	nmj_port_publish(&p->end[MASTER].port);
	nmj_port_publish(&p->end[SLAVE].port);
	list_add_tail(&p->node, &parent->pipes);
	parent->npipes++;
	return p;
}

/* ---- names ---- */

/* The last { splits, or else the last }; @name is cut there. Where, and the id. */
static int split_name(char *name, const char **id)
{
	char *at = strrchr(name, '{');
	int e = at ? MASTER : SLAVE;

	if (!at)
		at = strrchr(name, '}');
	if (!at || at == name || !at[1])
		return -EINVAL;
	*at = '\0';
	*id = at + 1;
	return e;
}

static bool too_nested(const char *name)
{
	int depth = 0;

	while ((name = strpbrk(name, "{}"))) {
		depth++;
		name++;
	}
	return depth > MAX_NESTING;
}

/* A parent that is nothing else is made for the pipe and goes with it. */
static struct nmj_port *make_parent(const struct nmj_want *want)
{
	if (strlen(want->name) >= NETMAP_IFNAMSIZ || !strncmp(want->name, "vale", 4))
		return ERR_PTR(-ENXIO);
	return nmj_switch ? nmj_switch->newif_auto(want) : nmj_null_parent(want);
}

static struct nmj_port *get_parent(const char *name, const struct nmj_want *want)
{
	struct nmj_want parent = {
		.name = name,
		.net = want->net,
		.mem = want->mem,
		.mode = NR_REG_ALL_NIC,
		.extra_bufs = want->extra_bufs,
		.create = want->create,
	};
	struct nmj_port *port = nmj_port_get(&parent);
	int ret;

	if (port == ERR_PTR(-ENXIO)) {
		port = nmj_port_find(want->net, name);
		if (port)
			nmj_port_hold(port);
		else if (want->create)
			port = make_parent(&parent);
		else
			port = ERR_PTR(-ENODEV);
	}
	if (IS_ERR(port))
		return port;
	ret = nmj_port_configure(port, &parent);
	if (ret) {
		nmj_port_put(port);
		return ERR_PTR(ret);
	}
	return port;
}

static struct nmj_port *find_or_make(struct nmj_port *parent, int e, const char *id,
				     const struct nmj_want *want)
{
	struct pipe *p;

	list_for_each_entry(p, &parent->pipes, node) {
		if (!strcmp(p->id, id)) {
			nmj_port_put(parent);
			goto found;
		}
	}
	p = want->create ? new_pipe(parent, id, want) : ERR_PTR(-ENODEV);
	if (IS_ERR(p)) {
		nmj_port_put(parent);
		return ERR_CAST(p);
	}
found:
	nmj_port_hold(&p->end[e].port);
	return &p->end[e].port;
}

static struct nmj_port *get(const struct nmj_want *want)
{
	struct nmj_port *parent, *port;
	const char *id;
	char *name;
	int e;

	if (too_nested(want->name))
		return ERR_PTR(-EINVAL);
	name = kstrdup(want->name, GFP_KERNEL);
	if (!name)
		return ERR_PTR(-ENOMEM);
	e = split_name(name, &id);
	parent = e < 0 ? ERR_PTR(e) : get_parent(name, want);
	port = IS_ERR(parent) ? parent : find_or_make(parent, e, id, want);
	kfree(name);
	return port;
}

const struct nmj_kind nmj_pipe_kind = {
	.name = "pipe",
	.get = get,
};
