/*
 * What the benchmark does that Python is too slow or too coarse for: filling buffers, flushing
 * them, calling engines and reading clocks. Declared to cffi by bench/build.py, which reads this
 * file from the line `cffi:` on.
 */
#ifndef BENCH_HARNESS_H
#define BENCH_HARNESS_H

#include <stddef.h>
#include <stdint.h>

#include "bench_abi.h"

/* cffi: */
typedef uint32_t (*nmjit_batch_fn)(const struct nmjit_batch *batch, struct nmjit_ctx *context);

struct bench_region {
	uint8_t *base;	   /* buffers of 2048 bytes, owned by the region */
	uint8_t *pristine; /* the first header_bytes of each buffer as they were made */
	uint16_t *lengths; /* of each buffer's packet */
	uint32_t buffers;
	uint32_t header_bytes;
};

struct bench_time {
	uint64_t ns;
	uint64_t cycles; /* of the time stamp counter */
};

/* Fills *region with `buffers` packets of `seed`; 0 or -errno. The caller releases it with
 * bench_region_close(). */
int bench_region_open(struct bench_region *region, uint32_t buffers, uint64_t seed);
void bench_region_close(struct bench_region *region);

/* Puts back the header bytes of every buffer. */
void bench_region_restore(const struct bench_region *region);

/* Evicts the header bytes of every buffer from all caches. */
void bench_region_flush(const struct bench_region *region);

/* A hash of the first `bytes` of every buffer, in order. */
uint64_t bench_region_hash(const struct bench_region *region, uint32_t bytes);

/*
 * Writes the ring: every buffer once, shuffled, where there are as many slots as buffers
 * (`distinct`), else a random buffer for each slot. The order is a function of `seed`.
 */
void bench_ring_fill(struct netmap_slot *slots, uint32_t num_slots,
		     const struct bench_region *region, uint64_t seed, int distinct);

/*
 * Runs `engine` over `packets` slots from `first` on, cyclically, in batches of `batch_size` as the
 * worker would; all of that `passes` times. Verdict i of the last pass goes to verdicts[i]. Reads
 * both clocks around the whole.
 */
struct bench_time bench_run(nmjit_batch_fn engine, const struct nmjit_batch *ring,
			    struct nmjit_ctx *context, uint8_t *verdicts, uint32_t first,
			    uint32_t packets, uint32_t batch_size, uint32_t passes);

/* FNV-1a over eight bytes at a time; the tail is padded with zeros. */
uint64_t bench_hash(const uint8_t *bytes, size_t count);

uint32_t traffic_packet(uint8_t *at, uint64_t seed, uint64_t number);
int64_t traffic_capture(const char *path, uint64_t seed, uint64_t bytes, uint32_t snaplen);
/* cffi end */

#endif
