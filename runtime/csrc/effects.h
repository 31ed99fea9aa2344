/*
 * effects.h - what a filter did to packets besides its verdict: other sizes, and copies.
 *
 * Compiled code leaves both in the context; this carries them out once a batch, before packets are
 * sent on. Must not know: programs, how long a worker waits.
 */
#ifndef NMJIT_EFFECTS_H
#define NMJIT_EFFECTS_H

#include "port.h"

#define EFFECTS_MIRRORS	     1024u	/* copies that one batch may make */
#define EFFECTS_MIRROR_BYTES (1u << 20) /* and the bytes of them all */

int effects_open(struct nmjit_ctx *ctx, uint32_t batch);
void effects_close(struct nmjit_ctx *ctx);
int effects_want_mirrors(struct nmjit_ctx *ctx);
void effects_resize(const struct port *source, const struct nmjit_batch *batch,
		    const struct nmjit_ctx *ctx);
uint32_t effects_mirror(struct nmjit_ctx *ctx, struct port *const *outputs, uint32_t num_outputs,
			const struct nmjit_batch *batch, enum port_accessor accessor, int *err);

#endif
