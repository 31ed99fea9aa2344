/*
 * stats.c - see stats.h. Source of the ordering: Boehm, "Can seqlocks get along with programming
 * language memory models?", MSPC 2012.
 */
#include "stats.h"

#include <string.h>

/* Thread: the worker that owns *to. Readers own nothing. */
void stats_publish(struct published_stats *to, const struct worker_stats *from)
{
	uint32_t sequence = __atomic_load_n(&to->sequence, __ATOMIC_RELAXED);
	uint64_t words[STATS_WORDS];

	memcpy(words, from, sizeof(words));
	__atomic_store_n(&to->sequence, sequence + 1, __ATOMIC_RELAXED);
	__atomic_thread_fence(__ATOMIC_RELEASE);
	for (size_t i = 0; i < STATS_WORDS; i++)
		__atomic_store_n(&to->words[i], words[i], __ATOMIC_RELAXED);
	__atomic_store_n(&to->sequence, sequence + 2, __ATOMIC_RELEASE);
}

/* Thread: any. *to is the caller's. Tries again while the worker publishes: some ns. */
void stats_read(const struct published_stats *from, struct worker_stats *to)
{
	uint64_t words[STATS_WORDS] = {0};
	uint32_t before, after;

	do {
		before = __atomic_load_n(&from->sequence, __ATOMIC_ACQUIRE);
		for (size_t i = 0; i < STATS_WORDS; i++)
			words[i] = __atomic_load_n(&from->words[i], __ATOMIC_RELAXED);
		__atomic_thread_fence(__ATOMIC_ACQUIRE);
		after = __atomic_load_n(&from->sequence, __ATOMIC_RELAXED);
	} while (before != after || (before & 1));
	memcpy(to, words, sizeof(words));
}
