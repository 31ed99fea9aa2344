/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * t_kill.c - programs that die with traffic in flight, at a random instant: everything comes back,
 * and the other end lives (checklist 30, 33). --minutes makes it as many deaths as fit.
 */
#include "check.h"
#include "client.h"
#include "parts.h"
#include "random.h"
#include "traffic.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define DEATHS 40
#define LONG   300 /* seconds, besides --minutes */

static struct nmreq_register shape(uint64_t flags)
{
	struct nmreq_register request = want(NR_REG_ALL_NIC);

	request.nr_tx_slots = request.nr_rx_slots = 128;
	request.nr_extra_bufs = 16;
	request.nr_flags = flags;
	return request;
}

/* Sends and drains for ever, swapping its spare buffers through the ring. */
static _Noreturn void traffic(const char *name, uint64_t flags)
{
	struct nmreq_register request = shape(flags);
	struct client client;
	char bytes[1500];

	client_open(&client, name, &request, NULL);
	packet_make(bytes, sizeof(bytes), 1, 0);
	for (;;) {
		struct netmap_ring *tx = tx_ring(&client, 0), *rx = rx_ring(&client, 0);

		while (ring_room(tx)) {
			struct netmap_slot *slot = &tx->slot[tx->head];
			uint32_t spare = client.nif->ni_bufs_head;

			if (spare) {
				client.nif->ni_bufs_head = *(uint32_t *)buffer_at(tx, spare);
				*(uint32_t *)buffer_at(tx, slot->buf_idx) =
					client.nif->ni_bufs_head;
				client.nif->ni_bufs_head = slot->buf_idx;
				slot->buf_idx = spare;
			}
			ring_put(tx, bytes, PACKET_MIN + random_below(1400), 0);
			slot->flags |= NS_BUF_CHANGED;
		}
		rx->head = rx->cur = rx->tail;
		client_poll(&client, POLLIN | POLLOUT, 1);
	}
}

static pid_t start(const char *name, uint64_t flags)
{
	pid_t child = fork();

	EXPECT_SYSTEM(child);
	random_word();
	if (child == 0)
		traffic(name, flags);
	return child;
}

static void end(pid_t child)
{
	int status;

	kill(child, SIGKILL);
	EXPECT_EQ(waitpid(child, &status, 0), child);
	EXPECT(WIFSIGNALED(status)); /* it was still at work */
}

static bool again(int round, double begin)
{
	return check_options.minutes ? check_now() - begin < check_options.minutes * 60
				     : round < DEATHS;
}

/* Both ends of something die, in either order, at any time after their start. */
static void kill_both(const char *one, const char *other, uint64_t flags)
{
	double begin = check_now();
	int round;

	random_begin();
	for (round = 0; again(round, begin); round++) {
		pid_t first = start(one, flags), second = start(other, flags);

		usleep(30000 + random_below(60000));
		end(round % 2 ? first : second);
		usleep(random_below(5000));
		end(round % 2 ? second : first);
	}
	check_note("%d pairs died\n", round);
}

TEST_WITHIN(both_ends_of_a_pipe, LONG)
{
	char master[64];

	need(PART_PIPE);
	strcpy(master, pipe_master("dies"));
	kill_both(master, pipe_slave("dies"), NR_EXCLUSIVE);
}

TEST_WITHIN(two_switch_ports, LONG)
{
	need(PART_VALE);
	kill_both("vale3:k", "vale3:l", NR_EXCLUSIVE);
}

TEST_WITHIN(both_ends_of_a_veth_pair, LONG)
{
	need(PART_NETDEV);
	kill_both(VETH_A, VETH_B, NR_EXCLUSIVE);
}

/* One end dies again and again; the other stays bound and is not harmed. */
TEST_WITHIN(peer_survives, LONG)
{
	struct nmreq_register request = shape(0);
	double begin = check_now();
	struct client slave;
	char name[64];

	need(PART_PIPE);
	random_begin();
	strcpy(name, pipe_master("lives"));
	client_open(&slave, pipe_slave("lives"), &request, NULL);
	for (int round = 0; again(round, begin); round++) {
		pid_t child = start(name, NR_EXCLUSIVE);
		double until = check_now() + 0.03 + random_below(50) / 1000.0;

		while (check_now() < until) {
			struct netmap_ring *rx = rx_ring(&slave, 0);

			client_poll(&slave, POLLIN, 1);
			rx->head = rx->cur = rx->tail;
		}
		end(child);
	}
	client_close(&slave);
}

/* In the middle of binding, mapping and closing. */
TEST_WITHIN(while_it_binds, LONG)
{
	double begin = check_now();
	char name[64];

	need(PART_PIPE);
	random_begin();
	strcpy(name, pipe_master("binds"));
	for (int round = 0; again(round, begin); round++) {
		pid_t child = fork();

		EXPECT_SYSTEM(child);
		if (child == 0) {
			for (;;) {
				struct nmreq_register request = shape(0);
				struct client client;

				client_open(&client, name, &request, NULL);
				tx_sync(&client);
				client_close(&client);
			}
		}
		usleep(5000 + random_below(30000));
		end(child);
	}
}

/* Asleep in poll, with threads. */
TEST_WITHIN(while_it_sleeps, LONG)
{
	char name[64];

	need(PART_PIPE);
	strcpy(name, pipe_master("sleeps"));
	for (int round = 0; round < 20; round++) {
		struct nmreq_register request = shape(NR_EXCLUSIVE);
		struct client client;
		pid_t child = fork();

		EXPECT_SYSTEM(child);
		if (child == 0) {
			client_open(&client, name, &request, NULL);
			client_poll(&client, POLLIN, -1);
			_exit(1);
		}
		usleep(20000);
		end(child);
		EXPECT_OK(client_bind(&client, name, &request, NULL));
		client_close(&client);
	}
}
