/*
 * Longest prefix match in two stages: parse and prefetch the root cell for a group of packets, then
 * look them up. BENCH_RTE 1: the second stage is DPDK's rte_lpm_lookup_bulk. See routes.h.
 */
#include "routes.h"

#ifndef BENCH_GROUP
#define BENCH_GROUP 64
#endif
#ifndef BENCH_RTE
#define BENCH_RTE 0
#endif

#if BENCH_RTE
#include <rte_eal.h>
#include <rte_errno.h>
#include <rte_lpm.h>

static struct rte_lpm *lpm;

const char *bench_prepare(void);
const char *bench_rte_routes(const uint32_t *networks, const uint8_t *lengths, const uint32_t *hops,
			     uint32_t count);

const char *bench_prepare(void)
{
	static char *arguments[] = {"bench",	   "--no-huge",
				    "--no-pci",	   "--no-telemetry",
				    "--no-shconf", "--log-level=1",
				    "-m",	   "4096",
				    "-l",	   "0"};

	if (rte_eal_init(sizeof(arguments) / sizeof(*arguments), arguments) < 0 &&
	    rte_errno != EALREADY) /* once a process, whatever engine comes first */
		return "DPDK does not start here";
	return NULL;
}

const char *bench_rte_routes(const uint32_t *networks, const uint8_t *lengths, const uint32_t *hops,
			     uint32_t count)
{
	char name[RTE_LPM_NAMESIZE];
	struct rte_lpm_config config = {.max_rules = count + 1, .number_tbl8s = 1u << 17};

	snprintf(name, sizeof(name), "%p", (void *)&lpm); /* names are the process's */
	rte_lpm_free(lpm);				  /* of an earlier case of this size */
	lpm = rte_lpm_create(name, SOCKET_ID_ANY, &config);
	if (!lpm)
		return "no memory for rte_lpm";
	for (uint32_t i = 0; i < count; i++)
		if (lengths[i] && rte_lpm_add(lpm, networks[i], lengths[i], hops[i]) < 0)
			return "rte_lpm takes no more routes";
	return NULL;
}

static inline void look_up(const uint32_t *addresses, uint32_t count, uint32_t *cells)
{
	rte_lpm_lookup_bulk(lpm, addresses, cells, count);
	for (uint32_t i = 0; i < count; i++)
		cells[i] = cells[i] & RTE_LPM_LOOKUP_SUCCESS ? (cells[i] & 0x00ffffff) + 1 : 0;
}
#else
static inline void look_up(const uint32_t *addresses, uint32_t count, uint32_t *cells)
{
	for (uint32_t i = 0; i < count; i++)
		cells[i] = route_of(addresses[i]);
}
#endif

static inline void run_group(const struct nmjit_batch *b, uint32_t first, uint32_t count,
			     uint8_t *verdicts)
{
	const struct netmap_slot *slots = b->slots;
	uint32_t addresses[BENCH_GROUP], cells[BENCH_GROUP];
	uint8_t routed[BENCH_GROUP];

	for (uint32_t i = 0; i < count; i++) {
		struct packet packet =
			packet_at(b->base, &slots[first + i], b->num_bufs, b->readable);

#if BENCH_PREFETCH
		__builtin_prefetch(buffer_at(
			b->base, slots[(first + i + BENCH_PREFETCH) % b->num_slots].buf_idx));
#endif
		addresses[i] = 0;
		routed[i] = destination_of(packet.data, packet.len, &addresses[i]);
#if !BENCH_RTE
		__builtin_prefetch(&root[addresses[i] >> 8], 0, 3);
#endif
	}
	look_up(addresses, count, cells);
	for (uint32_t i = 0; i < count; i++)
		verdicts[i] = likely(routed[i]) ? route_verdict(cells[i]) : PASS;
}

uint32_t nmjit_batch(const struct nmjit_batch *b, struct nmjit_ctx *c);

uint32_t nmjit_batch(const struct nmjit_batch *b, struct nmjit_ctx *c)
{
	uint8_t *verdicts = c->verdicts;

	for (uint32_t done = 0; done < b->count;) {
		uint32_t first = (b->head + done) % b->num_slots, left = b->count - done;
		uint32_t count = left < BENCH_GROUP ? left : BENCH_GROUP;

		count = count < b->num_slots - first ? count : b->num_slots - first;
		run_group(b, first, count, verdicts + done);
		done += count;
	}
	return b->count;
}
