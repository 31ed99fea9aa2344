/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * t_switch_control.c - the requests on VALE switches: names, attach, detach, list, persistent
 * ports, polling (ABI 5.5, 6.8; checklist 19 to 23).
 */
#include "check.h"
#include "client.h"
#include "parts.h"

#include <errno.h>
#include <net/if.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static int try_bind(const char *name)
{
	struct nmreq_register request = want(NR_REG_ALL_NIC);
	struct client client;
	int error = client_bind(&client, name, &request, NULL);

	if (!error)
		client_close(&client);
	return error;
}

static int attach(const char *name, uint32_t mode)
{
	struct nmreq_vale_attach body = {.reg = {.nr_mode = mode}};
	int error = netmap_ask(NETMAP_REQ_VALE_ATTACH, name, &body, NULL);

	EXPECT_EQ(body.reg.nr_mem_id, 0);
	return error;
}

static int detach(const char *name)
{
	struct nmreq_vale_detach body = {0};

	return netmap_ask(NETMAP_REQ_VALE_DETACH, name, &body, NULL);
}

static int newif(const char *name)
{
	struct nmreq_vale_newif body = {0};

	return netmap_ask(NETMAP_REQ_VALE_NEWIF, name, &body, NULL);
}

static int delif(const char *name)
{
	return netmap_ask(NETMAP_REQ_VALE_DELIF, name, NULL, NULL);
}

static int polling(uint16_t type, const char *name, uint32_t mode, uint32_t cpus)
{
	struct nmreq_vale_polling body = {.nr_mode = mode, .nr_num_polling_cpus = cpus};

	return netmap_ask(type, name, &body, NULL);
}

TEST(port_names)
{
	need(PART_VALE);
	EXPECT_OK(try_bind("vale:p"));
	EXPECT_OK(try_bind("vale0:p"));
	EXPECT_OK(try_bind("valea_Z9:p"));
	EXPECT_OK(try_bind("vale0:"));
	EXPECT_OK(try_bind("vale0:with space"));
	EXPECT_OK(try_bind("vale12345678901:fifteenletters1"));
	EXPECT_ERRNO(try_bind("vale123456789012:p"), ENOMEM);
	EXPECT_ERRNO(try_bind("vale0:seventeenletters1"), ENOMEM);
	EXPECT_ERRNO(try_bind("vale-0:p"), ENOMEM);
	EXPECT_ERRNO(try_bind("vale 0:p"), ENOMEM);
}

/* Only "vale", and a colon behind it, make a name a switch's. */
TEST(names_that_only_look_so)
{
	need(PART_VALE);
	EXPECT_ERRNO(try_bind("valve0"), ENXIO);
	EXPECT_ERRNO(try_bind("vale0"), ENXIO);
	EXPECT_ERRNO(try_bind("val:p"), ENXIO);
	EXPECT_ERRNO(try_bind("xvale0:p"), ENXIO);
}

TEST(device_is_no_ephemeral_port)
{
	need(PART_VALE);
	EXPECT_ERRNO(try_bind("vale0:" TAP), EINVAL);
}

TEST(geometry_is_clamped)
{
	struct nmreq_register request = want(NR_REG_ALL_NIC);
	struct client client;

	need(PART_VALE);
	EXPECT_OK(client_bind(&client, "vale0:g", &request, NULL));
	EXPECT_EQ(client.reg.nr_tx_rings, 1);
	EXPECT_EQ(client.reg.nr_rx_slots, 1024);
	EXPECT_EQ(client.reg.nr_host_tx_rings, 0);
	EXPECT(client.reg.nr_mem_id > 1);
	EXPECT_EQ(client.reg.nr_memsize, 42369024);
	client_close(&client);
	request.nr_tx_rings = request.nr_rx_rings = 100;
	request.nr_tx_slots = request.nr_rx_slots = 64;
	EXPECT_OK(client_bind(&client, "vale0:g", &request, NULL));
	EXPECT_EQ(client.reg.nr_tx_rings, 16);
	EXPECT_EQ(client.reg.nr_rx_rings, 16);
	EXPECT_EQ(client.reg.nr_tx_slots, 64);
	client_close(&client);
}

TEST(exclusive_ports)
{
	struct nmreq_register request = want(NR_REG_ALL_NIC);
	struct client owner;

	need(PART_VALE);
	request.nr_flags = NR_EXCLUSIVE;
	EXPECT_OK(client_bind(&owner, "vale0:x", &request, NULL));
	EXPECT_ERRNO(try_bind("vale0:x"), EBUSY);
	EXPECT_OK(try_bind("vale0:y"));
	client_close(&owner);
	EXPECT_OK(try_bind("vale0:x"));
}

TEST(eight_switches)
{
	struct nmreq_register request = want(NR_REG_ALL_NIC);
	struct client clients[9];
	char name[16];
	int count = 0;

	need(PART_VALE);
	request.nr_mem_id = 1; /* nine private regions would fill the guest */
	request.nr_tx_slots = request.nr_rx_slots = 16;
	for (; count < 8; count++) {
		snprintf(name, sizeof(name), "vale%d:p", 20 + count);
		EXPECT_OK(client_bind(&clients[count], name, &request, NULL));
	}
	EXPECT_ERRNO(client_bind(&clients[8], "vale29:p", &request, NULL), ENOMEM);
	client_close(&clients[0]);
	EXPECT_OK(client_bind(&clients[0], "vale29:p", &request, NULL));
	while (count--)
		client_close(&clients[count]);
}

TEST(listing)
{
	struct nmreq_register request = want(NR_REG_ALL_NIC);
	struct nmreq_vale_list where = {0};
	struct nmreq_header header = {
		.nr_version = 14, .nr_reqtype = NETMAP_REQ_VALE_LIST, .nr_body = (uintptr_t)&where};
	struct client a, b, c;
	int fd = netmap_open(), count = 0;

	need(PART_VALE);
	request.nr_mem_id = 1;
	request.nr_tx_slots = request.nr_rx_slots = 16;
	EXPECT_OK(client_bind(&a, "vale0:a", &request, NULL));
	EXPECT_OK(client_bind(&b, "vale0:b", &request, NULL));
	EXPECT_OK(client_bind(&c, "vale1:c", &request, NULL));
	while (!netmap_ioctl(fd, NIOCCTRL, &header)) {
		count++;
		EXPECT(!strncmp(header.nr_name, "vale", 4) && strchr(header.nr_name, ':'));
		memset(header.nr_name, 0, sizeof(header.nr_name));
		where.nr_port_idx++;
	}
	EXPECT_EQ(count, 3);
	EXPECT_ERRNO(netmap_ask(NETMAP_REQ_VALE_LIST, "nmt0", &where, NULL), EINVAL);
	EXPECT_ERRNO(netmap_ask(NETMAP_REQ_VALE_LIST, "vale9:p", &where, NULL), ENOENT);
	EXPECT_OK(netmap_ask(NETMAP_REQ_VALE_LIST, "vale0:none", &where, NULL));
	EXPECT_EQ(where.nr_port_idx, 255);
	EXPECT_OK(netmap_ask(NETMAP_REQ_VALE_LIST, "vale0:b", &where, NULL));
	EXPECT(where.nr_port_idx < 255);
	client_close(&a);
	client_close(&b);
	client_close(&c);
	where = (struct nmreq_vale_list){0};
	EXPECT_ERRNO(netmap_ioctl(fd, NIOCCTRL, &header), ENOENT);
}

TEST(detach_errors)
{
	struct nmreq_register request = want(NR_REG_ALL_NIC);
	struct client client;

	need(PART_VALE);
	EXPECT_ERRNO(detach("nmt0"), EINVAL);
	EXPECT_ERRNO(detach("vale0:none"), ENXIO);
	EXPECT_OK(client_bind(&client, "vale0:e", &request, NULL));
	EXPECT_ERRNO(detach("vale0:e"), EBUSY);
	client_close(&client);
}

TEST(persistent_port_errors)
{
	need(PART_VALE);
	EXPECT_ERRNO(newif("vale5"), EINVAL);
	EXPECT_ERRNO(newif("sixteenletters16"), EINVAL);
	EXPECT_ERRNO(newif("lo"), EEXIST);
	EXPECT_ERRNO(delif("nmnone"), ENXIO);
	EXPECT_ERRNO(delif("lo"), EINVAL);
	EXPECT(!if_nametoindex("sixteenletters1"));
}

TEST(persistent_port_of_an_unknown_region)
{
	struct nmreq_vale_newif body = {.nr_mem_id = 4001};

	need(PART_VALE);
	EXPECT_ERRNO(netmap_ask(NETMAP_REQ_VALE_NEWIF, "nmp9", &body, NULL), EINVAL);
	EXPECT(!if_nametoindex("nmp9"));
}

TEST(persistent_port_in_two_switches)
{
	need(PART_VALE);
	EXPECT_OK(newif("nmq"));
	EXPECT(if_nametoindex("nmq"));
	EXPECT_ERRNO(newif("nmq"), EEXIST);
	EXPECT_OK(attach("vale0:nmq", NR_REG_ALL_NIC));
	EXPECT_ERRNO(attach("vale0:nmq", NR_REG_ALL_NIC), EBUSY);
	EXPECT_ERRNO(newif("nmq"), EEXIST);
	EXPECT_ERRNO(delif("nmq"), EBUSY);
	EXPECT_OK(attach("vale1:nmq", NR_REG_ALL_NIC));
	EXPECT_ERRNO(delif("nmq"), EBUSY);
	EXPECT_ERRNO(detach("vale0:nmq"), EBUSY);
	EXPECT_OK(detach("vale1:nmq"));
	EXPECT_OK(detach("vale0:nmq"));
	EXPECT_OK(delif("nmq"));
	EXPECT(!if_nametoindex("nmq"));
}

/* Bound by its bare name or by the switch's, the port keeps its place in the switch. */
TEST(persistent_port_keeps_its_name)
{
	struct nmreq_register request = want(NR_REG_ALL_NIC);
	struct client client;

	need(PART_VALE);
	EXPECT_OK(newif("nmq"));
	EXPECT_OK(client_bind(&client, "nmq", &request, NULL));
	EXPECT_ERRNO(attach("vale0:nmq", NR_REG_ALL_NIC), EBUSY);
	EXPECT_ERRNO(delif("nmq"), EBUSY);
	client_close(&client);
	EXPECT_OK(attach("vale0:nmq", NR_REG_ALL_NIC));
	for (int i = 0; i < 3; i++) {
		EXPECT_OK(try_bind("vale0:nmq"));
		EXPECT_OK(try_bind("nmq"));
	}
	EXPECT_OK(detach("vale0:nmq"));
	EXPECT_OK(delif("nmq"));
}

TEST(attach_errors)
{
	struct nmreq_vale_attach body = {.reg = {.nr_mode = NR_REG_ALL_NIC}};

	need(PART_VALE);
	need(PART_NETDEV);
	EXPECT_ERRNO(attach("nmt0", NR_REG_ALL_NIC), EINVAL);
	EXPECT_ERRNO(attach("vale0:none", NR_REG_ALL_NIC), EINVAL);
	EXPECT_ERRNO(attach("vale-:" TAP, NR_REG_ALL_NIC), ENOMEM);
	EXPECT_ERRNO(attach("vale0:" TAP, NR_REG_SW), EINVAL);
	EXPECT_ERRNO(attach("vale0:" TAP, NR_REG_ONE_NIC), EINVAL);
	body.reg.nr_ringid = 1;
	EXPECT_ERRNO(netmap_ask(NETMAP_REQ_VALE_ATTACH, "vale0:" TAP, &body, NULL), EINVAL);
	body.reg.nr_ringid = 0;
	body.reg.nr_mem_id = 4001;
	EXPECT_ERRNO(netmap_ask(NETMAP_REQ_VALE_ATTACH, "vale0:" TAP, &body, NULL), EINVAL);
}

TEST(attached_device_belongs_to_the_switch)
{
	static const uint32_t modes[] = {NR_REG_ALL_NIC, NR_REG_NIC_SW};
	struct nmreq_register request = want(NR_REG_ALL_NIC);
	struct client client;

	need(PART_VALE);
	need(PART_HOST);
	for (int i = 0; i < 2; i++) {
		EXPECT_OK(attach("vale0:" TAP, modes[i]));
		EXPECT_ERRNO(attach("vale0:" TAP, modes[i]), EBUSY);
		EXPECT_ERRNO(try_bind(TAP), EBUSY);
		EXPECT_ERRNO(try_bind(TAP "{1"), EBUSY);
		EXPECT_OK(detach("vale0:" TAP));
		EXPECT_OK(try_bind(TAP));
	}
	EXPECT_OK(client_bind(&client, TAP, &request, NULL));
	EXPECT_ERRNO(attach("vale0:" TAP, NR_REG_ALL_NIC), EBUSY);
	client_close(&client);
	EXPECT_OK(attach("vale0:" TAP, NR_REG_ALL_NIC));
	EXPECT_OK(detach("vale0:" TAP));
}

TEST(polling_on_and_off)
{
	const uint16_t on = NETMAP_REQ_VALE_POLLING_ENABLE, off = NETMAP_REQ_VALE_POLLING_DISABLE;
	struct nmreq_register request = want(NR_REG_ALL_NIC);
	struct client client;

	need(PART_VALE);
	need(PART_NETDEV);
	EXPECT_ERRNO(polling(on, TAP, NETMAP_POLLING_MODE_SINGLE_CPU, 1), EINVAL);
	EXPECT_ERRNO(polling(on, "vale0:none", NETMAP_POLLING_MODE_SINGLE_CPU, 1), ENXIO);
	EXPECT_OK(client_bind(&client, "vale0:e", &request, NULL));
	EXPECT_ERRNO(polling(on, "vale0:e", NETMAP_POLLING_MODE_SINGLE_CPU, 1), EOPNOTSUPP);
	client_close(&client);
	EXPECT_OK(attach("vale0:" TAP, NR_REG_ALL_NIC));
	EXPECT_ERRNO(polling(on, "vale0:" TAP, 3, 1), EINVAL);
	EXPECT_ERRNO(polling(on, "vale0:" TAP, NETMAP_POLLING_MODE_SINGLE_CPU, 0), EINVAL);
	EXPECT_ERRNO(polling(on, "vale0:" TAP, NETMAP_POLLING_MODE_SINGLE_CPU, 2), EINVAL);
	EXPECT_ERRNO(polling(off, "vale0:" TAP, NETMAP_POLLING_MODE_SINGLE_CPU, 1), EFAULT);
	EXPECT_OK(polling(on, "vale0:" TAP, NETMAP_POLLING_MODE_SINGLE_CPU, 1));
	EXPECT_ERRNO(polling(on, "vale0:" TAP, NETMAP_POLLING_MODE_SINGLE_CPU, 1), EFAULT);
	EXPECT_ERRNO(detach("vale0:" TAP), EBUSY);
	EXPECT_OK(polling(off, "vale0:" TAP, NETMAP_POLLING_MODE_SINGLE_CPU, 1));
	EXPECT_OK(detach("vale0:" TAP));
}
