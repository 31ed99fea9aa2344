/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * t_corrupt.c - rings and lists scribbled over, also by a second thread while the kernel works on
 * them: nothing may crash, leave the pools or lock up, and a repaired ring works (checklist 31).
 */
#include "check.h"
#include "client.h"
#include "parts.h"
#include "random.h"
#include "traffic.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define SHORT_RUN 4.0 /* seconds */

static double duration(void)
{
	return check_options.minutes ? check_options.minutes * 60 : SHORT_RUN;
}

/* Values that break things: limits, their neighbours, signs, and anything. */
static uint32_t odd_word(uint32_t limit)
{
	switch (random_below(8)) {
	case 0:
		return limit - 1;
	case 1:
		return limit;
	case 2:
		return limit + 1;
	case 3:
		return 0xffffffff - random_below(3);
	case 4:
		return 0x80000000 - random_below(3);
	case 5:
		return random_below(3);
	case 6:
		return random_below(limit ? limit : 1);
	default:
		return (uint32_t)random_word();
	}
}

static void scribble_slot(struct netmap_ring *ring, uint32_t slots, uint32_t buffers)
{
	struct netmap_slot *slot = &ring->slot[random_below(slots)];

	switch (random_below(5)) {
	case 0:
		slot->buf_idx = odd_word(buffers);
		break;
	case 1:
		slot->len = (uint16_t)odd_word(2048);
		break;
	case 2:
		slot->flags = (uint16_t)random_word();
		break;
	case 3:
		slot->ptr = random_word() >> random_below(64);
		break;
	default:
		slot->flags |= NS_MOREFRAG;
	}
}

static void scribble_ring(struct netmap_ring *ring, uint32_t slots, uint32_t buffers)
{
	switch (random_below(16)) {
	case 0:
	case 1:
		ring->head = odd_word(slots);
		break;
	case 2:
	case 3:
		ring->cur = odd_word(slots);
		break;
	case 4:
	case 5: /* as a program would, so that slots are consumed */
		ring->head = ring->cur = random_below(slots);
		break;
	case 6:
		ring->tail = odd_word(slots);
		break;
	case 7:
		ring->num_slots = odd_word(slots);
		break;
	case 8:
		ring->nr_buf_size = odd_word(2048);
		break;
	case 9:
		ring->buf_ofs = (int64_t)random_word();
		break;
	case 10:
		ring->offset_mask = random_word();
		break;
	case 11:
		ring->flags = random_below(8);
		break;
	default:
		scribble_slot(ring, slots, buffers);
	}
}

struct victim {
	struct client clients[4];
	unsigned int count;
	uint32_t slots;
};

static void scribble(const struct victim *victim)
{
	const struct client *client = &victim->clients[random_below(victim->count)];
	const uint32_t tx = client->reg.nr_tx_rings, rx = client->reg.nr_rx_rings;
	const uint32_t buffers = 16384;
	bool send = tx && (!rx || random_below(2));

	if (!tx && !rx)
		return;
	scribble_ring(send ? tx_ring(client, random_below(tx)) : rx_ring(client, random_below(rx)),
		      victim->slots, buffers);
	if (random_below(200) == 0)
		client->nif->ni_bufs_head = odd_word(buffers);
	if (random_below(200) == 0)
		client->nif->ring_ofs[0] = (int64_t)random_word();
}

static void work(const struct victim *victim)
{
	const struct client *client = &victim->clients[random_below(victim->count)];
	static const short events[] = {0, POLLIN, POLLOUT, POLLIN | POLLOUT};

	switch (random_below(3)) {
	case 0:
		tx_sync(client);
		break;
	case 1:
		rx_sync(client);
		break;
	default:
		client_poll(client, events[random_below(4)], 0);
	}
}

/* ring_ofs is the program's to damage, so the accessors must not be misled by it. */
static void keep_ofs(const struct victim *victim, int64_t *kept, bool restore)
{
	for (unsigned int i = 0; i < victim->count; i++) {
		int64_t *ofs = &victim->clients[i].nif->ring_ofs[0];

		if (restore)
			*ofs = kept[i];
		else
			kept[i] = *ofs;
	}
}

static void torment(const struct victim *victim)
{
	double until = check_now() + duration();
	int64_t kept[4];

	random_begin();
	keep_ofs(victim, kept, false);
	while (check_now() < until) {
		for (int i = 0; i < 64; i++) {
			scribble(victim);
			keep_ofs(victim, kept, true);
			if (random_below(3) == 0)
				work(victim);
		}
	}
}

static atomic_bool done;

static void *scribble_all_the_time(void *argument)
{
	const struct victim *victim = argument;
	int64_t kept[4];

	keep_ofs(victim, kept, false);
	while (!done) {
		scribble(victim);
		keep_ofs(victim, kept, true);
	}
	return NULL;
}

static void *work_all_the_time(void *argument)
{
	while (!done)
		work(argument);
	return NULL;
}

static void torment_in_threads(struct victim *victim)
{
	pthread_t scribbler, workers[2];

	random_begin();
	done = false;
	EXPECT_OK(pthread_create(&scribbler, NULL, scribble_all_the_time, victim));
	for (int i = 0; i < 2; i++)
		EXPECT_OK(pthread_create(&workers[i], NULL, work_all_the_time, victim));
	usleep((unsigned int)(duration() * 1e6));
	done = true;
	pthread_join(scribbler, NULL);
	for (int i = 0; i < 2; i++)
		pthread_join(workers[i], NULL);
}

static void close_all(struct victim *victim)
{
	for (unsigned int i = 0; i < victim->count; i++)
		client_close(&victim->clients[i]);
}

static void add(struct victim *victim, const char *name, uint64_t flags)
{
	struct nmreq_register request = want(NR_REG_ALL_NIC);

	request.nr_tx_rings = request.nr_rx_rings = 2;
	request.nr_tx_slots = request.nr_rx_slots = victim->slots = 32;
	request.nr_extra_bufs = 8;
	request.nr_flags = flags;
	client_open(&victim->clients[victim->count++], name, &request, NULL);
}

static struct victim pipe_victim(void)
{
	struct victim victim = {0};

	need(PART_PIPE);
	add(&victim, pipe_master("torn"), 0);
	add(&victim, pipe_slave("torn"), 0);
	return victim;
}

static struct victim null_victim(void)
{
	struct nmreq_register request = want_null(2, 2, 32);
	struct victim victim = {.count = 1, .slots = 32};

	need(PART_NULL);
	client_open(&victim.clients[0], "torn", &request, NULL);
	return victim;
}

static struct victim switch_victim(void)
{
	struct victim victim = {0};

	need(PART_VALE);
	add(&victim, "vale3:a", 0);
	add(&victim, "vale3:b", 0);
	add(&victim, "vale3:c", 0);
	return victim;
}

static struct victim device_victim(void)
{
	struct victim victim = {0};

	need(PART_NETDEV);
	add(&victim, VETH_A, 0);
	add(&victim, VETH_B, 0);
	victim.slots = victim.clients[0].reg.nr_tx_slots;
	EXPECT(victim.clients[1].reg.nr_rx_slots == victim.slots);
	return victim;
}

/* After it all a new pipe carries packets. */
static void expect_working_pipe(void)
{
	struct nmreq_register request = want(NR_REG_ALL_NIC);
	struct client master, slave;
	struct flow flow = {.from = &master,
			    .to = &slave,
			    .stream = 3,
			    .min_length = PACKET_MIN,
			    .max_length = 1500,
			    .packets = 300};

	client_open(&master, pipe_master("sound"), &request, NULL);
	client_open(&slave, pipe_slave("sound"), &request, NULL);
	flow_run(&flow);
	client_close(&master);
	client_close(&slave);
}

#define LONG 300 /* seconds, besides --minutes */

TEST_WITHIN(null_port_from_one_thread, LONG)
{
	struct victim victim = null_victim();

	torment(&victim);
	close_all(&victim);
}

TEST_WITHIN(pipe_from_one_thread, LONG)
{
	struct victim victim = pipe_victim();

	torment(&victim);
	close_all(&victim);
	expect_working_pipe();
}

TEST_WITHIN(pipe_while_it_works, LONG)
{
	struct victim victim = pipe_victim();

	torment_in_threads(&victim);
	close_all(&victim);
	expect_working_pipe();
}

/* The ring is usable again without being closed, once its slots are in order. */
TEST_WITHIN(repaired_ring_works, LONG)
{
	struct victim victim = pipe_victim();
	uint32_t *kept[2];

	for (int c = 0; c < 2; c++) {
		kept[c] = calloc(64, sizeof(uint32_t));
		for (uint32_t i = 0; i < 64; i++)
			kept[c][i] = tx_ring(&victim.clients[c], i / 32)->slot[i % 32].buf_idx;
	}
	for (int round = 0; round < 200; round++) {
		struct netmap_ring *ring = tx_ring(&victim.clients[0], 0);

		ring->head = odd_word(32);
		ring->cur = odd_word(32);
		ring->slot[random_below(32)].buf_idx = odd_word(16384);
		tx_sync(&victim.clients[0]);
		for (uint32_t i = 0; i < 32; i++)
			ring->slot[i].buf_idx = kept[0][i];
		while (ring_room(rx_ring(&victim.clients[1], 0))) {
			struct netmap_ring *rx = rx_ring(&victim.clients[1], 0);

			rx->head = rx->cur = rx->tail;
			rx_sync(&victim.clients[1]);
		}
		rx_sync(&victim.clients[1]);
		tx_sync(&victim.clients[0]);
	}
	EXPECT_EQ(client_poll(&victim.clients[0], POLLOUT, 0), POLLOUT);
	close_all(&victim);
}

TEST_WITHIN(over_long_chains, LONG)
{
	struct victim victim = {0};
	struct nmreq_register request = want(NR_REG_ALL_NIC);

	need(PART_PIPE);
	request.nr_tx_slots = request.nr_rx_slots = 1024;
	client_open(&victim.clients[0], pipe_master("long"), &request, NULL);
	client_open(&victim.clients[1], pipe_slave("long"), &request, NULL);
	victim.count = 2;
	for (int round = 0; round < 20; round++) {
		struct netmap_ring *ring = tx_ring(&victim.clients[0], 0);

		while (ring_room(ring)) {
			ring->slot[ring->head].len = 60;
			ring->slot[ring->head].flags = NS_MOREFRAG;
			ring->head = ring->cur = ring_next(ring, ring->head);
		}
		tx_sync(&victim.clients[0]);
		rx_sync(&victim.clients[1]);
		ring = rx_ring(&victim.clients[1], 0);
		ring->head = ring->cur = ring->tail;
		rx_sync(&victim.clients[1]);
	}
	close_all(&victim);
	expect_working_pipe();
}

TEST_WITHIN(switch_from_one_thread, LONG)
{
	struct victim victim = switch_victim();

	torment(&victim);
	close_all(&victim);
}

TEST_WITHIN(switch_while_it_works, LONG)
{
	struct victim victim = switch_victim();

	torment_in_threads(&victim);
	close_all(&victim);
}

TEST_WITHIN(device_from_one_thread, LONG)
{
	struct victim victim = device_victim();

	torment(&victim);
	close_all(&victim);
}

TEST_WITHIN(device_while_it_works, LONG)
{
	struct victim victim = device_victim();

	torment_in_threads(&victim);
	close_all(&victim);
}

/* Many threads sync one ring: some are passed over, none is harmed. */
static void *sync_forever(void *argument)
{
	const struct client *client = argument;

	while (!done) {
		tx_sync(client);
		rx_sync(client);
		client_poll(client, POLLIN | POLLOUT, 0);
	}
	return NULL;
}

TEST(one_ring_from_many_threads)
{
	struct nmreq_register request = want(NR_REG_ALL_NIC);
	struct client master, slave;
	struct flow flow = {.from = &master,
			    .to = &slave,
			    .stream = 4,
			    .min_length = PACKET_MIN,
			    .max_length = 600,
			    .packets = 3000};
	pthread_t threads[4];

	need(PART_PIPE);
	client_open(&master, pipe_master("crowd"), &request, NULL);
	client_open(&slave, pipe_slave("crowd"), &request, NULL);
	done = false;
	for (int i = 0; i < 4; i++)
		EXPECT_OK(
			pthread_create(&threads[i], NULL, sync_forever, i % 2 ? &master : &slave));
	flow_run(&flow);
	done = true;
	for (int i = 0; i < 4; i++)
		pthread_join(threads[i], NULL);
	client_close(&master);
	client_close(&slave);
}
