/* SPDX-License-Identifier: BSD-2-Clause */
/* client.c - see client.h. Must not know which kind of port it opens. */
#include "client.h"

#include "check.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define PARAMETERS "/sys/module/nmjit/parameters"

int netmap_open(void)
{
	int fd = open(DEVICE, O_RDWR | O_CLOEXEC);

	EXPECT_SYSTEM(fd);
	return fd;
}

int netmap_ioctl(int fd, unsigned long command, void *argument)
{
	int result = ioctl(fd, command, argument);

	if (result > 0)
		FAIL("ioctl 0x%lx returned %d", command, result);
	return result ? errno : 0;
}

int netmap_ctrl(int fd, uint16_t type, const char *name, void *body, void *options)
{
	struct nmreq_header header = {
		.nr_version = NETMAP_API,
		.nr_reqtype = type,
		.nr_options = (uintptr_t)options,
		.nr_body = (uintptr_t)body,
	};
	int error;

	strncpy(header.nr_name, name, sizeof(header.nr_name) - 1);
	error = netmap_ioctl(fd, NIOCCTRL, &header);
	EXPECT_EQ(header.nr_version, NETMAP_API);
	EXPECT_EQ(header.nr_reqtype, type);
	EXPECT_EQ(header.nr_reserved, 0);
	EXPECT_EQ(header.nr_options, (uintptr_t)options);
	EXPECT_EQ(header.nr_body, (uintptr_t)body);
	return error;
}

int netmap_ask(uint16_t type, const char *name, void *body, void *options)
{
	int fd = netmap_open();
	int error = netmap_ctrl(fd, type, name, body, options);

	close(fd);
	return error;
}

struct nmreq_register want(uint32_t mode)
{
	return (struct nmreq_register){.nr_mode = mode};
}

struct nmreq_register want_null(uint16_t tx_rings, uint16_t rx_rings, uint32_t slots)
{
	return (struct nmreq_register){
		.nr_mode = NR_REG_NULL,
		.nr_mem_id = 1,
		.nr_tx_rings = tx_rings,
		.nr_rx_rings = rx_rings,
		.nr_tx_slots = slots,
		.nr_rx_slots = slots,
	};
}

int client_bind(struct client *client, const char *name, const struct nmreq_register *request,
		void *options)
{
	int error;

	memset(client, 0, sizeof(*client));
	client->fd = netmap_open();
	client->reg = *request;
	error = netmap_ctrl(client->fd, NETMAP_REQ_REGISTER, name, &client->reg, options);
	if (error) {
		close(client->fd);
		client->fd = -1;
	}
	return error;
}

void client_map(struct client *client)
{
	client->mem = mmap(NULL, client->reg.nr_memsize, PROT_READ | PROT_WRITE, MAP_SHARED,
			   client->fd, 0);
	if (client->mem == MAP_FAILED)
		FAIL("mmap of %llu bytes: %s", (unsigned long long)client->reg.nr_memsize,
		     check_errno_name(errno));
	client->nif = (struct netmap_if *)(client->mem + client->reg.nr_offset);
}

void client_open(struct client *client, const char *name, const struct nmreq_register *request,
		 void *options)
{
	int error = client_bind(client, name, request, options);

	if (error)
		FAIL("REGISTER %s, mode %u, flags 0x%llx: %s", name, request->nr_mode,
		     (unsigned long long)request->nr_flags, check_errno_name(error));
	client_map(client);
}

void client_close(struct client *client)
{
	if (client->mem)
		munmap(client->mem, client->reg.nr_memsize);
	close(client->fd);
	client->fd = -1;
	client->mem = NULL;
	client->nif = NULL;
}

static struct netmap_ring *ring_at(const struct client *client, unsigned int entry)
{
	int64_t distance = client->nif->ring_ofs[entry];

	return distance ? (struct netmap_ring *)((char *)client->nif + distance) : NULL;
}

struct netmap_ring *tx_ring(const struct client *client, unsigned int index)
{
	EXPECT(index < client->nif->ni_tx_rings + client->nif->ni_host_tx_rings);
	return ring_at(client, index);
}

struct netmap_ring *rx_ring(const struct client *client, unsigned int index)
{
	EXPECT(index < client->nif->ni_rx_rings + client->nif->ni_host_rx_rings);
	return ring_at(client, client->nif->ni_tx_rings + client->nif->ni_host_tx_rings + index);
}

void tx_sync(const struct client *client)
{
	EXPECT_OK(netmap_ioctl(client->fd, NIOCTXSYNC, NULL));
}

void rx_sync(const struct client *client)
{
	EXPECT_OK(netmap_ioctl(client->fd, NIOCRXSYNC, NULL));
}

short client_poll(const struct client *client, short events, int ms)
{
	struct pollfd entry = {.fd = client->fd, .events = events};

	EXPECT_SYSTEM(poll(&entry, 1, ms));
	return entry.revents;
}

static FILE *parameter_open(const char *name, const char *mode)
{
	char path[128];
	FILE *file;

	snprintf(path, sizeof(path), PARAMETERS "/%s", name);
	file = fopen(path, mode);
	if (!file)
		FAIL("parameter %s: %s", name, check_errno_name(errno));
	return file;
}

long parameter_get(const char *name)
{
	FILE *file = parameter_open(name, "r");
	long value = 0;

	if (fscanf(file, "%ld", &value) != 1)
		FAIL("parameter %s is no number", name);
	fclose(file);
	return value;
}

void parameter_set(const char *name, long value)
{
	FILE *file = parameter_open(name, "w");

	fprintf(file, "%ld\n", value);
	if (fclose(file))
		FAIL("parameter %s = %ld: %s", name, value, check_errno_name(errno));
}

uint32_t free_buffers(uint16_t region)
{
	struct nmreq_register request = want_null(0, 0, 0);
	struct client probe;
	uint32_t granted;

	request.nr_mem_id = region;
	request.nr_extra_bufs = 2000000;
	EXPECT_OK(client_bind(&probe, "count", &request, NULL));
	granted = probe.reg.nr_extra_bufs;
	client_close(&probe);
	return granted;
}
