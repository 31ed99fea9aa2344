/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * loop.h - CSB mode, and the kernel's sync loop run in a thread: what the tests of both have in
 * common. Tests nothing itself, beyond that what must succeed does.
 */
#ifndef NMJIT_GUEST_LOOP_H
#define NMJIT_GUEST_LOOP_H

#include "check.h"
#include "client.h"

#include <pthread.h>
#include <stdatomic.h>

#define RINGS 8 /* of both directions, at most */

struct csb {
	struct nm_csb_atok atok[RINGS];
	struct nm_csb_ktoa ktoa[RINGS];
} __attribute__((aligned(64)));

extern struct csb csb; /* of the test's one client in CSB mode */

struct nmreq_opt_csb option_csb(const void *atok, const void *ktoa);
/* A null port in region 1, 16 slots a ring, with NR_EXCLUSIVE and `flags`. */
struct nmreq_register exclusive_null(uint16_t tx, uint16_t rx, uint64_t flags);
/* Bind and map in CSB mode, with `csb` cleared before. */
void open_csb(struct client *client, const char *name, const struct nmreq_register *request);

/* The requests; START returns when the loop ends. */
int kloop_start(int fd, uint32_t sleep_us, void *options);
int kloop_stop(int fd);

/* The loop in a thread. */
struct loop {
	pthread_t thread;
	int fd;
	uint32_t sleep_us;
	void *options;
	int error;
	atomic_bool ended;
};

void loop_start(struct loop *loop, int fd, uint32_t sleep_us, void *options);
/* STOP, and the end of the thread; both must succeed. */
void loop_stop(struct loop *loop);

/* The option EVENTFDS, with descriptors of its own; -1 where not wanted. */
struct events {
	struct nmreq_opt_sync_kloop_eventfds option;
	struct {
		int32_t io;
		int32_t irq;
	} fds[RINGS];
	char room[4096]; /* readable, for sizes that are too large */
};

struct events events_of(unsigned int rings, bool io, bool irq);
void events_close(struct events *events);
struct nmreq_opt_sync_kloop_mode mode_of(uint32_t mode, void *next);

#endif
