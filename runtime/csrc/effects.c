/*
 * effects.c - see effects.h.
 */
#include "effects.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* Room for the sizes of a batch of packets. The caller closes *ctx, also after an error. */
int effects_open(struct nmjit_ctx *ctx, uint32_t batch)
{
	ctx->new_len = calloc(batch, sizeof(*ctx->new_len));
	ctx->head_offset = calloc(batch, sizeof(*ctx->head_offset));
	return ctx->new_len && ctx->head_offset ? 0 : -ENOMEM;
}

void effects_close(struct nmjit_ctx *ctx)
{
	free(ctx->new_len);
	free(ctx->head_offset);
	free(ctx->mirrors);
	free(ctx->mirror_bytes);
}

/* Room for copies, made once a filter wants it. Thread: the worker. */
int effects_want_mirrors(struct nmjit_ctx *ctx)
{
	if (ctx->mirrors)
		return 0;
	ctx->mirrors = calloc(EFFECTS_MIRRORS, sizeof(*ctx->mirrors));
	ctx->mirror_bytes = malloc(EFFECTS_MIRROR_BYTES);
	if (!ctx->mirrors || !ctx->mirror_bytes)
		return -ENOMEM;
	ctx->mirror_capacity = EFFECTS_MIRRORS;
	ctx->mirror_room = EFFECTS_MIRROR_BYTES;
	return 0;
}

/*
 * A ring's packet starts at its buffer's first byte. The slot is shared with another process, so
 * what it says is clamped as the filter clamped it.
 */
static void resize_slot(const struct nmjit_batch *batch, struct netmap_slot *slot, uint32_t len,
			int32_t offset)
{
	uint32_t buf = __atomic_load_n(&slot->buf_idx, __ATOMIC_RELAXED);
	uint8_t *packet;

	if (buf >= batch->num_bufs || offset < 0 || (uint64_t)offset + len > batch->readable)
		return;
	packet = batch->base + (size_t)buf * batch->stride;
	if (offset)
		memmove(packet, packet + offset, len);
	slot->len = (uint16_t)len;
}

static void resize_descriptor(struct nmjit_descriptor *d, uint32_t len, int32_t offset)
{
	d->offset += (uint64_t)(int64_t)offset;
	d->wire_len += len - d->len;
	d->len = len;
}

/* Write the sizes that the filter gave packets where their ports look for them. */
void effects_resize(const struct port *source, const struct nmjit_batch *batch,
		    const struct nmjit_ctx *ctx)
{
	uint32_t at = batch->head;

	for (uint32_t i = 0; i < batch->count; i++) {
		uint32_t len = ctx->new_len[i];
		int32_t offset = ctx->head_offset[i];

		if (source->accessor == PORT_NETMAP)
			resize_slot(batch, (struct netmap_slot *)batch->slots + at, len, offset);
		else
			resize_descriptor((struct nmjit_descriptor *)batch->slots + at, len,
					  offset);
		at = at + 1 == batch->num_slots ? 0 : at + 1;
	}
}

/* A copy bears the time of its packet, or the batch's. */
static uint64_t timestamp_of(const struct nmjit_ctx *ctx, const struct nmjit_batch *batch,
			     enum port_accessor accessor, uint32_t packet)
{
	const struct nmjit_descriptor *descriptors = batch->slots;

	return accessor == PORT_NETMAP ? ctx->timestamp
				       : descriptors[batch->head + packet].timestamp;
}

/*
 * Send the batch's copies where they go, in order. Those to ports that are unbound are forgotten;
 * returns how many others were made but found no room, besides ctx->mirror_lost. *err: the first
 * error of a port. Thread: the worker.
 */
uint32_t effects_mirror(struct nmjit_ctx *ctx, struct port *const *outputs, uint32_t num_outputs,
			const struct nmjit_batch *batch, enum port_accessor accessor, int *err)
{
	uint32_t lost = 0;

	for (uint32_t i = 0; i < ctx->mirror_count; i++) {
		const struct nmjit_mirror *mirror = &ctx->mirrors[i];
		struct port *to = mirror->port < num_outputs ? outputs[mirror->port] : NULL;
		int taken;

		if (!to)
			continue;
		taken = to->ops->copy(to, ctx->mirror_bytes + mirror->offset, mirror->len,
				      timestamp_of(ctx, batch, accessor, mirror->packet));
		lost += taken == 0;
		if (taken < 0 && !*err)
			*err = taken;
	}
	ctx->mirror_count = 0;
	ctx->mirror_used = 0;
	return lost;
}
