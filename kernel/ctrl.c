// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * See ctrl.h.
 *
 * Every byte is read from the program once. Options are a list in its memory
 * that it may change meanwhile: what was walked at the start, by address, is
 * what gets a status at the end.
 */
#include <linux/minmax.h>
#include <linux/mm.h>
#include <linux/slab.h>
#include <linux/string.h>
#include <linux/uaccess.h>

#include "ctrl.h"
#include "requests.h"

/* An option as it was met: for its status. */
struct seen_opt {
	u64 user;
	struct nmreq_option hdr;
};

struct walk {
	struct nmj_request *req;
	struct seen_opt *seen; /* in order */
	u32 n;
	u32 extra; /* bytes of options beyond their headers */
};

/* Each option costs a header and a pointer of the buffer that it is kept in. */
#define OPT_HDR 24
#define OPT_HDR_KEPT 32
#define KEPT_MAX (NETMAP_REQ_MAXSIZE + 48)
#define MOST_OPTS (NETMAP_REQ_MAXSIZE / OPT_HDR)

static const u32 opt_size[NETMAP_REQ_OPT_MAX] = {
	[NETMAP_REQ_OPT_EXTMEM] = sizeof(struct nmreq_opt_extmem),
	[NETMAP_REQ_OPT_CSB] = sizeof(struct nmreq_opt_csb),
	[NETMAP_REQ_OPT_SYNC_KLOOP_MODE] = sizeof(struct nmreq_opt_sync_kloop_mode),
	[NETMAP_REQ_OPT_OFFSETS] = sizeof(struct nmreq_opt_offsets),
};

/* ---- in ---- */

static bool too_large(const struct walk *w)
{
	u32 b = w->req->body_size + w->extra;

	return b + OPT_HDR * w->n > NETMAP_REQ_MAXSIZE || b + OPT_HDR_KEPT * w->n > KEPT_MAX;
}

/* Size of an option whose type is known; those that vary say it themselves. */
static int known_size(const struct nmreq_option *o, u32 *size)
{
	if (o->nro_size > NETMAP_REQ_MAXSIZE)
		return -EMSGSIZE;
	*size = opt_size[o->nro_reqtype];
	if (!*size)
		*size = max_t(u32, o->nro_size, sizeof(*o));
	return 0;
}

static int copy_known(struct walk *w, struct seen_opt *seen)
{
	struct nmj_opt *opt = &w->req->opt[seen->hdr.nro_reqtype];
	u32 size;
	int ret;

	ret = known_size(&seen->hdr, &size);
	if (ret)
		return ret;
	w->extra += size - OPT_HDR;
	if (too_large(w))
		return -EMSGSIZE;
	opt->data = kmalloc(size, GFP_KERNEL);
	if (!opt->data)
		return -ENOMEM;
	if (copy_from_user(opt->data, u64_to_user_ptr(seen->user), size))
		return -EFAULT;
	memcpy(opt->data, &seen->hdr, sizeof(seen->hdr));
	opt->user = seen->user;
	opt->size = size;
	return 0;
}

/* The same type twice: both are told. */
static int repeated(struct walk *w, struct seen_opt *seen)
{
	w->req->opt[seen->hdr.nro_reqtype].status = EINVAL;
	seen->hdr.nro_status = EINVAL;
	return -EINVAL;
}

static int copy_option(struct walk *w, u64 user)
{
	struct seen_opt *seen = &w->seen[w->n];
	u32 type;

	if (copy_from_user(&seen->hdr, u64_to_user_ptr(user), sizeof(seen->hdr)))
		return -EFAULT;
	seen->user = user;
	seen->hdr.nro_status = 0;
	w->n++;
	if (too_large(w))
		return -EMSGSIZE;
	type = seen->hdr.nro_reqtype;
	if (!type) {
		seen->hdr.nro_status = EINVAL;
		return -EINVAL;
	}
	if (type >= NETMAP_REQ_OPT_MAX) {
		w->req->unknown_opt = true;
		return 0;
	}
	return w->req->opt[type].data ? repeated(w, seen) : copy_known(w, seen);
}

static int copy_options(struct walk *w)
{
	u64 user = w->req->hdr.nr_options;
	u32 i;
	int ret;

	while (user) {
		ret = copy_option(w, user);
		if (ret)
			return ret;
		user = w->seen[w->n - 1].hdr.nro_next;
	}
	for (i = 0; i < w->n; i++)
		w->seen[i].hdr.nro_status = EOPNOTSUPP;
	for (i = 0; i < NETMAP_REQ_OPT_MAX; i++)
		w->req->opt[i].status = EOPNOTSUPP;
	return 0;
}

static int copy_body(struct nmj_request *req)
{
	req->body_size = nmj_request_body_size(req->hdr.nr_reqtype);
	if (!req->hdr.nr_body != !req->body_size)
		return -EINVAL;
	if (!req->body_size)
		return 0;
	req->body = kmalloc(req->body_size, GFP_KERNEL);
	if (!req->body)
		return -ENOMEM;
	if (copy_from_user(req->body, u64_to_user_ptr(req->hdr.nr_body), req->body_size))
		return -EFAULT;
	return 0;
}

/* ---- out ---- */

/* The option that was kept of those of its type, if @seen is that one. */
static struct nmj_opt *kept(struct nmj_request *req, const struct seen_opt *seen)
{
	u32 type = seen->hdr.nro_reqtype;
	struct nmj_opt *opt;

	if (!type || type >= NETMAP_REQ_OPT_MAX)
		return NULL;
	opt = &req->opt[type];
	return opt->data && opt->user == seen->user ? opt : NULL;
}

static int copy_option_out(struct nmj_request *req, struct seen_opt *seen, bool bodies)
{
	struct nmj_opt *opt = kept(req, seen);
	int ret = 0;

	if (opt)
		seen->hdr.nro_status = opt->status;
	if (copy_to_user(u64_to_user_ptr(seen->user), &seen->hdr, sizeof(seen->hdr)))
		ret = -EFAULT;
	if (opt && bodies && !opt->status && opt->size > OPT_HDR &&
	    copy_to_user(u64_to_user_ptr(seen->user + OPT_HDR), opt->data + OPT_HDR,
			 opt->size - OPT_HDR))
		ret = -EFAULT;
	return ret;
}

static int copy_out(struct walk *w, bool success)
{
	struct nmj_request *req = w->req;
	int ret = 0;
	u32 i;

	if (success && req->body &&
	    copy_to_user(u64_to_user_ptr(req->hdr.nr_body), req->body, req->body_size))
		ret = -EFAULT;
	for (i = 0; i < w->n; i++)
		if (copy_option_out(req, &w->seen[i], success))
			ret = -EFAULT;
	return ret;
}

/* ---- the call ---- */

static int run(struct nmj_file *f, struct walk *w)
{
	struct nmj_request *req = w->req;
	int ret, out;

	ret = copy_body(req);
	if (ret)
		return ret;
	ret = copy_options(w);
	if (!ret) {
		req->hdr.nr_name[NETMAP_REQ_IFNAMSIZ - 1] = '\0';
		ret = nmj_request_run(f, req);
	}
	out = copy_out(w, !ret);
	return ret ? ret : out;
}

static void free_request(struct nmj_request *req)
{
	int i;

	for (i = 0; i < NETMAP_REQ_OPT_MAX; i++)
		kfree(req->opt[i].data);
	kfree(req->body);
	kfree(req);
}

static int check_header(const struct nmreq_header *hdr)
{
	if (hdr->nr_version < NETMAP_MIN_API || hdr->nr_version > NETMAP_MAX_API)
		return -EINVAL;
	return hdr->nr_reserved ? -EINVAL : 0;
}

long nmj_ctrl_ioctl(struct nmj_file *f, void __user *arg)
{
	struct walk w = {};
	long ret = -ENOMEM;

	if (!arg)
		return -EINVAL;
	w.req = kzalloc(sizeof(*w.req), GFP_KERNEL);
	/* One more than fit: the one that is too much is still looked at. */
	w.seen = kvmalloc_array(MOST_OPTS + 1, sizeof(*w.seen), GFP_KERNEL);
	if (!w.req || !w.seen)
		goto out;
	ret = -EFAULT;
	if (copy_from_user(&w.req->hdr, arg, sizeof(w.req->hdr)))
		goto out;
	ret = check_header(&w.req->hdr);
	if (!ret)
		ret = run(f, &w);
	if (copy_to_user(arg, &w.req->hdr, sizeof(w.req->hdr)))
		ret = -EFAULT;
out:
	kvfree(w.seen);
	if (w.req)
		free_request(w.req);
	return ret;
}
