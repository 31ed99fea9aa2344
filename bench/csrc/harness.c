/* See harness.h. Nothing here runs while an engine is being timed except bench_run() itself. */
#include "harness.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <x86intrin.h>

#include "traffic.h"

enum { STRIDE = 2048, LINE = 64, HEADER_BYTES = 128 };

/* Small pages on purpose: a netmap region is mapped with them. */
static uint8_t *map_buffers(size_t bytes)
{
	uint8_t *base =
		mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (base == MAP_FAILED)
		return NULL;
	madvise(base, bytes,
		MADV_NOHUGEPAGE); /* refused where the kernel has no huge pages: then all is well */
	return base;
}

int bench_region_open(struct bench_region *region, uint32_t buffers, uint64_t seed)
{
	region->buffers = buffers;
	region->header_bytes = HEADER_BYTES;
	region->base = map_buffers((size_t)buffers * STRIDE);
	region->pristine = malloc((size_t)buffers * HEADER_BYTES);
	region->lengths = malloc(buffers * sizeof(*region->lengths));
	if (!region->base || !region->pristine || !region->lengths) {
		bench_region_close(region);
		return -ENOMEM;
	}
	for (uint32_t i = 0; i < buffers; i++) {
		uint8_t *buffer = region->base + (size_t)i * STRIDE;

		region->lengths[i] = (uint16_t)traffic_packet(buffer, seed, i);
		memcpy(region->pristine + (size_t)i * HEADER_BYTES, buffer, HEADER_BYTES);
	}
	return 0;
}

void bench_region_close(struct bench_region *region)
{
	if (region->base)
		munmap(region->base, (size_t)region->buffers * STRIDE);
	free(region->pristine);
	free(region->lengths);
	memset(region, 0, sizeof(*region));
}

void bench_region_restore(const struct bench_region *region)
{
	for (uint32_t i = 0; i < region->buffers; i++)
		memcpy(region->base + (size_t)i * STRIDE,
		       region->pristine + (size_t)i * HEADER_BYTES, HEADER_BYTES);
}

__attribute__((target("clflushopt"))) void bench_region_flush(const struct bench_region *region)
{
	for (uint32_t i = 0; i < region->buffers; i++)
		for (uint32_t byte = 0; byte < HEADER_BYTES; byte += LINE)
			_mm_clflushopt(region->base + (size_t)i * STRIDE + byte);
	_mm_mfence();
}

static uint64_t mix(uint64_t hash, uint64_t word)
{
	hash = (hash ^ word) * 0x9fb21c651e98df25u;
	return hash ^ hash >> 32;
}

uint64_t bench_hash(const uint8_t *bytes, size_t count)
{
	uint64_t hash = 0xcbf29ce484222325u;

	for (size_t i = 0; i < count; i += 8) {
		uint64_t word = 0;

		memcpy(&word, bytes + i, count - i < 8 ? count - i : 8);
		hash = mix(hash, word);
	}
	return mix(hash, count);
}

uint64_t bench_region_hash(const struct bench_region *region, uint32_t bytes)
{
	uint64_t hash = 0;

	for (uint32_t i = 0; i < region->buffers; i++)
		hash = mix(hash, bench_hash(region->base + (size_t)i * STRIDE, bytes));
	return hash;
}

static uint32_t below(uint64_t *state, uint32_t bound)
{
	*state ^= *state << 13; /* xorshift64 (Marsaglia 2003) */
	*state ^= *state >> 7;
	*state ^= *state << 17;
	return (uint32_t)((*state >> 32) * bound >> 32);
}

void bench_ring_fill(struct netmap_slot *slots, uint32_t num_slots,
		     const struct bench_region *region, uint64_t seed, int distinct)
{
	uint64_t state = seed * 0x9e3779b97f4a7c15u | 1;

	for (uint32_t i = 0; i < num_slots; i++) {
		uint32_t other = below(&state, distinct ? i + 1 : region->buffers);

		memset(&slots[i], 0, sizeof(slots[i]));
		slots[i].buf_idx = distinct ? i : other;
		if (distinct) { /* Fisher-Yates, inside out */
			slots[i].buf_idx = slots[other].buf_idx;
			slots[other].buf_idx = i;
		}
	}
	for (uint32_t i = 0; i < num_slots; i++)
		slots[i].len = region->lengths[slots[i].buf_idx];
}

static uint64_t now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC_RAW, &now);
	return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

/* The fences keep the engine's own instructions between the two readings. */
static uint64_t now_cycles(void)
{
	uint64_t cycles;

	_mm_lfence();
	cycles = __rdtsc();
	_mm_lfence();
	return cycles;
}

static void run_once(nmjit_batch_fn engine, const struct nmjit_batch *ring,
		     struct nmjit_ctx *context, uint8_t *verdicts, uint32_t first, uint32_t packets,
		     uint32_t batch_size)
{
	struct nmjit_batch batch = *ring;

	batch.head = first % ring->num_slots;
	for (uint32_t done = 0; done < packets; done += batch.count) {
		batch.count = packets - done < batch_size ? packets - done : batch_size;
		context->verdicts = verdicts + done;
		context->packet_number = done;
		engine(&batch, context);
		batch.head += batch.count;
		if (batch.head >= batch.num_slots)
			batch.head -= batch.num_slots;
	}
}

struct bench_time bench_run(nmjit_batch_fn engine, const struct nmjit_batch *ring,
			    struct nmjit_ctx *context, uint8_t *verdicts, uint32_t first,
			    uint32_t packets, uint32_t batch_size, uint32_t passes)
{
	struct bench_time start, end;

	start = (struct bench_time){now_ns(), now_cycles()};
	for (uint32_t pass = 0; pass < passes; pass++)
		run_once(engine, ring, context, verdicts, first, packets, batch_size);
	end = (struct bench_time){now_ns(), now_cycles()};
	return (struct bench_time){end.ns - start.ns, end.cycles - start.cycles};
}
