/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * The module's parameters. Those of the pools live with the pools
 * (mem.h). All are written through sysfs at any moment: read once, with
 * READ_ONCE, and check what was read.
 */
#ifndef NMJ_PARAMS_H
#define NMJ_PARAMS_H

extern int nmj_verbose;
extern int nmj_no_timestamp;
extern int nmj_no_pendintr;
extern int nmj_txsync_retry;
extern int nmj_fwd;
extern int nmj_admode;
extern int nmj_generic_hwcsum;
extern int nmj_generic_mit;
extern int nmj_generic_ringsize;
extern int nmj_bridge_batch;
extern unsigned int nmj_max_bridges;

#define NMJ_ADMODE_BEST 0
#define NMJ_ADMODE_NATIVE 1
#define NMJ_ADMODE_EMULATED 2

/* The mode in force; nonsense is put back to BEST. */
int nmj_admode_get(void);

#endif
