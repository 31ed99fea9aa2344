/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * A descriptor of /dev/netmap. Unbound until its REGISTER succeeds,
 * then bound until its end; there is no way back. Ports must not know it.
 */
#ifndef NMJ_FILE_H
#define NMJ_FILE_H

#include <linux/atomic.h>
#include <linux/wait.h>

#include "port.h"

struct nmj_csb;

struct nmj_file {
	/* Written under nmj_global; then bound is set with release semantics. */
	bool bound;
	struct nmj_claim claim;
	struct netmap_if *nifp;
	struct nmj_mem *mem; /* of the port at binding; for mmap */
	u64 flags; /* NR_* of the request */
	struct nmj_csb *csb; /* kloop.c; set once, with release semantics */
	/* kloop.c */
	bool loop_running; /* nmj_global */
	bool loop_stop; /* nmj_global to write */
	u32 loop_runs; /* that have ended; nmj_global to write */
	wait_queue_head_t loop_wait;
};

/* Whether the descriptor is bound; if so its fields may be read. */
static inline bool nmj_file_bound(const struct nmj_file *f)
{
	return smp_load_acquire(&f->bound); /* pairs with nmj_register */
}

static inline struct nmj_csb *nmj_file_csb(const struct nmj_file *f)
{
	return smp_load_acquire(&f->csb); /* pairs with nmj_csb_set */
}

#endif
