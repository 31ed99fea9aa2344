/*
 * The hand-written rate limiter: a token bucket for each source address, in a table with open
 * addressing and linear probing, twice as many slots as sources. It has room for every source, so
 * it gives none up; the rate and the burst are constants. Credit counts in 10^-9 tokens, as
 * compiler/lang/_rate.py defines it.
 *
 * BENCH_KEYS  sources that the table must hold
 * BENCH_RATE  tokens a second, BENCH_BURST most at once
 */
#ifndef BENCH_LIMIT_H
#define BENCH_LIMIT_H

#include "parse.h"
#include "table_memory.h"

#define TOKEN 1000000000ull
#define FULL  (BENCH_BURST * TOKEN)
#define SLOTS (2ull * BENCH_KEYS)

struct bucket {
	uint32_t source;
	uint32_t live;
	uint64_t credit;
	uint64_t stamp; /* ns */
	uint64_t unused;
};

static struct bucket *buckets;

const char *bench_prepare(void);
void bench_contents(uint64_t totals[3]);

/* Once, before the first packet. NULL, or why not. */
const char *bench_prepare(void)
{
	size_t bytes = SLOTS * sizeof(struct bucket);

	_Static_assert((SLOTS & (SLOTS - 1)) == 0, "a power of two");
	_Static_assert(sizeof(struct bucket) == 32, "two to a cache line");
	buckets = table_memory(buckets, bytes);
	return buckets ? NULL : "no memory for the table";
}

static inline struct bucket *bucket_home(uint32_t source)
{
	return &buckets[(source * 0x9e3779b97f4a7c15u) >> (64 - __builtin_ctzll(SLOTS))];
}

/* Makes the bucket, full, where it is missing. */
static inline struct bucket *bucket_find(struct bucket *bucket, uint32_t source, uint64_t now)
{
	for (;; bucket = bucket + 1 == buckets + SLOTS ? buckets : bucket + 1) {
		if (likely(bucket->live && bucket->source == source))
			return bucket;
		if (!bucket->live) {
			*bucket = (struct bucket){source, 1, FULL, now, 0};
			return bucket;
		}
	}
}

static inline uint8_t bucket_take(struct bucket *bucket, uint64_t now)
{
	uint64_t credit = bucket->credit;

	if (now > bucket->stamp) {
		uint64_t passed = now - bucket->stamp;

		credit = passed < FULL / BENCH_RATE ? credit + passed * BENCH_RATE : FULL;
		credit = credit < FULL ? credit : FULL;
		bucket->stamp = now;
	}
	if (credit < TOKEN) {
		bucket->credit = credit;
		return DROP;
	}
	bucket->credit = credit - TOKEN;
	return PASS;
}

/* The source in the packet's byte order, or false where the packet is no IPv4. */
static inline bool source_of(const uint8_t *packet, uint32_t len, uint32_t *source)
{
	struct layer3 l3 = parse_layer3(packet, len);
	uint32_t header_end, end;

	if (unlikely(l3.type != TYPE_IPV4) ||
	    unlikely(!parse_ipv4(packet, len, l3.offset, &header_end, &end)))
		return false;
	memcpy(source, packet + l3.offset + 12, 4);
	return true;
}

/* What the table holds, for comparing engines: sources, their credit and their stamps in all. */
void bench_contents(uint64_t totals[3])
{
	totals[0] = totals[1] = totals[2] = 0;
	for (struct bucket *bucket = buckets; bucket < buckets + SLOTS; bucket++) {
		totals[0] += bucket->live;
		totals[1] += bucket->credit;
		totals[2] += bucket->stamp;
	}
}

#endif
