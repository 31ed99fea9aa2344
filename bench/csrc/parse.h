/*
 * Packet parsing by the rules of docs/semantics.md ("Parsing"), written once for all C peers.
 *
 * Every function is inline and does only what its caller names, so a filter that asks for `tcp`
 * pays for the path to `tcp` and for nothing else. Malformed packets, VLAN tags and IPv6 extension
 * headers lie off the straight line. All offsets count bytes from the packet's start; `len` is the
 * number of bytes present.
 *
 * Sources: RFC 791, RFC 8200, RFC 9293, RFC 768, RFC 792, RFC 4443, IEEE 802.1Q.
 */
#ifndef BENCH_PARSE_H
#define BENCH_PARSE_H

#include "accessor.h"

enum { ETH_SIZE = 14, VLAN_SIZE = 4, IPV4_SIZE = 20, IPV6_SIZE = 40 };
enum { TCP_SIZE = 20, UDP_SIZE = 8, ICMP_SIZE = 8, ICMP6_SIZE = 4 };
enum { TYPE_IPV4 = 0x0800, TYPE_VLAN = 0x8100, TYPE_QINQ = 0x88a8, TYPE_IPV6 = 0x86dd };
enum { PROTO_ICMP = 1, PROTO_TCP = 6, PROTO_UDP = 17, PROTO_ICMP6 = 58 };
enum { PROTO_NONE = 256 }; /* no layer 4: outside the range of the byte */
enum { MAX_EXTENSION_HEADERS = 8 };

static inline uint16_t load16(const uint8_t *at)
{
	uint16_t value;

	memcpy(&value, at, sizeof(value));
	return __builtin_bswap16(value);
}

static inline uint32_t load32(const uint8_t *at)
{
	uint32_t value;

	memcpy(&value, at, sizeof(value));
	return __builtin_bswap32(value);
}

static inline uint64_t load64(const uint8_t *at)
{
	uint64_t value;

	memcpy(&value, at, sizeof(value));
	return __builtin_bswap64(value);
}

/* Ethernet type and offset of layer 3; type 0 where there is none. */
struct layer3 {
	uint32_t type;
	uint32_t offset;
};

/* Protocol, first byte and layer-3 end of layer 4; PROTO_NONE where there is none. */
struct layer4 {
	uint32_t proto;
	uint32_t offset;
	uint32_t end;
};

static const struct layer4 NO_LAYER4 = {PROTO_NONE, 0, 0};

static inline bool is_tag(uint32_t type)
{
	return type == TYPE_VLAN || type == TYPE_QINQ;
}

/* Steps over at most two tags. A third tag's type names no layer 3, so it needs no test. */
static inline struct layer3 skip_tags(const uint8_t *packet, uint32_t len, uint32_t type)
{
	struct layer3 l3 = {type, ETH_SIZE};

	for (int tag = 0; tag < 2 && is_tag(l3.type); tag++) {
		if (unlikely(l3.offset + VLAN_SIZE > len))
			return (struct layer3){0, 0};
		l3.type = load16(packet + l3.offset + 2);
		l3.offset += VLAN_SIZE;
	}
	return l3;
}

static inline struct layer3 parse_layer3(const uint8_t *packet, uint32_t len)
{
	uint32_t type;

	if (unlikely(len < ETH_SIZE))
		return (struct layer3){0, 0};
	type = load16(packet + 12);
	if (likely(type == TYPE_IPV4 || type == TYPE_IPV6))
		return (struct layer3){type, ETH_SIZE};
	return skip_tags(packet, len, type);
}

/* Whether a well-formed IPv4 header lies at `offset`; then *header_end is behind its options, *end
 * the layer's end. */
static inline bool parse_ipv4(const uint8_t *packet, uint32_t len, uint32_t offset,
			      uint32_t *header_end, uint32_t *end)
{
	const uint8_t *ip = packet + offset;
	uint32_t total, stop;

	if (unlikely(offset + IPV4_SIZE > len))
		return false;
	if (unlikely((uint8_t)(ip[0] - 0x45) >
		     0x4f - 0x45)) /* version 4 and 5 <= ihl <= 15 in one comparison */
		return false;
	total = load16(ip + 2);
	stop = likely(total) ? offset + total : len;
	*end = stop < len ? stop : len;
	*header_end = offset + (ip[0] & 15u) * 4;
	return likely(*header_end <= *end);
}

static inline struct layer4 parse_ipv4_layer4(const uint8_t *packet, uint32_t len, uint32_t offset)
{
	const uint8_t *ip = packet + offset;
	uint32_t header_end, end;

	if (!parse_ipv4(packet, len, offset, &header_end, &end))
		return NO_LAYER4;
	if (unlikely(load16(ip + 6) & 0x1fff)) /* a fragment other than the first */
		return NO_LAYER4;
	return (struct layer4){ip[9], header_end, end};
}

/* Walks extension headers from the one that `l4` names. Rare, so it stays out of the callers'
 * straight line. */
static __attribute__((noinline, cold)) struct layer4 skip_extensions(const uint8_t *packet,
								     struct layer4 l4)
{
	for (int walked = 0; walked <= MAX_EXTENSION_HEADERS; walked++) {
		const uint8_t *header = packet + l4.offset;
		uint32_t size;

		switch (l4.proto) {
		case 0:	  /* hop-by-hop */
		case 43:  /* routing */
		case 44:  /* fragment */
		case 51:  /* authentication */
		case 60:  /* destination options */
		case 135: /* mobility */
		case 139: /* HIP */
		case 140: /* shim6 */
			break;
		case 50: /* ESP */
		case 59: /* no next header */
			return NO_LAYER4;
		default:
			return l4;
		}
		if (walked == MAX_EXTENSION_HEADERS || l4.offset + 8 > l4.end)
			return NO_LAYER4;
		size = l4.proto == 44	? 8
		       : l4.proto == 51 ? 4u * (header[1] + 2u)
					: 8u * (header[1] + 1u);
		if (l4.offset + size > l4.end)
			return NO_LAYER4;
		if (l4.proto == 44 &&
		    (load16(header + 2) & 0xfff8)) /* a fragment other than the first */
			return NO_LAYER4;
		l4.proto = header[0];
		l4.offset += size;
	}
	return NO_LAYER4;
}

/* Whether a well-formed IPv6 header lies at `offset`. */
static inline bool parse_ipv6(const uint8_t *packet, uint32_t len, uint32_t offset)
{
	return likely(offset + IPV6_SIZE <= len) && likely(packet[offset] >> 4 == 6);
}

/* Layer 4 behind an IPv6 header that parse_ipv6() accepted. */
static inline struct layer4 ipv6_layer4(const uint8_t *packet, uint32_t len, uint32_t offset)
{
	const uint8_t *ip = packet + offset;
	uint32_t plen = load16(ip + 4);
	uint32_t stop = likely(plen) ? offset + IPV6_SIZE + plen : len;
	struct layer4 l4 = {ip[6], offset + IPV6_SIZE, stop < len ? stop : len};

	if (likely(l4.proto == PROTO_TCP || l4.proto == PROTO_UDP || l4.proto == PROTO_ICMP6))
		return l4;
	return skip_extensions(packet, l4);
}

static inline struct layer4 parse_layer4(const uint8_t *packet, uint32_t len)
{
	struct layer3 l3 = parse_layer3(packet, len);

	if (likely(l3.type == TYPE_IPV4))
		return parse_ipv4_layer4(packet, len, l3.offset);
	if (l3.type == TYPE_IPV6 && parse_ipv6(packet, len, l3.offset))
		return ipv6_layer4(packet, len, l3.offset);
	return NO_LAYER4;
}

/* Whether the TCP header that `l4` promises is there, options included. */
static inline bool tcp_fits(const uint8_t *packet, struct layer4 l4)
{
	uint32_t size;

	if (unlikely(l4.offset + TCP_SIZE > l4.end))
		return false;
	size = (packet[l4.offset + 12] >> 4) * 4u;
	return likely(size >= TCP_SIZE) && likely(l4.offset + size <= l4.end);
}

static inline bool udp_fits(struct layer4 l4)
{
	return likely(l4.offset + UDP_SIZE <= l4.end);
}

#endif
