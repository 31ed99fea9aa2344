/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * The OFFSETS option: packets that do not start where their buffer
 * starts.
 */
#ifndef NMJ_OFFSETS_H
#define NMJ_OFFSETS_H

struct nmj_claim;
struct nmreq_opt_offsets;

/*
 * For the rings of @claim, before they are on. -EOPNOTSUPP: not on this port;
 * -EINVAL: no sensible numbers; -EBUSY: a ring has offsets that are narrower.
 * On success nro_max_offset is what applies. nmj_global.
 */
int nmj_offsets_set(struct nmj_claim *claim, struct nmreq_opt_offsets *opt);

#endif
