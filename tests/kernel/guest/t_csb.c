/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * t_csb.c - CSB mode and the start and end of the kernel's sync loop: errors, eventfds, direct
 * modes (ABI 5.6; checklist 13 to 16).
 */
#include "check.h"
#include "client.h"
#include "loop.h"
#include "parts.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

static int try_csb(const void *atok, const void *ktoa, uint64_t flags)
{
	struct nmreq_register request = want_null(1, 1, 16);
	struct nmreq_opt_csb option = option_csb(atok, ktoa);
	struct client client;
	int error;

	request.nr_flags = flags;
	error = client_bind(&client, "csb", &request, &option);
	EXPECT_EQ(option.nro_opt.nro_status, error);
	if (!error)
		client_close(&client);
	return error;
}

TEST(option_errors)
{
	char *readonly = mmap(NULL, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	need(PART_CSB);
	EXPECT_OK(try_csb(csb.atok, csb.ktoa, NR_EXCLUSIVE));
	EXPECT_ERRNO(try_csb(csb.atok, csb.ktoa, 0), EINVAL);
	EXPECT_ERRNO(try_csb((char *)csb.atok + 4, csb.ktoa, NR_EXCLUSIVE), EINVAL);
	EXPECT_ERRNO(try_csb(csb.atok, (char *)csb.ktoa + 32, NR_EXCLUSIVE), EINVAL);
	EXPECT_ERRNO(try_csb((void *)64, csb.ktoa, NR_EXCLUSIVE), EFAULT);
	EXPECT_ERRNO(try_csb(csb.atok, (void *)64, NR_EXCLUSIVE), EFAULT);
	EXPECT_ERRNO(try_csb(csb.atok, readonly, NR_EXCLUSIVE), EFAULT);
	EXPECT_ERRNO(try_csb((void *)(~0ul - 63), csb.ktoa, NR_EXCLUSIVE), EFAULT);
	EXPECT_ERRNO(try_csb(csb.atok, (void *)0xffff800000000000ul, NR_EXCLUSIVE), EFAULT);
	EXPECT_ERRNO(try_csb(NULL, csb.ktoa, NR_EXCLUSIVE), EFAULT);
}

TEST(first_content)
{
	struct nmreq_register request = exclusive_null(2, 1, 0);
	struct nmreq_opt_csb option = option_csb(csb.atok, csb.ktoa);
	struct client client;

	need(PART_CSB);
	memset(&csb, 0xa5, sizeof(csb));
	client_open(&client, "csb", &request, &option);
	for (int i = 0; i < 3; i++) {
		EXPECT_EQ(csb.ktoa[i].hwcur, 0);
		EXPECT_EQ(csb.ktoa[i].hwtail, i < 2 ? 15 : 0);
		EXPECT_EQ(csb.ktoa[i].kern_need_kick, 1);
		EXPECT_EQ(csb.ktoa[i].pad[12], 0);
		EXPECT_EQ(csb.atok[i].head, 0);
		EXPECT_EQ(csb.atok[i].cur, 0);
		EXPECT_EQ(csb.atok[i].appl_need_kick, 1);
		EXPECT_EQ(csb.atok[i].sync_flags, 1);
	}
	EXPECT_EQ(csb.ktoa[3].hwcur, 0xa5a5a5a5); /* one entry a ring, no more */
	client_close(&client);
}

TEST(other_ways_to_move_data_are_shut)
{
	struct nmreq_register request = exclusive_null(1, 1, 0);
	struct nmreq_opt_csb option = option_csb(csb.atok, csb.ktoa);
	struct client client;

	need(PART_CSB);
	client_open(&client, "csb", &request, &option);
	EXPECT_ERRNO(netmap_ioctl(client.fd, NIOCTXSYNC, NULL), EBUSY);
	EXPECT_ERRNO(netmap_ioctl(client.fd, NIOCRXSYNC, NULL), EBUSY);
	EXPECT(client_poll(&client, POLLIN | POLLOUT, 1000) & POLLERR);
	client_close(&client);
}

static int enable(int fd, void *option)
{
	return netmap_ctrl(fd, NETMAP_REQ_CSB_ENABLE, "", NULL, option);
}

TEST(enable_later)
{
	struct nmreq_register request = exclusive_null(1, 1, 0), plain = want_null(1, 1, 16);
	struct nmreq_opt_csb option = option_csb(csb.atok, csb.ktoa);
	struct client client;
	int fd = netmap_open(), error;

	need(PART_CSB);
	error = enable(fd, &option);
	EXPECT(error == ENXIO || error == 0);
	close(fd);
	EXPECT_OK(client_bind(&client, "csb", &plain, NULL));
	EXPECT_ERRNO(enable(client.fd, &option), EINVAL);
	EXPECT_EQ(option.nro_opt.nro_status, EINVAL);
	client_close(&client);
	EXPECT_OK(client_bind(&client, "csb", &request, NULL));
	EXPECT_ERRNO(enable(client.fd, NULL), EINVAL);
	option = option_csb((char *)csb.atok + 8, csb.ktoa);
	EXPECT_ERRNO(enable(client.fd, &option), EINVAL);
	option = option_csb((void *)64, csb.ktoa);
	EXPECT_ERRNO(enable(client.fd, &option), EFAULT);
	tx_sync(&client); /* still an ordinary binding */
	option = option_csb(csb.atok, csb.ktoa);
	EXPECT_OK(enable(client.fd, &option));
	EXPECT_EQ(option.nro_opt.nro_status, 0);
	EXPECT_ERRNO(netmap_ioctl(client.fd, NIOCTXSYNC, NULL), EBUSY);
	client_close(&client);
}

TEST(start_errors)
{
	struct nmreq_register request = exclusive_null(1, 1, 0);
	struct client client;
	int fd = netmap_open();

	need(PART_CSB);
	EXPECT_ERRNO(kloop_start(fd, 1000001, NULL), EINVAL);
	EXPECT_ERRNO(kloop_start(fd, 0, NULL), ENXIO);
	EXPECT_ERRNO(kloop_stop(fd), ENXIO);
	close(fd);
	EXPECT_OK(client_bind(&client, "csb", &request, NULL));
	EXPECT_ERRNO(kloop_start(client.fd, 1000001, NULL), EINVAL);
	EXPECT_ERRNO(kloop_start(client.fd, 0, NULL), EINVAL);
	EXPECT_OK(kloop_stop(client.fd));
	client_close(&client);
}

TEST(start_then_stop)
{
	struct nmreq_register request = exclusive_null(1, 1, 0);
	struct client client;
	struct loop loop;

	need(PART_CSB);
	open_csb(&client, "csb", &request);
	for (int i = 0; i < 5; i++) {
		loop_start(&loop, client.fd, i * 100, NULL);
		usleep(30000);
		EXPECT(!loop.ended);
		loop_stop(&loop);
	}
	client_close(&client);
}

TEST(stop_before_start)
{
	struct nmreq_register request = exclusive_null(1, 1, 0);
	struct client client;
	struct loop loop;

	need(PART_CSB);
	open_csb(&client, "csb", &request);
	EXPECT_OK(kloop_stop(client.fd));
	EXPECT_OK(kloop_start(client.fd, 10, NULL)); /* at once: it was asked to end */
	loop_start(&loop, client.fd, 10, NULL);
	usleep(50000);
	EXPECT(!loop.ended);
	loop_stop(&loop);
	client_close(&client);
}

/* Whichever comes first, both end well. */
TEST(start_and_stop_race)
{
	struct nmreq_register request = exclusive_null(1, 1, 0);
	struct client client;
	struct loop loop;

	need(PART_CSB);
	for (int i = 0; i < 200; i++) {
		open_csb(&client, "csb", &request);
		loop_start(&loop, client.fd, 0, NULL);
		if (i % 3)
			usleep((unsigned int)i % 3 * 100);
		loop_stop(&loop);
		client_close(&client);
	}
}

TEST(two_starts)
{
	struct nmreq_register request = exclusive_null(1, 1, 0);
	struct nmreq_opt_csb option = option_csb(csb.atok, csb.ktoa);
	struct client client;
	struct loop loop;

	need(PART_CSB);
	open_csb(&client, "csb", &request);
	loop_start(&loop, client.fd, 100, NULL);
	usleep(100000);
	EXPECT_ERRNO(kloop_start(client.fd, 100, NULL), EBUSY);
	EXPECT_ERRNO(enable(client.fd, &option), EBUSY);
	EXPECT_ERRNO(netmap_ioctl(client.fd, NIOCTXSYNC, NULL), EBUSY);
	EXPECT(!loop.ended);
	loop_stop(&loop);
	client_close(&client);
}

TEST(sleep_of_a_second_is_stopped)
{
	struct nmreq_register request = exclusive_null(1, 1, 0);
	struct client client;
	struct loop loop;
	double before;

	need(PART_CSB);
	open_csb(&client, "csb", &request);
	loop_start(&loop, client.fd, 1000000, NULL);
	usleep(50000);
	before = check_now();
	loop_stop(&loop);
	EXPECT(check_now() - before < 3);
	client_close(&client);
}

/* Eventfds. */

TEST(eventfd_errors)
{
	static const uint64_t sizes[] = {24, 32, 48, 4000, 39, 41};
	struct nmreq_register request = exclusive_null(1, 1, 0);
	struct events events = events_of(2, true, true);
	struct client client;
	int pair[2];

	need(PART_CSB);
	open_csb(&client, "csb", &request);
	for (unsigned int i = 0; i < sizeof(sizes) / sizeof(*sizes); i++) {
		events.option.nro_opt.nro_size = sizes[i];
		EXPECT_ERRNO(kloop_start(client.fd, 0, &events), EINVAL);
		EXPECT_EQ(events.option.nro_opt.nro_status, EINVAL);
	}
	events.option.nro_opt.nro_size = 40;
	EXPECT_SYSTEM(pipe(pair));
	close(events.fds[1].io);
	events.fds[1].io = pair[0];
	EXPECT_ERRNO(kloop_start(client.fd, 0, &events), EINVAL);
	events.fds[1].io = 1000;
	EXPECT(kloop_start(client.fd, 0, &events) != 0);
	events.fds[1].io = -1;
	close(events.fds[0].irq);
	events.fds[0].irq = pair[1];
	EXPECT_ERRNO(kloop_start(client.fd, 0, &events), EINVAL);
	client_close(&client);
}

TEST(mode_errors)
{
	struct nmreq_register request = exclusive_null(1, 1, 0);
	struct events events = events_of(2, true, true);
	struct nmreq_opt_sync_kloop_mode mode;
	struct client client;

	need(PART_CSB);
	open_csb(&client, "csb", &request);
	mode = mode_of(4, &events);
	EXPECT_ERRNO(kloop_start(client.fd, 0, &mode), EINVAL);
	EXPECT_EQ(mode.nro_opt.nro_status, EINVAL);
	mode = mode_of(NM_OPT_SYNC_KLOOP_DIRECT_TX, NULL);
	EXPECT_ERRNO(kloop_start(client.fd, 0, &mode), EINVAL);
	close(events.fds[1].io);
	events.fds[1].io = -1;
	mode = mode_of(NM_OPT_SYNC_KLOOP_DIRECT_TX, &events);
	EXPECT_ERRNO(kloop_start(client.fd, 0, &mode), EINVAL);
	client_close(&client);
}

static void run_with_events(uint64_t flags, unsigned int rings, bool io, bool irq, uint32_t bits)
{
	struct nmreq_register request = exclusive_null(2, 2, flags);
	struct events events = events_of(rings, io, irq);
	struct nmreq_opt_sync_kloop_mode mode = mode_of(bits, &events);
	struct client client;
	struct loop loop;

	need(PART_CSB);
	open_csb(&client, "csb", &request);
	loop_start(&loop, client.fd, 100, bits ? (void *)&mode : (void *)&events);
	usleep(50000);
	EXPECT(!loop.ended);
	loop_stop(&loop);
	EXPECT_EQ(events.option.nro_opt.nro_status, 0);
	if (bits)
		EXPECT_EQ(mode.nro_opt.nro_status, 0);
	client_close(&client);
	events_close(&events);
}

TEST(eventfds_of_all_rings)
{
	run_with_events(0, 4, true, true, 0);
	run_with_events(0, 4, true, false, 0);
	run_with_events(0, 4, false, true, 0);
	run_with_events(0, 4, false, false, 0);
}

TEST(eventfds_of_one_direction)
{
	run_with_events(NR_TX_RINGS_ONLY, 2, true, true, 0);
	run_with_events(NR_RX_RINGS_ONLY, 2, true, true, 0);
}

TEST(direct_modes)
{
	for (uint32_t bits = 1; bits <= 3; bits++)
		run_with_events(0, 4, true, true, bits);
}
