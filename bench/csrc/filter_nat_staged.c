/* Source NAT in two stages. See nat.h, staged.h. */
#include "nat.h"

struct work {
	struct header header;
	struct translation *home;
};

static inline uint8_t begin(const uint8_t *packet, uint32_t len, struct work *work)
{
	switch (header_of(packet, len, &work->header)) {
	case FOUND_NO_IPV4:
		return PASS;
	case FOUND_NO_PORTS:
		return DROP;
	case FOUND_FLOW:
		break;
	}
	work->home = translation_home(work->header.key);
	__builtin_prefetch(work->home, 0, 3);
	return PENDING;
}

static inline uint8_t finish(uint8_t *packet, const struct work *work, uint64_t now)
{
	(void)now;
	return translate(packet, &work->header, translation_find(work->home, work->header.key));
}

#include "staged.h"
