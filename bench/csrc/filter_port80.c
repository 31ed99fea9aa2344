/* tcp dst port 80: drops those, passes all others. */
#include "parse.h"

static inline uint8_t filter(const uint8_t *packet, uint32_t len)
{
	struct layer4 l4 = parse_layer4(packet, len);

	if (l4.proto == PROTO_TCP && tcp_fits(packet, l4) && load16(packet + l4.offset + 2) == 80)
		return DROP;
	return PASS;
}

#include "batch.h"
