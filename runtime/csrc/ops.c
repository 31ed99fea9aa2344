/*
 * ops.c - see ops.h. Thread: the worker's, within a batch.
 */
#include "ops.h"

#include "table.h"

#include <string.h>

static int64_t ops_find(void *map, const uint64_t *key, uint64_t hash, uint32_t worker,
			uint32_t flags)
{
	int64_t index;

	if (flags & TABLE_SHARED)
		return shared_find(map, key, hash, worker, flags);
	index = table_find(map, key, hash);
	if (index < 0)
		return -1;
	if (flags & TABLE_TOUCH)
		table_touch(map, index);
	if (flags & TABLE_HOLD)
		table_hold(map, worker, index);
	return index;
}

static int64_t ops_insert(void *map, const uint64_t *key, uint64_t hash, const void *value,
			  uint32_t worker, uint32_t flags)
{
	if (flags & TABLE_SHARED)
		return shared_insert(map, key, hash, value, worker, flags);
	return table_insert(map, key, hash, value, worker, flags);
}

static int64_t ops_remove(void *map, const uint64_t *key, uint64_t hash, uint32_t worker,
			  uint32_t flags)
{
	if (flags & TABLE_SHARED)
		return shared_remove(map, key, hash, worker, flags);
	return table_remove(map, key, hash, worker, flags);
}

/* Move a packet of `length` bytes up by `bytes`, so that as many may stand before it. */
static void ops_make_room(uint8_t *packet, uint32_t length, uint32_t bytes)
{
	memmove(packet + bytes, packet, length);
}

/* Copy a packet for a bound port, or count that there was no room for it. */
static void ops_mirror(struct nmjit_ctx *ctx, const uint8_t *bytes, uint32_t length,
		       uint32_t packet, uint32_t port)
{
	if (ctx->mirror_count >= ctx->mirror_capacity ||
	    length > ctx->mirror_room - ctx->mirror_used) {
		ctx->mirror_lost++;
		return;
	}
	ctx->mirrors[ctx->mirror_count++] = (struct nmjit_mirror){
		.packet = packet,
		.port = port,
		.offset = ctx->mirror_used,
		.len = length,
	};
	memcpy(ctx->mirror_bytes + ctx->mirror_used, bytes, length);
	ctx->mirror_used += length;
}

const struct nmjit_ops nmjit_ops = {
	.find = ops_find,
	.insert = ops_insert,
	.remove = ops_remove,
	.make_room = ops_make_room,
	.mirror = ops_mirror,
};
