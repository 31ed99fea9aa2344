// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * See port.h: the table of kinds, and the registry.
 */
#include <linux/ctype.h>
#include <linux/err.h>
#include <linux/string.h>
#include <net/net_namespace.h>

#include "null.h"
#include "pipe.h"
#include "port.h"

DEFINE_MUTEX(nmj_global); /* see port.h */

/* In order of init. A kind that is not there answers absent_errno[]. */
static const struct nmj_kind *const kinds[NMJ_KINDS] = {
	[NMJ_KIND_NULL] = &nmj_null_kind,
	[NMJ_KIND_PIPE] = &nmj_pipe_kind,
};

static const int absent_errno[NMJ_KINDS] = {
	[NMJ_KIND_NULL] = -EINVAL,
	[NMJ_KIND_MONITOR] = -EINVAL,
	[NMJ_KIND_PIPE] = -EINVAL,
	[NMJ_KIND_VALE] = -ENOMEM,
	[NMJ_KIND_NETDEV] = -ENXIO,
};

const struct nmj_switch_ops *const nmj_switch;

static LIST_HEAD(ports);

int nmj_kinds_init(void)
{
	int i, ret;

	for (i = 0; i < NMJ_KINDS; i++) {
		if (!kinds[i] || !kinds[i]->init)
			continue;
		ret = kinds[i]->init();
		if (ret)
			goto err;
	}
	return 0;
err:
	while (i--)
		if (kinds[i] && kinds[i]->exit)
			kinds[i]->exit();
	return ret;
}

void nmj_kinds_exit(void)
{
	int i = NMJ_KINDS;

	while (i--)
		if (kinds[i] && kinds[i]->exit)
			kinds[i]->exit();
}

/* ---- names ---- */

bool nmj_name_is_vale(const char *name)
{
	return !strncmp(name, "vale", 4) && strchr(name, ':');
}

static enum nmj_kind_id kind_of(const struct nmj_want *want)
{
	if (want->mode == NR_REG_NULL)
		return NMJ_KIND_NULL;
	if (want->flags & (NR_MONITOR_TX | NR_MONITOR_RX | NR_ZCOPY_MON))
		return NMJ_KIND_MONITOR;
	if (strpbrk(want->name, "{}"))
		return NMJ_KIND_PIPE;
	if (nmj_name_is_vale(want->name))
		return NMJ_KIND_VALE;
	return NMJ_KIND_NETDEV;
}

struct nmj_port *nmj_port_get(const struct nmj_want *want)
{
	enum nmj_kind_id id = kind_of(want);
	struct nmj_port *port;

	lockdep_assert_held(&nmj_global);
	if (!kinds[id])
		return ERR_PTR(id == NMJ_KIND_VALE && !want->create ? -ENXIO : absent_errno[id]);
	port = kinds[id]->get(want);
	if (!IS_ERR(port) && test_bit(NMJ_PORT_SWITCHED, &port->flags)) {
		nmj_port_put(port);
		return ERR_PTR(-EBUSY);
	}
	return port;
}

/* ---- life ---- */

void nmj_port_init(struct nmj_port *port, const struct nmj_kind *kind,
		   const struct nmj_port_ops *ops, const struct nmj_want *want)
{
	int dir;

	strscpy(port->name, want->name, sizeof(port->name));
	port->kind = kind;
	port->ops = ops;
	port->net = want->net;
	port->net_cookie = want->net->net_cookie;
	port->refs = 1;
	mutex_init(&port->kr_lock);
	INIT_LIST_HEAD(&port->node);
	INIT_LIST_HEAD(&port->pipes);
	for (dir = 0; dir < NMJ_DIRS; dir++) {
		port->slots[dir] = want->slots[dir];
		port->rings[dir] = want->rings[dir];
		init_waitqueue_head(&port->wait[dir]);
	}
}

void nmj_port_fini(struct nmj_port *port)
{
	lockdep_assert_held(&nmj_global);
	list_del_init(&port->node);
	if (port->own_mem)
		nmj_mem_put(port->own_mem);
	mutex_destroy(&port->kr_lock);
}

void nmj_port_set_mem(struct nmj_port *port, struct nmj_mem *mem)
{
	if (port->own_mem)
		nmj_mem_put(port->own_mem);
	port->own_mem = mem;
	port->mem = mem;
}

int nmj_port_configure(struct nmj_port *port, const struct nmj_want *want)
{
	if (port->claims || !port->ops->config)
		return 0;
	return port->ops->config(port, want);
}

void nmj_port_hold(struct nmj_port *port)
{
	lockdep_assert_held(&nmj_global);
	port->refs++;
}

void nmj_port_put(struct nmj_port *port)
{
	lockdep_assert_held(&nmj_global);
	if (!--port->refs)
		port->ops->dtor(port);
}

/* ---- registry ---- */

void nmj_port_publish(struct nmj_port *port)
{
	lockdep_assert_held(&nmj_global);
	list_add_tail(&port->node, &ports);
}

struct nmj_port *nmj_port_find(const struct net *net, const char *name)
{
	struct nmj_port *port;

	lockdep_assert_held(&nmj_global);
	list_for_each_entry(port, &ports, node)
		if (port->net_cookie == net->net_cookie && !strcmp(port->name, name))
			return port;
	return NULL;
}

struct nmj_port *nmj_port_find_dev(const struct net_device *dev)
{
	struct nmj_port *port;

	lockdep_assert_held(&nmj_global);
	list_for_each_entry(port, &ports, node)
		if (READ_ONCE(port->dev) == dev)
			return port;
	return NULL;
}

int nmj_port_each(int (*fn)(struct nmj_port *port, void *arg), void *arg)
{
	struct nmj_port *port;
	int ret;

	lockdep_assert_held(&nmj_global);
	list_for_each_entry(port, &ports, node) {
		ret = fn(port, arg);
		if (ret)
			return ret;
	}
	return 0;
}

/* ---- the end of a device ---- */

static void each_kring(struct nmj_port *port, void (*fn)(struct nmj_kring *kr))
{
	int dir;
	u32 i;

	for (dir = 0; dir < NMJ_DIRS; dir++)
		for (i = 0; port->kr[dir] && i < nmj_port_all_rings(port, dir); i++)
			fn(&port->kr[dir][i]);
}

static void wait_idle(struct nmj_kring *kr)
{
	nmj_kring_enter_wait(kr);
	nmj_kring_leave(kr);
}

void nmj_port_kill(struct nmj_port *port)
{
	mutex_lock(&port->kr_lock);
	set_bit(NMJ_PORT_DEAD, &port->flags);
	each_kring(port, nmj_kring_stop);
	each_kring(port, wait_idle);
	mutex_unlock(&port->kr_lock);
}
