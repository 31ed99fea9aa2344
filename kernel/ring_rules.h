/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * What may be asked of a ring, as functions on integers. Knows
 * nothing of memory, ports or locks.
 *
 * All positions are slots in [0, n); "from a to b" means going forward, around
 * the end if need be.
 */
#ifndef NMJ_RING_RULES_H
#define NMJ_RING_RULES_H

#include <linux/types.h>

static inline u32 nmj_next(u32 i, u32 n)
{
	return unlikely(i + 1 == n) ? 0 : i + 1;
}

static inline u32 nmj_prev(u32 i, u32 n)
{
	return unlikely(i == 0) ? n - 1 : i - 1;
}

/* Slots from @from up to @to, not counting @to. */
static inline u32 nmj_dist(u32 from, u32 to, u32 n)
{
	return to >= from ? to - from : to + n - from;
}

/* @i moved forward by @k, with k <= n. */
static inline u32 nmj_advance(u32 i, u32 k, u32 n)
{
	i += k;
	return i >= n ? i - n : i;
}

/*
 * Whether a program may hand @head and @cur to a ring whose last accepted head
 * (transmit) or hwcur (receive) is @base and whose end is @end: all below n,
 * and base, head, cur, end met in this order going forward.
 */
bool nmj_rules_accept(u32 base, u32 head, u32 cur, u32 end, u32 n);

/* 0, or -EINVAL where a rule does not hold; run at load. */
int nmj_rules_selftest(void);

#endif
