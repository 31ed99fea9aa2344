/*
 * How the C peers find a packet: netmap slots over buffers of BENCH_STRIDE bytes.
 *
 * The rules are those of compiler/abi.py: a buf_idx outside the region is read as buffer 0 with
 * length 0, and a length beyond `readable` counts as `readable`. bench_abi.h is written by
 * bench/build.py from compiler/abi.py.
 */
#ifndef BENCH_ACCESSOR_H
#define BENCH_ACCESSOR_H

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "bench_abi.h"

#define BENCH_STRIDE 2048u /* a constant, so that the address is a shift and an add */

#define likely(x)    __builtin_expect(!!(x), 1)
#define unlikely(x)  __builtin_expect(!!(x), 0)

enum verdict { ABORTED = 0, DROP = 1, PASS = 2, TX = 3, REDIRECT = 4 };
enum { PENDING = 255 }; /* no verdict yet: staged.h */

struct packet {
	uint8_t *data;
	uint32_t len;
};

static inline uint8_t *buffer_at(uint8_t *base, uint32_t buf_idx)
{
	return base + (uint64_t)buf_idx * BENCH_STRIDE;
}

/* Each slot field is read once: the ring may be shared with a process that writes to it meanwhile.
 */
static inline struct packet packet_at(uint8_t *base, const struct netmap_slot *slot,
				      uint32_t num_bufs, uint32_t readable)
{
	uint32_t buf_idx = slot->buf_idx;
	uint32_t len = slot->len;

	if (unlikely(buf_idx >= num_bufs))
		return (struct packet){base, 0};
	return (struct packet){buffer_at(base, buf_idx), len < readable ? len : readable};
}

#endif
