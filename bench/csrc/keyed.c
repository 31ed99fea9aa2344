/* See keyed.h. */
#define _GNU_SOURCE
#include "keyed.h"

#include <pthread.h>
#include <sched.h>
#include <string.h>
#include <time.h>
#include <x86intrin.h>

enum { IP = 14, IP_SUM = 24, SRC = 26, DST = 30, PORTS = 34, UDP_SUM = 40, SIZE = 60 };

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

void bench_flow_keys(uint64_t *keys, const uint32_t *flows, uint32_t count)
{
	for (uint32_t i = 0; i < count; i++) {
		keys[2 * i] = mixed(flows[i] + 1);
		keys[2 * i + 1] = (uint32_t)mixed(keys[2 * i]);
	}
}

void bench_keyed_ring(struct netmap_slot *slots, uint32_t num_slots,
		      const struct bench_region *region, uint64_t seed)
{
	uint64_t state = mixed(seed);

	memset(slots, 0, num_slots * sizeof(*slots));
	for (uint32_t i = 0; i < num_slots; i++) { /* Fisher-Yates, inside out */
		uint32_t at = i % region->buffers, other = i - at;

		state += 0x9e3779b97f4a7c15u;
		other += (uint32_t)(mixed(state) % (at + 1));
		slots[i].buf_idx = slots[other].buf_idx;
		slots[other].buf_idx = at;
	}
	for (uint32_t i = 0; i < num_slots; i++)
		slots[i].len = region->lengths[slots[i].buf_idx];
}

/* The one's complement sum of 16-bit words, in the packet's byte order. */
static uint32_t sum_words(uint32_t sum, const uint8_t *at, uint32_t bytes)
{
	for (uint32_t i = 0; i < bytes; i += 2) {
		uint16_t word;

		memcpy(&word, at + i, sizeof(word));
		sum += word;
	}
	sum = (sum & 0xffff) + (sum >> 16);
	return (sum & 0xffff) + (sum >> 16);
}

static void put_checksums(uint8_t *at)
{
	static const uint8_t pseudo[4] = {0, 17, 0, 26}; /* protocol, UDP length */
	uint16_t sum;

	memset(at + IP_SUM, 0, sizeof(sum));
	memset(at + UDP_SUM, 0, sizeof(sum));
	sum = (uint16_t)~sum_words(0, at + IP, 20);
	memcpy(at + IP_SUM, &sum, sizeof(sum));
	sum = (uint16_t)~sum_words(sum_words(0, pseudo, sizeof(pseudo)), at + SRC, SIZE - SRC);
	sum = sum ? sum : 0xffff;
	memcpy(at + UDP_SUM, &sum, sizeof(sum));
}

void bench_set_key(uint8_t *at, enum bench_key what, uint32_t key)
{
	uint64_t flow[2];

	switch (what) {
	case BENCH_FLOW:
		bench_flow_keys(flow, &key, 1);
		memcpy(at + SRC, &flow[0], 8);
		memcpy(at + PORTS, &flow[1], 4);
		put_checksums(at);
		break;
	case BENCH_DESTINATION:
		key = __builtin_bswap32(key);
		memcpy(at + DST, &key, 4);
		break;
	case BENCH_SOURCE:
		key = (key + 1) * 0x9e3779b1u; /* one to one */
		memcpy(at + SRC, &key, 4);
		break;
	}
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

static void set_keys(const struct nmjit_batch *batch, const uint32_t *keys, enum bench_key what)
{
	const struct netmap_slot *slots = batch->slots;

	for (uint32_t i = 0; i < batch->count; i++) {
		uint32_t at = (batch->head + i) % batch->num_slots;
		uint8_t *packet =
			(uint8_t *)batch->base + (size_t)slots[at].buf_idx * batch->stride;

		bench_set_key(packet, what, keys[i]);
	}
	_mm_mfence();
}

struct bench_time bench_keyed_run(nmjit_batch_fn engine, const struct nmjit_batch *ring,
				  struct nmjit_ctx *context, uint8_t *verdicts,
				  const uint32_t *keys, enum bench_key what, uint32_t count,
				  uint32_t batch_size)
{
	struct nmjit_batch batch = *ring;
	struct bench_time total = {0, 0};

	for (uint32_t done = 0; done < count; done += batch.count) {
		uint64_t ns, cycles;

		batch.count = count - done < batch_size ? count - done : batch_size;
		set_keys(&batch, keys + done, what);
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
				     BENCH_FLOW, half->count, half->batch_size);
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
