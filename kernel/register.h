/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * Binding a descriptor to rings of a port, and its end.
 */
#ifndef NMJ_REGISTER_H
#define NMJ_REGISTER_H

#include "ctrl.h"
#include "port.h"

struct nmj_file;

/* What @reg asks for, of the port @name in the caller's namespace. */
void nmj_want_from_register(struct nmj_want *want, const char *name,
			    const struct nmreq_register *reg);

/*
 * NETMAP_REQ_REGISTER. First, without locks, the region that the request names
 * (bringing in a program's memory takes its time); then the rest, under nmj_global.
 */
int nmj_register_region(struct nmj_file *f, struct nmj_request *req);
int nmj_register(struct nmj_file *f, struct nmj_request *req);
/* At the last reference; under nmj_global. */
void nmj_unregister(struct nmj_file *f);

#endif
