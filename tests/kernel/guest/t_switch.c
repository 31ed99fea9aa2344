/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * t_switch.c - what a VALE switch does with packets: flooding, learning, chains, order, drops,
 * indirect and spare buffers, virtio-net headers (ABI 6.8, 3.4, 3.5; checklist 24 to 26).
 */
#include "check.h"
#include "client.h"
#include "parts.h"
#include "traffic.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static const uint8_t broadcast[6] = {255, 255, 255, 255, 255, 255};
static const uint8_t station_x[6] = {2, 0, 0, 0, 9, 1};
static const uint8_t station_y[6] = {2, 0, 0, 0, 9, 2};
static const uint8_t nobody[6] = {2, 0, 0, 0, 9, 99};

static char bytes[PACKET_MAX];

static void open_port(struct client *client, const char *name, uint16_t rings, uint32_t extra)
{
	struct nmreq_register request = want(NR_REG_ALL_NIC);

	need(PART_VALE);
	request.nr_tx_rings = request.nr_rx_rings = rings;
	request.nr_tx_slots = request.nr_rx_slots = 256;
	request.nr_extra_bufs = extra;
	client_open(client, name, &request, NULL);
}

static struct client ports[3];

static void open_three(void)
{
	open_port(&ports[0], "vale2:a", 1, 8);
	open_port(&ports[1], "vale2:b", 1, 8);
	open_port(&ports[2], "vale2:c", 1, 8);
}

static void close_three(void)
{
	for (int i = 0; i < 3; i++)
		client_close(&ports[i]);
}

static void send_from(const struct client *client, const uint8_t to[6], const uint8_t from[6],
		      uint32_t length, uint32_t number)
{
	packet_make(bytes, length, 5, number);
	packet_address(bytes, to, from);
	EXPECT(ring_put(tx_ring(client, 0), bytes, length, 0));
	tx_sync(client);
}

/* How many packets wait there; each must be the next of stream 5. */
static uint32_t drain(const struct client *client, uint32_t next)
{
	uint32_t count = 0, length;
	const char *fault;

	rx_sync(client);
	while ((length = ring_take(rx_ring(client, 0), bytes, sizeof(bytes)))) {
		fault = packet_fault(bytes, length, 5, next + count++);
		if (fault)
			FAIL("%s", fault);
	}
	rx_sync(client);
	return count;
}

TEST(broadcast_reaches_all_others)
{
	static const uint32_t lengths[] = {60, 1514, 2048, 2049, 4096, 10000};

	open_three();
	for (int sender = 0; sender < 3; sender++) {
		for (uint32_t i = 0; i < 30; i++)
			send_from(&ports[sender], broadcast, station_x, lengths[i % 6], i);
		for (int other = 0; other < 3; other++)
			EXPECT_EQ(drain(&ports[other], 0), other == sender ? 0 : 30);
	}
	close_three();
}

TEST(every_size_without_loss)
{
	struct flow flow = {.stream = 6,
			    .min_length = PACKET_MIN,
			    .max_length = 3000,
			    .packets = 3000,
			    .window = 64};

	open_three();
	flow.from = &ports[0];
	flow.to = &ports[1];
	flow_run(&flow);
	close_three();
}

TEST(two_threads_by_poll)
{
	struct flow flow = {.stream = 6,
			    .min_length = PACKET_MIN,
			    .max_length = 600,
			    .packets = 10000,
			    .window = 200};

	open_three();
	flow.from = &ports[2];
	flow.to = &ports[0];
	flow_run_threads(&flow, BY_POLL);
	close_three();
}

TEST(unicast_goes_where_the_address_spoke)
{
	open_three();
	send_from(&ports[0], broadcast, station_x, 100, 0);
	EXPECT_EQ(drain(&ports[1], 0), 1);
	EXPECT_EQ(drain(&ports[2], 0), 1);
	for (uint32_t i = 0; i < 10; i++)
		send_from(&ports[1], station_x, station_y, 100, i);
	EXPECT_EQ(drain(&ports[0], 0), 10);
	EXPECT_EQ(drain(&ports[2], 0), 0);
	send_from(&ports[1], nobody, station_y, 100, 0); /* unknown: flooded */
	EXPECT_EQ(drain(&ports[0], 0), 1);
	EXPECT_EQ(drain(&ports[2], 0), 1);
	send_from(&ports[1], station_y, station_y, 100, 0); /* to itself */
	EXPECT_EQ(drain(&ports[0], 0) + drain(&ports[1], 0) + drain(&ports[2], 0), 0);
	close_three();
}

/* An address that moves away and comes back is followed both times. */
TEST(moved_addresses_are_learned_again)
{
	open_three();
	send_from(&ports[0], broadcast, station_x, 100, 0);
	send_from(&ports[1], broadcast, station_x, 100, 0);
	send_from(&ports[0], broadcast, station_x, 100, 0);
	for (int i = 0; i < 3; i++) {
		struct netmap_ring *ring = rx_ring(&ports[i], 0);

		rx_sync(&ports[i]);
		ring->head = ring->cur = ring->tail;
		rx_sync(&ports[i]);
	}
	send_from(&ports[2], station_x, station_y, 100, 0);
	EXPECT_EQ(drain(&ports[0], 0), 1);
	EXPECT_EQ(drain(&ports[1], 0), 0);
	close_three();
}

/* A port that goes takes what was learned of it along. */
TEST(closed_ports_are_forgotten)
{
	open_three();
	send_from(&ports[0], broadcast, station_x, 100, 0);
	EXPECT_EQ(drain(&ports[1], 0) + drain(&ports[2], 0), 2);
	client_close(&ports[0]);
	send_from(&ports[1], station_x, station_y, 100, 0);
	EXPECT_EQ(drain(&ports[2], 0), 1);
	client_close(&ports[1]);
	client_close(&ports[2]);
}

TEST(fragments_say_how_many_they_are)
{
	struct netmap_ring *ring;

	open_three();
	send_from(&ports[0], broadcast, station_x, 60, 0);
	packet_make(bytes, 900, 5, 1);
	EXPECT_EQ(ring_put(tx_ring(&ports[0], 0), bytes, 900, 300), 3);
	tx_sync(&ports[0]);
	rx_sync(&ports[1]);
	ring = rx_ring(&ports[1], 0);
	EXPECT_EQ(ring_room(ring), 4);
	EXPECT_EQ(ring->slot[0].flags, 1 << NS_PORT_SHIFT);
	EXPECT_EQ(ring->slot[1].flags, 3 << NS_PORT_SHIFT | NS_MOREFRAG);
	EXPECT_EQ(ring->slot[2].flags, 3 << NS_PORT_SHIFT | NS_MOREFRAG);
	EXPECT_EQ(ring->slot[3].flags, 3 << NS_PORT_SHIFT);
	EXPECT_EQ(drain(&ports[1], 0), 2);
	close_three();
}

static void put_chain(struct netmap_ring *ring, uint32_t slots, bool ended)
{
	packet_make(bytes, 100, 5, 0);
	for (uint32_t i = 0; i < slots; i++) {
		memcpy(slot_data(ring, &ring->slot[ring->head]), bytes, 100);
		ring->slot[ring->head].len = 100;
		ring->slot[ring->head].flags = i + 1 < slots || !ended ? NS_MOREFRAG : 0;
		ring->head = ring->cur = ring_next(ring, ring->head);
	}
}

TEST(chains_have_a_limit)
{
	static const struct {
		uint32_t slots;
		bool arrives;
	} chains[] = {{64, true}, {65, false}, {200, false}, {255, false}};

	for (unsigned int i = 0; i < 4; i++) {
		struct netmap_ring *ring;

		open_three();
		put_chain(tx_ring(&ports[0], 0), chains[i].slots, true);
		tx_sync(&ports[0]);
		rx_sync(&ports[1]);
		ring = rx_ring(&ports[1], 0);
		if (chains[i].arrives)
			EXPECT_EQ(ring_room(ring), chains[i].slots);
		else
			EXPECT(ring_room(ring) <= 64);
		EXPECT_EQ(ring_room(tx_ring(&ports[0], 0)), 255); /* the sender never waits */
		close_three();
	}
}

TEST(unfinished_chain_is_cut)
{
	struct netmap_ring *ring;

	open_three();
	put_chain(tx_ring(&ports[0], 0), 3, false);
	tx_sync(&ports[0]);
	rx_sync(&ports[1]);
	ring = rx_ring(&ports[1], 0);
	EXPECT_EQ(ring_room(ring), 3);
	EXPECT(ring->slot[1].flags & NS_MOREFRAG && !(ring->slot[2].flags & NS_MOREFRAG));
	close_three();
}

TEST(full_receiver_drops_alone)
{
	uint32_t got;

	open_three();
	for (uint32_t i = 0; i < 300; i++) {
		send_from(&ports[0], broadcast, station_x, 60, i);
		EXPECT_EQ(ring_room(tx_ring(&ports[0], 0)), 255);
		EXPECT_EQ(drain(&ports[1], i), 1);
	}
	got = drain(&ports[2], 0);
	EXPECT(got > 0 && got <= 255);
	close_three();
}

TEST(short_and_impossible_packets_are_dropped)
{
	struct netmap_ring *ring;

	open_three();
	ring = tx_ring(&ports[0], 0);
	for (int i = 0; i < 4; i++) {
		ring->slot[i].flags = 0;
		ring->slot[i].len = 60;
	}
	ring->slot[0].len = 13;
	ring->slot[1].len = 0;
	ring->slot[2].len = 0xffff;
	memcpy(slot_data(ring, &ring->slot[3]), broadcast, 6);
	ring->head = ring->cur = 4;
	tx_sync(&ports[0]);
	rx_sync(&ports[1]);
	EXPECT_EQ(ring_room(rx_ring(&ports[1], 0)), 1);
	EXPECT_EQ(rx_ring(&ports[1], 0)->slot[0].len, 60);
	close_three();
}

TEST(indirect_buffers)
{
	struct netmap_ring *ring;
	char payload[1000];

	open_three();
	ring = tx_ring(&ports[0], 0);
	packet_make(payload, sizeof(payload), 5, 0);
	ring->slot[0].ptr = (uintptr_t)payload;
	ring->slot[0].len = sizeof(payload);
	ring->slot[0].flags = NS_INDIRECT;
	ring->slot[1].ptr = 8; /* no address of ours: dropped */
	ring->slot[1].len = 100;
	ring->slot[1].flags = NS_INDIRECT;
	ring->slot[2].ptr = 0xffff888000000000; /* the kernel's: dropped */
	ring->slot[2].len = 100;
	ring->slot[2].flags = NS_INDIRECT;
	ring->head = ring->cur = 3;
	tx_sync(&ports[0]);
	EXPECT_EQ(drain(&ports[1], 0), 1);
	close_three();
}

TEST(spare_buffers_can_be_sent)
{
	struct netmap_ring *ring;
	uint32_t next;

	open_three();
	ring = tx_ring(&ports[0], 0);
	for (uint32_t i = 0; i < 8; i++) {
		struct netmap_slot *slot = &ring->slot[ring->head];
		uint32_t spare = ports[0].nif->ni_bufs_head;

		EXPECT(spare);
		next = *(uint32_t *)buffer_at(ring, spare);
		*(uint32_t *)buffer_at(ring, slot->buf_idx) = next;
		ports[0].nif->ni_bufs_head = slot->buf_idx;
		slot->buf_idx = spare;
		packet_make(bytes, 500, 5, i);
		EXPECT_EQ(ring_put(ring, bytes, 500, 0), 1);
		slot->flags |= NS_BUF_CHANGED;
	}
	tx_sync(&ports[0]);
	EXPECT_EQ(drain(&ports[1], 0), 8);
	close_three();
	open_three();
	EXPECT_EQ(ports[0].reg.nr_extra_bufs, 8);
	close_three();
}

TEST(unicast_keeps_the_ring)
{
	struct client sender, receiver;

	open_port(&sender, "vale2:m", 4, 0);
	open_port(&receiver, "vale2:n", 4, 0);
	send_from(&receiver, broadcast, station_x, 60, 0);
	for (uint32_t ring = 0; ring < 4; ring++) {
		packet_make(bytes, 100, 5, ring);
		packet_address(bytes, station_x, station_y);
		EXPECT_EQ(ring_put(tx_ring(&sender, ring), bytes, 100, 0), 1);
	}
	tx_sync(&sender);
	rx_sync(&receiver);
	for (uint32_t ring = 0; ring < 4; ring++) {
		EXPECT_EQ(ring_take(rx_ring(&receiver, ring), bytes, sizeof(bytes)), 100);
		EXPECT_EQ(packet_number(bytes), ring);
	}
	client_close(&sender);
	client_close(&receiver);
}

TEST(offsets_of_the_receiver_hold)
{
	struct nmreq_opt_offsets option = {.nro_opt = {.nro_reqtype = NETMAP_REQ_OPT_OFFSETS},
					   .nro_max_offset = 512,
					   .nro_initial_offset = 100};
	struct nmreq_register request = want(NR_REG_ALL_NIC);
	struct client sender, receiver;
	struct netmap_ring *ring;

	need(PART_VALE);
	need(PART_OFFSETS);
	request.nr_tx_slots = request.nr_rx_slots = 64;
	client_open(&sender, "vale2:s", &request, &option);
	client_open(&receiver, "vale2:r", &request, NULL);
	tx_ring(&sender, 0)->slot[0].ptr =
		33; /* no multiple of 64: the receiver sees nothing of it */
	send_from(&sender, broadcast, station_x, 1000, 0);
	EXPECT_EQ(drain(&receiver, 0), 1);
	client_close(&sender);
	client_close(&receiver);
	client_open(&sender, "vale2:s", &request, NULL);
	client_open(&receiver, "vale2:r", &request, &option);
	ring = rx_ring(&receiver, 0);
	memset(buffer_at(ring, ring->slot[0].buf_idx), 0x77, 100);
	send_from(&sender, broadcast, station_x, 1000, 0);
	rx_sync(&receiver);
	EXPECT((ring->slot[0].ptr & ring->offset_mask) >= 100);
	EXPECT_EQ((uint8_t)buffer_at(ring, ring->slot[0].buf_idx)[99], 0x77);
	EXPECT_EQ(drain(&receiver, 0), 1);
	client_close(&sender);
	client_close(&receiver);
}

/* A persistent port, unattached and attached. */
TEST(persistent_port_carries_packets)
{
	struct nmreq_vale_attach attach = {.reg = {.nr_mode = NR_REG_ALL_NIC}};
	struct nmreq_vale_detach detach = {0};
	struct nmreq_vale_newif newif = {0};
	struct client fixed, other;

	need(PART_VALE);
	EXPECT_OK(netmap_ask(NETMAP_REQ_VALE_NEWIF, "nmk", &newif, NULL));
	open_port(&other, "vale2:o", 1, 0);
	open_port(&fixed, "nmk", 1, 0);
	send_from(&fixed, broadcast, station_x, 100, 0);
	EXPECT_EQ(drain(&other, 0), 0);
	client_close(&fixed);
	EXPECT_OK(netmap_ask(NETMAP_REQ_VALE_ATTACH, "vale2:nmk", &attach, NULL));
	open_port(&fixed, "nmk", 1, 0);
	for (uint32_t i = 0; i < 20; i++)
		send_from(&fixed, broadcast, station_x, 60 + i * 200, i);
	EXPECT_EQ(drain(&other, 0), 20);
	for (uint32_t i = 0; i < 20; i++)
		send_from(&other, broadcast, station_y, 60 + i * 200, i);
	EXPECT_EQ(drain(&fixed, 0), 20);
	client_close(&fixed);
	client_close(&other);
	EXPECT_OK(netmap_ask(NETMAP_REQ_VALE_DETACH, "vale2:nmk", &detach, NULL));
	EXPECT_OK(netmap_ask(NETMAP_REQ_VALE_DELIF, "nmk", NULL, NULL));
}

/* A device in the switch: what it receives comes to the ports, and the other way round. */
TEST(attached_device_carries_packets)
{
	struct nmreq_vale_attach attach = {.reg = {.nr_mode = NR_REG_ALL_NIC}};
	struct nmreq_vale_detach detach = {0};
	struct nmreq_register request = want(NR_REG_ALL_NIC);
	struct client port, wire;
	uint32_t got = 0;

	need(PART_VALE);
	need(PART_NETDEV);
	EXPECT_OK(netmap_ask(NETMAP_REQ_VALE_ATTACH, "vale2:" VETH_A, &attach, NULL));
	open_port(&port, "vale2:w", 1, 0);
	client_open(&wire, VETH_B, &request, NULL);
	for (uint32_t i = 0; i < 20; i++)
		send_from(&wire, broadcast, station_x, 60 + i * 70, i);
	for (int tries = 0; got < 20 && tries < 300; tries++) {
		got += drain(&port, got);
		usleep(10000);
	}
	EXPECT_EQ(got, 20);
	for (uint32_t i = 0; i < 20; i++)
		send_from(&port, broadcast, station_y, 60 + i * 70, i);
	for (got = 0; got < 20;) {
		uint32_t length;

		EXPECT(client_poll(&wire, POLLIN, 3000) & POLLIN);
		while ((length = ring_take(rx_ring(&wire, 0), bytes, sizeof(bytes)))) {
			const char *fault = packet_fault(bytes, length, 5, got++);

			if (fault)
				FAIL("%s", fault);
		}
	}
	client_close(&wire);
	client_close(&port);
	EXPECT_OK(netmap_ask(NETMAP_REQ_VALE_DETACH, "vale2:" VETH_A, &detach, NULL));
}

/* One port with a virtio-net header, one without: it is added as zeros, and taken off. */
TEST(virtio_headers_are_converted)
{
	struct nmreq_register request = want(NR_REG_ALL_NIC);
	struct nmreq_port_hdr length = {.nr_hdr_len = 12};
	struct client plain, virtio;
	struct netmap_ring *ring;

	open_port(&virtio, "vale2:v", 1, 0);
	EXPECT_OK(netmap_ask(NETMAP_REQ_PORT_HDR_SET, "vale2:v", &length, NULL));
	request.nr_tx_slots = request.nr_rx_slots = 64;
	client_open(&plain, "vale2:p", &request, NULL);
	send_from(&plain, broadcast, station_x, 200, 0);
	rx_sync(&virtio);
	ring = rx_ring(&virtio, 0);
	EXPECT_EQ(ring_take(ring, bytes, sizeof(bytes)), 212);
	for (int i = 0; i < 12; i++)
		EXPECT_EQ(bytes[i], 0);
	EXPECT(!packet_fault(bytes + 12, 200, 5, 0));
	memset(bytes, 0, 12);
	packet_make(bytes + 12, 300, 5, 0);
	EXPECT_EQ(ring_put(tx_ring(&virtio, 0), bytes, 312, 0), 1);
	tx_sync(&virtio);
	EXPECT_EQ(drain(&plain, 0), 1);
	client_close(&plain);
	client_close(&virtio);
}
