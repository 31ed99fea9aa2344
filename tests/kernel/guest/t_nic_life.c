/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * t_nic_life.c - devices that go down, away or elsewhere while they are bound, with and without
 * traffic and sleepers (ABI 1.10; checklist 32).
 */
#include "check.h"
#include "client.h"
#include "parts.h"
#include "topology.h"
#include "traffic.h"

#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static struct client near, far;
static atomic_bool done;

static void begin(void)
{
	need(PART_NETDEV);
	if (!strcmp(check_options.path, "xdp"))
		need(PART_XDP);
	shell("ip link del nml0 2>/dev/null; ip link add nml0 type veth peer name nml1 && "
	      "ip link set nml0 up && ip link set nml1 up");
}

static void open_pair(void)
{
	struct nmreq_register request = want(NR_REG_NIC_SW);

	begin();
	client_open(&near, "nml0", &request, NULL);
	client_open(&far, "nml1", &request, NULL);
}

static void *blast(void *argument)
{
	const struct client *client = argument;
	char bytes[200];

	packet_make(bytes, sizeof(bytes), 1, 0);
	while (!done) {
		for (uint32_t r = 0; r < client->reg.nr_tx_rings; r++) {
			while (ring_put(tx_ring(client, r), bytes, sizeof(bytes), 0))
				;
		}
		for (uint32_t r = 0; r < client->reg.nr_rx_rings; r++) {
			struct netmap_ring *ring = rx_ring(client, r);

			ring->head = ring->cur = ring->tail;
		}
		ioctl(client->fd, NIOCTXSYNC);
		ioctl(client->fd, NIOCRXSYNC);
	}
	return NULL;
}

static void expect_dead(const struct client *client)
{
	EXPECT_ERRNO(netmap_ioctl(client->fd, NIOCTXSYNC, NULL), EIO);
	EXPECT_ERRNO(netmap_ioctl(client->fd, NIOCRXSYNC, NULL), EIO);
	EXPECT(client_poll(client, POLLIN, 1000) & POLLERR);
	tx_ring(client, 0)->sem[0] = 1; /* the mapping is still there */
}

static void during_traffic(void (*change)(void))
{
	pthread_t threads[2];

	done = false;
	EXPECT_OK(pthread_create(&threads[0], NULL, blast, &near));
	EXPECT_OK(pthread_create(&threads[1], NULL, blast, &far));
	usleep(300000);
	change();
	usleep(300000);
	done = true;
	pthread_join(threads[0], NULL);
	pthread_join(threads[1], NULL);
}

static void remove_pair(void)
{
	shell("timeout 20 ip link del nml0");
}

TEST(removed_while_bound)
{
	open_pair();
	remove_pair();
	EXPECT(!if_nametoindex("nml0") && !if_nametoindex("nml1"));
	expect_dead(&near);
	expect_dead(&far);
	client_close(&near);
	client_close(&far);
}

TEST(removed_under_traffic)
{
	for (int round = 0; round < 5; round++) {
		open_pair();
		during_traffic(remove_pair);
		expect_dead(&near);
		client_close(&near);
		client_close(&far);
	}
}

static void *sleep_in_poll(void *argument)
{
	*(short *)argument = client_poll(&near, POLLIN, 20000);
	return NULL;
}

TEST(removal_wakes_sleepers)
{
	pthread_t thread;
	double before;
	short got = 0;

	open_pair();
	EXPECT_OK(pthread_create(&thread, NULL, sleep_in_poll, &got));
	usleep(200000);
	before = check_now();
	remove_pair();
	pthread_join(thread, NULL);
	EXPECT(got & POLLERR);
	EXPECT(check_now() - before < 10);
}

/* A new device of the same name is another one. */
TEST(same_name_again)
{
	struct nmreq_register request = want(NR_REG_ALL_NIC);
	struct client again;

	open_pair();
	remove_pair();
	begin();
	client_open(&again, "nml0", &request, NULL);
	tx_sync(&again);
	expect_dead(&near);
	client_close(&near);
	client_close(&far);
	tx_sync(&again);
	client_close(&again);
	remove_pair();
}

static void down_and_up(void)
{
	for (int i = 0; i < 3; i++) {
		shell("ip link set nml0 down");
		usleep(50000);
		shell("ip link set nml0 up");
		usleep(50000);
	}
}

TEST(down_is_no_trap)
{
	double before = check_now();

	open_pair();
	shell("ip link set nml0 down");
	for (int i = 0; i < 10; i++) {
		tx_sync(&near);
		rx_sync(&near);
		client_poll(&near, POLLIN, 10);
	}
	EXPECT(check_now() - before < 5);
	shell("ip link set nml0 up");
	client_close(&near);
	client_close(&far);
	remove_pair();
}

TEST(down_and_up_under_traffic)
{
	struct flow flow = {.from = &near,
			    .to = &far,
			    .stream = 2,
			    .min_length = 60,
			    .max_length = 1000,
			    .packets = 300,
			    .window = 50};

	open_pair();
	during_traffic(down_and_up);
	usleep(100000);
	client_close(&near);
	client_close(&far);
	open_pair();
	flow_run(&flow);
	client_close(&near);
	client_close(&far);
	remove_pair();
}

static void move_to_namespace(void)
{
	shell("ip link set nml0 netns nmaway");
}

TEST(moved_to_another_namespace)
{
	for (int round = 0; round < 3; round++) {
		begin();
		shell("ip netns add nmaway");
		client_open(&near, "nml0", &(struct nmreq_register){.nr_mode = 3}, NULL);
		client_open(&far, "nml1", &(struct nmreq_register){.nr_mode = 3}, NULL);
		during_traffic(move_to_namespace);
		expect_dead(&near);
		client_close(&near);
		client_close(&far);
		shell("ip netns del nmaway");
		remove_pair();
	}
}

/* The namespace's name goes; it ends with its last process, and takes virtual devices along. */
TEST(namespace_deleted_while_bound)
{
	int told[2];
	pid_t child;
	char byte;

	begin();
	shell("ip netns add nmaway && ip link set nml0 netns nmaway && "
	      "ip -n nmaway link set nml0 up");
	EXPECT_SYSTEM(pipe(told));
	child = fork();
	if (child == 0) {
		int space = open("/run/netns/nmaway", O_RDONLY);

		EXPECT_SYSTEM(setns(space, CLONE_NEWNET));
		close(space);
		client_open(&near, "nml0", &(struct nmreq_register){.nr_mode = 3}, NULL);
		EXPECT_EQ(write(told[1], "x", 1), 1);
		blast(&near);
	}
	EXPECT_EQ(read(told[0], &byte, 1), 1);
	usleep(200000);
	shell("ip netns del nmaway");
	usleep(200000);
	kill(child, SIGKILL);
	EXPECT_EQ(waitpid(child, NULL, 0), child);
	for (int tries = 0; tries < 100 && if_nametoindex("nml1"); tries++)
		usleep(100000);
	EXPECT(!if_nametoindex("nml1")); /* the pair went with the namespace */
}

TEST(bridge_member_is_refused)
{
	struct nmreq_register request = want(NR_REG_ALL_NIC);
	int error;

	begin();
	shell("ip link add nmbr type bridge && ip link set nml0 master nmbr");
	error = client_bind(&near, "nml0", &request, NULL);
	shell("ip link del nmbr");
	EXPECT_ERRNO(error, EBUSY);
	EXPECT_OK(client_bind(&near, "nml0", &request, NULL));
	client_close(&near);
	remove_pair();
}

TEST(bound_device_joins_no_bridge)
{
	open_pair();
	shell("ip link add nmbr type bridge");
	EXPECT(shell_status("ip link set nml0 master nmbr 2>/dev/null") != 0);
	shell("ip link del nmbr");
	client_close(&near);
	client_close(&far);
	remove_pair();
}

TEST(channels_stay_while_bound)
{
	begin();
	shell("ip link del nml0; ip link add nml0 numtxqueues 4 numrxqueues 4 type veth peer name "
	      "nml1 numtxqueues 4 numrxqueues 4; ip link set nml0 up; ip link set nml1 up");
	client_open(&near, "nml0", &(struct nmreq_register){.nr_mode = NR_REG_ALL_NIC}, NULL);
	shell_status("ethtool -L nml0 rx 1 tx 1 2>/dev/null");
	for (uint32_t r = 0; r < near.reg.nr_tx_rings; r++) {
		tx_ring(&near, r)->slot[0].len = 100;
		tx_ring(&near, r)->head = tx_ring(&near, r)->cur = 1;
	}
	tx_sync(&near);
	client_close(&near);
	remove_pair();
}

static void pause_for_ever(void)
{
	pause();
}

TEST(killed_under_traffic)
{
	for (int round = 0; round < 10; round++) {
		pid_t child;

		begin();
		child = fork();
		if (child == 0) {
			struct nmreq_register request = want(NR_REG_NIC_SW);

			client_open(&near, "nml0", &request, NULL);
			client_open(&far, "nml1", &request, NULL);
			during_traffic(pause_for_ever);
		}
		usleep(300000);
		kill(child, SIGKILL);
		EXPECT_EQ(waitpid(child, NULL, 0), child);
		remove_pair();
	}
}
