/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * t_csb_data.c - data through the kernel's sync loop, and what befalls a loop: bad indices, memory
 * that goes, signals, closes (ABI 5.6; checklist 17, 31). The loop moves the master of a pipe.
 */
#include "check.h"
#include "client.h"
#include "loop.h"
#include "parts.h"
#include "traffic.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

static struct client master, slave;

static void open_pipe_csb(void)
{
	struct nmreq_register request = want(NR_REG_ALL_NIC);

	need(PART_CSB);
	need(PART_PIPE);
	request.nr_tx_slots = request.nr_rx_slots = 64;
	client_open(&slave, pipe_slave("csb"), &request, NULL);
	request.nr_flags = NR_EXCLUSIVE;
	open_csb(&master, pipe_master("csb"), &request);
}

static void atok_set(unsigned int entry, uint32_t index, struct events *events, bool direct)
{
	atomic_thread_fence(memory_order_release);
	((volatile struct nm_csb_atok *)&csb.atok[entry])->cur = index;
	atomic_thread_fence(memory_order_release);
	((volatile struct nm_csb_atok *)&csb.atok[entry])->head = index;
	atomic_thread_fence(memory_order_seq_cst);
	if (events && (direct || ((volatile struct nm_csb_ktoa *)&csb.ktoa[entry])->kern_need_kick))
		EXPECT_SYSTEM(eventfd_write(events->fds[entry].io, 1));
}

static uint32_t ktoa_tail(unsigned int entry)
{
	uint32_t tail = ((volatile struct nm_csb_ktoa *)&csb.ktoa[entry])->hwtail;

	atomic_thread_fence(memory_order_acquire);
	return tail;
}

/* The ring as the program sees it, with indices from the CSB, which ring_put and ring_take use. */
static void pull(struct netmap_ring *ring, unsigned int entry)
{
	ring->tail = ktoa_tail(entry);
}

static void expect_packet(struct netmap_ring *ring, uint32_t *count)
{
	const char *fault;
	char bytes[2048];
	uint32_t length = ring_take(ring, bytes, sizeof(bytes));

	fault = packet_fault(bytes, length, 1, (*count)++);
	if (fault)
		FAIL("%s", fault);
}

static uint32_t put_packet(struct netmap_ring *ring, uint32_t number)
{
	char bytes[2048];
	uint32_t length = PACKET_MIN + number % 1000;

	packet_make(bytes, length, 1, number);
	return ring_put(ring, bytes, length, 0);
}

static void move_data(struct events *events, bool direct, uint32_t packets)
{
	uint32_t out = 0, in = 0, sent = 0, got = 0;
	double moved = check_now();

	while (out < packets || in < packets) {
		uint32_t before = out + in + sent + got;
		struct netmap_ring *tx = tx_ring(&master, 0), *rx = rx_ring(&master, 0);

		pull(tx, 0);
		pull(rx, 1);
		while (sent < packets && put_packet(tx, sent))
			sent++;
		while (ring_room(rx))
			expect_packet(rx, &in);
		atok_set(0, tx->head, events, direct);
		atok_set(1, rx->head, events, direct);
		rx_sync(&slave);
		while (ring_room(rx_ring(&slave, 0)))
			expect_packet(rx_ring(&slave, 0), &out);
		while (got < packets && put_packet(tx_ring(&slave, 0), got))
			got++;
		rx_sync(&slave);
		tx_sync(&slave);
		if (out + in + sent + got != before)
			moved = check_now();
		else
			usleep(100);
		if (check_now() - moved > 10)
			FAIL("stalls: %u of %u out, %u of %u in", out, sent, in, got);
	}
}

TEST(data_by_sleeping_loop)
{
	struct loop loop;

	open_pipe_csb();
	loop_start(&loop, master.fd, 50, NULL);
	move_data(NULL, false, 3000);
	EXPECT_EQ(csb.ktoa[0].kern_need_kick, 0);
	loop_stop(&loop);
}

TEST(data_by_busy_loop)
{
	struct loop loop;

	open_pipe_csb();
	loop_start(&loop, master.fd, 0, NULL);
	move_data(NULL, false, 3000);
	loop_stop(&loop);
}

TEST(data_by_eventfds)
{
	struct events events = events_of(2, true, true);
	struct loop loop;
	uint64_t count;

	open_pipe_csb();
	loop_start(&loop, master.fd, 0, &events);
	move_data(&events, false, 3000);
	loop_stop(&loop);
	EXPECT_OK(eventfd_read(events.fds[0].irq, &count) ? errno : 0);
	EXPECT_OK(eventfd_read(events.fds[1].irq, &count) ? errno : 0);
}

TEST(data_by_direct_modes)
{
	for (uint32_t bits = 1; bits <= 3; bits++) {
		struct events events = events_of(2, true, true);
		struct nmreq_opt_sync_kloop_mode mode = mode_of(bits, &events);
		struct loop loop;

		open_pipe_csb();
		loop_start(&loop, master.fd, 0, &mode);
		usleep(50000);
		move_data(&events, true, 1000);
		loop_stop(&loop);
		client_close(&master);
		client_close(&slave);
		events_close(&events);
	}
}

TEST(bad_indices_do_not_end_the_loop)
{
	static const uint32_t wrong[] = {64, 0xffffffff, 63, 1000};
	struct netmap_ring *tx, *rx;
	struct loop loop;

	open_pipe_csb();
	loop_start(&loop, master.fd, 50, NULL);
	for (unsigned int i = 0; i < sizeof(wrong) / sizeof(*wrong); i++) {
		csb.atok[0].cur = 0;
		csb.atok[0].head = wrong[i];
		csb.atok[1].head = csb.atok[1].cur = wrong[i];
		usleep(20000);
	}
	EXPECT(!loop.ended);
	atok_set(0, csb.ktoa[0].hwcur, NULL, false);
	atok_set(1, csb.ktoa[1].hwcur, NULL, false);
	tx = tx_ring(&master, 0);
	rx = rx_ring(&master, 0);
	tx->head = tx->cur = csb.ktoa[0].hwcur;
	rx->head = rx->cur = csb.ktoa[1].hwcur;
	usleep(20000);
	move_data(NULL, false, 500);
	loop_stop(&loop);
}

/* The CSB is unmapped under the loop: it may end, but must be stoppable. */
TEST(vanishing_csb)
{
	struct nmreq_register request = exclusive_null(1, 1, 0);
	struct csb *own =
		mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	struct nmreq_opt_csb option = option_csb(own->atok, own->ktoa);
	struct client client;
	struct loop loop;

	need(PART_CSB);
	EXPECT(own != MAP_FAILED);
	client_open(&client, "csb", &request, &option);
	loop_start(&loop, client.fd, 100, NULL);
	usleep(50000);
	munmap(own, 8192);
	usleep(50000);
	EXPECT_OK(kloop_stop(client.fd));
	pthread_join(loop.thread, NULL);
	client_close(&client);
}

TEST(killed_loops_end)
{
	need(PART_CSB);
	for (int i = 0; i < 10; i++) {
		int status;
		pid_t child = fork();

		if (child == 0) {
			struct nmreq_register request = exclusive_null(1, 1, 0);
			struct events events = events_of(2, true, true);
			struct client client;

			open_csb(&client, "csb", &request);
			kloop_start(client.fd, 100, i % 2 ? &events : NULL);
			_exit(1);
		}
		usleep(100000);
		kill(child, SIGKILL);
		EXPECT_EQ(waitpid(child, &status, 0), child);
		EXPECT(WIFSIGNALED(status)); /* it ran until then */
	}
}

/* The last descriptor goes while another process still runs the loop through its own copy. */
TEST(closed_while_running)
{
	struct nmreq_register request = exclusive_null(1, 1, 0);
	struct client client;
	struct loop loop;
	int copy;

	need(PART_CSB);
	open_csb(&client, "csb", &request);
	copy = dup(client.fd);
	loop_start(&loop, client.fd, 100, NULL);
	usleep(50000);
	client_close(&client);
	loop.fd = copy;
	loop_stop(&loop);
	close(copy);
}
