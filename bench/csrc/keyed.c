/* See keyed.h. */
#define _GNU_SOURCE
#include "keyed.h"

#include <pthread.h>
#include <sched.h>
#include <string.h>
#include <time.h>
#include <x86intrin.h>

enum { SRC = 26, DST = 30, PORTS = 34, SIZE = 60, MAX_BATCH = 4096 };

static uint64_t mixed(uint64_t z)
{
	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u; /* splitmix64's finaliser: one to one */
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
	return z ^ (z >> 31);
}

uint32_t bench_keyed_packet(uint8_t *at)
{
	static const uint8_t head[] = {2, 0,	0, 0, 0,  1, 2, 0, 0, 0,  0,  2, 8,
				       0, 0x45, 0, 0, 46, 0, 0, 0, 0, 64, 17, 0, 0};

	memset(at, 0, SIZE);
	memcpy(at, head, sizeof(head));
	at[39] = 26; /* UDP length */
	return SIZE;
}

void bench_set_flow(uint8_t *at, uint32_t flow)
{
	uint64_t addresses = mixed(flow + 1);
	uint32_t ports = (uint32_t)mixed(addresses);

	memcpy(at + SRC, &addresses, 8);
	memcpy(at + PORTS, &ports, 4);
}

void bench_set_destination(uint8_t *at, uint32_t address)
{
	address = __builtin_bswap32(address);
	memcpy(at + DST, &address, 4);
}

static uint64_t now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC_RAW, &now);
	return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static uint64_t now_cycles(void)
{
	uint64_t cycles;

	_mm_lfence();
	cycles = __rdtsc();
	_mm_lfence();
	return cycles;
}

static void set_keys(const struct nmjit_batch *batch, const uint32_t *keys, int destinations)
{
	const struct netmap_slot *slots = batch->slots;

	for (uint32_t i = 0; i < batch->count; i++) {
		uint32_t at = (batch->head + i) % batch->num_slots;
		uint8_t *packet =
			(uint8_t *)batch->base + (size_t)slots[at].buf_idx * batch->stride;

		if (destinations)
			bench_set_destination(packet, keys[i]);
		else
			bench_set_flow(packet, keys[i]);
	}
	_mm_mfence();
}

struct bench_time bench_keyed_run(nmjit_batch_fn engine, const struct nmjit_batch *ring,
				  struct nmjit_ctx *context, uint8_t *verdicts,
				  const uint32_t *keys, int destinations, uint32_t count,
				  uint32_t batch_size)
{
	struct nmjit_batch batch = *ring;
	struct bench_time total = {0, 0};

	for (uint32_t done = 0; done < count; done += batch.count) {
		uint64_t ns, cycles;

		batch.count = count - done < batch_size ? count - done : batch_size;
		set_keys(&batch, keys + done, destinations);
		context->verdicts = verdicts + done;
		context->packet_number = done;
		ns = now_ns();
		cycles = now_cycles();
		engine(&batch, context);
		total.cycles += now_cycles() - cycles;
		total.ns += now_ns() - ns;
		batch.head = (batch.head + batch.count) % batch.num_slots;
	}
	return total;
}

void bench_evict(uint8_t *memory, size_t bytes)
{
	for (size_t i = 0; i < bytes; i += 64)
		memory[i]++;
	_mm_mfence();
}

struct half {
	nmjit_batch_fn engine;
	const struct nmjit_batch *ring;
	struct nmjit_ctx *context;
	const uint32_t *keys;
	uint32_t count, batch_size;
	int cpu;
	pthread_barrier_t *start;
	struct bench_time time;
};

static void *run_half(void *argument)
{
	struct half *half = argument;
	static __thread uint8_t verdicts[1u << 20];
	cpu_set_t cpus;

	CPU_ZERO(&cpus);
	CPU_SET(half->cpu, &cpus);
	pthread_setaffinity_np(pthread_self(), sizeof(cpus), &cpus);
	pthread_barrier_wait(half->start);
	half->time = bench_keyed_run(half->engine, half->ring, half->context, verdicts, half->keys,
				     0, half->count, half->batch_size);
	return NULL;
}

struct bench_time bench_keyed_pair(nmjit_batch_fn engine, const struct nmjit_batch *rings,
				   struct nmjit_ctx *contexts, const uint32_t *keys, uint32_t count,
				   uint32_t batch_size)
{
	pthread_barrier_t start;
	struct half halves[2];
	pthread_t threads[2];

	pthread_barrier_init(&start, NULL, 2);
	for (int i = 0; i < 2; i++) {
		halves[i] = (struct half){engine,
					  &rings[i],
					  &contexts[i],
					  keys + i * (count / 2),
					  count / 2,
					  batch_size,
					  i,
					  &start,
					  {0, 0}};
		pthread_create(&threads[i], NULL, run_half, &halves[i]);
	}
	for (int i = 0; i < 2; i++)
		pthread_join(threads[i], NULL);
	pthread_barrier_destroy(&start);
	return halves[0].time.ns > halves[1].time.ns ? halves[0].time : halves[1].time;
}
