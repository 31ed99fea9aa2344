/*
 * Packets made for their keys: what the benchmark of maps runs over. Declared to cffi by
 * bench/build.py, which reads this file from the line `cffi:` on.
 */
#ifndef BENCH_KEYED_H
#define BENCH_KEYED_H

#include "harness.h"

/* cffi: */
/* Writes a UDP packet of 60 bytes at `at`; returns its length. */
uint32_t bench_keyed_packet(uint8_t *at);

/* Gives the packet at `at` the addresses and ports of flow number `flow`: no two flows share them.
 */
void bench_set_flow(uint8_t *at, uint32_t flow);

/* Gives the packet at `at` the destination `address`. */
void bench_set_destination(uint8_t *at, uint32_t address);

/*
 * Runs `engine` over `count` packets in batches of `batch_size`. Before each batch, outside the
 * time, its packets are given their keys: keys[i] is the flow of packet i, or its destination where
 * `destinations`. The ring's buffers are few, so that packets stay in the second level cache.
 */
struct bench_time bench_keyed_run(nmjit_batch_fn engine, const struct nmjit_batch *ring,
				  struct nmjit_ctx *context, uint8_t *verdicts,
				  const uint32_t *keys, int destinations, uint32_t count,
				  uint32_t batch_size);

/* Reads and writes `bytes` at `memory`, and so evicts what else the caches hold. */
void bench_evict(uint8_t *memory, size_t bytes);

/* Two engines, each over half of the packets, by two threads on two CPUs; the time of both. */
struct bench_time bench_keyed_pair(nmjit_batch_fn engine, const struct nmjit_batch *rings,
				   struct nmjit_ctx *contexts, const uint32_t *keys, uint32_t count,
				   uint32_t batch_size);
/* cffi end */

#endif
