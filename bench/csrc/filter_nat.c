/* Source NAT, packet by packet: what a C programmer writes first. See nat.h. */
#include "nat.h"

static inline uint8_t filter(uint8_t *packet, uint32_t len)
{
	struct header header;

	switch (header_of(packet, len, &header)) {
	case FOUND_NO_IPV4:
		return PASS;
	case FOUND_NO_PORTS:
		return DROP;
	case FOUND_FLOW:
		break;
	}
	return translate(packet, &header,
			 translation_find(translation_home(header.key), header.key));
}

#include "batch.h"
