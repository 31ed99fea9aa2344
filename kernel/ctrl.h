/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * NIOCCTRL: a request copied in with its options, checked, handed over
 * (requests.h), and copied out. Must not know what any request means.
 */
#ifndef NMJ_CTRL_H
#define NMJ_CTRL_H

#include "uapi/netmap.h"

struct nmj_file;
struct nmj_mem;

/* An option that a request carried. */
struct nmj_opt {
	void *data; /* the whole option, header first; NULL: not there */
	u64 user; /* its address */
	u32 size; /* of data */
	u32 status; /* of the answer: 0 or an errno, positive */
};

struct nmj_request {
	struct nmreq_header hdr; /* nr_name has a NUL; the pointers are the user's */
	void *body; /* in kernel memory; NULL for requests without one */
	u32 body_size;
	struct nmj_opt opt[NETMAP_REQ_OPT_MAX]; /* by type */
	bool unknown_opt; /* there was one of a type that does not exist */
	struct nmj_mem *mem; /* the region that it names, with a reference; or NULL */
	u32 csb_rings; /* rings whose CSB records were not in memory: see nmj_csb_touch */
};

long nmj_ctrl_ioctl(struct nmj_file *f, void __user *arg);

#endif
