/* A batch function with one seeded fault, for the agreement check: WRONG_AT is the packet,
 * WRONG_BYTE what it spoils. */
#include "bench_abi.h"

uint32_t nmjit_batch(const struct nmjit_batch *b, struct nmjit_ctx *c);

uint32_t nmjit_batch(const struct nmjit_batch *b, struct nmjit_ctx *c)
{
	const struct netmap_slot *slots = b->slots;
	uint8_t *verdicts = c->verdicts, *base = b->base;

	for (uint32_t i = 0; i < b->count; i++)
		verdicts[i] = 2;
	if (c->packet_number == 0 && WRONG_VERDICT)
		verdicts[WRONG_AT] = WRONG_VERDICT;
	if (c->packet_number == 0 && WRONG_BYTE >= 0)
		base[(uint64_t)slots[b->head].buf_idx * 2048 + WRONG_BYTE] ^= 1;
	return b->count;
}
