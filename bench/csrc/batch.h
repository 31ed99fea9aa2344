/*
 * The batch function around a filter: included at the foot of each filter_*.c, which has defined
 *     static inline uint8_t filter([const] uint8_t *packet, uint32_t len)
 * or, with BENCH_NOW 1, one with a third parameter, uint64_t now: the batch's time in ns.
 *
 * BENCH_PREFETCH        packets between the one that runs and the one whose header is prefetched;
 *                       0 for none
 * BENCH_PREFETCH_LINES  cache lines of each header that are prefetched
 * BENCH_POINTER 1       the filter is called for each packet through a pointer that any other file
 *                       could change
 */
#ifndef BENCH_BATCH_H
#define BENCH_BATCH_H

#include "accessor.h"

#ifndef BENCH_PREFETCH
#define BENCH_PREFETCH 0
#endif
#ifndef BENCH_PREFETCH_LINES
#define BENCH_PREFETCH_LINES 1
#endif
#ifndef BENCH_POINTER
#define BENCH_POINTER 0
#endif
#ifndef BENCH_NOW
#define BENCH_NOW 0
#endif

#if BENCH_POINTER
static uint8_t call_filter(uint8_t *packet, uint32_t len)
{
	return filter(packet, len);
}

extern uint8_t (*bench_filter)(uint8_t *packet, uint32_t len);
uint8_t (*bench_filter)(uint8_t *packet, uint32_t len) = call_filter;
#endif

#if BENCH_PREFETCH
static inline void prefetch_slot(uint8_t *base, const struct netmap_slot *slot)
{
	const uint8_t *header =
		buffer_at(base, slot->buf_idx); /* unchecked: prefetches do not fault */

	for (int line = 0; line < BENCH_PREFETCH_LINES; line++)
		__builtin_prefetch(header + line * 64, 0, 3);
}
#endif

/* A ring wraps, so a batch is at most two runs of slots that lie in order; a run needs no modulo.
 */
static inline void filter_run(const struct nmjit_batch *b, const struct netmap_slot *restrict slots,
			      uint32_t count, uint64_t now, uint8_t *restrict verdicts)
{
	uint8_t *base = b->base;
	const uint32_t num_bufs = b->num_bufs, readable = b->readable;
#if BENCH_POINTER
	uint8_t (*const call)(uint8_t *, uint32_t) = bench_filter;
#endif

	(void)now;
#if BENCH_PREFETCH
	for (uint32_t i = 0; i < count && i < BENCH_PREFETCH; i++)
		prefetch_slot(base, &slots[i]);
#endif
	for (uint32_t i = 0; i < count; i++) {
		struct packet packet = packet_at(base, &slots[i], num_bufs, readable);
#if BENCH_PREFETCH
		if (likely(i + BENCH_PREFETCH < count))
			prefetch_slot(base, &slots[i + BENCH_PREFETCH]);
#endif
#if BENCH_POINTER
		verdicts[i] = call(packet.data, packet.len);
#elif BENCH_NOW
		verdicts[i] = filter(packet.data, packet.len, now);
#else
		verdicts[i] = filter(packet.data, packet.len);
#endif
	}
}

uint32_t nmjit_batch(const struct nmjit_batch *b, struct nmjit_ctx *c);

uint32_t nmjit_batch(const struct nmjit_batch *b, struct nmjit_ctx *c)
{
	const struct netmap_slot *slots = b->slots;
	uint8_t *verdicts = c->verdicts;
	const uint32_t count = b->count;
	uint32_t done = 0, head = b->head;

	while (done < count) { /* twice at most */
		uint32_t left = count - done, to_end = b->num_slots - head;
		uint32_t run = left < to_end ? left : to_end;

		filter_run(b, slots + head, run, c->now, verdicts + done);
		done += run;
		head = 0;
	}
	return count;
}

#endif
