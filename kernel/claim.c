// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * See port.h: who holds which rings. The first holder of a port makes
 * krings, the first holder of a ring makes the ring, and the last ones free
 * them. All under nmj_global.
 */
#include <linux/minmax.h>

#include "port.h"

/* ---- which rings ---- */

struct ring_range {
	u32 first, end;
};

/* Ring @id, or ring 0 where this direction has no such ring. */
static struct ring_range one_of(u32 id, u32 base, u32 count)
{
	struct ring_range r = { .first = base, .end = base };

	if (id < count)
		r.first += id;
	r.end = r.first + (count ? 1 : 0);
	return r;
}

static int select_ring(const struct nmj_port *port, const struct nmj_want *want, bool host,
		       struct ring_range r[NMJ_DIRS])
{
	const u16 *count = host ? port->host_rings : port->rings;
	int dir;

	if (want->ringid >= count[NMJ_RX] && want->ringid >= count[NMJ_TX])
		return -EINVAL;
	for (dir = 0; dir < NMJ_DIRS; dir++)
		r[dir] = one_of(want->ringid, host ? port->rings[dir] : 0, count[dir]);
	return 0;
}

static int select_rings(const struct nmj_port *port, const struct nmj_want *want,
			struct ring_range r[NMJ_DIRS])
{
	bool has_host = test_bit(NMJ_PORT_HOST, &port->flags);
	bool nic = true, host = false;
	int dir;

	switch (want->mode) {
	case NR_REG_ALL_NIC:
	case NR_REG_NULL:
		break;
	case NR_REG_SW:
		nic = false;
		host = true;
		break;
	case NR_REG_NIC_SW:
		host = true;
		break;
	case NR_REG_ONE_NIC:
		return select_ring(port, want, false, r);
	case NR_REG_ONE_SW:
		return has_host ? select_ring(port, want, true, r) : -EINVAL;
	default:
		return -EINVAL;
	}
	if (host && !has_host)
		return -EINVAL;
	for (dir = 0; dir < NMJ_DIRS; dir++) {
		r[dir].first = nic ? 0 : port->rings[dir];
		r[dir].end = port->rings[dir] + (host ? port->host_rings[dir] : 0);
	}
	return 0;
}

static int set_ranges(struct nmj_claim *claim, const struct nmj_port *port,
		      const struct nmj_want *want)
{
	static const u64 only_other[NMJ_DIRS] = {
		[NMJ_RX] = NR_TX_RINGS_ONLY,
		[NMJ_TX] = NR_RX_RINGS_ONLY,
	};
	struct ring_range r[NMJ_DIRS];
	int dir, ret;

	ret = select_rings(port, want, r);
	if (ret)
		return ret;
	for (dir = 0; dir < NMJ_DIRS; dir++) {
		claim->first[dir] = r[dir].first;
		claim->end[dir] = want->flags & only_other[dir] ? r[dir].first : r[dir].end;
	}
	return 0;
}

/* ---- users of rings ---- */

static bool may_add(const struct nmj_claim *claim, int dir)
{
	u32 i;

	for (i = claim->first[dir]; i < claim->end[dir]; i++) {
		const struct nmj_kring *kr = &claim->port->kr[dir][i];

		if (kr->exclusive || (claim->exclusive && kr->users))
			return false;
	}
	return true;
}

static int add_users(struct nmj_claim *claim)
{
	int dir;
	u32 i;

	if (!may_add(claim, NMJ_RX) || !may_add(claim, NMJ_TX))
		return -EBUSY;
	for (dir = 0; dir < NMJ_DIRS; dir++) {
		for (i = claim->first[dir]; i < claim->end[dir]; i++) {
			claim->port->kr[dir][i].users++;
			claim->port->kr[dir][i].exclusive = claim->exclusive;
		}
	}
	return 0;
}

static void drop_users(struct nmj_claim *claim)
{
	int dir;
	u32 i;

	for (dir = 0; dir < NMJ_DIRS; dir++) {
		for (i = claim->first[dir]; i < claim->end[dir]; i++) {
			claim->port->kr[dir][i].users--;
			claim->port->kr[dir][i].exclusive = false;
		}
	}
}

/* ---- krings and rings of the port ---- */

static int create_krings(struct nmj_port *port)
{
	int ret;

	mutex_lock(&port->kr_lock);
	ret = port->ops->krings_create ? port->ops->krings_create(port) :
					 nmj_krings_create(port);
	mutex_unlock(&port->kr_lock);
	return ret;
}

static void delete_krings(struct nmj_port *port)
{
	mutex_lock(&port->kr_lock);
	if (port->ops->krings_delete)
		port->ops->krings_delete(port);
	else
		nmj_krings_delete(port);
	mutex_unlock(&port->kr_lock);
}

static void delete_rings(struct nmj_port *port)
{
	if (port->ops->rings_delete)
		port->ops->rings_delete(port);
	else
		nmj_rings_delete(port);
}

static int create_rings(struct nmj_port *port)
{
	return port->ops->rings_create ? port->ops->rings_create(port) : nmj_rings_create(port);
}

static void leave_region(struct nmj_port *port)
{
	struct nmj_mem *mem = port->mem;

	nmj_mem_unuse(mem);
	if (!port->claims && mem != port->own_mem) {
		port->mem = port->own_mem;
		nmj_mem_put(mem);
	}
}

static int enter_region(struct nmj_port *port, const struct nmj_want *want)
{
	int ret;

	if (!port->claims && list_empty(&port->pipes) && want->mem &&
	    want->mem != port->own_mem && test_bit(NMJ_PORT_REGION, &port->flags))
		port->mem = nmj_mem_get(want->mem);
	ret = nmj_mem_use(port->mem);
	if (ret && port->mem != port->own_mem && !port->claims) {
		nmj_mem_put(port->mem);
		port->mem = port->own_mem;
	}
	return ret;
}

/* The first claim of a port finds it unconfigured and without krings. */
static int enter_port(struct nmj_port *port, const struct nmj_want *want)
{
	int ret;

	ret = nmj_port_configure(port, want);
	if (ret)
		return ret;
	ret = enter_region(port, want);
	if (ret)
		return ret;
	if (!port->claims) {
		ret = create_krings(port);
		if (ret) {
			leave_region(port);
			return ret;
		}
	}
	port->claims++;
	return 0;
}

static void taps_gone(struct nmj_port *port)
{
	int dir;
	u32 i;

	for (dir = 0; dir < NMJ_DIRS; dir++) {
		for (i = 0; i < nmj_port_all_rings(port, dir); i++) {
			struct nmj_kring *kr = &port->kr[dir][i];
			struct nmj_tap *tap;

			while ((tap = list_first_entry_or_null(&kr->taps, struct nmj_tap, node))) {
				nmj_tap_del(tap);
				tap->ops->gone(tap);
			}
		}
	}
}

static void leave_port(struct nmj_port *port)
{
	if (!--port->claims)
		delete_krings(port);
	leave_region(port);
}

/* ---- netmap mode ---- */

/* Whether some ring is to change. */
static bool decide_pending(struct nmj_port *port)
{
	bool change = false;
	int dir;
	u32 i;

	for (dir = 0; dir < NMJ_DIRS; dir++) {
		for (i = 0; i < nmj_port_all_rings(port, dir); i++) {
			struct nmj_kring *kr = &port->kr[dir][i];

			kr->pending_on = kr->users;
			change |= kr->pending_on != kr->on;
		}
	}
	return change;
}

int nmj_claim_on(struct nmj_claim *claim)
{
	lockdep_assert_held(&nmj_global);
	return decide_pending(claim->port) ? claim->port->ops->reg(claim->port, true) : 0;
}

/* ---- both ---- */

int nmj_claim_take(struct nmj_claim *claim, struct nmj_port *port, const struct nmj_want *want)
{
	int ret;

	lockdep_assert_held(&nmj_global);
	ret = enter_port(port, want);
	if (ret)
		return ret;
	claim->port = port;
	claim->exclusive = want->flags & NR_EXCLUSIVE;
	ret = set_ranges(claim, port, want);
	if (!ret && port->ops->check)
		ret = port->ops->check(port, want);
	if (!ret)
		ret = add_users(claim);
	if (ret)
		goto err_port;
	ret = create_rings(port);
	if (ret)
		goto err_users;
	nmj_port_hold(port);
	return 0;
err_users:
	drop_users(claim);
	delete_rings(port);
err_port:
	leave_port(port);
	claim->port = NULL;
	return ret;
}

void nmj_claim_drop(struct nmj_claim *claim)
{
	struct nmj_port *port = claim->port;

	lockdep_assert_held(&nmj_global);
	if (!port)
		return;
	drop_users(claim);
	if (port->claims == 1)
		taps_gone(port);
	if (decide_pending(port))
		port->ops->reg(port, false);
	delete_rings(port);
	leave_port(port);
	claim->port = NULL;
	nmj_port_put(port);
}
