/*
 * The hand-written source NAT for flows that are established: a table with open addressing and
 * linear probing gives each flow the public address and port that its packets leave with. It is
 * filled from outside. Checksums are updated by RFC 1624, equation 3.
 *
 * BENCH_KEYS  flows that the table must hold
 */
#ifndef BENCH_NAT_H
#define BENCH_NAT_H

#include "parse.h"
#include "table_memory.h"

#define SLOTS (2ull * BENCH_KEYS)

struct flow_key {
	uint64_t addresses; /* as they lie in a packet */
	uint64_t ports;	    /* the same, and the protocol << 32 */
};

struct translation {
	struct flow_key key;
	uint32_t address; /* in the packet's byte order, like the port */
	uint16_t port;
	uint16_t live;
	uint64_t unused;
};

static struct translation *translations;

const char *bench_prepare(void);
const char *bench_translations(const uint64_t *keys, const uint32_t *addresses,
			       const uint16_t *ports, uint32_t count);

/* Once, before the first packet. NULL, or why not. */
const char *bench_prepare(void)
{
	size_t bytes = SLOTS * sizeof(struct translation);

	_Static_assert((SLOTS & (SLOTS - 1)) == 0, "a power of two");
	_Static_assert(sizeof(struct translation) == 32, "two to a cache line");
	translations = table_memory(translations, bytes);
	return translations ? NULL : "no memory for the table";
}

static inline struct translation *translation_home(struct flow_key key)
{
	__uint128_t product = (__uint128_t)(key.addresses ^ 0x9e3779b97f4a7c15u) *
			      (key.ports ^ 0xd6e8feb86659fd93u);
	uint64_t folded = (uint64_t)(product >> 64) ^ (uint64_t)product;

	return &translations[(folded * 0x9e3779b97f4a7c15u) >> (64 - __builtin_ctzll(SLOTS))];
}

/* The flow's, or the free place where it belongs. */
static inline struct translation *translation_find(struct translation *at, struct flow_key key)
{
	while (unlikely(at->live &&
			!(at->key.addresses == key.addresses && at->key.ports == key.ports)))
		at = at + 1 == translations + SLOTS ? translations : at + 1;
	return at;
}

/* Two words of a key for each flow; addresses and ports in host order. */
const char *bench_translations(const uint64_t *keys, const uint32_t *addresses,
			       const uint16_t *ports, uint32_t count)
{
	for (uint32_t i = 0; i < count; i++) {
		struct flow_key key = {keys[2 * i], keys[2 * i + 1]};

		*translation_find(translation_home(key), key) = (struct translation){
			key, __builtin_bswap32(addresses[i]), __builtin_bswap16(ports[i]), 1, 0};
	}
	return NULL;
}

static inline uint32_t words_of(uint32_t address)
{
	return (address & 0xffff) + (address >> 16);
}

/* HC' = ~(~HC + ~m + m'), where `change` is the sum of all ~m and m'. Byte order does not matter.
 */
static inline void update_checksum(uint8_t *at, uint32_t change)
{
	uint16_t checksum;
	uint32_t sum;

	memcpy(&checksum, at, sizeof(checksum));
	sum = (uint16_t)~checksum + change;
	sum = (sum & 0xffff) + (sum >> 16);
	checksum = (uint16_t)~(sum + (sum >> 16));
	memcpy(at, &checksum, sizeof(checksum));
}

/* Where layer 3 and 4 begin, and the flow. */
struct header {
	struct flow_key key;
	uint16_t ip, l4;
	bool tcp;
};

enum found { FOUND_NO_IPV4, FOUND_NO_PORTS, FOUND_FLOW };

static inline enum found header_of(const uint8_t *packet, uint32_t len, struct header *header)
{
	struct layer3 l3 = parse_layer3(packet, len);
	struct layer4 l4;
	uint32_t header_end, end, ports;

	if (unlikely(l3.type != TYPE_IPV4) ||
	    unlikely(!parse_ipv4(packet, len, l3.offset, &header_end, &end)))
		return FOUND_NO_IPV4;
	l4 = parse_ipv4_layer4(packet, len, l3.offset);
	header->tcp = l4.proto == PROTO_TCP;
	if (header->tcp ? !tcp_fits(packet, l4) : unlikely(l4.proto != PROTO_UDP || !udp_fits(l4)))
		return FOUND_NO_PORTS;
	header->ip = (uint16_t)l3.offset;
	header->l4 = (uint16_t)l4.offset;
	memcpy(&header->key.addresses, packet + l3.offset + 12, 8);
	memcpy(&ports, packet + l4.offset, 4);
	header->key.ports = ports | (uint64_t)l4.proto << 32;
	return FOUND_FLOW;
}

/* Gives the packet its new source; drops it where its flow has none. */
static inline uint8_t translate(uint8_t *packet, const struct header *header,
				const struct translation *found)
{
	uint8_t *ip = packet + header->ip, *l4 = packet + header->l4;
	uint32_t source = (uint32_t)header->key.addresses, change;
	uint16_t port = (uint16_t)header->key.ports;

	if (unlikely(!found->live))
		return DROP;
	change = words_of(~source) + words_of(found->address);
	update_checksum(ip + 10, change);
	memcpy(ip + 12, &found->address, 4);
	change += (uint16_t)~port + found->port;
	memcpy(l4, &found->port, 2);
	if (header->tcp) {
		update_checksum(l4 + 16, change);
	} else if (likely(l4[6] | l4[7])) {
		update_checksum(l4 + 6, change);
		if (unlikely(!(l4[6] | l4[7])))
			l4[6] = l4[7] = 0xff;
	}
	return TX;
}

#endif
