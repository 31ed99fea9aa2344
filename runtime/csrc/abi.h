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
};

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
	uint32_t *new_len;	/* this and what follows: reserved, NULL and 0 */
	int32_t *head_offset;
	void *mirrors;
	uint32_t mirror_capacity;
	uint32_t mirror_count;
	uint64_t mirror_lost;
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
_Static_assert(sizeof(struct nmjit_batch) == 48, "nmjit_batch");
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
NMJIT_ABI(nmjit_ctx, mirror_capacity, 96);
NMJIT_ABI(nmjit_ctx, mirror_count, 100);
NMJIT_ABI(nmjit_ctx, mirror_lost, 104);
_Static_assert(sizeof(struct nmjit_ctx) == 112, "nmjit_ctx");

#undef NMJIT_ABI

#endif
