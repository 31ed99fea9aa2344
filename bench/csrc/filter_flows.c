/* Flow counter, packet by packet: what a C programmer writes first. See flows.h. */
#include "flows.h"

static inline uint8_t filter(const uint8_t *packet, uint32_t len)
{
	struct flow_key key;

	if (flow_of(packet, len, &key))
		flow_count(flow_find(key, flow_hash(key)), len);
	return PASS;
}

#include "batch.h"
