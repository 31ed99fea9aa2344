/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * CSB mode: a ring's positions in the program's own memory, and the
 * loop that serves them without system calls.
 */
#ifndef NMJ_KLOOP_H
#define NMJ_KLOOP_H

struct nmj_file;
struct nmj_request;
struct nmreq_opt_csb;

/*
 * The CSB option, on a descriptor with its claim; nmj_global. No page is waited for
 * under that lock: -EAGAIN, with @absent set to the number of rings, when the
 * program's records are not in memory. Then call nmj_csb_touch without the lock,
 * 0 or -EFAULT, and try again.
 */
int nmj_csb_set(struct nmj_file *f, const struct nmreq_opt_csb *opt, u32 *absent);
int nmj_csb_touch(const struct nmreq_opt_csb *opt, u32 rings);
void nmj_csb_free(struct nmj_file *f);

/* NETMAP_REQ_SYNC_KLOOP_START, _STOP; without nmj_global. */
int nmj_kloop_start(struct nmj_file *f, struct nmj_request *req);
int nmj_kloop_stop(struct nmj_file *f, struct nmj_request *req);

#endif
