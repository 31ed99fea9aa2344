/*
 * abi.h - the structs that compiled code shares with C.
 *
 * compiler/abi.py is the home of these layouts; the assertions below and a test hold the two
 * together. Must not know: ports, workers, what a filter does. Byte order is the machine's.
 */
#ifndef NMJIT_ABI_H
#define NMJIT_ABI_H

#include <stddef.h>
#include <stdint.h>

#include "netmap.h"

enum nmjit_verdict {
	NMJIT_ABORTED = 0,
	NMJIT_DROP = 1,
	NMJIT_PASS = 2,
	NMJIT_TX = 3,
	NMJIT_REDIRECT = 4,
	NMJIT_VERDICTS = 5,
};

/* A packet that lies anywhere: at base + offset. */
struct nmjit_descriptor {
	uint64_t offset;
	uint64_t timestamp; /* CLOCK_REALTIME, ns */
	uint32_t len;	    /* bytes present */
	uint32_t wire_len;  /* bytes on the wire, len or more */
};

/* Where the packets of one call lie: slots head, head + 1 ... (cyclic), count of them. */
struct nmjit_batch {
	void *slots; /* netmap_slot[num_slots] or nmjit_descriptor[num_slots], by the accessor */
	uint8_t *base;
	uint64_t stride; /* bytes from a buffer to the next (netmap accessor) */
	uint32_t num_slots;
	uint32_t head;
	uint32_t count;
	uint32_t num_bufs; /* a larger buf_idx is read as buffer 0 with length 0 */
	uint32_t readable; /* bytes that may be read from a packet's start, whatever its length */
	uint16_t port;
	uint16_t queue;
	uint32_t headroom; /* bytes in front of each packet that are its own */
	uint32_t reserved;
};

/* A copy that a packet of the batch made: len bytes at ctx->mirror_bytes + offset. */
struct nmjit_mirror {
	uint32_t packet;
	uint32_t port; /* index of the bound port */
	uint64_t offset;
	uint32_t len;
	uint32_t reserved;
};

struct nmjit_ops;

/* What a batch works on and leaves behind. Arrays belong to the caller. */
struct nmjit_ctx {
	uint8_t *verdicts;    /* [count], written for every packet */
	uint64_t *exceptions; /* [sites], bumped */
	void **maps;	      /* [maps], base addresses */
	uint64_t now;	      /* CLOCK_MONOTONIC, ns; with descriptors: latest time seen before */
	uint64_t timestamp;   /* CLOCK_REALTIME, ns (netmap accessor) */
	uint64_t seed;
	uint64_t packet_number; /* of the batch's first packet, in this worker */
	uint16_t *sites;	/* [count] or NULL: 1 + site of an ABORTED packet */
	int16_t *ports;		/* [count]: bound port of a REDIRECT, or -1 */
	uint32_t *new_len;	/* [count]: bytes of each packet in the end ... */
	int32_t *head_offset;	/* ... and where they begin; written by filters that push or pull */
	struct nmjit_mirror *mirrors; /* [mirror_capacity], mirror_count of them taken */
	uint8_t *mirror_bytes;	      /* [mirror_room], mirror_used of them taken */
	uint64_t mirror_room;
	uint64_t mirror_used;
	uint32_t mirror_capacity;
	uint32_t mirror_count;
	uint64_t mirror_lost;	     /* copies beyond that room */
	const struct nmjit_ops *ops; /* what compiled code calls out of line; ops.h */
	uint32_t worker;
	uint32_t reserved;
};

/*
 * The compiled function. It makes no system call, takes no lock, allocates nothing and returns
 * when count verdicts are written; the result is their number.
 */
typedef uint32_t (*nmjit_batch_fn)(const struct nmjit_batch *batch, struct nmjit_ctx *ctx);

#define NMJIT_ABI(type, member, bytes) \
	_Static_assert(offsetof(struct type, member) == (bytes), #type "." #member)

NMJIT_ABI(nmjit_descriptor, offset, 0);
NMJIT_ABI(nmjit_descriptor, timestamp, 8);
NMJIT_ABI(nmjit_descriptor, len, 16);
NMJIT_ABI(nmjit_descriptor, wire_len, 20);
_Static_assert(sizeof(struct nmjit_descriptor) == 24, "nmjit_descriptor");
NMJIT_ABI(nmjit_batch, slots, 0);
NMJIT_ABI(nmjit_batch, base, 8);
NMJIT_ABI(nmjit_batch, stride, 16);
NMJIT_ABI(nmjit_batch, num_slots, 24);
NMJIT_ABI(nmjit_batch, head, 28);
NMJIT_ABI(nmjit_batch, count, 32);
NMJIT_ABI(nmjit_batch, num_bufs, 36);
NMJIT_ABI(nmjit_batch, readable, 40);
NMJIT_ABI(nmjit_batch, port, 44);
NMJIT_ABI(nmjit_batch, queue, 46);
NMJIT_ABI(nmjit_batch, headroom, 48);
_Static_assert(sizeof(struct nmjit_batch) == 56, "nmjit_batch");
NMJIT_ABI(nmjit_ctx, verdicts, 0);
NMJIT_ABI(nmjit_ctx, exceptions, 8);
NMJIT_ABI(nmjit_ctx, maps, 16);
NMJIT_ABI(nmjit_ctx, now, 24);
NMJIT_ABI(nmjit_ctx, timestamp, 32);
NMJIT_ABI(nmjit_ctx, seed, 40);
NMJIT_ABI(nmjit_ctx, packet_number, 48);
NMJIT_ABI(nmjit_ctx, sites, 56);
NMJIT_ABI(nmjit_ctx, ports, 64);
NMJIT_ABI(nmjit_ctx, new_len, 72);
NMJIT_ABI(nmjit_ctx, head_offset, 80);
NMJIT_ABI(nmjit_ctx, mirrors, 88);
NMJIT_ABI(nmjit_ctx, mirror_bytes, 96);
NMJIT_ABI(nmjit_ctx, mirror_room, 104);
NMJIT_ABI(nmjit_ctx, mirror_used, 112);
NMJIT_ABI(nmjit_ctx, mirror_capacity, 120);
NMJIT_ABI(nmjit_ctx, mirror_count, 124);
NMJIT_ABI(nmjit_ctx, mirror_lost, 128);
NMJIT_ABI(nmjit_ctx, ops, 136);
NMJIT_ABI(nmjit_ctx, worker, 144);
_Static_assert(sizeof(struct nmjit_ctx) == 152, "nmjit_ctx");
NMJIT_ABI(nmjit_mirror, port, 4);
NMJIT_ABI(nmjit_mirror, offset, 8);
NMJIT_ABI(nmjit_mirror, len, 16);
_Static_assert(sizeof(struct nmjit_mirror) == 24, "nmjit_mirror");

#undef NMJIT_ABI

#endif
