/* SPDX-License-Identifier: BSD-2-Clause */
/* random.h - numbers that a printed seed repeats (splitmix64). Not for anything that must be
 * secret. */
#ifndef NMJIT_GUEST_RANDOM_H
#define NMJIT_GUEST_RANDOM_H

#include "check.h"

#include <time.h>

static uint64_t random_state;

/* From --seed, or from the clock; the seed goes to the log, with what repeats it. */
static inline void random_begin(void)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	random_state = check_options.seed ? check_options.seed
					  : (uint64_t)now.tv_sec * 1000003 + (uint64_t)now.tv_nsec;
	check_note("repeat with --seed=%llu\n", (unsigned long long)random_state);
}

static inline uint64_t random_word(void)
{
	uint64_t word = random_state += 0x9e3779b97f4a7c15;

	word = (word ^ word >> 30) * 0xbf58476d1ce4e5b9;
	word = (word ^ word >> 27) * 0x94d049bb133111eb;
	return word ^ word >> 31;
}

static inline uint32_t random_below(uint32_t limit)
{
	return (uint32_t)(random_word() % limit);
}

#endif
