/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * Pages of the kernel's own, as the backing of a region.
 */
#ifndef NMJ_MEM_PAGES_H
#define NMJ_MEM_PAGES_H

#include "mem.h"

extern const struct nmj_mem_backing nmj_mem_pages; /* charged to the caller's cgroup */
extern const struct nmj_mem_backing nmj_mem_pages_uncharged;

#endif
