// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * The rules asked about every position of small rings, and
 * compared with walking the ring slot by slot. Included by the file it tests,
 * run at load: it takes some microseconds.
 */

/* Whether @to is met within @limit steps from @from; how many to @steps. */
static bool walk(u32 from, u32 to, u32 n, u32 *steps)
{
	u32 k;

	for (k = 0; k < n; k++) {
		if (from == to) {
			*steps = k;
			return true;
		}
		from = from + 1 < n ? from + 1 : 0;
	}
	return false;
}

static bool should_accept(u32 base, u32 head, u32 cur, u32 end, u32 n)
{
	u32 to_head, to_cur, to_end;

	return walk(base, head, n, &to_head) && walk(base, cur, n, &to_cur) &&
	       walk(base, end, n, &to_end) && to_head <= to_cur && to_cur <= to_end;
}

static bool steps_hold(u32 a, u32 b, u32 n)
{
	u32 steps;

	return walk(a, b, n, &steps) && nmj_dist(a, b, n) == steps &&
	       nmj_advance(a, steps, n) == b && nmj_prev(nmj_next(a, n), n) == a &&
	       nmj_dist(a, nmj_next(a, n), n) == 1;
}

/* All rings of @n slots, and positions up to two beyond the end. */
static bool rules_hold(u32 n)
{
	u32 base, head, cur, end;

	for (base = 0; base < n; base++) {
		for (end = 0; end < n; end++) {
			if (!steps_hold(base, end, n))
				return false;
			for (head = 0; head < n + 2; head++)
				for (cur = 0; cur < n + 2; cur++)
					if (nmj_rules_accept(base, head, cur, end, n) !=
					    should_accept(base, head, cur, end, n))
						return false;
		}
	}
	return true;
}

int nmj_rules_selftest(void)
{
	u32 n;

	for (n = 2; n <= 6; n++) {
		if (!rules_hold(n)) {
			pr_err("ring rules do not hold for %u slots\n", n);
			return -EINVAL;
		}
	}
	if (nmj_rules_accept(0, U32_MAX, 0, 0, 4) || nmj_rules_accept(0, 0, U32_MAX, 0, 4) ||
	    nmj_rules_accept(0, 0, 0, 0, 0)) {
		pr_err("ring rules accept what is out of range\n");
		return -EINVAL;
	}
	return 0;
}
