/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * What a descriptor does with its rings: the sync ioctls and poll.
 */
#ifndef NMJ_SYNC_H
#define NMJ_SYNC_H

#include <linux/poll.h>

struct nmj_file;

/* NIOCTXSYNC, NIOCRXSYNC. -ENXIO unbound, -EBUSY in CSB mode, -EIO dead port. */
int nmj_file_sync(struct nmj_file *f, int dir);

__poll_t nmj_file_poll(struct nmj_file *f, struct file *filp, poll_table *pt);

#endif
