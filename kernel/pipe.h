/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * Pipes: two ports back to back, <parent>{<id> and <parent>}<id>.
 */
#ifndef NMJ_PIPE_H
#define NMJ_PIPE_H

extern const struct nmj_kind nmj_pipe_kind;

#endif
