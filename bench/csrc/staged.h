/*
 * The batch function of a filter in two stages over groups of packets: included at the foot of a
 * filter_*_staged.c, which has defined
 *     struct work  what the first stage leaves for the second
 *     uint8_t begin(const uint8_t *packet, uint32_t len, struct work *work)
 *                  parses, hashes and prefetches: a verdict, or PENDING
 *     uint8_t finish(uint8_t *packet, const struct work *work, uint64_t now)
 *                  the verdict of a packet that is pending; `now` is the batch's time in ns
 *
 * BENCH_PREFETCH: packets ahead whose header is prefetched in the first stage; 0 for none.
 */
#ifndef BENCH_STAGED_H
#define BENCH_STAGED_H

#include "accessor.h"

#ifndef BENCH_GROUP
#define BENCH_GROUP 64
#endif

static inline void run_group(const struct nmjit_batch *b, uint32_t first, uint32_t count,
			     uint64_t now, uint8_t *verdicts)
{
	const struct netmap_slot *slots = b->slots;
	struct work works[BENCH_GROUP];
	uint8_t *packets[BENCH_GROUP];

	for (uint32_t i = 0; i < count; i++) {
		struct packet packet =
			packet_at(b->base, &slots[first + i], b->num_bufs, b->readable);

#if BENCH_PREFETCH
		__builtin_prefetch(buffer_at(
			b->base, slots[(first + i + BENCH_PREFETCH) % b->num_slots].buf_idx));
#endif
		packets[i] = packet.data;
		verdicts[i] = begin(packet.data, packet.len, &works[i]);
	}
	for (uint32_t i = 0; i < count; i++)
		if (likely(verdicts[i] == PENDING))
			verdicts[i] = finish(packets[i], &works[i], now);
}

uint32_t nmjit_batch(const struct nmjit_batch *b, struct nmjit_ctx *c);

uint32_t nmjit_batch(const struct nmjit_batch *b, struct nmjit_ctx *c)
{
	uint8_t *verdicts = c->verdicts;

	for (uint32_t done = 0; done < b->count;) {
		uint32_t first = (b->head + done) % b->num_slots, left = b->count - done;
		uint32_t count = left < BENCH_GROUP ? left : BENCH_GROUP;

		count = count < b->num_slots - first ? count : b->num_slots - first;
		run_group(b, first, count, c->now, verdicts + done);
		done += count;
	}
	return b->count;
}

#endif
