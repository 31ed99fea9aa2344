/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * t_pipe.c - pipes carry what is put into them: order, bytes, chains, swapped buffers, offsets
 * (ABI 6.4, 3.4 to 3.7; checklist 26, 27).
 */
#include "check.h"
#include "client.h"
#include "parts.h"
#include "traffic.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <unistd.h>

struct pipe {
	struct client master;
	struct client slave;
};

static struct nmreq_register shape(uint16_t rings, uint32_t slots)
{
	struct nmreq_register request = want(NR_REG_ALL_NIC);

	request.nr_tx_rings = request.nr_rx_rings = rings;
	request.nr_tx_slots = request.nr_rx_slots = slots;
	return request;
}

static struct pipe pipe_open(const char *id, uint16_t rings, uint32_t slots)
{
	struct nmreq_register request = shape(rings, slots);
	struct pipe pipe;

	need(PART_PIPE);
	client_open(&pipe.master, pipe_master(id), &request, NULL);
	client_open(&pipe.slave, pipe_slave(id), &request, NULL);
	return pipe;
}

static void pipe_close(struct pipe *pipe)
{
	client_close(&pipe->master);
	client_close(&pipe->slave);
}

static struct flow flow_of(const struct client *from, const struct client *to, uint32_t packets)
{
	return (struct flow){
		.from = from,
		.to = to,
		.stream = 1,
		.min_length = PACKET_MIN,
		.max_length = (uint32_t)parameter_get("buf_size"),
		.packets = packets,
	};
}

static void put_number(const struct client *client, uint32_t number)
{
	char bytes[64];

	packet_make(bytes, sizeof(bytes), 1, number);
	EXPECT_EQ(ring_put(tx_ring(client, 0), bytes, sizeof(bytes), 0), 1);
}

static void take_number(const struct client *client, uint32_t number)
{
	const char *fault;
	char bytes[64];

	fault = packet_fault(bytes, ring_take(rx_ring(client, 0), bytes, sizeof(bytes)), 1, number);
	if (fault)
		FAIL("%s", fault);
}

TEST(every_size_both_ways)
{
	struct pipe pipe = pipe_open("sizes", 1, 64);
	struct flow flow = flow_of(&pipe.master, &pipe.slave, 5000);

	flow_run(&flow);
	flow = flow_of(&pipe.slave, &pipe.master, 5000);
	flow_run(&flow);
	pipe_close(&pipe);
}

TEST(odd_numbers_of_slots)
{
	static const uint32_t slots[] = {2, 3, 7, 100, 255, 1000};

	for (unsigned int i = 0; i < sizeof(slots) / sizeof(*slots); i++) {
		struct pipe pipe = pipe_open("odd", 1, slots[i]);
		struct flow flow = flow_of(&pipe.master, &pipe.slave, 2000);

		flow.max_length = 200;
		EXPECT_EQ(pipe.master.reg.nr_tx_slots, slots[i]);
		flow_run(&flow);
		pipe_close(&pipe);
	}
}

TEST(every_ring_of_several)
{
	struct pipe pipe = pipe_open("rings", 4, 64);

	for (uint32_t ring = 0; ring < 4; ring++) {
		struct flow flow = flow_of(&pipe.master, &pipe.slave, 500);

		flow.from_ring = flow.to_ring = ring;
		flow.stream = 10 + ring;
		flow_run(&flow);
		flow = flow_of(&pipe.slave, &pipe.master, 500);
		flow.from_ring = flow.to_ring = ring;
		flow_run(&flow);
	}
	for (uint32_t ring = 0; ring < 4; ring++)
		EXPECT_EQ(ring_room(rx_ring(&pipe.slave, ring)), 0);
	pipe_close(&pipe);
}

TEST(chains_of_every_length)
{
	struct pipe pipe = pipe_open("chains", 1, 256);
	struct flow flow = flow_of(&pipe.master, &pipe.slave, 400);

	flow.max_length = 64 * 200;
	flow.piece = 200;
	flow_run(&flow);
	flow.max_length = 20000;
	flow.piece = 0;
	flow_run(&flow);
	pipe_close(&pipe);
}

/* A chain that is not complete is not shown; its rest may come with a later sync. */
TEST(part_of_a_chain_is_not_shown)
{
	struct pipe pipe = pipe_open("part", 1, 64);
	struct netmap_ring *tx = tx_ring(&pipe.master, 0), *rx = rx_ring(&pipe.slave, 0);

	for (uint32_t i = 0; i < 3; i++) {
		tx->slot[i].len = 100;
		tx->slot[i].flags = NS_MOREFRAG;
	}
	tx->slot[3].len = 100;
	tx->slot[3].flags = 0;
	put_number(&pipe.slave, 0); /* the other way is another matter */
	tx_sync(&pipe.slave);
	tx->head = tx->cur = 2;
	tx_sync(&pipe.master);
	rx_sync(&pipe.slave);
	EXPECT_EQ(ring_room(rx), 0);
	EXPECT_EQ(client_poll(&pipe.slave, POLLIN, 20), 0);
	tx->head = tx->cur = 3;
	tx_sync(&pipe.master);
	rx_sync(&pipe.slave);
	EXPECT_EQ(ring_room(rx), 0);
	tx->head = tx->cur = 4;
	tx_sync(&pipe.master);
	rx_sync(&pipe.slave);
	EXPECT_EQ(ring_room(rx), 4);
	EXPECT(rx->slot[0].flags & NS_MOREFRAG && rx->slot[2].flags & NS_MOREFRAG);
	EXPECT(!(rx->slot[3].flags & NS_MOREFRAG));
	pipe_close(&pipe);
}

TEST(late_peer_gets_what_was_sent)
{
	struct nmreq_register request = shape(1, 64);
	struct client master, slave;

	need(PART_PIPE);
	client_open(&master, pipe_master("late"), &request, NULL);
	for (uint32_t i = 0; i < 10; i++)
		put_number(&master, i);
	tx_sync(&master);
	client_open(&slave, pipe_slave("late"), &request, NULL);
	rx_sync(&slave);
	for (uint32_t i = 0; i < 10; i++)
		take_number(&slave, i);
	client_close(&slave);
	client_close(&master);
}

TEST(reopened_end_finds_its_place)
{
	struct pipe pipe = pipe_open("again", 1, 16);
	struct nmreq_register request = shape(1, 16);

	for (uint32_t i = 0; i < 10; i++)
		put_number(&pipe.master, i);
	tx_sync(&pipe.master);
	rx_sync(&pipe.slave);
	for (uint32_t i = 0; i < 4; i++)
		take_number(&pipe.slave, i);
	rx_sync(&pipe.slave);
	client_close(&pipe.slave);
	for (uint32_t i = 10; i < 14; i++)
		put_number(&pipe.master, i);
	tx_sync(&pipe.master);
	client_open(&pipe.slave, pipe_slave("again"), &request, NULL);
	rx_sync(&pipe.slave);
	for (uint32_t i = 4; i < 14; i++)
		take_number(&pipe.slave, i);
	EXPECT_EQ(ring_room(rx_ring(&pipe.slave, 0)), 0);
	pipe_close(&pipe);
}

/* Seven of ten consumed: the writer lacks three slots, in every descriptor on its end. */
TEST(space_returns_as_the_reader_releases)
{
	struct pipe pipe = pipe_open("space", 1, 64);
	struct nmreq_register request = shape(1, 64);
	struct client second;
	char bytes[64];

	for (uint32_t i = 0; i < 10; i++)
		put_number(&pipe.master, i);
	tx_sync(&pipe.master);
	EXPECT_EQ(ring_room(tx_ring(&pipe.master, 0)), 53);
	rx_sync(&pipe.slave);
	for (uint32_t i = 0; i < 7; i++)
		take_number(&pipe.slave, i);
	tx_sync(&pipe.master);
	EXPECT_EQ(ring_room(tx_ring(&pipe.master, 0)), 53); /* not synced by the reader yet */
	rx_sync(&pipe.slave);
	tx_sync(&pipe.master);
	EXPECT_EQ(ring_room(tx_ring(&pipe.master, 0)), 60);
	client_open(&second, pipe_master("space"), &request, NULL);
	tx_sync(&second);
	EXPECT_EQ(ring_room(tx_ring(&second, 0)), 60);
	packet_make(bytes, sizeof(bytes), 1, 10);
	for (uint32_t i = 0; i < 60; i++)
		EXPECT_EQ(ring_put(tx_ring(&second, 0), bytes, sizeof(bytes), 0), 1);
	EXPECT_EQ(ring_put(tx_ring(&second, 0), bytes, sizeof(bytes), 0), 0);
	tx_sync(&second);
	EXPECT_EQ(client_poll(&second, POLLOUT, 20), 0);
	client_close(&second);
	pipe_close(&pipe);
}

/* Slots and flags travel as they are; buffers do not change hands by themselves. */
TEST(both_rings_name_the_same_buffers)
{
	struct pipe pipe = pipe_open("same", 1, 32);
	struct netmap_ring *tx = tx_ring(&pipe.master, 0), *rx = rx_ring(&pipe.slave, 0);

	tx->slot[0].len = 77;
	tx->slot[0].flags = NS_REPORT | NS_BUF_CHANGED;
	tx->head = tx->cur = 1;
	tx_sync(&pipe.master);
	rx_sync(&pipe.slave);
	EXPECT_EQ(ring_room(rx), 1);
	EXPECT_EQ(rx->slot[0].len, 77);
	EXPECT_EQ(rx->slot[0].buf_idx, tx->slot[0].buf_idx);
	EXPECT_EQ(rx->slot[0].flags & NS_MOREFRAG, 0);
	pipe_close(&pipe);
}

/* What the sender swapped in arrives, and what the reader swapped in returns to the sender. */
TEST(swapped_buffers_travel)
{
	struct nmreq_register request = shape(1, 16);
	struct client master, slave;
	uint32_t spare, next, held;

	need(PART_PIPE);
	request.nr_extra_bufs = 4;
	client_open(&master, pipe_master("swap"), &request, NULL);
	client_open(&slave, pipe_slave("swap"), &request, NULL);
	EXPECT_EQ(master.reg.nr_extra_bufs, 4);
	for (uint32_t i = 0; i < 100; i++) {
		struct netmap_ring *tx = tx_ring(&master, 0), *rx = rx_ring(&slave, 0);
		struct netmap_slot *slot = &tx->slot[tx->head];

		spare = master.nif->ni_bufs_head;
		next = *(uint32_t *)buffer_at(tx, spare);
		*(uint32_t *)buffer_at(tx, slot->buf_idx) = next;
		master.nif->ni_bufs_head = slot->buf_idx;
		slot->buf_idx = spare;
		put_number(&master, i);
		slot->flags |= NS_BUF_CHANGED;
		tx_sync(&master);
		rx_sync(&slave);
		slot = &rx->slot[rx->head];
		EXPECT_EQ(slot->buf_idx, spare);
		take_number(&slave, i);
		held = slave.nif->ni_bufs_head;
		next = *(uint32_t *)buffer_at(rx, held);
		*(uint32_t *)buffer_at(rx, slot->buf_idx) = next;
		slave.nif->ni_bufs_head = slot->buf_idx;
		slot->buf_idx = held;
		slot->flags |= NS_BUF_CHANGED;
		rx_sync(&slave);
		tx_sync(&master);
		EXPECT_EQ(tx->slot[i % 16].buf_idx, held);
	}
	client_close(&master);
	client_close(&slave);
	client_open(&master, pipe_master("swap"), &request, NULL);
	client_close(&master);
}

/* Zero copy from one pipe to another, by exchanging buffers of one region. */
TEST(forwarding_between_pipes)
{
	struct pipe in = pipe_open("in", 1, 32), out = pipe_open("out", 1, 32);
	uint32_t received = 0, sent = 0;
	char bytes[2048];

	EXPECT_EQ(in.slave.reg.nr_mem_id, out.master.reg.nr_mem_id);
	while (received < 2000) {
		struct netmap_ring *rx = rx_ring(&in.slave, 0), *tx = tx_ring(&out.master, 0);
		uint32_t length = PACKET_MIN + sent % 1000;

		packet_make(bytes, length, 1, sent);
		while (sent < 2000 && ring_put(tx_ring(&in.master, 0), bytes, length, 0)) {
			sent++;
			length = PACKET_MIN + sent % 1000;
			packet_make(bytes, length, 1, sent);
		}
		tx_sync(&in.master);
		rx_sync(&in.slave);
		while (ring_room(rx) && ring_room(tx)) {
			struct netmap_slot *a = &rx->slot[rx->head], *b = &tx->slot[tx->head];
			uint32_t index = a->buf_idx;

			a->buf_idx = b->buf_idx;
			b->buf_idx = index;
			b->len = a->len;
			b->flags = NS_BUF_CHANGED;
			a->flags |= NS_BUF_CHANGED;
			rx->head = rx->cur = ring_next(rx, rx->head);
			tx->head = tx->cur = ring_next(tx, tx->head);
		}
		tx_sync(&out.master);
		rx_sync(&in.slave);
		rx_sync(&out.slave);
		while ((length = ring_take(rx_ring(&out.slave, 0), bytes, sizeof(bytes)))) {
			const char *fault = packet_fault(bytes, length, 1, received++);

			if (fault)
				FAIL("%s", fault);
		}
	}
	pipe_close(&in);
	pipe_close(&out);
}

TEST(offsets_reach_the_peer)
{
	struct nmreq_opt_offsets option = {
		.nro_opt = {.nro_reqtype = NETMAP_REQ_OPT_OFFSETS},
		.nro_max_offset = 512,
		.nro_initial_offset = 64,
		.nro_offset_bits = 16,
	};
	struct nmreq_register request = shape(1, 16);
	struct client master, slave;

	need(PART_OFFSETS);
	need(PART_PIPE);
	client_open(&master, pipe_master("ofs"), &request, &option);
	option.nro_opt.nro_status = 0;
	client_open(&slave, pipe_slave("ofs"), &request, &option);
	for (uint32_t i = 0; i < 200; i++) {
		struct netmap_ring *tx = tx_ring(&master, 0), *rx = rx_ring(&slave, 0);
		uint64_t offset = 64 + i % 8 * 64;

		tx->slot[tx->head].ptr = offset | 7ull << 32; /* the other bits are the user's */
		put_number(&master, i);
		tx_sync(&master);
		rx_sync(&slave);
		EXPECT_EQ(ring_room(rx), 1);
		EXPECT((rx->slot[rx->head].ptr & 0xffff) >= offset);
		take_number(&slave, i);
		rx_sync(&slave);
		tx_sync(&master);
	}
	client_close(&master);
	client_close(&slave);
}

TEST(two_threads_poll)
{
	struct pipe pipe = pipe_open("poll", 1, 128);
	struct flow flow = flow_of(&pipe.master, &pipe.slave, 20000);

	flow.max_length = 300;
	flow_run_threads(&flow, BY_POLL);
	pipe_close(&pipe);
}

TEST(two_threads_select)
{
	struct pipe pipe = pipe_open("select", 1, 128);
	struct flow flow = flow_of(&pipe.slave, &pipe.master, 20000);

	flow.max_length = 300;
	flow_run_threads(&flow, BY_SELECT);
	pipe_close(&pipe);
}

TEST(two_threads_epoll)
{
	struct pipe pipe = pipe_open("epoll", 1, 128);
	struct flow flow = flow_of(&pipe.master, &pipe.slave, 20000);

	flow.max_length = 300;
	flow_run_threads(&flow, BY_EPOLL);
	pipe_close(&pipe);
}

TEST(two_threads_busy)
{
	struct pipe pipe = pipe_open("busy", 1, 128);
	struct flow flow = flow_of(&pipe.master, &pipe.slave, 20000);

	flow.max_length = 300;
	flow_run_threads(&flow, BY_SYNC);
	pipe_close(&pipe);
}

TEST(two_threads_chains)
{
	struct pipe pipe = pipe_open("chain2", 1, 128);
	struct flow flow = flow_of(&pipe.master, &pipe.slave, 3000);

	flow.max_length = 6000;
	flow.piece = 100;
	flow_run_threads(&flow, BY_POLL);
	pipe_close(&pipe);
}
