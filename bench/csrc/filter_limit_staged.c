/* Token bucket of the source in two stages. See limit.h, staged.h. */
#include "limit.h"

struct work {
	struct bucket *home;
	uint32_t source;
};

static inline uint8_t begin(const uint8_t *packet, uint32_t len, struct work *work)
{
	if (unlikely(!source_of(packet, len, &work->source)))
		return PASS;
	work->home = bucket_home(work->source);
	__builtin_prefetch(work->home, 1, 3);
	return PENDING;
}

static inline uint8_t finish(uint8_t *packet, const struct work *work, uint64_t now)
{
	(void)packet;
	return bucket_take(bucket_find(work->home, work->source, now), now);
}

#include "staged.h"
