/*
 * ops.h - what compiled code calls out of line. compiler/abi.py is the home of the contract.
 *
 * Must not know: who calls, beyond the number of its worker.
 */
#ifndef NMJIT_OPS_H
#define NMJIT_OPS_H

#include "abi.h"

struct nmjit_ops {
	int64_t (*find)(void *map, const uint64_t *key, uint64_t hash, uint32_t worker,
			uint32_t flags);
	int64_t (*insert)(void *map, const uint64_t *key, uint64_t hash, const void *value,
			  uint32_t worker, uint32_t flags);
	int64_t (*remove)(void *map, const uint64_t *key, uint64_t hash, uint32_t worker,
			  uint32_t flags);
	void (*make_room)(uint8_t *packet, uint32_t length, uint32_t bytes);
	void (*mirror)(struct nmjit_ctx *ctx, const uint8_t *bytes, uint32_t length,
		       uint32_t packet, uint32_t port);
};

extern const struct nmjit_ops nmjit_ops;

#endif
