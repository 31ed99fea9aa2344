/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * t_poll.c - blocking: which events come when, who pushes what, wake-ups, signals, timestamps, and
 * what bad indices give (ABI 3.1 to 3.3, 4). On pipes: they need no device.
 */
#include "check.h"
#include "client.h"
#include "parts.h"
#include "traffic.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

static struct client master, slave;

static void open_pipe_flags(uint64_t master_flags, uint64_t slave_flags)
{
	struct nmreq_register request = want(NR_REG_ALL_NIC);

	need(PART_PIPE);
	request.nr_tx_rings = request.nr_rx_rings = 2;
	request.nr_tx_slots = request.nr_rx_slots = 16;
	request.nr_flags = master_flags;
	client_open(&master, pipe_master("poll"), &request, NULL);
	request.nr_flags = slave_flags;
	client_open(&slave, pipe_slave("poll"), &request, NULL);
}

static void put(const struct client *client, unsigned int ring)
{
	char bytes[64];

	packet_make(bytes, sizeof(bytes), 1, 0);
	EXPECT_EQ(ring_put(tx_ring(client, ring), bytes, sizeof(bytes), 0), 1);
}

TEST(events_are_the_requested_ones)
{
	open_pipe_flags(0, 0);
	EXPECT_EQ(client_poll(&master, POLLIN, 10), 0);
	EXPECT_EQ(client_poll(&master, POLLOUT, 10), POLLOUT);
	EXPECT_EQ(client_poll(&master, POLLIN | POLLOUT, 10), POLLOUT);
	EXPECT_EQ(client_poll(&master, POLLOUT | POLLWRNORM, 10), POLLOUT | POLLWRNORM);
	EXPECT_EQ(client_poll(&master, POLLWRNORM, 10), POLLWRNORM);
	EXPECT_EQ(client_poll(&master, 0, 10), 0);
	EXPECT_EQ(client_poll(&master, POLLPRI, 10), 0);
	put(&slave, 1);
	tx_sync(&slave);
	EXPECT_EQ(client_poll(&master, POLLIN, 10), POLLIN);
	EXPECT_EQ(client_poll(&master, POLLRDNORM, 10), POLLRDNORM);
	EXPECT_EQ(client_poll(&master, POLLIN | POLLRDNORM | POLLOUT, 10),
		  POLLIN | POLLRDNORM | POLLOUT);
}

TEST(any_poll_pushes)
{
	static const short events[] = {0, POLLIN, POLLOUT};

	open_pipe_flags(0, 0);
	for (unsigned int i = 0; i < 3; i++) {
		put(&master, i % 2);
		client_poll(&master, events[i], 0);
		rx_sync(&slave);
		EXPECT_EQ(ring_room(rx_ring(&slave, i % 2)), i < 2 ? 1 : 2);
	}
}

TEST(no_tx_poll_pushes_only_when_asked)
{
	open_pipe_flags(NR_NO_TX_POLL, 0);
	put(&master, 0);
	client_poll(&master, 0, 0);
	client_poll(&master, POLLIN, 0);
	rx_sync(&slave);
	EXPECT_EQ(ring_room(rx_ring(&slave, 0)), 0);
	EXPECT_EQ(client_poll(&master, POLLOUT, 0), POLLOUT);
	rx_sync(&slave);
	EXPECT_EQ(ring_room(rx_ring(&slave, 0)), 1);
	put(&master, 0);
	tx_sync(&master);
	rx_sync(&slave);
	EXPECT_EQ(ring_room(rx_ring(&slave, 0)), 2);
}

/* Readable is cur != tail, whatever head is. */
TEST(cur_is_the_wakeup_point)
{
	struct netmap_ring *ring;

	open_pipe_flags(0, 0);
	put(&slave, 0);
	put(&slave, 0);
	tx_sync(&slave);
	EXPECT_EQ(client_poll(&master, POLLIN, 0), POLLIN);
	ring = rx_ring(&master, 0);
	ring->cur = ring->tail; /* keeps both, waits for more */
	EXPECT_EQ(client_poll(&master, POLLIN, 20), 0);
	EXPECT_EQ(ring_room(ring), 2);
	put(&slave, 0);
	tx_sync(&slave);
	EXPECT_EQ(client_poll(&master, POLLIN, 1000), POLLIN);
	EXPECT_EQ(ring_room(ring), 3);
	ring = tx_ring(&master, 0);
	ring->cur = ring->tail; /* wants more room than there is */
	tx_ring(&master, 1)->cur = tx_ring(&master, 1)->tail;
	EXPECT_EQ(client_poll(&master, POLLOUT, 20), 0);
}

TEST(one_direction_never_fires_the_other)
{
	open_pipe_flags(NR_TX_RINGS_ONLY, NR_RX_RINGS_ONLY);
	EXPECT_EQ(client_poll(&master, POLLIN, 20), 0);
	EXPECT_EQ(client_poll(&slave, POLLOUT, 20), 0);
	put(&master, 0);
	EXPECT_EQ(client_poll(&master, POLLOUT, 0), POLLOUT);
	EXPECT_EQ(client_poll(&slave, POLLIN, 0), POLLIN);
}

/* Wake-ups. */

struct sleeper {
	struct client *client;
	short events;
	short got;
	double woken;
};

static void *sleep_in_poll(void *argument)
{
	struct sleeper *sleeper = argument;

	sleeper->got = client_poll(sleeper->client, sleeper->events, 20000);
	sleeper->woken = check_now();
	return NULL;
}

/* Woken, which is not to find the news when the time is up. */
static void expect_woken(const struct sleeper *sleeper, short event, double since)
{
	EXPECT_EQ(sleeper->got, event);
	if (sleeper->woken - since > 10)
		FAIL("woken %.1f s after the event", sleeper->woken - since);
}

TEST(reader_wakes_at_a_packet)
{
	for (unsigned int ring = 0; ring < 2; ring++) {
		struct sleeper sleeper = {&slave, POLLIN, 0, 0};
		pthread_t thread;
		double before;

		open_pipe_flags(0, 0);
		EXPECT_OK(pthread_create(&thread, NULL, sleep_in_poll, &sleeper));
		usleep(200000);
		put(&master, ring);
		before = check_now();
		tx_sync(&master);
		pthread_join(thread, NULL);
		expect_woken(&sleeper, POLLIN, before);
		client_close(&master);
		client_close(&slave);
	}
}

TEST(writer_wakes_at_space)
{
	struct sleeper sleeper = {&master, POLLOUT, 0, 0};
	pthread_t thread;
	double before;

	open_pipe_flags(0, 0);
	for (unsigned int ring = 0; ring < 2; ring++) {
		while (ring_room(tx_ring(&master, ring)))
			put(&master, ring);
	}
	EXPECT_EQ(client_poll(&master, POLLOUT, 20), 0);
	EXPECT_OK(pthread_create(&thread, NULL, sleep_in_poll, &sleeper));
	usleep(200000);
	rx_sync(&slave);
	rx_ring(&slave, 1)->head = rx_ring(&slave, 1)->cur = 3;
	before = check_now();
	rx_sync(&slave);
	pthread_join(thread, NULL);
	expect_woken(&sleeper, POLLOUT, before);
}

TEST(several_sleepers_wake)
{
	struct sleeper sleepers[3] = {{&slave, POLLIN, 0, 0}, {0}, {0}};
	struct nmreq_register request = want(NR_REG_ONE_NIC);
	struct client all, one;
	pthread_t threads[3];
	double before;

	open_pipe_flags(0, 0);
	request.nr_ringid = 1;
	client_open(&one, pipe_slave("poll"), &request, NULL);
	request = want(NR_REG_ALL_NIC);
	client_open(&all, pipe_slave("poll"), &request, NULL);
	sleepers[1] = (struct sleeper){&one, POLLIN, 0, 0};
	sleepers[2] = (struct sleeper){&all, POLLIN, 0, 0};
	for (int i = 0; i < 3; i++)
		EXPECT_OK(pthread_create(&threads[i], NULL, sleep_in_poll, &sleepers[i]));
	usleep(200000);
	put(&master, 1);
	before = check_now();
	tx_sync(&master);
	for (int i = 0; i < 3; i++) {
		pthread_join(threads[i], NULL);
		expect_woken(&sleepers[i], POLLIN, before);
	}
}

static void ignore(int number)
{
	(void)number;
}

TEST(signals_interrupt)
{
	struct sigaction action = {.sa_handler = ignore};
	struct itimerval timer = {.it_value = {.tv_usec = 200000}};
	struct pollfd entry;

	open_pipe_flags(0, 0);
	entry = (struct pollfd){.fd = master.fd, .events = POLLIN};
	sigaction(SIGALRM, &action, NULL);
	setitimer(ITIMER_REAL, &timer, NULL);
	EXPECT(poll(&entry, 1, 20000) == -1 && errno == EINTR);
}

/* One event for each arrival, also when it was waited for by edge. */
TEST(epoll_by_edge)
{
	struct epoll_event event = {.events = EPOLLIN | EPOLLET};
	struct netmap_ring *ring;
	int epoll;

	open_pipe_flags(0, 0);
	epoll = epoll_create1(0);
	EXPECT_SYSTEM(epoll_ctl(epoll, EPOLL_CTL_ADD, slave.fd, &event));
	EXPECT_EQ(epoll_wait(epoll, &event, 1, 0), 0);
	for (int i = 0; i < 50; i++) {
		put(&master, 0);
		tx_sync(&master);
		EXPECT_EQ(epoll_wait(epoll, &event, 1, 2000), 1);
		ring = rx_ring(&slave, 0);
		EXPECT_EQ(ring_room(ring), 1);
		ring->head = ring->cur = ring->tail;
		rx_sync(&slave);
		tx_sync(&master);
	}
}

TEST(epoll_of_epoll)
{
	struct epoll_event event = {.events = EPOLLIN};
	int inner, outer;

	open_pipe_flags(0, 0);
	inner = epoll_create1(0);
	outer = epoll_create1(0);
	EXPECT_SYSTEM(epoll_ctl(inner, EPOLL_CTL_ADD, slave.fd, &event));
	EXPECT_SYSTEM(epoll_ctl(outer, EPOLL_CTL_ADD, inner, &event));
	EXPECT_EQ(epoll_wait(outer, &event, 1, 10), 0);
	put(&master, 0);
	tx_sync(&master);
	EXPECT_EQ(epoll_wait(outer, &event, 1, 1000), 1);
}

/* Closed under a sleeper: the poll holds the file, and is woken as ever. */
TEST(close_during_poll)
{
	struct sleeper sleeper = {&slave, POLLIN, 0, 0};
	struct client copy;
	pthread_t thread;
	double closed;

	open_pipe_flags(0, 0);
	copy = slave;
	sleeper.client = &copy;
	EXPECT_OK(pthread_create(&thread, NULL, sleep_in_poll, &sleeper));
	usleep(100000);
	client_close(&slave);
	closed = check_now();
	put(&master, 0);
	tx_sync(&master);
	pthread_join(thread, NULL);
	EXPECT(sleeper.got == POLLIN || sleeper.got == POLLNVAL); /* the number means nothing now */
	EXPECT(sleeper.woken - closed < 10);
}

/* Time stamps. */

static double stamp_of(const struct netmap_ring *ring)
{
	return (double)ring->ts.tv_sec + (double)ring->ts.tv_usec / 1e6;
}

static double wall(void)
{
	struct timeval now;

	gettimeofday(&now, NULL);
	return (double)now.tv_sec + (double)now.tv_usec / 1e6;
}

TEST(timestamps_of_rx_syncs)
{
	double before = wall() - 0.05;

	open_pipe_flags(0, 0);
	rx_sync(&slave);
	EXPECT(stamp_of(rx_ring(&slave, 0)) > before);
	EXPECT(stamp_of(rx_ring(&slave, 1)) < wall() + 0.05);
	EXPECT(rx_ring(&slave, 0)->ts.tv_usec < 1000000);
	before = stamp_of(rx_ring(&slave, 0));
	usleep(20000);
	client_poll(&slave, POLLIN, 0);
	EXPECT(stamp_of(rx_ring(&slave, 0)) > before);
	tx_sync(&slave);
	EXPECT_EQ(tx_ring(&slave, 0)->ts.tv_sec, 0);
}

TEST(timestamps_switched_off)
{
	open_pipe_flags(0, 0);
	parameter_set("no_timestamp", 1);
	rx_ring(&slave, 1)->flags = NR_TIMESTAMP;
	rx_sync(&slave);
	parameter_set("no_timestamp", 0);
	EXPECT_EQ(rx_ring(&slave, 0)->ts.tv_sec, 0);
	EXPECT(rx_ring(&slave, 1)->ts.tv_sec > 0);
}

/* Bad indices. */

static void expect_refused(struct client *client, struct netmap_ring *ring, short event)
{
	const uint32_t head = ring->head, cur = ring->cur;
	short got = client_poll(client, event, 0);

	if (!(got & POLLERR))
		FAIL("head %u, cur %u: poll gave 0x%x", head, cur, got);
	got = client_poll(client, event, 0);
	if (got & POLLERR)
		FAIL("head %u, cur %u: not repaired", head, cur);
}

TEST(bad_tx_indices_are_repaired)
{
	static const uint32_t wrong[] = {16, 17, 0x7fffffff, 0xffffffff, 1, 0};
	struct netmap_ring *ring;

	open_pipe_flags(0, 0);
	ring = tx_ring(&master, 0);
	for (uint32_t i = 0; i < 3; i++)
		put(&master, 0);
	tx_sync(&master); /* hwcur 3, tail 15 */
	for (unsigned int i = 0; i < sizeof(wrong) / sizeof(*wrong); i++) {
		ring->head = ring->cur = wrong[i];
		expect_refused(&master, ring, POLLOUT);
		EXPECT_EQ(ring->head, 3);
		EXPECT_EQ(ring->cur, 3);
		EXPECT_EQ(ring->tail, 15);
		ring->head = wrong[i];
		tx_sync(&master);
		EXPECT_EQ(ring->head, 3);
		EXPECT_EQ(ring->cur, 3);
	}
	ring->head = 5;
	ring->cur = 4; /* behind head */
	expect_refused(&master, ring, POLLOUT);
	ring->head = 4;
	ring->cur = 0; /* beyond tail */
	expect_refused(&master, ring, POLLOUT);
	rx_sync(&slave);
	EXPECT_EQ(ring_room(rx_ring(&slave, 0)), 3); /* nothing was sent */
	put(&master, 0);
	tx_sync(&master);
	rx_sync(&slave);
	EXPECT_EQ(ring_room(rx_ring(&slave, 0)), 4);
}

TEST(bad_rx_indices_are_repaired)
{
	static const uint32_t wrong[] = {16, 0xffffffff, 5, 10, 15};
	struct netmap_ring *ring;

	open_pipe_flags(0, 0);
	ring = rx_ring(&slave, 0);
	for (uint32_t i = 0; i < 4; i++)
		put(&master, 0);
	tx_sync(&master);
	rx_sync(&slave); /* hwcur 0, tail 4 */
	for (unsigned int i = 0; i < sizeof(wrong) / sizeof(*wrong); i++) {
		ring->head = ring->cur = wrong[i];
		expect_refused(&slave, ring, POLLIN);
		EXPECT_EQ(ring->head, 0);
		EXPECT_EQ(ring->cur, 0);
		EXPECT_EQ(ring->tail, 4);
	}
	ring->head = 2;
	ring->cur = 1;
	expect_refused(&slave, ring, POLLIN);
	EXPECT_EQ(ring_room(ring), 4);
}

TEST(slots_of_a_refused_ring_are_checked)
{
	struct netmap_ring *ring;

	open_pipe_flags(0, 0);
	ring = tx_ring(&master, 0);
	ring->slot[5].buf_idx = 1;
	ring->slot[6].buf_idx = 0x40000000;
	ring->slot[7].len = 0xffff;
	ring->head = 1000;
	expect_refused(&master, ring, POLLOUT);
	EXPECT_EQ(ring->slot[5].buf_idx, 0);
	EXPECT_EQ(ring->slot[5].len, 0);
	EXPECT_EQ(ring->slot[6].buf_idx, 0);
	EXPECT_EQ(ring->slot[7].len, 0);
}

TEST(altered_tail_is_restored)
{
	struct netmap_ring *ring;

	open_pipe_flags(0, 0);
	ring = tx_ring(&master, 0);
	ring->tail = 9;
	EXPECT_EQ(client_poll(&master, POLLOUT, 0), POLLOUT);
	EXPECT_EQ(ring->tail, 15);
	ring = rx_ring(&slave, 0);
	ring->tail = 3;
	rx_sync(&slave);
	EXPECT_EQ(ring->tail, 0);
	EXPECT_EQ(ring->head, 0);
}

/* The fields that only the kernel writes mean nothing to it. */
TEST(altered_header_is_harmless)
{
	struct netmap_ring *ring;

	open_pipe_flags(0, 0);
	ring = tx_ring(&master, 0);
	ring->num_slots = 0xffffffff;
	ring->nr_buf_size = 0xffffffff;
	ring->buf_ofs = -1;
	ring->ringid = 0xffff;
	ring->dir = 7;
	ring->offset_mask = ~0ull;
	ring->slot[0].len = 64;
	ring->head = ring->cur = 1;
	tx_sync(&master);
	rx_sync(&slave);
	EXPECT_EQ(ring_room(rx_ring(&slave, 0)), 1);
	ring->head = ring->cur = 16;
	client_poll(&master, POLLOUT, 0);
	EXPECT_EQ(ring->head, 1);
}
