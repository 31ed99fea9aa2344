/*
 * Packets made for their keys: what the benchmark of maps runs over. Declared to cffi by
 * bench/build.py, which reads this file from the line `cffi:` on.
 */
#ifndef BENCH_KEYED_H
#define BENCH_KEYED_H

#include "harness.h"

/* cffi: */
/* What a packet is told apart by. */
enum bench_key { BENCH_FLOW, BENCH_DESTINATION, BENCH_SOURCE };

/* Writes a UDP packet of 60 bytes at `at`, with no key yet; returns its length. */
uint32_t bench_keyed_packet(uint8_t *at);

/*
 * The keys of `count` flows, two words each: the addresses as they lie in a packet, then the ports
 * and zeros. No two flows share them.
 */
void bench_flow_keys(uint64_t *keys, const uint32_t *flows, uint32_t count);

/*
 * Writes a ring: every so many slots as the region has buffers are all of its buffers, in a new
 * order. So no buffer comes twice in a batch of at most that many, as long as batches divide them.
 */
void bench_keyed_ring(struct netmap_slot *slots, uint32_t num_slots,
		      const struct bench_region *region, uint64_t seed);

/*
 * Gives the packet at `at` a key: flow number `key`, the destination `key`, or source number `key`.
 * A flow comes with checksums that are right.
 */
void bench_set_key(uint8_t *at, enum bench_key what, uint32_t key);

/*
 * Runs `engine` over `count` packets in batches of `batch_size`. Before each batch, outside the
 * time, its packets are given their keys, keys[i] to packet i. The ring's buffers are few, so that
 * packets stay in the second level cache.
 */
struct bench_time bench_keyed_run(nmjit_batch_fn engine, const struct nmjit_batch *ring,
				  struct nmjit_ctx *context, uint8_t *verdicts,
				  const uint32_t *keys, enum bench_key what, uint32_t count,
				  uint32_t batch_size);

/* Reads and writes `bytes` at `memory`, and so evicts what else the caches hold. */
void bench_evict(uint8_t *memory, size_t bytes);

/* Two engines, each over half of the packets, flows all, by two threads on two CPUs; the slower
 * one's time. */
struct bench_time bench_keyed_pair(nmjit_batch_fn engine, const struct nmjit_batch *rings,
				   struct nmjit_ctx *contexts, const uint32_t *keys, uint32_t count,
				   uint32_t batch_size);
/* cffi end */

#endif
