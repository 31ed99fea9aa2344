/*
 * Flow counter in two stages: parse, hash and prefetch the slot for a group of packets, then look
 * them up. BENCH_PREFETCH: packets ahead whose header is prefetched in the first stage. See
 * flows.h.
 */
#include "flows.h"

#ifndef BENCH_GROUP
#define BENCH_GROUP 64
#endif

static inline void prefetch_header(const struct nmjit_batch *b, const struct netmap_slot *slots,
				   uint32_t index)
{
#if BENCH_PREFETCH
	const struct netmap_slot *slot = &slots[(index + BENCH_PREFETCH) % b->num_slots];

	__builtin_prefetch(buffer_at(b->base, slot->buf_idx), 0, 3);
#else
	(void)b, (void)slots, (void)index;
#endif
}

static inline void run_group(const struct nmjit_batch *b, uint32_t first, uint32_t count,
			     uint8_t *verdicts)
{
	const struct netmap_slot *slots = b->slots;
	struct flow_key keys[BENCH_GROUP];
	uint64_t hashes[BENCH_GROUP];
	uint32_t lengths[BENCH_GROUP]; /* 0: no flow */

	for (uint32_t i = 0; i < count; i++) {
		struct packet packet =
			packet_at(b->base, &slots[first + i], b->num_bufs, b->readable);

		prefetch_header(b, slots, first + i);
		lengths[i] = 0;
		verdicts[i] = PASS;
		if (unlikely(!flow_of(packet.data, packet.len, &keys[i])))
			continue;
		lengths[i] = packet.len;
		hashes[i] = flow_hash(keys[i]);
		__builtin_prefetch(flow_home(hashes[i]), 1, 3);
	}
	for (uint32_t i = 0; i < count; i++)
		if (likely(lengths[i]))
			flow_count(flow_find(keys[i], hashes[i]), lengths[i]);
}

uint32_t nmjit_batch(const struct nmjit_batch *b, struct nmjit_ctx *c);

uint32_t nmjit_batch(const struct nmjit_batch *b, struct nmjit_ctx *c)
{
	uint8_t *verdicts = c->verdicts;

	for (uint32_t done = 0; done < b->count;) {
		uint32_t first = (b->head + done) % b->num_slots, left = b->count - done;
		uint32_t count = left < BENCH_GROUP ? left : BENCH_GROUP;

		count = count < b->num_slots - first ? count : b->num_slots - first;
		run_group(b, first, count, verdicts + done);
		done += count;
	}
	return b->count;
}
