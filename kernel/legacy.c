// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * See legacy.h: struct nmreq made into a request of today, and the
 * answer put back. Must not know what the requests do.
 */
#include <linux/slab.h>
#include <linux/string.h>
#include <linux/uaccess.h>

#include "legacy.h"
#include "requests.h"

/* A request of today, its body, and how the answer goes back. */
struct translation {
	struct nmj_request req;
	union {
		struct nmreq_register reg;
		struct nmreq_port_info_get info;
		struct nmreq_vale_attach attach;
		struct nmreq_vale_detach detach;
		struct nmreq_vale_list list;
		struct nmreq_port_hdr hdr;
		struct nmreq_vale_newif newif;
		struct nmreq_vale_polling polling;
	} body;
	void (*back)(struct nmreq *nmr, const struct translation *t);
};

static void set_type(struct translation *t, u16 type)
{
	t->req.hdr.nr_reqtype = type;
	t->req.body_size = nmj_request_body_size(type);
	t->req.body = t->req.body_size ? &t->body : NULL;
}

/* ---- binding ---- */

static u32 mode_of(const struct nmreq *nmr)
{
	u32 mode = nmr->nr_flags & NR_REG_MASK;

	if (mode != NR_REG_DEFAULT)
		return mode;
	if (nmr->nr_ringid & NETMAP_SW_RING)
		return NR_REG_SW;
	return nmr->nr_ringid & NETMAP_HW_RING ? NR_REG_ONE_NIC : NR_REG_ALL_NIC;
}

/* Pipes had a mode and a number, and today have a name. */
static int name_pipe(struct translation *t, u32 *mode)
{
	char *name = t->req.hdr.nr_name;
	size_t len = strlen(name), room = NETMAP_REQ_IFNAMSIZ - len;
	char sign;

	if (*mode == NR_REG_PIPE_MASTER)
		sign = '{';
	else if (*mode == NR_REG_PIPE_SLAVE)
		sign = '}';
	else
		return 0;
	if (snprintf(name + len, room, "%c%u", sign, t->body.reg.nr_ringid) >= room)
		return -EINVAL;
	t->body.reg.nr_ringid = 0;
	*mode = NR_REG_ALL_NIC;
	return 0;
}

static void fill_register(struct nmreq_register *reg, const struct nmreq *nmr)
{
	reg->nr_tx_slots = nmr->nr_tx_slots;
	reg->nr_rx_slots = nmr->nr_rx_slots;
	reg->nr_tx_rings = nmr->nr_tx_rings;
	reg->nr_rx_rings = nmr->nr_rx_rings;
	reg->nr_mem_id = nmr->nr_arg2;
	reg->nr_ringid = nmr->nr_ringid & NETMAP_RING_MASK;
	reg->nr_extra_bufs = nmr->nr_arg3;
	reg->nr_flags = nmr->nr_flags & ~NR_REG_MASK;
	if (nmr->nr_ringid & NETMAP_NO_TX_POLL)
		reg->nr_flags |= NR_NO_TX_POLL;
	if (nmr->nr_ringid & NETMAP_DO_RX_POLL)
		reg->nr_flags |= NR_DO_RX_POLL;
	reg->nr_mode = mode_of(nmr);
}

static void register_back(struct nmreq *nmr, const struct translation *t)
{
	const struct nmreq_register *reg = &t->body.reg;

	nmr->nr_offset = reg->nr_offset;
	nmr->nr_memsize = reg->nr_memsize;
	nmr->nr_tx_slots = reg->nr_tx_slots;
	nmr->nr_rx_slots = reg->nr_rx_slots;
	nmr->nr_tx_rings = reg->nr_tx_rings;
	nmr->nr_rx_rings = reg->nr_rx_rings;
	nmr->nr_arg2 = reg->nr_mem_id;
	nmr->nr_arg3 = reg->nr_extra_bufs;
}

static int to_register(struct translation *t, const struct nmreq *nmr)
{
	set_type(t, NETMAP_REQ_REGISTER);
	fill_register(&t->body.reg, nmr);
	t->back = register_back;
	return name_pipe(t, &t->body.reg.nr_mode);
}

/* ---- questions ---- */

static void info_back(struct nmreq *nmr, const struct translation *t)
{
	const struct nmreq_port_info_get *info = &t->body.info;

	nmr->nr_memsize = info->nr_memsize;
	nmr->nr_tx_slots = info->nr_tx_slots;
	nmr->nr_rx_slots = info->nr_rx_slots;
	nmr->nr_tx_rings = info->nr_tx_rings;
	nmr->nr_rx_rings = info->nr_rx_rings;
	nmr->nr_arg2 = info->nr_mem_id;
}

static int to_info(struct translation *t, const struct nmreq *nmr)
{
	struct nmreq_port_info_get *info = &t->body.info;

	set_type(t, NETMAP_REQ_PORT_INFO_GET);
	info->nr_tx_slots = nmr->nr_tx_slots;
	info->nr_rx_slots = nmr->nr_rx_slots;
	info->nr_tx_rings = nmr->nr_tx_rings;
	info->nr_rx_rings = nmr->nr_rx_rings;
	info->nr_mem_id = nmr->nr_arg2;
	t->back = info_back;
	return 0;
}

static void list_back(struct nmreq *nmr, const struct translation *t)
{
	strscpy(nmr->nr_name, t->req.hdr.nr_name, sizeof(nmr->nr_name));
	nmr->nr_arg1 = t->body.list.nr_bridge_idx;
	nmr->nr_arg2 = t->body.list.nr_port_idx;
}

static int to_list(struct translation *t, const struct nmreq *nmr)
{
	set_type(t, NETMAP_REQ_VALE_LIST);
	t->body.list.nr_bridge_idx = nmr->nr_arg1;
	t->body.list.nr_port_idx = nmr->nr_arg2;
	t->back = list_back;
	return 0;
}

/* ---- switches ---- */

static int to_attach(struct translation *t, const struct nmreq *nmr)
{
	set_type(t, NETMAP_REQ_VALE_ATTACH);
	t->body.attach.reg.nr_mode = nmr->nr_arg1 & NETMAP_BDG_HOST ? NR_REG_NIC_SW :
								     NR_REG_ALL_NIC;
	t->body.attach.reg.nr_mem_id = nmr->nr_arg2;
	return 0;
}

static void hdr_back(struct nmreq *nmr, const struct translation *t)
{
	nmr->nr_arg1 = t->body.hdr.nr_hdr_len;
}

static int to_hdr(struct translation *t, const struct nmreq *nmr)
{
	set_type(t, nmr->nr_cmd == NETMAP_VNET_HDR_GET ? NETMAP_REQ_PORT_HDR_GET :
							 NETMAP_REQ_PORT_HDR_SET);
	t->body.hdr.nr_hdr_len = nmr->nr_arg1;
	t->back = hdr_back;
	return 0;
}

static void newif_back(struct nmreq *nmr, const struct translation *t)
{
	nmr->nr_tx_slots = t->body.newif.nr_tx_slots;
	nmr->nr_rx_slots = t->body.newif.nr_rx_slots;
	nmr->nr_tx_rings = t->body.newif.nr_tx_rings;
	nmr->nr_rx_rings = t->body.newif.nr_rx_rings;
	nmr->nr_arg2 = t->body.newif.nr_mem_id;
}

static int to_newif(struct translation *t, const struct nmreq *nmr)
{
	struct nmreq_vale_newif *newif = &t->body.newif;

	set_type(t, NETMAP_REQ_VALE_NEWIF);
	newif->nr_tx_slots = nmr->nr_tx_slots;
	newif->nr_rx_slots = nmr->nr_rx_slots;
	newif->nr_tx_rings = nmr->nr_tx_rings;
	newif->nr_rx_rings = nmr->nr_rx_rings;
	newif->nr_mem_id = nmr->nr_arg2;
	t->back = newif_back;
	return 0;
}

static int to_polling(struct translation *t, const struct nmreq *nmr)
{
	struct nmreq_vale_polling *polling = &t->body.polling;

	set_type(t, nmr->nr_cmd == NETMAP_BDG_POLLING_ON ? NETMAP_REQ_VALE_POLLING_ENABLE :
							   NETMAP_REQ_VALE_POLLING_DISABLE);
	switch (mode_of(nmr)) {
	case NR_REG_ONE_NIC:
		polling->nr_mode = NETMAP_POLLING_MODE_MULTI_CPU;
		break;
	case NR_REG_ALL_NIC:
		polling->nr_mode = NETMAP_POLLING_MODE_SINGLE_CPU;
		break;
	default:
		return -EINVAL;
	}
	polling->nr_first_cpu_id = nmr->nr_ringid & NETMAP_RING_MASK;
	polling->nr_num_polling_cpus = nmr->nr_arg1;
	return 0;
}

static int to_command(struct translation *t, const struct nmreq *nmr)
{
	switch (nmr->nr_cmd) {
	case 0:
		return to_register(t, nmr);
	case NETMAP_BDG_ATTACH:
		return to_attach(t, nmr);
	case NETMAP_BDG_DETACH:
		set_type(t, NETMAP_REQ_VALE_DETACH);
		return 0;
	case NETMAP_BDG_VNET_HDR:
	case NETMAP_VNET_HDR_GET:
		return to_hdr(t, nmr);
	case NETMAP_BDG_NEWIF:
		return to_newif(t, nmr);
	case NETMAP_BDG_DELIF:
		set_type(t, NETMAP_REQ_VALE_DELIF);
		return 0;
	case NETMAP_BDG_POLLING_ON:
	case NETMAP_BDG_POLLING_OFF:
		return to_polling(t, nmr);
	case NETMAP_PT_HOST_CREATE:
	case NETMAP_PT_HOST_DELETE:
		return -ENOMEM; /* no guest passthrough */
	default:
		return -EINVAL;
	}
}

/* ---- the call ---- */

static int translate(struct translation *t, unsigned int cmd, const struct nmreq *nmr)
{
	strscpy(t->req.hdr.nr_name, nmr->nr_name, NETMAP_IFNAMSIZ);
	t->req.hdr.nr_version = NETMAP_API;
	if (cmd == NIOCREGIF)
		return to_command(t, nmr);
	return nmr->nr_cmd == NETMAP_BDG_LIST ? to_list(t, nmr) : to_info(t, nmr);
}

long nmj_legacy_ioctl(struct nmj_file *f, unsigned int cmd, void __user *arg)
{
	struct translation *t;
	struct nmreq nmr;
	int ret;

	if (!arg)
		return -EINVAL;
	if (copy_from_user(&nmr, arg, sizeof(nmr)))
		return -EFAULT;
	if (nmr.nr_version < NETMAP_MIN_API)
		return -EINVAL;
	nmr.nr_name[sizeof(nmr.nr_name) - 1] = '\0';
	t = kzalloc(sizeof(*t), GFP_KERNEL);
	if (!t)
		return -ENOMEM;
	ret = translate(t, cmd, &nmr);
	if (!ret)
		ret = nmj_request_run(f, &t->req);
	if (!ret && t->back)
		t->back(&nmr, t);
	kfree(t);
	if (!ret && copy_to_user(arg, &nmr, sizeof(nmr)))
		ret = -EFAULT;
	return ret;
}
