/* SPDX-License-Identifier: BSD-2-Clause */
/* parts.c - see parts.h: one small request for each part. Must not test anything beyond presence.
 */
#include "parts.h"

#include "check.h"
#include "client.h"

#include <errno.h>
#include <net/if.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static int info(const char *name)
{
	struct nmreq_port_info_get body = {0};

	return netmap_ask(NETMAP_REQ_PORT_INFO_GET, name, &body, NULL);
}

static int bind_once(const char *name, const struct nmreq_register *request, void *options)
{
	struct client client;
	int error = client_bind(&client, name, request, options);

	if (!error)
		client_close(&client);
	return error;
}

static int ask_null(void)
{
	struct nmreq_register request = want_null(1, 1, 64);

	return bind_once("probe", &request, NULL);
}

static int ask_pipe(void)
{
	return pipe_parent() ? 0 : ENXIO;
}

static int ask_offsets(void)
{
	struct nmreq_opt_offsets option = {
		.nro_opt = {.nro_reqtype = NETMAP_REQ_OPT_OFFSETS},
		.nro_max_offset = 64,
	};
	struct nmreq_register request = want_null(1, 1, 64);

	return bind_once("probe", &request, &option);
}

static int ask_csb(void)
{
	static struct nm_csb_atok atok[2] __attribute__((aligned(64)));
	static struct nm_csb_ktoa ktoa[2] __attribute__((aligned(64)));
	struct nmreq_opt_csb option = {
		.nro_opt = {.nro_reqtype = NETMAP_REQ_OPT_CSB},
		.csb_atok = (uintptr_t)atok,
		.csb_ktoa = (uintptr_t)ktoa,
	};
	struct nmreq_register request = want_null(1, 1, 64);

	request.nr_flags = NR_EXCLUSIVE;
	return bind_once("probe", &request, &option);
}

/* Unreadable memory: EFAULT where the option is known. */
static int ask_extmem(void)
{
	struct nmreq_opt_extmem option = {
		.nro_opt = {.nro_reqtype = NETMAP_REQ_OPT_EXTMEM},
		.nro_usrptr = 4096,
		.nro_info = {.nr_memsize = 64 << 20},
	};
	struct nmreq_register request = want_null(1, 1, 64);
	int error;

	request.nr_mem_id = 0;
	error = bind_once("probe", &request, &option);
	return error == EFAULT ? 0 : error;
}

static int ask_netdev(void)
{
	if (!if_nametoindex(TAP))
		FAIL("the guest has no interface %s", TAP);
	return info(TAP);
}

static int ask_host(void)
{
	struct nmreq_register request = want(NR_REG_SW);

	return bind_once(TAP, &request, NULL);
}

static int ask_vale(void)
{
	return info("vale7:probe");
}

static int ask_monitor(void)
{
	const struct nmreq_register plain = want(NR_REG_ALL_NIC);
	struct nmreq_register request = plain;
	struct client master;
	int error;

	request.nr_flags = NR_MONITOR_RX;
	if (!pipe_parent())
		return ENXIO;
	EXPECT_OK(client_bind(&master, pipe_master("probe"), &plain, NULL));
	error = bind_once(pipe_master("probe"), &request, NULL);
	client_close(&master);
	return error;
}

/* Which data path a device got is told by the parameter that chooses it. */
static int ask_xdp(void)
{
	return access("/sys/module/nmjit/parameters/xdp", F_OK) ? ENOENT : 0;
}

static const struct {
	const char *name;
	const char *request;
	int (*ask)(void);
} parts[PARTS] = {
	[PART_NULL] = {"null", "REGISTER of a null port in region 1", ask_null},
	[PART_PIPE] = {"pipe", "PORT_INFO_GET of a pipe of any parent", ask_pipe},
	[PART_OFFSETS] = {"offsets", "REGISTER of a null port with OFFSETS", ask_offsets},
	[PART_CSB] = {"csb", "REGISTER of a null port with CSB", ask_csb},
	[PART_EXTMEM] = {"extmem", "REGISTER with EXTMEM at a bad address", ask_extmem},
	[PART_NETDEV] = {"netdev", "PORT_INFO_GET of the tap " TAP, ask_netdev},
	[PART_HOST] = {"host", "REGISTER of the host rings of " TAP, ask_host},
	[PART_VALE] = {"vale", "PORT_INFO_GET vale7:probe", ask_vale},
	[PART_MONITOR] = {"monitor", "REGISTER of a monitor of a pipe", ask_monitor},
	[PART_XDP] = {"xdp", "parameter xdp", ask_xdp},
};

void need(enum part part)
{
	int error = parts[part].ask();

	if (!error)
		return;
	if (check_must_have(parts[part].name))
		FAIL("%s: %s, but %s must be built", parts[part].request, check_errno_name(error),
		     parts[part].name);
	check_skip("%s is not built in this module: %s gave %s", parts[part].name,
		   parts[part].request, check_errno_name(error));
}

const char *pipe_parent(void)
{
	static const char *const parents[] = {TAP, "vale7:parent", "nmparent"};
	static const char *found;
	char name[64];

	for (unsigned int i = 0; !found && i < sizeof(parents) / sizeof(*parents); i++) {
		snprintf(name, sizeof(name), "%s{probe", parents[i]);
		if (!info(name))
			found = parents[i];
	}
	return found;
}

static const char *pipe_end(char brace, const char *id)
{
	static char names[4][64];
	static unsigned int turn;
	char *name = names[turn++ % 4];

	snprintf(name, sizeof(names[0]), "%s%c%s", pipe_parent(), brace, id);
	return name;
}

const char *pipe_master(const char *id)
{
	return pipe_end('{', id);
}

const char *pipe_slave(const char *id)
{
	return pipe_end('}', id);
}
