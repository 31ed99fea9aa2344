/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * Counters of every ring, under debugfs: nmjit/rings.
 */
#ifndef NMJ_STATS_H
#define NMJ_STATS_H

void nmj_stats_init(void);
void nmj_stats_exit(void);

#endif
