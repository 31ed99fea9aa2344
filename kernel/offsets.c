// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * See offsets.h. A ring that is in use already keeps the offsets
 * that it has.
 */
#include <linux/bits.h>

#include "offsets.h"
#include "port.h"

static u64 mask_of(u32 bits)
{
	return bits && bits < 64 ? BIT_ULL(bits) - 1 : U64_MAX;
}

static int check_numbers(const struct nmj_claim *claim, const struct nmreq_opt_offsets *opt)
{
	if (!test_bit(NMJ_PORT_OFFSETS, &claim->port->flags))
		return -EOPNOTSUPP;
	if (opt->nro_offset_bits > 64 ||
	    opt->nro_max_offset > nmj_mem_bufsize(claim->port->mem) ||
	    opt->nro_max_offset & ~mask_of(opt->nro_offset_bits) ||
	    opt->nro_initial_offset > opt->nro_max_offset)
		return -EINVAL;
	return 0;
}

static int check_ring(const struct nmj_kring *kr, struct nmreq_opt_offsets *opt)
{
	u64 mask = mask_of(opt->nro_offset_bits);

	if (!kr->offsets)
		return 0;
	if (mask & ~kr->offset_mask || opt->nro_max_offset > kr->offset_max)
		return -EBUSY;
	opt->nro_max_offset = kr->offset_max;
	return 0;
}

static void initial_slots(struct nmj_kring *kr, u64 offset)
{
	u32 i;

	for (i = 0; i < kr->num_slots; i++) {
		WRITE_ONCE(kr->ring->slot[i].ptr, offset);
		if (kr->shadow)
			kr->shadow[i].ofs = offset;
	}
}

static void set_ring(struct nmj_kring *kr, const struct nmreq_opt_offsets *opt)
{
	if (kr->offsets)
		return;
	nmj_kring_enter_wait(kr);
	spin_lock_bh(&kr->lock);
	kr->offset_mask = mask_of(opt->nro_offset_bits);
	kr->offset_max = opt->nro_max_offset;
	kr->offset_gap = min_t(u64, opt->nro_min_gap, kr->buf_size);
	kr->offsets = true;
	kr->ring->offset_mask = kr->offset_mask;
	if (kr->users == 1)
		initial_slots(kr, opt->nro_initial_offset);
	spin_unlock_bh(&kr->lock);
	nmj_kring_leave(kr);
}

int nmj_offsets_set(struct nmj_claim *claim, struct nmreq_opt_offsets *opt)
{
	int dir, ret;
	u32 i;

	ret = check_numbers(claim, opt);
	if (ret)
		return ret;
	for (dir = 0; dir < NMJ_DIRS; dir++) {
		for (i = claim->first[dir]; i < claim->end[dir]; i++) {
			ret = check_ring(&claim->port->kr[dir][i], opt);
			if (ret)
				return ret;
		}
	}
	for (dir = 0; dir < NMJ_DIRS; dir++)
		for (i = claim->first[dir]; i < claim->end[dir]; i++)
			set_ring(&claim->port->kr[dir][i], opt);
	return 0;
}
