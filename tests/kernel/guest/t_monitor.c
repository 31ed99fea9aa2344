/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * t_monitor.c - monitors: who may open one, what copy and zero-copy monitors see and when, and what
 * they may not do to the port they watch (ABI 6.5; checklist 28, 29).
 */
#include "check.h"
#include "client.h"
#include "parts.h"
#include "traffic.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <unistd.h>

static char bytes[PACKET_MAX];
static struct client master, slave, monitor;

static struct nmreq_register shape(uint64_t flags)
{
	struct nmreq_register request = want(NR_REG_ALL_NIC);

	request.nr_tx_slots = request.nr_rx_slots = 64;
	request.nr_flags = flags;
	return request;
}

static void open_pair(const char *one, const char *other)
{
	struct nmreq_register request = shape(0);

	client_open(&master, one, &request, NULL);
	client_open(&slave, other, &request, NULL);
}

static void open_pipe(void)
{
	char name[64];

	need(PART_MONITOR);
	strcpy(name, pipe_master("watched"));
	open_pair(name, pipe_slave("watched"));
}

static void watch(const char *name, uint64_t flags)
{
	struct nmreq_register request = shape(flags);

	client_open(&monitor, name, &request, NULL);
}

static void close_all(void)
{
	client_close(&monitor);
	client_close(&master);
	client_close(&slave);
}

static void put(const struct client *client, uint32_t number)
{
	packet_make(bytes, 100 + number, 8, number);
	EXPECT_EQ(ring_put(tx_ring(client, 0), bytes, 100 + number, 0), 1);
}

static void expect_packets(const struct client *client, uint32_t count)
{
	rx_sync(client);
	for (uint32_t i = 0; i < count; i++) {
		uint32_t length = ring_take(rx_ring(client, 0), bytes, sizeof(bytes));
		const char *fault = packet_fault(bytes, length, 8, i);

		if (fault)
			FAIL("%s", fault);
	}
	EXPECT_EQ(ring_room(rx_ring(client, 0)), 0);
	rx_sync(client);
}

TEST(only_of_ports_in_use)
{
	struct nmreq_register request = shape(NR_MONITOR_RX);
	struct client client;

	need(PART_MONITOR);
	EXPECT_ERRNO(client_bind(&client, pipe_master("idle"), &request, NULL), EINVAL);
	EXPECT_ERRNO(client_bind(&client, "nmnone", &request, NULL), ENXIO);
	need(PART_NETDEV);
	EXPECT_ERRNO(client_bind(&client, TAP, &request, NULL), EINVAL);
}

TEST(shape_of_a_monitor)
{
	open_pipe();
	watch(pipe_master("watched"), NR_MONITOR_RX | NR_MONITOR_TX);
	EXPECT_EQ(monitor.reg.nr_tx_rings, 1);
	EXPECT_EQ(monitor.reg.nr_rx_rings, 1);
	EXPECT(monitor.reg.nr_mem_id != master.reg.nr_mem_id);
	EXPECT_EQ(monitor.reg.nr_memsize, 8478720);
	EXPECT_EQ(monitor.nif->ni_flags, NI_PRIV_MEM);
	EXPECT(client_poll(&monitor, POLLOUT, 0) & POLLERR);
	tx_sync(&monitor);
	close_all();
}

TEST(zero_copy_returns_both_directions)
{
	open_pipe();
	watch(pipe_master("watched"), NR_ZCOPY_MON);
	EXPECT_EQ(monitor.reg.nr_flags, NR_ZCOPY_MON | NR_MONITOR_RX | NR_MONITOR_TX);
	EXPECT_EQ(monitor.reg.nr_mem_id, master.reg.nr_mem_id);
	close_all();
}

TEST(no_offsets_for_zero_copy)
{
	struct nmreq_opt_offsets option = {.nro_opt = {.nro_reqtype = NETMAP_REQ_OPT_OFFSETS},
					   .nro_max_offset = 64};
	struct nmreq_register request = shape(NR_ZCOPY_MON);

	need(PART_OFFSETS);
	open_pipe();
	EXPECT_ERRNO(client_bind(&monitor, pipe_master("watched"), &request, &option), EOPNOTSUPP);
	EXPECT_EQ(option.nro_opt.nro_status, EOPNOTSUPP);
	client_close(&master);
	client_close(&slave);
}

TEST(copy_of_what_is_sent)
{
	open_pipe();
	watch(pipe_master("watched"), NR_MONITOR_TX);
	for (uint32_t i = 0; i < 20; i++)
		put(&master, i);
	tx_sync(&master);
	rx_sync(&monitor);
	EXPECT(rx_ring(&monitor, 0)->slot[0].flags & NS_TXMON);
	expect_packets(&monitor, 20);
	expect_packets(&slave, 20);
	put(&slave, 0);
	tx_sync(&slave);
	expect_packets(&monitor, 0);
	expect_packets(&master, 1);
	close_all();
}

TEST(copy_of_what_is_received)
{
	open_pipe();
	watch(pipe_slave("watched"), NR_MONITOR_RX);
	for (uint32_t i = 0; i < 20; i++)
		put(&master, i);
	tx_sync(&master);
	rx_sync(&slave);
	rx_sync(&monitor);
	EXPECT(!(rx_ring(&monitor, 0)->slot[0].flags & NS_TXMON));
	expect_packets(&monitor, 20);
	expect_packets(&slave, 20);
	close_all();
}

TEST(copy_of_a_switch_port)
{
	need(PART_VALE);
	need(PART_MONITOR);
	open_pair("vale4:a", "vale4:b");
	watch("vale4:b", NR_MONITOR_RX);
	for (uint32_t i = 0; i < 20; i++)
		put(&master, i);
	tx_sync(&master);
	expect_packets(&monitor, 20); /* the owner has not synced */
	expect_packets(&slave, 20);
	close_all();
	open_pair("vale4:a", "vale4:b");
	watch("vale4:a", NR_MONITOR_TX);
	put(&master, 0);
	tx_sync(&master);
	expect_packets(&monitor, 1);
	expect_packets(&slave, 1);
	close_all();
}

TEST(zero_copy_waits_for_the_owner)
{
	open_pipe();
	watch(pipe_slave("watched"), NR_ZCOPY_MON | NR_MONITOR_RX);
	for (uint32_t i = 0; i < 10; i++)
		put(&master, i);
	tx_sync(&master);
	rx_sync(&slave);
	expect_packets(&monitor, 0);
	expect_packets(&slave, 10); /* consumes and releases */
	expect_packets(&monitor, 10);
	close_all();
}

TEST(zero_copy_of_what_is_sent)
{
	open_pipe();
	watch(pipe_master("watched"), NR_ZCOPY_MON);
	for (uint32_t i = 0; i < 10; i++)
		put(&master, i);
	tx_sync(&master);
	expect_packets(&monitor, 0);
	expect_packets(&slave, 10);
	tx_sync(&master);
	expect_packets(&monitor, 10);
	close_all();
}

TEST(zero_copy_of_a_switch_port)
{
	need(PART_VALE);
	need(PART_MONITOR);
	open_pair("vale4:a", "vale4:b");
	watch("vale4:a", NR_ZCOPY_MON);
	put(&master, 0);
	tx_sync(&master);
	expect_packets(&monitor, 1);
	expect_packets(&slave, 1);
	close_all();
}

TEST(swapped_buffers_stay_unique)
{
	uint32_t seen[256], count = 0;

	open_pipe();
	watch(pipe_master("watched"), NR_ZCOPY_MON);
	for (int round = 0; round < 30; round++) {
		for (uint32_t i = 0; i < 10; i++)
			put(&master, i);
		tx_sync(&master);
		expect_packets(&slave, 10);
		tx_sync(&master);
		expect_packets(&monitor, 10);
	}
	for (uint32_t i = 0; i < 64; i++) {
		seen[count++] = tx_ring(&master, 0)->slot[i].buf_idx;
		seen[count++] = rx_ring(&monitor, 0)->slot[i].buf_idx;
	}
	for (uint32_t i = 0; i < count; i++) {
		for (uint32_t j = 0; j < i; j++)
			EXPECT(seen[i] != seen[j]);
	}
	close_all();
}

TEST(full_monitor_slows_nobody)
{
	open_pipe();
	watch(pipe_master("watched"), NR_MONITOR_TX);
	for (int round = 0; round < 20; round++) {
		for (uint32_t i = 0; i < 20; i++)
			put(&master, i);
		tx_sync(&master);
		expect_packets(&slave, 20);
		tx_sync(&master);
	}
	rx_sync(&monitor);
	EXPECT_EQ(ring_room(rx_ring(&monitor, 0)), 63);
	close_all();
}

TEST(several_monitors_of_one_ring)
{
	struct nmreq_register request = shape(NR_MONITOR_TX);
	struct client second;

	open_pipe();
	watch(pipe_master("watched"), NR_MONITOR_TX);
	client_open(&second, pipe_master("watched"), &request, NULL);
	put(&master, 0);
	tx_sync(&master);
	expect_packets(&monitor, 1);
	expect_packets(&second, 1);
	client_close(&second);
	close_all();
}

TEST(monitor_of_a_closed_port_is_dead)
{
	struct nmreq_register request = shape(0);
	char name[64];

	need(PART_MONITOR);
	strcpy(name, pipe_master("watched"));
	open_pipe();
	watch(name, NR_MONITOR_TX);
	put(&master, 0);
	tx_sync(&master);
	rx_sync(&monitor);
	client_close(&master);
	EXPECT(client_poll(&monitor, POLLIN, 1000) & POLLERR);
	EXPECT_EQ(ring_room(rx_ring(&monitor, 0)), 1); /* what was there stays */
	client_open(&master, name, &request, NULL);
	EXPECT(client_poll(&monitor, POLLIN, 0) & POLLERR);
	close_all();
}

TEST(chains_are_kept)
{
	struct netmap_ring *ring;

	open_pipe();
	watch(pipe_master("watched"), NR_MONITOR_TX);
	packet_make(bytes, 3000, 8, 0);
	EXPECT_EQ(ring_put(tx_ring(&master, 0), bytes, 3000, 1000), 3);
	tx_sync(&master);
	rx_sync(&monitor);
	ring = rx_ring(&monitor, 0);
	EXPECT_EQ(ring_room(ring), 3);
	EXPECT(ring->slot[0].flags & NS_MOREFRAG && ring->slot[1].flags & NS_MOREFRAG);
	EXPECT(!(ring->slot[2].flags & NS_MOREFRAG));
	expect_packets(&monitor, 1);
	close_all();
}

TEST(traffic_of_a_device)
{
	struct nmreq_register request = want(NR_REG_ALL_NIC);

	need(PART_NETDEV);
	need(PART_MONITOR);
	client_open(&master, VETH_A, &request, NULL);
	client_open(&slave, VETH_B, &request, NULL);
	watch(VETH_B, NR_MONITOR_RX);
	put(&master, 0);
	tx_sync(&master);
	EXPECT(client_poll(&monitor, POLLIN, 3000) & POLLIN);
	expect_packets(&monitor, 1);
	expect_packets(&slave, 1);
	close_all();
}
