/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * What each request does, once it is in kernel memory.
 */
#ifndef NMJ_REQUESTS_H
#define NMJ_REQUESTS_H

#include "ctrl.h"

/* Bytes of a request's body; 0 where it has none, or is unknown. */
u32 nmj_request_body_size(u16 type);

/*
 * Runs it; takes nmj_global. Body, name and options hold the answer. Status of
 * options: EOPNOTSUPP unless the request understood it.
 */
int nmj_request_run(struct nmj_file *f, struct nmj_request *req);

#endif
