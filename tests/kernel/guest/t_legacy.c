/* SPDX-License-Identifier: BSD-2-Clause */
/* t_legacy.c - NIOCGINFO and NIOCREGIF (ABI 5.7; checklist 18). */
#include "check.h"
#include "client.h"
#include "parts.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static struct nmreq legacy(const char *name)
{
	struct nmreq request = {.nr_version = 14};

	snprintf(request.nr_name, sizeof(request.nr_name), "%s", name);
	return request;
}

static int ask(unsigned long command, struct nmreq *request)
{
	int fd = netmap_open();
	int error = netmap_ioctl(fd, command, request);

	close(fd);
	return error;
}

static int ask_command(uint16_t command, const char *name)
{
	struct nmreq request = legacy(name);

	request.nr_cmd = command;
	return ask(NIOCREGIF, &request);
}

TEST(bad_arguments)
{
	int fd = netmap_open();

	EXPECT(netmap_ioctl(fd, NIOCREGIF, NULL) != 0);
	EXPECT(netmap_ioctl(fd, NIOCGINFO, NULL) != 0);
	EXPECT_ERRNO(netmap_ioctl(fd, NIOCREGIF, (void *)8), EFAULT);
	EXPECT_ERRNO(netmap_ioctl(fd, NIOCGINFO, (void *)8), EFAULT);
}

TEST(versions)
{
	static const uint32_t good[] = {14, 15, 16, 1000, 0xffffffff};
	struct nmreq request;

	for (uint32_t version = 0; version < 14; version++) {
		request = legacy("");
		request.nr_version = version;
		EXPECT_ERRNO(ask(NIOCGINFO, &request), EINVAL);
		EXPECT_ERRNO(ask(NIOCREGIF, &request), EINVAL);
		EXPECT_EQ(request.nr_version, version);
	}
	for (unsigned int i = 0; i < sizeof(good) / sizeof(*good); i++) {
		request = legacy("");
		request.nr_version = good[i];
		EXPECT_OK(ask(NIOCGINFO, &request));
		EXPECT_EQ(request.nr_version, good[i]);
	}
}

TEST(info_of_the_region)
{
	struct nmreq_port_info_get body = {0};
	struct nmreq request = legacy("");

	EXPECT_OK(netmap_ask(NETMAP_REQ_PORT_INFO_GET, "", &body, NULL));
	EXPECT_OK(ask(NIOCGINFO, &request));
	EXPECT_EQ(request.nr_memsize, (uint32_t)body.nr_memsize);
	EXPECT_EQ(request.nr_arg2, 1);
	request = legacy("");
	request.nr_arg2 = 4001;
	EXPECT_ERRNO(ask(NIOCGINFO, &request), EINVAL);
	request = legacy("nmnone");
	EXPECT_ERRNO(ask(NIOCGINFO, &request), ENXIO);
}

TEST(null_mode)
{
	struct nmreq request = legacy("any");
	int fd = netmap_open();

	need(PART_NULL);
	request.nr_flags = NR_REG_NULL | NR_EXCLUSIVE;
	request.nr_ringid = NETMAP_NO_TX_POLL | 5;
	request.nr_tx_rings = 2;
	request.nr_tx_slots = 32;
	request.nr_arg2 = 1;
	request.nr_arg3 = 9;
	EXPECT_OK(netmap_ioctl(fd, NIOCREGIF, &request));
	EXPECT_EQ(request.nr_tx_rings, 2);
	EXPECT_EQ(request.nr_tx_slots, 32);
	EXPECT_EQ(request.nr_rx_rings, 0);
	EXPECT_EQ(request.nr_arg2, 1);
	EXPECT_EQ(request.nr_arg3, 9);
	EXPECT_EQ(request.nr_ringid, NETMAP_NO_TX_POLL | 5);
	EXPECT_EQ(request.nr_flags, NR_REG_NULL | NR_EXCLUSIVE);
	EXPECT(request.nr_memsize > request.nr_offset);
	EXPECT_ERRNO(netmap_ioctl(fd, NIOCREGIF, &request), EBUSY);
	close(fd);
}

TEST(outputs_stay_on_failure)
{
	struct nmreq request = legacy("any"), sent;

	request.nr_flags = NR_REG_NULL;
	request.nr_arg2 = 4001;
	request.nr_arg3 = 5;
	request.nr_offset = 3;
	sent = request;
	EXPECT_ERRNO(ask(NIOCREGIF, &request), EINVAL);
	EXPECT(!memcmp(&request, &sent, sizeof(sent)));
}

TEST(unknown_commands)
{
	EXPECT_ERRNO(ask_command(NETMAP_BDG_REGOPS, TAP), EINVAL);
	EXPECT_ERRNO(ask_command(13, TAP), EINVAL);
	EXPECT_ERRNO(ask_command(0xffff, TAP), EINVAL);
	EXPECT_ERRNO(ask_command(NETMAP_PT_HOST_CREATE, TAP), ENOMEM);
	EXPECT_ERRNO(ask_command(NETMAP_PT_HOST_DELETE, TAP), ENOMEM);
}

TEST(switch_commands_on_other_names)
{
	need(PART_VALE);
	EXPECT_ERRNO(ask_command(NETMAP_BDG_ATTACH, TAP), EINVAL);
	EXPECT_ERRNO(ask_command(NETMAP_BDG_DETACH, TAP), EINVAL);
	EXPECT_ERRNO(ask_command(NETMAP_BDG_DELIF, "nmnone"), ENXIO);
	EXPECT_ERRNO(ask_command(NETMAP_BDG_VNET_HDR, "nmnone"), ENXIO);
	EXPECT_ERRNO(ask_command(NETMAP_VNET_HDR_GET, "nmnone"), ENXIO);
}

TEST(list_of_an_absent_switch)
{
	struct nmreq request = legacy("vale6:none");

	need(PART_VALE);
	request.nr_cmd = NETMAP_BDG_LIST;
	EXPECT_ERRNO(ask(NIOCGINFO, &request), ENOENT);
}

/* The mode from nr_flags, or from nr_ringid where that is 0. */
static void expect_rings(struct nmreq request, bool nic, bool host)
{
	struct client client = {.fd = netmap_open()};
	const uint16_t ringid = request.nr_ringid;
	const uint32_t flags = request.nr_flags;

	EXPECT_OK(netmap_ioctl(client.fd, NIOCREGIF, &request));
	EXPECT_EQ(request.nr_ringid, ringid);
	EXPECT_EQ(request.nr_flags, flags);
	client.reg.nr_memsize = request.nr_memsize;
	client.reg.nr_offset = request.nr_offset;
	client_map(&client);
	EXPECT_EQ(tx_ring(&client, 0) != NULL, nic);
	EXPECT_EQ(tx_ring(&client, client.nif->ni_tx_rings) != NULL, host);
	client_close(&client);
}

TEST(modes_on_a_device)
{
	struct nmreq request = legacy(TAP);

	need(PART_HOST);
	expect_rings(request, true, false);
	request.nr_ringid = NETMAP_SW_RING;
	expect_rings(request, false, true);
	request.nr_ringid = NETMAP_HW_RING | 0;
	expect_rings(request, true, false);
	request.nr_ringid = NETMAP_SW_RING;
	request.nr_flags = NR_REG_ALL_NIC;
	expect_rings(request, true, false);
	request.nr_flags = NR_REG_SW;
	expect_rings(request, false, true);
	request.nr_flags = NR_REG_NIC_SW;
	expect_rings(request, true, true);
}

TEST(pipes_by_mode)
{
	struct client client;
	struct nmreq request;
	struct nmreq_register named = want(NR_REG_ALL_NIC);
	int fd = netmap_open();

	need(PART_PIPE);
	named.nr_flags = NR_EXCLUSIVE;
	if (strlen(pipe_parent()) > 15)
		FAIL("%s is no name for a legacy request", pipe_parent());
	request = legacy(pipe_parent());
	request.nr_ringid = 12;
	request.nr_flags = NR_REG_PIPE_MASTER | NR_EXCLUSIVE;
	request.nr_arg3 = 6;
	EXPECT_OK(netmap_ioctl(fd, NIOCREGIF, &request));
	EXPECT(!strcmp(request.nr_name, pipe_parent()));
	EXPECT_EQ(request.nr_arg3, 6);
	EXPECT_ERRNO(client_bind(&client, pipe_master("12"), &named, NULL), EBUSY);
	EXPECT_OK(client_bind(&client, pipe_slave("12"), &named, NULL));
	client_close(&client);
	close(fd);
}

TEST(pipe_by_name_with_extra_buffers)
{
	struct nmreq request;

	need(PART_PIPE);
	request = legacy(pipe_parent());
	strcat(request.nr_name, "{wo");
	request.nr_arg3 = 11;
	EXPECT_OK(ask(NIOCREGIF, &request));
	EXPECT_EQ(request.nr_arg3, 11);
}
