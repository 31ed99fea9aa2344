/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * NIOCGINFO and NIOCREGIF, the requests of before version 12.
 */
#ifndef NMJ_LEGACY_H
#define NMJ_LEGACY_H

struct nmj_file;

long nmj_legacy_ioctl(struct nmj_file *f, unsigned int cmd, void __user *arg);

#endif
