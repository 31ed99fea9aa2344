/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * Ports that move nothing.
 */
#ifndef NMJ_NULL_H
#define NMJ_NULL_H

struct nmj_port;
struct nmj_want;

extern const struct nmj_kind nmj_null_kind;

/*
 * A port in the registry, with a private region, for pipes to hang on: the
 * parent that they get where there is no switch to make one.
 */
struct nmj_port *nmj_null_parent(const struct nmj_want *want);

#endif
