/*
 * Flow counter on DPDK's rte_hash: parse 64 packets, rte_hash_lookup_bulk_data, count in an array
 * of counters; flows that are missing are added one by one. Header prefetch as in the staged C.
 */
#include <rte_eal.h>
#include <rte_errno.h>
#include <rte_hash.h>
#include <rte_hash_crc.h>

#include "parse.h"

#ifndef BENCH_KEYS
#define BENCH_KEYS (1u << 20)
#endif

enum { GROUP = RTE_HASH_LOOKUP_BULK_MAX };

struct key {
	uint64_t addresses;
	uint64_t ports;
};

struct counters {
	uint64_t packets;
	uint64_t octets;
};

static struct rte_hash *table;
static struct counters *counters;
static uint64_t flows;

const char *bench_prepare(void);
void bench_contents(uint64_t totals[3]);

const char *bench_prepare(void)
{
	static char *arguments[] = {"bench",	   "--no-huge",
				    "--no-pci",	   "--no-telemetry",
				    "--no-shconf", "--log-level=1",
				    "-m",	   "4096",
				    "-l",	   "0"};
	char name[RTE_HASH_NAMESIZE];
	struct rte_hash_parameters parameters = {
		.name = name,
		.entries = BENCH_KEYS + BENCH_KEYS / 4,
		.key_len = sizeof(struct key),
		.hash_func = rte_hash_crc,
	};

	if (rte_eal_init(sizeof(arguments) / sizeof(*arguments), arguments) < 0 &&
	    rte_errno != EALREADY)
		return "DPDK does not start here";
	snprintf(name, sizeof(name), "%p", (void *)&table); /* names are the process's */
	rte_hash_free(table);				    /* of an earlier case of this size */
	free(counters);
	flows = 0;
	table = rte_hash_create(&parameters);
	counters = calloc(2ull * BENCH_KEYS, sizeof(*counters));
	return table && counters ? NULL : "no memory for rte_hash";
}

static inline bool key_of(const uint8_t *packet, uint32_t len, struct key *key)
{
	struct layer3 l3 = parse_layer3(packet, len);
	struct layer4 l4;

	if (unlikely(l3.type != TYPE_IPV4))
		return false;
	l4 = parse_ipv4_layer4(packet, len, l3.offset);
	if (l4.proto == PROTO_TCP ? !tcp_fits(packet, l4)
				  : unlikely(l4.proto != PROTO_UDP || !udp_fits(l4)))
		return false;
	memcpy(&key->addresses, packet + l3.offset + 12, 8);
	key->ports = 0;
	memcpy(&key->ports, packet + l4.offset, 4);
	return true;
}

/* The flow's number, which rte_hash keeps as its data. */
static uint64_t add_flow(const struct key *key)
{
	void *data;

	if (rte_hash_lookup_data(table, key, &data) >= 0)
		return (uintptr_t)data;
	rte_hash_add_key_data(table, key, (void *)(uintptr_t)flows);
	return flows++;
}

static void run_group(const struct nmjit_batch *b, uint32_t first, uint32_t count,
		      uint8_t *verdicts)
{
	const struct netmap_slot *slots = b->slots;
	struct key keys[GROUP];
	const void *pointers[GROUP];
	void *data[GROUP];
	uint32_t lengths[GROUP], used = 0;
	uint64_t hits = 0;

	for (uint32_t i = 0; i < count; i++) {
		struct packet packet =
			packet_at(b->base, &slots[first + i], b->num_bufs, b->readable);

#if BENCH_PREFETCH
		__builtin_prefetch(buffer_at(
			b->base, slots[(first + i + BENCH_PREFETCH) % b->num_slots].buf_idx));
#endif
		verdicts[i] = PASS;
		if (unlikely(!key_of(packet.data, packet.len, &keys[used])))
			continue;
		pointers[used] = &keys[used];
		lengths[used++] = packet.len;
	}
	if (used == 0)
		return;
	rte_hash_lookup_bulk_data(table, pointers, used, &hits, data);
	for (uint32_t i = 0; i < used; i++) {
		uint64_t number = likely(hits >> i & 1) ? (uintptr_t)data[i] : add_flow(&keys[i]);

		counters[number].packets++;
		counters[number].octets += lengths[i];
	}
}

uint32_t nmjit_batch(const struct nmjit_batch *b, struct nmjit_ctx *c);

uint32_t nmjit_batch(const struct nmjit_batch *b, struct nmjit_ctx *c)
{
	uint8_t *verdicts = c->verdicts;

	for (uint32_t done = 0; done < b->count;) {
		uint32_t first = (b->head + done) % b->num_slots, left = b->count - done;
		uint32_t count = left < GROUP ? left : GROUP;

		count = count < b->num_slots - first ? count : b->num_slots - first;
		run_group(b, first, count, verdicts + done);
		done += count;
	}
	return b->count;
}

void bench_contents(uint64_t totals[3])
{
	totals[0] = flows;
	totals[1] = totals[2] = 0;
	for (uint64_t i = 0; i < flows; i++) {
		totals[1] += counters[i].packets;
		totals[2] += counters[i].octets;
	}
}
