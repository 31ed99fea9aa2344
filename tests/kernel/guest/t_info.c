/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * t_info.c - the queries: PORT_INFO_GET, POOLS_INFO_GET, PORT_HDR_* (ABI 5.4; checklist 1, 6, 20).
 */
#include "check.h"
#include "client.h"
#include "parts.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

static int port_info(const char *name, struct nmreq_port_info_get *body)
{
	return netmap_ask(NETMAP_REQ_PORT_INFO_GET, name, body, NULL);
}

static int pools_info(const char *name, struct nmreq_pools_info *body)
{
	return netmap_ask(NETMAP_REQ_POOLS_INFO_GET, name, body, NULL);
}

static int header_length(uint16_t type, const char *name, uint32_t *length)
{
	struct nmreq_port_hdr body = {.nr_hdr_len = *length};
	int error = netmap_ask(type, name, &body, NULL);

	*length = body.nr_hdr_len;
	return error;
}

TEST(region_without_a_name)
{
	struct nmreq_port_info_get body = {.nr_tx_slots = 11, .nr_rx_rings = 12};

	EXPECT_OK(port_info("", &body));
	EXPECT_EQ(body.nr_mem_id, 1);
	EXPECT(body.nr_memsize > 0);
	EXPECT_EQ(body.nr_tx_slots, 11);
	EXPECT_EQ(body.nr_rx_rings, 12);
	body.nr_mem_id = 1;
	EXPECT_OK(port_info("", &body));
	body.nr_mem_id = 4001;
	EXPECT_ERRNO(port_info("", &body), EINVAL);
	EXPECT_EQ(body.nr_mem_id, 4001);
}

TEST(region_size_is_that_of_a_bind)
{
	struct nmreq_register request = want_null(1, 1, 16);
	struct nmreq_port_info_get body = {0};
	struct client client;

	need(PART_NULL);
	EXPECT_OK(client_bind(&client, "x", &request, NULL));
	EXPECT_OK(netmap_ctrl(client.fd, NETMAP_REQ_PORT_INFO_GET, "", &body, NULL));
	EXPECT_EQ(body.nr_memsize, client.reg.nr_memsize);
	client_close(&client);
}

TEST(unknown_port)
{
	struct nmreq_port_info_get port = {0};
	struct nmreq_pools_info pools = {0};
	uint32_t length = 0;

	EXPECT_ERRNO(port_info("nmnone", &port), ENXIO);
	EXPECT_ERRNO(pools_info("nmnone", &pools), ENXIO);
	EXPECT_ERRNO(pools_info("", &pools), ENXIO);
	pools.nr_mem_id = 1;
	EXPECT_ERRNO(pools_info("", &pools), ENXIO);
	EXPECT_ERRNO(header_length(NETMAP_REQ_PORT_HDR_GET, "nmnone", &length), ENXIO);
	length = 12;
	EXPECT_ERRNO(header_length(NETMAP_REQ_PORT_HDR_SET, "nmnone", &length), ENXIO);
}

static void expect_consistent(const struct nmreq_pools_info *pools)
{
	uint64_t ifs = (uint64_t)pools->nr_if_pool_objtotal * pools->nr_if_pool_objsize;
	uint64_t rings = (uint64_t)pools->nr_ring_pool_objtotal * pools->nr_ring_pool_objsize;
	uint64_t buffers = (uint64_t)pools->nr_buf_pool_objtotal * pools->nr_buf_pool_objsize;

	EXPECT_EQ(pools->nr_if_pool_offset, 0);
	EXPECT_EQ(pools->nr_ring_pool_offset, ifs);
	EXPECT_EQ(pools->nr_buf_pool_offset, ifs + rings);
	EXPECT_EQ(pools->nr_memsize, (ifs + rings + buffers + 4095) / 4096 * 4096);
	EXPECT_EQ(pools->nr_if_pool_objsize % 64, 0);
	EXPECT_EQ(pools->nr_ring_pool_objsize % 64, 0);
	EXPECT_EQ(pools->nr_buf_pool_objsize % 64, 0);
}

TEST(pools_of_a_pipe)
{
	struct nmreq_register request = want(NR_REG_ALL_NIC);
	struct nmreq_pools_info pools = {0};
	struct client client;

	need(PART_PIPE);
	EXPECT_OK(pools_info(pipe_master("pools"), &pools));
	expect_consistent(&pools);
	EXPECT_OK(client_bind(&client, pipe_master("pools"), &request, NULL));
	memset(&pools, 0, sizeof(pools));
	EXPECT_OK(netmap_ctrl(client.fd, NETMAP_REQ_POOLS_INFO_GET, pipe_master("pools"), &pools,
			      NULL));
	expect_consistent(&pools);
	EXPECT_EQ(pools.nr_memsize, client.reg.nr_memsize);
	EXPECT_EQ(pools.nr_mem_id, client.reg.nr_mem_id);
	client_close(&client);
}

TEST(pools_of_a_device)
{
	struct nmreq_pools_info pools = {0};
	struct nmreq_register request = want(NR_REG_ALL_NIC);
	struct client client;

	need(PART_NETDEV);
	EXPECT_OK(pools_info(TAP, &pools));
	expect_consistent(&pools);
	EXPECT_EQ(pools.nr_mem_id, 1);
	EXPECT_EQ(pools.nr_if_pool_objtotal, parameter_get("if_curr_num"));
	EXPECT_EQ(pools.nr_ring_pool_objsize, parameter_get("ring_curr_size"));
	EXPECT_EQ(pools.nr_buf_pool_objtotal, parameter_get("buf_curr_num"));
	EXPECT_OK(client_bind(&client, TAP, &request, NULL));
	pools = (struct nmreq_pools_info){.nr_mem_id = 1};
	EXPECT_OK(netmap_ctrl(client.fd, NETMAP_REQ_POOLS_INFO_GET, TAP, &pools, NULL));
	expect_consistent(&pools);
	pools = (struct nmreq_pools_info){.nr_mem_id = 4001};
	EXPECT_ERRNO(pools_info(TAP, &pools), EINVAL);
	client_close(&client);
}

TEST(info_of_a_device_binds_nothing)
{
	struct nmreq_register request = want(NR_REG_ALL_NIC);
	struct nmreq_port_info_get body = {0};
	struct client client;

	need(PART_NETDEV);
	EXPECT_OK(port_info(TAP, &body));
	EXPECT(body.nr_memsize && body.nr_tx_slots && body.nr_rx_slots && body.nr_tx_rings &&
	       body.nr_rx_rings);
	EXPECT_EQ(body.nr_mem_id, 1);
	body = (struct nmreq_port_info_get){.nr_mem_id = 4001};
	EXPECT_ERRNO(port_info(TAP, &body), EINVAL);
	request.nr_flags = NR_EXCLUSIVE;
	EXPECT_OK(client_bind(&client, TAP, &request, NULL));
	body = (struct nmreq_port_info_get){0};
	EXPECT_OK(netmap_ctrl(client.fd, NETMAP_REQ_PORT_INFO_GET, TAP, &body, NULL));
	EXPECT_EQ(body.nr_tx_slots, client.reg.nr_tx_slots);
	client_close(&client);
}

TEST(info_of_a_pipe_creates_it_for_a_moment)
{
	struct nmreq_port_info_get body = {
		.nr_tx_slots = 64, .nr_rx_slots = 128, .nr_tx_rings = 2, .nr_rx_rings = 3};
	struct nmreq_register request = want(NR_REG_ALL_NIC);
	struct client client;

	need(PART_PIPE);
	EXPECT_OK(port_info(pipe_master("moment"), &body));
	EXPECT_EQ(body.nr_tx_slots, 64);
	EXPECT_EQ(body.nr_rx_slots, 128);
	EXPECT_EQ(body.nr_tx_rings, 2);
	EXPECT_EQ(body.nr_rx_rings, 3);
	EXPECT_OK(client_bind(&client, pipe_master("moment"), &request, NULL));
	EXPECT_EQ(client.reg.nr_tx_rings, 1); /* another pipe than the one of before */
	client_close(&client);
}

TEST(header_length_of_pipes_and_devices)
{
	uint32_t length = 99;

	need(PART_PIPE);
	EXPECT_ERRNO(header_length(NETMAP_REQ_PORT_HDR_GET, pipe_master("absent"), &length),
		     ENODEV);
	need(PART_NETDEV);
	EXPECT_OK(header_length(NETMAP_REQ_PORT_HDR_GET, TAP, &length));
	EXPECT_EQ(length, 0);
	length = 12;
	EXPECT_ERRNO(header_length(NETMAP_REQ_PORT_HDR_SET, TAP, &length), ENXIO);
}

TEST(header_length_of_a_switch_port)
{
	static const uint32_t good[] = {12, 10, 0};
	struct nmreq_register request = want(NR_REG_ALL_NIC);
	struct client client, other;
	uint32_t length;

	need(PART_VALE);
	EXPECT_OK(client_bind(&client, "vale1:h", &request, NULL));
	for (unsigned int i = 0; i < 3; i++) {
		length = good[i];
		EXPECT_OK(header_length(NETMAP_REQ_PORT_HDR_SET, "vale1:h", &length));
		length = 99;
		EXPECT_OK(header_length(NETMAP_REQ_PORT_HDR_GET, "vale1:h", &length));
		EXPECT_EQ(length, good[i]);
	}
	length = 11;
	EXPECT_ERRNO(header_length(NETMAP_REQ_PORT_HDR_SET, "vale1:h", &length), EINVAL);
	length = 12;
	EXPECT_OK(header_length(NETMAP_REQ_PORT_HDR_SET, "vale1:h", &length));
	EXPECT_ERRNO(client_bind(&other, "vale1:h", &request, NULL), EIO);
	request.nr_flags = NR_ACCEPT_VNET_HDR;
	EXPECT_OK(client_bind(&other, "vale1:h", &request, NULL));
	client_close(&other);
	client_close(&client);
}
