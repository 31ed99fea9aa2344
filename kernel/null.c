// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * Ports that move nothing: a place for buffers of a region, or for
 * rings that something else will serve. One for each request, never found by
 * name, so they are in no registry, but for the parents of pipes.
 */
#include <linux/err.h>
#include <linux/numa.h>
#include <linux/slab.h>

#include "null.h"
#include "port.h"

/* Transmit slots never drain; what was handed over stays with the kernel. */
static int sync_nothing(struct nmj_kring *kr, unsigned int flags)
{
	return 0;
}

static int reg(struct nmj_port *port, bool on)
{
	nmj_krings_commit(port);
	return 0;
}

static void dtor(struct nmj_port *port)
{
	nmj_port_fini(port);
	kfree(port);
}

static const struct nmj_port_ops ops = {
	.reg = reg,
	.txsync = sync_nothing,
	.rxsync = sync_nothing,
	.dtor = dtor,
};

static struct nmj_port *get(const struct nmj_want *want)
{
	struct nmj_port *port;

	if (!want->mem)
		return ERR_PTR(-EINVAL);
	port = kzalloc(sizeof(*port), GFP_KERNEL_ACCOUNT);
	if (!port)
		return ERR_PTR(-ENOMEM);
	nmj_port_init(port, &nmj_null_kind, &ops, want);
	scnprintf(port->name, sizeof(port->name), "null:%s", want->name);
	nmj_port_set_mem(port, nmj_mem_get(want->mem));
	set_bit(NMJ_PORT_OFFSETS, &port->flags);
	return port;
}

#define PARENT_SLOTS 1024
#define PARENT_PIPES 2 /* that its region is made for */

struct nmj_port *nmj_null_parent(const struct nmj_want *want)
{
	static const u16 rings[NMJ_DIRS] = { 1, 1 };
	static const u32 slots[NMJ_DIRS] = { PARENT_SLOTS, PARENT_SLOTS };
	struct nmj_want parent = *want;
	struct nmj_mem_want size;
	struct nmj_port *port;

	nmj_mem_want_for(&size, rings, slots, want->extra_bufs, PARENT_PIPES);
	memcpy(parent.rings, rings, sizeof(rings));
	memcpy(parent.slots, slots, sizeof(slots));
	parent.mem = want->mem ? nmj_mem_get(want->mem) : nmj_mem_private(&size, NUMA_NO_NODE);
	if (IS_ERR(parent.mem))
		return ERR_CAST(parent.mem);
	port = get(&parent);
	if (!IS_ERR(port)) {
		strscpy(port->name, want->name, sizeof(port->name));
		nmj_port_publish(port);
	}
	nmj_mem_put(parent.mem);
	return port;
}

const struct nmj_kind nmj_null_kind = {
	.name = "null",
	.get = get,
};
