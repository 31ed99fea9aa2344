/*
 * The hand-written flow table: open addressing with linear probing, key and counters side by side
 * in 32 bytes, twice as many slots as flows. What a careful engineer writes for one filter: nothing
 * is ever deleted, the size is a power of two, the key is compared as two words.
 *
 * BENCH_KEYS    flows that the table must hold
 * BENCH_SHARED 1 several threads: counters are added to atomically, a slot is claimed by
 * compare-and-swap of its state
 */
#ifndef BENCH_KEYS_H
#define BENCH_KEYS_H

#include "parse.h"
#include "table_memory.h"

#ifndef BENCH_KEYS
#define BENCH_KEYS (1u << 20)
#endif
#ifndef BENCH_SHARED
#define BENCH_SHARED 0
#endif

enum { FLOW_EMPTY = 0, FLOW_CLAIMED = 1, FLOW_LIVE = 2 };

struct flow_key {
	uint64_t addresses; /* src | dst << 32 */
	uint64_t ports;	    /* sport | dport << 16 */
};

struct flow {
	uint64_t addresses;
	uint32_t ports;
	uint32_t state;
	uint64_t packets;
	uint64_t octets;
};

#define FLOW_SLOTS (2ull * BENCH_KEYS)

extern struct flow *flow_table;
struct flow *flow_table;

/* Once, before the first packet. NULL, or why not. */
const char *bench_prepare(void);

const char *bench_prepare(void)
{
	size_t bytes = FLOW_SLOTS * sizeof(struct flow);

	_Static_assert((FLOW_SLOTS & (FLOW_SLOTS - 1)) == 0, "a power of two");
	_Static_assert(sizeof(struct flow) == 32, "two to a cache line");
	flow_table = table_memory(flow_table, bytes);
	return flow_table ? NULL : "no memory for the table";
}

static inline uint64_t flow_hash(struct flow_key key)
{
	__uint128_t product = (__uint128_t)(key.addresses ^ 0x9e3779b97f4a7c15u) *
			      (key.ports ^ 0xd6e8feb86659fd93u);
	uint64_t folded = (uint64_t)(product >> 64) ^ (uint64_t)product;

	return folded * 0x9e3779b97f4a7c15u;
}

static inline struct flow *flow_home(uint64_t hash)
{
	return &flow_table[hash >> (64 - __builtin_ctzll(FLOW_SLOTS))];
}

static inline struct flow *flow_next(struct flow *flow)
{
	return ++flow == flow_table + FLOW_SLOTS ? flow_table : flow;
}

/* Makes the flow where it is missing. Room is never short: the traffic has BENCH_KEYS flows. */
static inline struct flow *flow_find(struct flow_key key, uint64_t hash)
{
	struct flow *flow = flow_home(hash);

	for (;; flow = flow_next(flow)) {
		uint32_t state = __atomic_load_n(&flow->state, BENCH_SHARED ? __ATOMIC_ACQUIRE
									    : __ATOMIC_RELAXED);

		if (likely(state == FLOW_LIVE)) {
			if (likely(flow->addresses == key.addresses && flow->ports == key.ports))
				return flow;
			continue;
		}
#if BENCH_SHARED
		state = FLOW_EMPTY;
		if (!__atomic_compare_exchange_n(&flow->state, &state, FLOW_CLAIMED, false,
						 __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE)) {
			while (__atomic_load_n(&flow->state, __ATOMIC_ACQUIRE) == FLOW_CLAIMED)
				__builtin_ia32_pause();
			if (flow->addresses == key.addresses && flow->ports == key.ports)
				return flow;
			continue;
		}
#endif
		flow->addresses = key.addresses;
		flow->ports = (uint32_t)key.ports;
		__atomic_store_n(&flow->state, FLOW_LIVE, __ATOMIC_RELEASE);
		return flow;
	}
}

static inline void flow_count(struct flow *flow, uint32_t octets)
{
#if BENCH_SHARED
	__atomic_fetch_add(&flow->packets, 1, __ATOMIC_RELAXED);
	__atomic_fetch_add(&flow->octets, octets, __ATOMIC_RELAXED);
#else
	flow->packets++;
	flow->octets += octets;
#endif
}

/* Whether the packet has a flow: IPv4 with TCP or UDP. */
static inline bool flow_of(const uint8_t *packet, uint32_t len, struct flow_key *key)
{
	struct layer3 l3 = parse_layer3(packet, len);
	struct layer4 l4;

	if (unlikely(l3.type != TYPE_IPV4))
		return false;
	l4 = parse_ipv4_layer4(packet, len, l3.offset);
	if (l4.proto == PROTO_TCP ? !tcp_fits(packet, l4)
				  : unlikely(l4.proto != PROTO_UDP || !udp_fits(l4)))
		return false;
	/* Any bytes that tell flows apart will do, so nothing is swapped. */
	memcpy(&key->addresses, packet + l3.offset + 12, 8);
	key->ports = 0;
	memcpy(&key->ports, packet + l4.offset, 4);
	return true;
}

/* What the table holds, for comparing engines: flows, packets and octets in all. */
void bench_contents(uint64_t totals[3]);

void bench_contents(uint64_t totals[3])
{
	totals[0] = totals[1] = totals[2] = 0;
	for (struct flow *flow = flow_table; flow < flow_table + FLOW_SLOTS; flow++) {
		totals[0] += flow->state == FLOW_LIVE;
		totals[1] += flow->packets;
		totals[2] += flow->octets;
	}
}

#endif
