/*
 * ACL of 16 rules, first match wins, default PASS. The rules are code: acl_rules.h is written by
 * bench/acl_c.py from bench/acl_rules.py. A rule's protocol and ports hold for a packet whose
 * layer-4 header is present and well formed.
 */
#include "parse.h"

#include "acl_rules.h"

/* The protocol of a layer-4 header that is present, else PROTO_NONE. */
static inline uint32_t present(const uint8_t *packet, struct layer4 l4, uint32_t icmp,
			       uint32_t icmp_size)
{
	if (l4.proto == PROTO_TCP)
		return tcp_fits(packet, l4) ? PROTO_TCP : PROTO_NONE;
	if (l4.proto == PROTO_UDP)
		return udp_fits(l4) ? PROTO_UDP : PROTO_NONE;
	if (l4.proto == icmp)
		return l4.offset + icmp_size <= l4.end ? icmp : PROTO_NONE;
	return PROTO_NONE;
}

static inline uint8_t filter_ipv4(const uint8_t *packet, uint32_t len, uint32_t offset)
{
	const uint8_t *ip = packet + offset;
	struct layer4 l4 = {PROTO_NONE, 0, 0};
	uint32_t header_end, end;

	if (!parse_ipv4(packet, len, offset, &header_end, &end))
		return PASS;
	if (likely(!(load16(ip + 6) & 0x1fff)))
		l4 = (struct layer4){ip[9], header_end, end};
	return acl_ipv4(load32(ip + 12), load32(ip + 16),
			present(packet, l4, PROTO_ICMP, ICMP_SIZE), packet + l4.offset);
}

static inline uint8_t filter_ipv6(const uint8_t *packet, uint32_t len, uint32_t offset)
{
	struct layer4 l4;

	if (!parse_ipv6(packet, len, offset))
		return PASS;
	l4 = ipv6_layer4(packet, len, offset);
	return acl_ipv6(packet + offset + 8, packet + offset + 24,
			present(packet, l4, PROTO_ICMP6, ICMP6_SIZE), packet + l4.offset);
}

static inline uint8_t filter(const uint8_t *packet, uint32_t len)
{
	struct layer3 l3 = parse_layer3(packet, len);

	if (likely(l3.type == TYPE_IPV4))
		return filter_ipv4(packet, len, l3.offset);
	if (l3.type == TYPE_IPV6)
		return filter_ipv6(packet, len, l3.offset);
	return PASS;
}

#include "batch.h"
