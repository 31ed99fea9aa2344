// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * See ring_rules.h.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/errno.h>
#include <linux/kernel.h>

#include "ring_rules.h"

bool nmj_rules_accept(u32 base, u32 head, u32 cur, u32 end, u32 n)
{
	u32 to_head, to_cur;

	if (unlikely(head >= n || cur >= n))
		return false;
	to_head = nmj_dist(base, head, n);
	to_cur = nmj_dist(base, cur, n);
	return to_head <= to_cur && to_cur <= nmj_dist(base, end, n);
}

#include "selftest/ring_rules.c"
