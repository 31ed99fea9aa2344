/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * parts.h - which parts of the module are there, asked of the module itself.
 *
 * need() ends the test as skipped, with the request and the errno that said no, unless the part was
 * named in --built: then it fails.
 */
#ifndef NMJIT_GUEST_PARTS_H
#define NMJIT_GUEST_PARTS_H

enum part {
	PART_NULL,
	PART_PIPE,
	PART_OFFSETS,
	PART_CSB,
	PART_EXTMEM,
	PART_NETDEV,
	PART_HOST,
	PART_VALE,
	PART_MONITOR,
	PART_XDP,
	PARTS,
};

void need(enum part part);

/* Interfaces that run_steps.sh makes. */
#define TAP	  "nmt0" /* never brought up */
#define TAP_OTHER "nmt1" /* never brought up */
#define VETH_A	  "nmva" /* two queues, up; its peer is VETH_B */
#define VETH_B	  "nmvb"

/* A port that pipes can have as a parent here: a device, a switch port, or one that pipes make. */
const char *pipe_parent(void);
/* The names of the two ends of pipe `id`; valid for the next three calls. */
const char *pipe_master(const char *id);
const char *pipe_slave(const char *id);

#endif
