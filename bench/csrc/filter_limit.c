/* Token bucket of the source, packet by packet: what a C programmer writes first. See limit.h. */
#define BENCH_NOW 1

#include "limit.h"

static inline uint8_t filter(const uint8_t *packet, uint32_t len, uint64_t now)
{
	uint32_t source;

	if (unlikely(!source_of(packet, len, &source)))
		return PASS;
	return bucket_take(bucket_find(bucket_home(source), source, now), now);
}

#include "batch.h"
