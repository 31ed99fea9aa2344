/* SPDX-License-Identifier: BSD-2-Clause */
/* loop.c - see loop.h. */
#include "loop.h"

#include <errno.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

struct csb csb;

struct nmreq_opt_csb option_csb(const void *atok, const void *ktoa)
{
	return (struct nmreq_opt_csb){
		.nro_opt = {.nro_reqtype = NETMAP_REQ_OPT_CSB, .nro_status = 77},
		.csb_atok = (uintptr_t)atok,
		.csb_ktoa = (uintptr_t)ktoa,
	};
}

struct nmreq_register exclusive_null(uint16_t tx, uint16_t rx, uint64_t flags)
{
	struct nmreq_register request = want_null(tx, rx, 16);

	request.nr_flags = NR_EXCLUSIVE | flags;
	return request;
}

int kloop_start(int fd, uint32_t sleep_us, void *options)
{
	struct nmreq_sync_kloop_start body = {.sleep_us = sleep_us};

	return netmap_ctrl(fd, NETMAP_REQ_SYNC_KLOOP_START, "", &body, options);
}

int kloop_stop(int fd)
{
	return netmap_ctrl(fd, NETMAP_REQ_SYNC_KLOOP_STOP, "", NULL, NULL);
}

static void *run_loop(void *argument)
{
	struct loop *loop = argument;

	loop->error = kloop_start(loop->fd, loop->sleep_us, loop->options);
	loop->ended = true;
	return NULL;
}

void loop_start(struct loop *loop, int fd, uint32_t sleep_us, void *options)
{
	memset(loop, 0, sizeof(*loop));
	loop->fd = fd;
	loop->sleep_us = sleep_us;
	loop->options = options;
	EXPECT_OK(pthread_create(&loop->thread, NULL, run_loop, loop));
}

void loop_stop(struct loop *loop)
{
	EXPECT_OK(kloop_stop(loop->fd));
	pthread_join(loop->thread, NULL);
	EXPECT_OK(loop->error);
}

void open_csb(struct client *client, const char *name, const struct nmreq_register *request)
{
	struct nmreq_opt_csb option = option_csb(csb.atok, csb.ktoa);

	memset(&csb, 0, sizeof(csb));
	client_open(client, name, request, &option);
	EXPECT_EQ(option.nro_opt.nro_status, 0);
}

struct events events_of(unsigned int rings, bool io, bool irq)
{
	struct events events = {
		.option = {.nro_opt = {.nro_reqtype = NETMAP_REQ_OPT_SYNC_KLOOP_EVENTFDS,
				       .nro_status = 77,
				       .nro_size = 24 + 8 * rings}},
	};

	for (unsigned int i = 0; i < rings; i++) {
		events.fds[i].io = io ? eventfd(0, EFD_NONBLOCK) : -1;
		events.fds[i].irq = irq ? eventfd(0, EFD_NONBLOCK) : -1;
	}
	return events;
}

void events_close(struct events *events)
{
	for (unsigned int i = 0; i < RINGS; i++) {
		if (events->fds[i].io > 0)
			close(events->fds[i].io);
		if (events->fds[i].irq > 0)
			close(events->fds[i].irq);
	}
}

struct nmreq_opt_sync_kloop_mode mode_of(uint32_t mode, void *next)
{
	return (struct nmreq_opt_sync_kloop_mode){
		.nro_opt = {.nro_reqtype = NETMAP_REQ_OPT_SYNC_KLOOP_MODE,
			    .nro_status = 77,
			    .nro_next = (uintptr_t)next},
		.mode = mode,
	};
}
