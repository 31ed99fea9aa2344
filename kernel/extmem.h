/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * Regions over a program's own memory.
 */
#ifndef NMJ_EXTMEM_H
#define NMJ_EXTMEM_H

#include "uapi/netmap.h"

struct nmj_mem;

/*
 * The region that @opt describes, made or found, with a reference; ERR_PTR:
 * -ENOMEM too small, -EFAULT not memory that can be pinned, -EINVAL sizes out of
 * range. The sizes in use are written back to @opt. Caller's address space.
 */
struct nmj_mem *nmj_extmem_get(struct nmreq_opt_extmem *opt);

#endif
