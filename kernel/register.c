// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * See register.h. All that can fail is done before the descriptor
 * counts as bound, in an order that the way back simply reverses.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/err.h>
#include <linux/nsproxy.h>
#include <linux/overflow.h>
#include <linux/printk.h>
#include <linux/sched.h>
#include <linux/string.h>

#include "extmem.h"
#include "file.h"
#include "kloop.h"
#include "offsets.h"
#include "params.h"
#include "register.h"

void nmj_want_from_register(struct nmj_want *want, const char *name,
			    const struct nmreq_register *reg)
{
	*want = (struct nmj_want){
		.name = name,
		.net = current->nsproxy->net_ns,
		.mode = reg->nr_mode,
		.flags = reg->nr_flags & U32_MAX,
		.ringid = reg->nr_ringid,
		.extra_bufs = reg->nr_extra_bufs,
		.slots = { [NMJ_RX] = reg->nr_rx_slots, [NMJ_TX] = reg->nr_tx_slots },
		.rings = { [NMJ_RX] = reg->nr_rx_rings, [NMJ_TX] = reg->nr_tx_rings },
		.host_rings = { [NMJ_RX] = reg->nr_host_rx_rings,
				[NMJ_TX] = reg->nr_host_tx_rings },
		.create = true,
	};
}

/* ---- region ---- */

static struct nmj_mem *region_of_option(struct nmj_opt *opt)
{
	struct nmj_mem *mem = nmj_extmem_get(opt->data);

	opt->status = IS_ERR(mem) ? -PTR_ERR(mem) : 0;
	return mem;
}

int nmj_register_region(struct nmj_file *f, struct nmj_request *req)
{
	const struct nmreq_register *reg = req->body;
	struct nmj_mem *mem = NULL;

	if (nmj_file_bound(f))
		return -EBUSY;
	if (req->opt[NETMAP_REQ_OPT_EXTMEM].data)
		mem = region_of_option(&req->opt[NETMAP_REQ_OPT_EXTMEM]);
	else if (reg->nr_mem_id)
		mem = nmj_mem_find(reg->nr_mem_id);
	if (IS_ERR(mem))
		return PTR_ERR(mem);
	req->mem = mem;
	return reg->nr_mem_id && !mem ? -EINVAL : 0;
}

/* ---- the descriptor's interface ---- */

static void list_rings(struct nmj_file *f, int dir, int64_t *ring_ofs)
{
	struct nmj_port *port = f->claim.port;
	u64 nifp_at = nmj_mem_offset(port->mem, NMJ_POOL_IF, f->nifp);
	u32 i;

	for (i = f->claim.first[dir]; i < f->claim.end[dir]; i++)
		ring_ofs[i] = nmj_mem_offset(port->mem, NMJ_POOL_RING, port->kr[dir][i].ring) -
			      nifp_at;
}

static int make_nifp(struct nmj_file *f)
{
	struct nmj_port *port = f->claim.port;
	u32 txr = nmj_port_all_rings(port, NMJ_TX), rxr = nmj_port_all_rings(port, NMJ_RX);
	struct netmap_if *nifp;

	nifp = nmj_mem_if_alloc(port->mem, struct_size(nifp, ring_ofs, (size_t)txr + rxr));
	if (!nifp)
		return -ENOMEM;
	strscpy(nifp->ni_name, port->name, sizeof(nifp->ni_name));
	nifp->ni_flags = port->mem->priv ? NI_PRIV_MEM : 0;
	nifp->ni_tx_rings = port->rings[NMJ_TX];
	nifp->ni_rx_rings = port->rings[NMJ_RX];
	nifp->ni_host_tx_rings = max_t(u32, port->host_rings[NMJ_TX], 1);
	nifp->ni_host_rx_rings = max_t(u32, port->host_rings[NMJ_RX], 1);
	f->nifp = nifp;
	list_rings(f, NMJ_TX, nifp->ring_ofs);
	list_rings(f, NMJ_RX, nifp->ring_ofs + txr);
	return 0;
}

/* The list of spare buffers is the program's word: followed with care. */
static void free_nifp(struct nmj_file *f)
{
	struct nmj_mem *mem = f->claim.port->mem;

	nmj_mem_extra_free(mem, READ_ONCE(f->nifp->ni_bufs_head));
	nmj_mem_if_free(mem, f->nifp);
	f->nifp = NULL;
}

/* ---- binding ---- */

static int set_option(struct nmj_opt *opt, int ret)
{
	opt->status = -ret;
	return ret;
}

static int offsets_option(struct nmj_file *f, struct nmj_request *req)
{
	struct nmj_opt *opt = &req->opt[NETMAP_REQ_OPT_OFFSETS];

	return opt->data ? set_option(opt, nmj_offsets_set(&f->claim, opt->data)) : 0;
}

static int csb_option(struct nmj_file *f, struct nmj_request *req)
{
	struct nmj_opt *opt = &req->opt[NETMAP_REQ_OPT_CSB];

	return opt->data ? set_option(opt, nmj_csb_set(f, opt->data, &req->csb_rings)) : 0;
}

static int refused_option(const struct nmj_request *req)
{
	int i;

	for (i = 0; i < NETMAP_REQ_OPT_MAX; i++)
		if (req->opt[i].data && req->opt[i].status == EOPNOTSUPP)
			return -EOPNOTSUPP;
	return req->unknown_opt ? -EOPNOTSUPP : 0;
}

static void answer(struct nmj_file *f, struct nmreq_register *reg)
{
	struct nmj_port *port = f->claim.port;

	reg->nr_offset = nmj_mem_offset(port->mem, NMJ_POOL_IF, f->nifp);
	reg->nr_memsize = port->mem->size;
	reg->nr_mem_id = port->mem->id;
	reg->nr_tx_slots = port->slots[NMJ_TX];
	reg->nr_rx_slots = port->slots[NMJ_RX];
	reg->nr_tx_rings = port->rings[NMJ_TX];
	reg->nr_rx_rings = port->rings[NMJ_RX];
	reg->nr_host_tx_rings = port->host_rings[NMJ_TX];
	reg->nr_host_rx_rings = port->host_rings[NMJ_RX];
	if (reg->nr_flags & NR_ZCOPY_MON)
		reg->nr_flags |= NR_MONITOR_TX | NR_MONITOR_RX;
}

static void unbind(struct nmj_file *f)
{
	nmj_csb_free(f);
	if (f->nifp)
		free_nifp(f);
	nmj_claim_drop(&f->claim);
}

static int bind(struct nmj_file *f, struct nmj_request *req, struct nmj_port *port,
		const struct nmj_want *want)
{
	struct nmreq_register *reg = req->body;
	u32 extra;
	int ret;

	if (port->hdr_len && !(want->flags & NR_ACCEPT_VNET_HDR))
		return -EIO;
	ret = nmj_claim_take(&f->claim, port, want);
	if (ret)
		return ret;
	ret = make_nifp(f);
	if (ret)
		goto err;
	ret = offsets_option(f, req);
	if (ret)
		goto err;
	extra = nmj_mem_extra_alloc(port->mem, want->extra_bufs, &f->nifp->ni_bufs_head);
	ret = nmj_claim_on(&f->claim);
	if (ret)
		goto err;
	ret = csb_option(f, req);
	if (!ret)
		ret = refused_option(req);
	if (ret)
		goto err;
	f->mem = port->mem;
	f->flags = want->flags;
	reg->nr_extra_bufs = extra;
	answer(f, reg);
	return 0;
err:
	unbind(f);
	return ret;
}

int nmj_register(struct nmj_file *f, struct nmj_request *req)
{
	struct nmj_port *port;
	struct nmj_want want;
	int ret;

	if (f->bound)
		return -EBUSY;
	nmj_want_from_register(&want, req->hdr.nr_name, req->body);
	want.mem = req->mem;
	if (want.mode == NR_REG_PIPE_MASTER || want.mode == NR_REG_PIPE_SLAVE)
		return -EINVAL;
	port = nmj_port_get(&want);
	if (IS_ERR(port))
		return PTR_ERR(port);
	ret = bind(f, req, port, &want);
	if (!ret && READ_ONCE(nmj_verbose))
		pr_info("%s bound, mode %u, region %u\n", port->name, want.mode, f->mem->id);
	nmj_port_put(port);
	if (!ret)
		smp_store_release(&f->bound, true); /* pairs with nmj_file_bound */
	return ret;
}

void nmj_unregister(struct nmj_file *f)
{
	if (!f->bound)
		return;
	if (READ_ONCE(nmj_verbose))
		pr_info("%s released\n", f->claim.port->name);
	unbind(f);
}
