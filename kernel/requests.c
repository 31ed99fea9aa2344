// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * See requests.h: the table of requests, and those that are about
 * ports and regions in general. Binding is in register.c, the loop in kloop.c,
 * switches behind nmj_switch.
 */
#include <linux/err.h>
#include <linux/nsproxy.h>
#include <linux/sched.h>
#include <linux/string.h>

#include "file.h"
#include "kloop.h"
#include "register.h"
#include "requests.h"

/* ---- looking ports up ---- */

static void want_plain(struct nmj_want *want, const struct nmj_request *req, bool create)
{
	*want = (struct nmj_want){
		.name = req->hdr.nr_name,
		.net = current->nsproxy->net_ns,
		.mode = NR_REG_ALL_NIC,
		.create = create,
	};
}

/* The region of a request; 0: none. With a reference in @want. */
static int want_region(struct nmj_want *want, u16 id)
{
	want->mem = id ? nmj_mem_find(id) : NULL;
	return id && !want->mem ? -EINVAL : 0;
}

static void drop_region(struct nmj_want *want)
{
	if (want->mem)
		nmj_mem_put(want->mem);
}

/* A port found (or made, for the time of the request), with fresh geometry. */
static struct nmj_port *get_configured(const struct nmj_want *want)
{
	struct nmj_port *port = nmj_port_get(want);
	int ret;

	if (IS_ERR(port))
		return port;
	ret = nmj_port_configure(port, want);
	if (ret) {
		nmj_port_put(port);
		return ERR_PTR(ret);
	}
	return port;
}

/* ---- what a port or a region is ---- */

static int region_info(struct nmreq_port_info_get *info)
{
	struct nmj_mem *mem = nmj_mem_find(info->nr_mem_id ? info->nr_mem_id : 1);
	s64 size;

	if (!mem)
		return -EINVAL;
	size = nmj_mem_size(mem);
	if (size >= 0) {
		info->nr_memsize = size;
		info->nr_mem_id = mem->id;
	}
	nmj_mem_put(mem);
	return min_t(s64, size, 0);
}

static int fill_port_info(struct nmreq_port_info_get *info, const struct nmj_port *port)
{
	s64 size = nmj_mem_size(port->mem);

	if (size < 0)
		return size;
	info->nr_memsize = size;
	info->nr_mem_id = port->mem->id;
	info->nr_tx_slots = port->slots[NMJ_TX];
	info->nr_rx_slots = port->slots[NMJ_RX];
	info->nr_tx_rings = port->rings[NMJ_TX];
	info->nr_rx_rings = port->rings[NMJ_RX];
	info->nr_host_tx_rings = port->host_rings[NMJ_TX];
	info->nr_host_rx_rings = port->host_rings[NMJ_RX];
	return 0;
}

static int port_info_get(struct nmj_file *f, struct nmj_request *req)
{
	struct nmreq_port_info_get *info = req->body;
	struct nmj_port *port;
	struct nmj_want want;
	int ret;

	if (!req->hdr.nr_name[0])
		return region_info(info);
	want_plain(&want, req, true);
	want.slots[NMJ_TX] = info->nr_tx_slots;
	want.slots[NMJ_RX] = info->nr_rx_slots;
	want.rings[NMJ_TX] = info->nr_tx_rings;
	want.rings[NMJ_RX] = info->nr_rx_rings;
	ret = want_region(&want, info->nr_mem_id);
	if (ret)
		return ret;
	port = get_configured(&want);
	ret = PTR_ERR_OR_ZERO(port);
	if (!ret) {
		ret = fill_port_info(info, port);
		nmj_port_put(port);
	}
	drop_region(&want);
	return ret;
}

static int pools_info_get(struct nmj_file *f, struct nmj_request *req)
{
	struct nmreq_pools_info *info = req->body;
	struct nmj_port *port;
	struct nmj_want want;
	int ret;

	if (!req->hdr.nr_name[0])
		return -ENXIO;
	want_plain(&want, req, true);
	ret = want_region(&want, info->nr_mem_id);
	if (ret)
		return ret;
	port = get_configured(&want);
	ret = PTR_ERR_OR_ZERO(port);
	if (!ret) {
		ret = nmj_mem_use(port->mem);
		if (!ret) {
			nmj_mem_info(port->mem, info);
			nmj_mem_unuse(port->mem);
		}
		nmj_port_put(port);
	}
	drop_region(&want);
	return ret;
}

static int port_hdr_set(struct nmj_file *f, struct nmj_request *req)
{
	const struct nmreq_port_hdr *hdr = req->body;
	struct nmj_port *port;
	struct nmj_want want;
	int ret = 0;

	if (hdr->nr_hdr_len != 0 && hdr->nr_hdr_len != 10 && hdr->nr_hdr_len != 12)
		return -EINVAL;
	want_plain(&want, req, false);
	port = nmj_port_get(&want);
	if (IS_ERR(port))
		return -ENXIO;
	if (test_bit(NMJ_PORT_VNET, &port->flags))
		WRITE_ONCE(port->hdr_len, hdr->nr_hdr_len);
	else
		ret = -ENXIO;
	nmj_port_put(port);
	return ret;
}

static int port_hdr_get(struct nmj_file *f, struct nmj_request *req)
{
	struct nmreq_port_hdr *hdr = req->body;
	struct nmj_port *port;
	struct nmj_want want;

	want_plain(&want, req, false);
	port = nmj_port_get(&want);
	if (IS_ERR(port))
		return PTR_ERR(port);
	hdr->nr_hdr_len = port->hdr_len;
	nmj_port_put(port);
	return 0;
}

/* ---- switches ---- */

static int vale_attach(struct nmj_file *f, struct nmj_request *req)
{
	struct nmreq_vale_attach *att = req->body;
	struct nmj_want want;
	int ret;

	if (!nmj_name_is_vale(req->hdr.nr_name))
		return -EINVAL;
	if (!nmj_switch)
		return -ENOMEM;
	nmj_want_from_register(&want, req->hdr.nr_name, &att->reg);
	ret = want_region(&want, att->reg.nr_mem_id);
	if (ret)
		return ret;
	ret = nmj_switch->attach(&want, &att->port_index);
	drop_region(&want);
	return ret;
}

static int vale_detach(struct nmj_file *f, struct nmj_request *req)
{
	struct nmreq_vale_detach *det = req->body;
	struct nmj_want want;

	if (!nmj_name_is_vale(req->hdr.nr_name))
		return -EINVAL;
	if (!nmj_switch)
		return -ENXIO;
	want_plain(&want, req, false);
	return nmj_switch->detach(&want, &det->port_index);
}

static int vale_list(struct nmj_file *f, struct nmj_request *req)
{
	char *name = req->hdr.nr_name;

	if (name[0] && strncmp(name, "vale", 4))
		return -EINVAL;
	if (!nmj_switch)
		return -ENOENT;
	return nmj_switch->list(current->nsproxy->net_ns, name, req->body);
}

static int vale_newif(struct nmj_file *f, struct nmj_request *req)
{
	struct nmreq_vale_newif *newif = req->body;
	struct nmj_want want;
	int ret;

	if (!req->hdr.nr_name[0] || !strncmp(req->hdr.nr_name, "vale", 4) ||
	    strlen(req->hdr.nr_name) >= NETMAP_IFNAMSIZ)
		return -EINVAL;
	if (!nmj_switch)
		return -ENOMEM;
	want_plain(&want, req, true);
	want.slots[NMJ_TX] = newif->nr_tx_slots;
	want.slots[NMJ_RX] = newif->nr_rx_slots;
	want.rings[NMJ_TX] = newif->nr_tx_rings;
	want.rings[NMJ_RX] = newif->nr_rx_rings;
	ret = want_region(&want, newif->nr_mem_id);
	if (ret)
		return ret;
	ret = nmj_switch->newif(&want, &newif->nr_mem_id);
	newif->nr_tx_slots = want.slots[NMJ_TX];
	newif->nr_rx_slots = want.slots[NMJ_RX];
	newif->nr_tx_rings = want.rings[NMJ_TX];
	newif->nr_rx_rings = want.rings[NMJ_RX];
	drop_region(&want);
	return ret;
}

static int vale_delif(struct nmj_file *f, struct nmj_request *req)
{
	if (!nmj_switch)
		return -ENXIO;
	return nmj_switch->delif(current->nsproxy->net_ns, req->hdr.nr_name);
}

static int vale_polling(struct nmj_request *req, bool enable)
{
	if (!nmj_name_is_vale(req->hdr.nr_name))
		return -EINVAL;
	if (!nmj_switch)
		return -ENXIO;
	return nmj_switch->polling(current->nsproxy->net_ns, req->hdr.nr_name, req->body, enable);
}

static int vale_polling_enable(struct nmj_file *f, struct nmj_request *req)
{
	return vale_polling(req, true);
}

static int vale_polling_disable(struct nmj_file *f, struct nmj_request *req)
{
	return vale_polling(req, false);
}

/* ---- CSB ---- */

static int csb_enable(struct nmj_file *f, struct nmj_request *req)
{
	struct nmj_opt *opt = &req->opt[NETMAP_REQ_OPT_CSB];
	int ret;

	if (!opt->data)
		return -EINVAL;
	ret = f->bound ? nmj_csb_set(f, opt->data, &req->csb_rings) : -ENXIO;
	opt->status = -ret;
	return ret;
}

/* ---- the table ---- */

struct request_type {
	int (*run)(struct nmj_file *f, struct nmj_request *req);
	u32 body_size;
	bool unlocked; /* takes nmj_global itself, where it needs it */
	int (*prepare)(struct nmj_file *f, struct nmj_request *req); /* before, without it */
};

static const struct request_type types[] = {
	[NETMAP_REQ_REGISTER] = { nmj_register, sizeof(struct nmreq_register), false,
				  nmj_register_region },
	[NETMAP_REQ_PORT_INFO_GET] = { port_info_get, sizeof(struct nmreq_port_info_get) },
	[NETMAP_REQ_VALE_ATTACH] = { vale_attach, sizeof(struct nmreq_vale_attach) },
	[NETMAP_REQ_VALE_DETACH] = { vale_detach, sizeof(struct nmreq_vale_detach) },
	[NETMAP_REQ_VALE_LIST] = { vale_list, sizeof(struct nmreq_vale_list) },
	[NETMAP_REQ_PORT_HDR_SET] = { port_hdr_set, sizeof(struct nmreq_port_hdr) },
	[NETMAP_REQ_PORT_HDR_GET] = { port_hdr_get, sizeof(struct nmreq_port_hdr) },
	[NETMAP_REQ_VALE_NEWIF] = { vale_newif, sizeof(struct nmreq_vale_newif) },
	[NETMAP_REQ_VALE_DELIF] = { vale_delif, 0 },
	[NETMAP_REQ_VALE_POLLING_ENABLE] = { vale_polling_enable,
					     sizeof(struct nmreq_vale_polling) },
	[NETMAP_REQ_VALE_POLLING_DISABLE] = { vale_polling_disable,
					      sizeof(struct nmreq_vale_polling) },
	[NETMAP_REQ_POOLS_INFO_GET] = { pools_info_get, sizeof(struct nmreq_pools_info) },
	[NETMAP_REQ_SYNC_KLOOP_START] = { nmj_kloop_start, sizeof(struct nmreq_sync_kloop_start),
					  true },
	[NETMAP_REQ_SYNC_KLOOP_STOP] = { nmj_kloop_stop, 0, true },
	[NETMAP_REQ_CSB_ENABLE] = { csb_enable, 0 },
};

static const struct request_type *type_of(u16 type)
{
	if (type >= ARRAY_SIZE(types))
		return NULL;
	type = array_index_nospec(type, ARRAY_SIZE(types));
	return types[type].run ? &types[type] : NULL;
}

u32 nmj_request_body_size(u16 type)
{
	const struct request_type *t = type_of(type);

	return t ? t->body_size : 0;
}

static int run_locked(const struct request_type *t, struct nmj_file *f, struct nmj_request *req)
{
	int ret;

	if (mutex_lock_killable(&nmj_global))
		return -EINTR;
	ret = t->run(f, req);
	mutex_unlock(&nmj_global);
	return ret;
}

/* Again and again, if need be: a program that keeps taking its pages away can be killed. */
static int run_until_present(const struct request_type *t, struct nmj_file *f,
			     struct nmj_request *req)
{
	struct nmj_opt *csb = &req->opt[NETMAP_REQ_OPT_CSB];
	int ret;

	for (;;) {
		req->csb_rings = 0;
		ret = run_locked(t, f, req);
		if (ret != -EAGAIN || !req->csb_rings)
			return ret;
		ret = nmj_csb_touch(csb->data, req->csb_rings);
		if (ret) {
			csb->status = -ret;
			return ret;
		}
	}
}

int nmj_request_run(struct nmj_file *f, struct nmj_request *req)
{
	const struct request_type *t = type_of(req->hdr.nr_reqtype);
	int ret;

	if (!t)
		return -EINVAL;
	if (t->unlocked)
		return t->run(f, req);
	ret = t->prepare ? t->prepare(f, req) : 0;
	if (!ret)
		ret = run_until_present(t, f, req);
	if (req->mem)
		nmj_mem_put(req->mem);
	return ret;
}
