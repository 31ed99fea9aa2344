/*
 * Router step: IPv4 whose TTL is at most 1 is dropped; other IPv4 gets TTL - 1, its checksum
 * updated (RFC 1624, equation 3), new MAC addresses, and goes out where it came from; everything
 * else passes.
 */
#include "parse.h"

static const uint8_t NEW_MACS[12] = BENCH_ROUTER_MACS; /* destination, source */

static inline void store16(uint8_t *at, uint16_t value)
{
	value = __builtin_bswap16(value);
	memcpy(at, &value, sizeof(value));
}

/* HC' = ~(~HC + ~m + m') for the word of TTL and protocol; m' = m - 0x100, so ~m + m' is the
 * constant 0xfeff. */
static inline uint16_t checksum_after_decrement(uint16_t checksum)
{
	uint32_t sum = (uint16_t)~checksum + 0xfeffu;

	return (uint16_t)~(sum + (sum >> 16));
}

static inline uint8_t filter(uint8_t *packet, uint32_t len)
{
	struct layer3 l3 = parse_layer3(packet, len);
	uint8_t *ip = packet + l3.offset;
	uint32_t header_end, end;

	if (l3.type != TYPE_IPV4 || !parse_ipv4(packet, len, l3.offset, &header_end, &end))
		return PASS;
	if (unlikely(ip[8] <= 1))
		return DROP;
	ip[8]--;
	store16(ip + 10, checksum_after_decrement(load16(ip + 10)));
	memcpy(packet, NEW_MACS, sizeof(NEW_MACS));
	return TX;
}

#include "batch.h"
