/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * t_register.c - REGISTER: modes, ring selection, exclusive use, regions, errnos in their order
 * (ABI 5.2, 1.4, 1.6; checklist 1 to 4, 7, 23).
 */
#include "check.h"
#include "client.h"
#include "parts.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static int try_bind(const char *name, struct nmreq_register request)
{
	struct client client;
	int error = client_bind(&client, name, &request, NULL);

	if (!error)
		client_close(&client);
	return error;
}

static struct nmreq_register in_region(struct nmreq_register request, uint16_t region)
{
	request.nr_mem_id = region;
	return request;
}

static struct nmreq_register with_flags(struct nmreq_register request, uint64_t flags)
{
	request.nr_flags = flags;
	return request;
}

static struct nmreq_register one_ring(uint32_t mode, uint16_t ring)
{
	return (struct nmreq_register){.nr_mode = mode, .nr_ringid = ring};
}

/* Modes. */

TEST(modes_that_the_new_api_refuses)
{
	static const uint32_t modes[] = {
		NR_REG_DEFAULT, NR_REG_PIPE_MASTER, NR_REG_PIPE_SLAVE, 9, 15, 16,
		0x10001,	0xffffffff};

	need(PART_NETDEV);
	for (unsigned int i = 0; i < sizeof(modes) / sizeof(*modes); i++)
		EXPECT_ERRNO(try_bind(TAP, want(modes[i])), EINVAL);
}

TEST(pipe_modes_need_names)
{
	EXPECT_ERRNO(try_bind(TAP, want(NR_REG_PIPE_MASTER)), EINVAL);
	EXPECT_ERRNO(try_bind(TAP, want(NR_REG_PIPE_SLAVE)), EINVAL);
}

TEST(unknown_device)
{
	EXPECT_ERRNO(try_bind("nmnone", want(NR_REG_ALL_NIC)), ENXIO);
	EXPECT_ERRNO(try_bind("", want(NR_REG_ALL_NIC)), ENXIO);
	EXPECT_ERRNO(try_bind("a/b c", want(NR_REG_ALL_NIC)), ENXIO);
}

TEST(null_port)
{
	struct nmreq_register request = want_null(10, 5, 256);
	struct client client;

	need(PART_NULL);
	request.nr_rx_slots = 100;
	client_open(&client, "x", &request, NULL);
	EXPECT_EQ(client.reg.nr_tx_rings, 10);
	EXPECT_EQ(client.reg.nr_rx_rings, 5);
	EXPECT_EQ(client.reg.nr_tx_slots, 256);
	EXPECT_EQ(client.reg.nr_rx_slots, 100);
	EXPECT_EQ(client.reg.nr_host_tx_rings, 0);
	EXPECT_EQ(client.reg.nr_host_rx_rings, 0);
	EXPECT_EQ(client.reg.nr_mem_id, 1);
	EXPECT_EQ(client.reg.nr_mode, NR_REG_NULL);
	EXPECT(client.reg.nr_memsize > 0 && client.reg.nr_memsize % 4096 == 0);
	EXPECT(client.reg.nr_offset < client.reg.nr_memsize);
	EXPECT(tx_ring(&client, 9) && rx_ring(&client, 4));
	client_close(&client);
}

TEST(null_port_without_anything)
{
	struct nmreq_register request = want_null(0, 0, 0);
	struct client client;

	need(PART_NULL);
	client_open(&client, "", &request, NULL);
	EXPECT_EQ(client.reg.nr_tx_rings, 0);
	EXPECT_EQ(client.reg.nr_rx_rings, 0);
	EXPECT_EQ(client.reg.nr_tx_slots, 0);
	EXPECT_EQ(client.reg.nr_rx_slots, 0);
	tx_sync(&client);
	rx_sync(&client);
	EXPECT_EQ(client_poll(&client, POLLIN | POLLOUT, 20), 0);
	client_close(&client);
}

TEST(null_port_moves_nothing)
{
	struct nmreq_register request = want_null(1, 1, 16);
	struct netmap_ring *ring;
	struct client client;

	need(PART_NULL);
	client_open(&client, "x", &request, NULL);
	ring = tx_ring(&client, 0);
	EXPECT_EQ(client_poll(&client, POLLOUT, 0), POLLOUT);
	ring->head = ring->cur = 15;
	tx_sync(&client);
	EXPECT_EQ(ring->tail, 15);
	EXPECT_EQ(ring->head, 15);
	EXPECT_EQ(client_poll(&client, POLLOUT, 20), 0);
	rx_sync(&client);
	EXPECT_EQ(rx_ring(&client, 0)->tail, 0);
	EXPECT_EQ(client_poll(&client, POLLIN, 20), 0);
	client_close(&client);
}

TEST(null_ports_are_never_shared)
{
	struct nmreq_register request = with_flags(want_null(1, 1, 16), NR_EXCLUSIVE);
	struct client first, second;

	need(PART_NULL);
	client_open(&first, "same", &request, NULL);
	client_open(&second, "same", &request, NULL);
	EXPECT(first.reg.nr_offset != second.reg.nr_offset);
	EXPECT(tx_ring(&first, 0)->slot[0].buf_idx != tx_ring(&second, 0)->slot[0].buf_idx);
	client_close(&first);
	client_close(&second);
}

TEST(null_port_needs_a_region)
{
	need(PART_NULL);
	EXPECT_ERRNO(try_bind("x", in_region(want_null(1, 1, 16), 0)), EINVAL);
	EXPECT_ERRNO(try_bind("x", in_region(want_null(1, 1, 16), 4000)), EINVAL);
	EXPECT_ERRNO(try_bind("x", in_region(want_null(1, 1, 16), 0xffff)), EINVAL);
}

TEST(absurd_geometry)
{
	struct nmreq_register request = want_null(1, 1, 0);

	need(PART_NULL);
	request.nr_tx_slots = 0xffffffff;
	EXPECT(try_bind("x", request) != 0);
	request.nr_tx_slots = 0x10000001;
	EXPECT(try_bind("x", request) != 0);
	request.nr_tx_slots = 1;
	request.nr_tx_rings = 0xffff;
	request.nr_rx_rings = 0xffff;
	EXPECT(try_bind("x", request) != 0);
}

TEST(pools_run_out)
{
	struct nmreq_register request;

	need(PART_NULL);
	request = want_null(1, 0, (uint32_t)parameter_get("buf_num") + 64);
	EXPECT_ERRNO(try_bind("x", request), ENOMEM); /* the ring is too large an object */
	request = want_null((uint16_t)(parameter_get("ring_num") + 1), 0, 4);
	EXPECT_ERRNO(try_bind("x", request), ENOMEM);
	request = want_null(32, 32, 1024);
	if (parameter_get("buf_num") < 60000)
		EXPECT_ERRNO(try_bind("x", request), ENOMEM);
}

/* Flags. */

TEST(one_direction_only)
{
	struct nmreq_register request = want_null(2, 3, 16);
	struct client client;

	need(PART_NULL);
	request.nr_flags = NR_TX_RINGS_ONLY;
	client_open(&client, "x", &request, NULL);
	EXPECT(tx_ring(&client, 0) && tx_ring(&client, 1));
	EXPECT(!rx_ring(&client, 0) && !rx_ring(&client, 2));
	EXPECT_EQ(client.reg.nr_flags, NR_TX_RINGS_ONLY);
	EXPECT_EQ(client_poll(&client, POLLIN, 20), 0);
	client_close(&client);
	request.nr_flags = NR_RX_RINGS_ONLY;
	client_open(&client, "x", &request, NULL);
	EXPECT(!tx_ring(&client, 0) && rx_ring(&client, 0) && rx_ring(&client, 2));
	EXPECT_EQ(client_poll(&client, POLLOUT, 20), 0);
	client_close(&client);
	request.nr_flags = NR_RX_RINGS_ONLY | NR_TX_RINGS_ONLY;
	client_open(&client, "x", &request, NULL);
	EXPECT(!tx_ring(&client, 0) && !rx_ring(&client, 0));
	EXPECT_EQ(client_poll(&client, POLLIN | POLLOUT, 20), 0);
	client_close(&client);
}

TEST(unknown_flags_come_back)
{
	const uint64_t flags = 0x1000 | 0x40000 | 0x80000000 | 0x123400000000;
	struct nmreq_register request = with_flags(want_null(1, 1, 16), flags);
	struct client client;

	need(PART_NULL);
	request.nr_ringid = 9;
	EXPECT_OK(client_bind(&client, "x", &request, NULL));
	EXPECT_EQ(client.reg.nr_flags, flags);
	EXPECT_EQ(client.reg.nr_ringid, 9);
	client_close(&client);
}

/* Pipes: what they allow. */

TEST(pipe_names)
{
	char name[64];

	need(PART_PIPE);
	EXPECT_ERRNO(try_bind(pipe_master(""), want(NR_REG_ALL_NIC)), EINVAL);
	EXPECT_ERRNO(try_bind(pipe_slave(""), want(NR_REG_ALL_NIC)), EINVAL);
	EXPECT_ERRNO(try_bind("{1", want(NR_REG_ALL_NIC)), EINVAL);
	EXPECT_ERRNO(try_bind("}1", want(NR_REG_ALL_NIC)), EINVAL);
	EXPECT_OK(try_bind(pipe_master("a word"), want(NR_REG_ALL_NIC)));
	strcpy(name, pipe_master("1}2")); /* the master of the pipe 1}2 */
	EXPECT_OK(try_bind(name, want(NR_REG_ALL_NIC)));
	strcpy(name, pipe_slave("1{2")); /* a pipe of a pipe */
	EXPECT_OK(try_bind(name, want(NR_REG_ALL_NIC)));
	strcpy(name, pipe_slave("1}2"));
	EXPECT_OK(try_bind(name, want(NR_REG_ALL_NIC)));
}

TEST(pipe_modes)
{
	const char *name;

	need(PART_PIPE);
	name = pipe_master("modes");
	EXPECT_OK(try_bind(name, want(NR_REG_ALL_NIC)));
	EXPECT_OK(try_bind(name, one_ring(NR_REG_ONE_NIC, 0)));
	EXPECT_ERRNO(try_bind(name, one_ring(NR_REG_ONE_NIC, 1)), EINVAL);
	EXPECT_ERRNO(try_bind(name, one_ring(NR_REG_ONE_NIC, 0xffff)), EINVAL);
	EXPECT_ERRNO(try_bind(name, want(NR_REG_SW)), EINVAL);
	EXPECT_ERRNO(try_bind(name, want(NR_REG_NIC_SW)), EINVAL);
	EXPECT_ERRNO(try_bind(name, one_ring(NR_REG_ONE_SW, 0)), EINVAL);
	EXPECT_ERRNO(try_bind(name, want(NR_REG_DEFAULT)), EINVAL);
}

static struct nmreq_register geometry(uint16_t tx_rings, uint32_t tx_slots, uint16_t rx_rings,
				      uint32_t rx_slots)
{
	struct nmreq_register request = want(NR_REG_ALL_NIC);

	request.nr_tx_rings = tx_rings;
	request.nr_tx_slots = tx_slots;
	request.nr_rx_rings = rx_rings;
	request.nr_rx_slots = rx_slots;
	return request;
}

TEST(pipe_geometry_is_the_masters)
{
	struct nmreq_register request = geometry(3, 100, 2, 50);
	struct client slave, master;

	need(PART_PIPE);
	EXPECT_OK(client_bind(&slave, pipe_slave("geo"), &request, NULL));
	EXPECT_EQ(slave.reg.nr_tx_rings, 2);
	EXPECT_EQ(slave.reg.nr_rx_rings, 3);
	EXPECT_EQ(slave.reg.nr_tx_slots, 50);
	EXPECT_EQ(slave.reg.nr_rx_slots, 100);
	request = want(NR_REG_ALL_NIC);
	EXPECT_OK(client_bind(&master, pipe_master("geo"), &request, NULL));
	EXPECT_EQ(master.reg.nr_tx_rings, 3);
	EXPECT_EQ(master.reg.nr_rx_rings, 2);
	EXPECT_EQ(master.reg.nr_tx_slots, 100);
	EXPECT_EQ(master.reg.nr_rx_slots, 50);
	client_close(&slave);
	client_close(&master);
}

TEST(pipe_geometry_is_clamped)
{
	struct nmreq_register request = geometry(1, 100000, 1, 100000);
	struct client client;
	int error;

	need(PART_PIPE);
	error = client_bind(&client, pipe_master("big"), &request, NULL);
	if (error == ENOMEM) /* 4096 slots do not fit the ring objects of this region */
		return;
	EXPECT_OK(error);
	EXPECT_EQ(client.reg.nr_tx_slots, 4096);
	EXPECT_EQ(client.reg.nr_rx_slots, 4096);
	client_close(&client);
}

TEST(sixty_four_pipes_at_most)
{
	struct nmreq_register request = geometry(1, 16, 1, 16);
	struct client clients[65];
	char id[16];
	int count = 0, error = 0;

	need(PART_PIPE);
	while (count < 65 && !error) {
		snprintf(id, sizeof(id), "n%d", count);
		error = client_bind(&clients[count], pipe_master(id), &request, NULL);
		count += !error;
	}
	EXPECT(count <= 64);
	EXPECT_ERRNO(error, count == 64 ? EINVAL : ENOMEM);
	check_note("%d pipes\n", count);
	while (count--)
		client_close(&clients[count]);
	EXPECT_OK(try_bind(pipe_master("n0"), request));
}

/* Exclusive use. */

TEST(exclusive_by_ring)
{
	struct nmreq_register all = geometry(2, 16, 2, 16);
	struct nmreq_register first = with_flags(one_ring(NR_REG_ONE_NIC, 0), NR_EXCLUSIVE);
	struct nmreq_register second = with_flags(one_ring(NR_REG_ONE_NIC, 1), NR_EXCLUSIVE);
	struct client plain, owner, other;
	const char *name;

	need(PART_PIPE);
	name = pipe_master("excl");
	EXPECT_OK(client_bind(&plain, pipe_slave("excl"), &all, NULL)); /* keeps the geometry */
	EXPECT_OK(client_bind(&owner, name, &first, NULL));
	EXPECT_ERRNO(try_bind(name, first), EBUSY);
	EXPECT_ERRNO(try_bind(name, one_ring(NR_REG_ONE_NIC, 0)), EBUSY);
	EXPECT_ERRNO(try_bind(name, want(NR_REG_ALL_NIC)), EBUSY);
	EXPECT_OK(client_bind(&other, name, &second, NULL));
	client_close(&owner);
	EXPECT_OK(try_bind(name, one_ring(NR_REG_ONE_NIC, 0)));
	EXPECT_ERRNO(try_bind(name, want(NR_REG_ALL_NIC)), EBUSY);
	client_close(&other);
	EXPECT_OK(client_bind(&owner, name, &all, NULL));
	EXPECT_ERRNO(try_bind(name, second), EBUSY);
	EXPECT_OK(try_bind(name, one_ring(NR_REG_ONE_NIC, 1)));
	client_close(&owner);
	client_close(&plain);
}

TEST(exclusive_by_direction)
{
	struct nmreq_register request =
		with_flags(want(NR_REG_ALL_NIC), NR_EXCLUSIVE | NR_RX_RINGS_ONLY);
	struct client owner;
	const char *name;

	need(PART_PIPE);
	name = pipe_master("dir");
	EXPECT_OK(client_bind(&owner, name, &request, NULL));
	EXPECT_OK(try_bind(name, with_flags(want(NR_REG_ALL_NIC), NR_TX_RINGS_ONLY)));
	EXPECT_OK(
		try_bind(name, with_flags(want(NR_REG_ALL_NIC), NR_TX_RINGS_ONLY | NR_EXCLUSIVE)));
	EXPECT_ERRNO(try_bind(name, with_flags(want(NR_REG_ALL_NIC), NR_RX_RINGS_ONLY)), EBUSY);
	client_close(&owner);
}

TEST(exclusive_protects_one_end_of_a_pipe)
{
	struct nmreq_register request = with_flags(want(NR_REG_ALL_NIC), NR_EXCLUSIVE);
	struct client owner;

	need(PART_PIPE);
	EXPECT_OK(client_bind(&owner, pipe_master("end"), &request, NULL));
	EXPECT_ERRNO(try_bind(pipe_master("end"), request), EBUSY);
	EXPECT_ERRNO(try_bind(pipe_master("end"), want(NR_REG_ALL_NIC)), EBUSY);
	EXPECT_OK(try_bind(pipe_slave("end"), request));
	client_close(&owner);
	EXPECT_OK(try_bind(pipe_master("end"), request));
}

TEST(later_open_shares_the_ring)
{
	struct nmreq_register request = want(NR_REG_ALL_NIC);
	struct client first, second;

	need(PART_PIPE);
	client_open(&first, pipe_master("share"), &request, NULL);
	tx_ring(&first, 0)->head = tx_ring(&first, 0)->cur = 3;
	tx_sync(&first);
	client_open(&second, pipe_master("share"), &request, NULL);
	EXPECT_EQ(tx_ring(&second, 0)->head, 3);
	EXPECT_EQ((char *)tx_ring(&second, 0) - second.mem, (char *)tx_ring(&first, 0) - first.mem);
	EXPECT(first.reg.nr_offset != second.reg.nr_offset);
	client_close(&first);
	tx_sync(&second);
	client_close(&second);
}

/* Network devices. */

TEST(device_modes)
{
	struct client all, host, both, one;
	struct nmreq_register request;

	need(PART_HOST);
	request = want(NR_REG_ALL_NIC);
	client_open(&all, TAP, &request, NULL);
	EXPECT_EQ(all.reg.nr_mode, NR_REG_ALL_NIC);
	EXPECT(all.reg.nr_tx_rings && all.reg.nr_rx_rings && all.reg.nr_tx_slots &&
	       all.reg.nr_rx_slots && all.reg.nr_memsize);
	EXPECT_EQ(all.reg.nr_host_tx_rings, 1);
	EXPECT_EQ(all.reg.nr_host_rx_rings, 1);
	EXPECT(!strcmp(all.nif->ni_name, TAP));
	EXPECT(tx_ring(&all, 0) && !tx_ring(&all, all.reg.nr_tx_rings));
	request = want(NR_REG_SW);
	client_open(&host, TAP, &request, NULL);
	EXPECT(!tx_ring(&host, 0) && tx_ring(&host, host.reg.nr_tx_rings));
	EXPECT_EQ(tx_ring(&host, host.reg.nr_tx_rings)->ringid, host.reg.nr_tx_rings);
	request = want(NR_REG_NIC_SW);
	client_open(&both, TAP, &request, NULL);
	EXPECT(tx_ring(&both, 0) && tx_ring(&both, both.reg.nr_tx_rings));
	request = one_ring(NR_REG_ONE_NIC, 0);
	client_open(&one, TAP, &request, NULL);
	EXPECT(tx_ring(&one, 0) && rx_ring(&one, 0));
	tx_sync(&both);
	rx_sync(&both);
	client_close(&all);
	client_close(&host);
	client_close(&both);
	client_close(&one);
	EXPECT_ERRNO(try_bind(TAP, one_ring(NR_REG_ONE_NIC, 4000)), EINVAL);
	EXPECT_ERRNO(try_bind(TAP, one_ring(NR_REG_ONE_SW, 1)), EINVAL);
}

/* Asked for what there is, the reply is what was asked. */
TEST(device_geometry_is_not_a_wish)
{
	struct nmreq_register request = want(NR_REG_ALL_NIC), again;
	struct client client;

	need(PART_NETDEV);
	EXPECT_OK(client_bind(&client, TAP, &request, NULL));
	again = client.reg;
	client_close(&client);
	again.nr_extra_bufs = 0;
	EXPECT_OK(client_bind(&client, TAP, &again, NULL));
	EXPECT_EQ(client.reg.nr_tx_slots, again.nr_tx_slots);
	EXPECT_EQ(client.reg.nr_rx_rings, again.nr_rx_rings);
	client_close(&client);
	request.nr_tx_slots = 7;
	request.nr_tx_rings = 77;
	EXPECT_OK(client_bind(&client, TAP, &request, NULL));
	EXPECT_EQ(client.reg.nr_tx_slots, again.nr_tx_slots);
	EXPECT_EQ(client.reg.nr_tx_rings, again.nr_tx_rings);
	client_close(&client);
}

TEST(host_ring_counts)
{
	struct nmreq_register request = one_ring(NR_REG_ONE_SW, 1);
	struct client client;

	need(PART_HOST);
	request.nr_host_tx_rings = request.nr_host_rx_rings = 2;
	client_open(&client, TAP, &request, NULL);
	EXPECT_EQ(client.reg.nr_host_tx_rings, 2);
	EXPECT_EQ(client.nif->ni_host_rx_rings, 2);
	EXPECT(!tx_ring(&client, client.reg.nr_tx_rings));
	EXPECT(tx_ring(&client, client.reg.nr_tx_rings + 1u));
	client_close(&client);
	request = want(NR_REG_SW);
	request.nr_host_tx_rings = 5;
	request.nr_host_rx_rings = 4;
	EXPECT_OK(client_bind(&client, TAP, &request, NULL));
	EXPECT_EQ(client.reg.nr_host_tx_rings, 5);
	EXPECT_EQ(client.reg.nr_host_rx_rings, 4);
	client_close(&client);
	request = want(NR_REG_SW);
	EXPECT_OK(client_bind(&client, TAP, &request, NULL));
	EXPECT_EQ(client.reg.nr_host_tx_rings, 1);
	EXPECT_EQ(client.reg.nr_host_rx_rings, 1);
	client_close(&client);
	request.nr_host_tx_rings = 0xffff;
	EXPECT(try_bind(TAP, request) != 0);
}

TEST(device_regions)
{
	struct nmreq_register request = want(NR_REG_ALL_NIC);
	struct client client, second;

	need(PART_NETDEV);
	EXPECT_ERRNO(try_bind(TAP, in_region(request, 4000)), EINVAL);
	EXPECT_OK(client_bind(&client, TAP, &request, NULL));
	EXPECT_EQ(client.reg.nr_mem_id, 1);
	request.nr_mem_id = 1;
	EXPECT_OK(client_bind(&second, TAP, &request, NULL));
	EXPECT_EQ(second.reg.nr_mem_id, 1);
	client_close(&client);
	client_close(&second);
}

TEST(exclusive_owner_leaves_the_host_rings)
{
	struct nmreq_register request = with_flags(want(NR_REG_ALL_NIC), NR_EXCLUSIVE);
	struct client owner;

	need(PART_HOST);
	EXPECT_OK(client_bind(&owner, TAP, &request, NULL));
	EXPECT_OK(try_bind(TAP, want(NR_REG_SW)));
	EXPECT_ERRNO(try_bind(TAP, want(NR_REG_NIC_SW)), EBUSY);
	client_close(&owner);
}

TEST(loopback_has_too_large_an_mtu)
{
	struct nmreq_port_info_get body = {0};

	need(PART_NETDEV);
	EXPECT_OK(netmap_ask(NETMAP_REQ_PORT_INFO_GET, "lo", &body, NULL));
	EXPECT_ERRNO(try_bind("lo", want(NR_REG_ALL_NIC)), EINVAL);
	EXPECT_OK(try_bind("lo", with_flags(want(NR_REG_ALL_NIC), NR_TX_RINGS_ONLY)));
}
