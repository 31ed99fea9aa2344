/* Longest prefix match of the destination, packet by packet. See routes.h. */
#include "routes.h"

static inline uint8_t filter(const uint8_t *packet, uint32_t len)
{
	uint32_t address;

	return destination_of(packet, len, &address) ? route_verdict(route_of(address)) : PASS;
}

#include "batch.h"
