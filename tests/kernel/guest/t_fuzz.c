/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * t_fuzz.c - random requests with random options, in random order on several descriptors, from
 * several threads; repeated with --seed, lengthened with --minutes. Whatever comes back is right:
 * what is looked for is what the kernel does not survive, or does not give back.
 */
#include "check.h"
#include "client.h"
#include "parts.h"
#include "random.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <unistd.h>

#define SHORT_RUN   8.0 /* seconds */
#define LONG	    300 /* seconds, besides --minutes */
#define DESCRIPTORS 8
#define ARENA	    (1 << 16)

/* What requests point into: shared by all threads, so it changes while the kernel reads it. */
static char arena[ARENA] __attribute__((aligned(4096)));
static char external[8 << 20] __attribute__((aligned(4096)));
static int fds[DESCRIPTORS];
static double until;

static const char *random_name(void)
{
	static const char *const names[] = {
		"",	     "lo",	  TAP,		TAP_OTHER,	VETH_A,	      VETH_B,
		"nmnone",    "vale0:",	  "vale0:a",	"vale0:b",	"vale1:a",    "vale:x",
		"valex",     "val",	  "vale0:nmt1", "nmparent{1",	"nmparent}1", "nmparent{2",
		"nmparent}", "nmt0{1",	  "nmt0}1",	"nmt0}1{2",	"{",	      "}",
		"vale0:a{1", "vale0:a}1", "nmpers",	"vale0:nmpers", "null",	      "vale0:a{1}2",
	};
	static _Thread_local char name[NETMAP_REQ_IFNAMSIZ];

	if (random_below(50) == 0) {
		for (unsigned int i = 0; i < sizeof(name); i++)
			name[i] = (char)(1 + random_below(255));
		return name;
	}
	return names[random_below(sizeof(names) / sizeof(*names))];
}

/* Perhaps without a NUL. */
static void fill_name(char *to, size_t size)
{
	const char *name = random_name();

	memcpy(to, name, strnlen(name, size));
}

static uint32_t small_word(void)
{
	switch (random_below(6)) {
	case 0:
		return (uint32_t)random_word();
	case 1:
		return 0;
	case 2:
		return 0xffff;
	default:
		return random_below(300);
	}
}

static uint64_t random_address(void)
{
	switch (random_below(16)) {
	case 0:
		return 0;
	case 1:
		return 8;
	case 2:
		return ~0ull - random_below(5000);
	case 3:
		return random_word();
	case 4:
		return (uintptr_t)arena + ARENA - random_below(64); /* across its end */
	default:
		return (uintptr_t)arena + random_below(ARENA / 64) * 64;
	}
}

static void random_register(struct nmreq_register *reg)
{
	static const uint64_t flags[] = {0,
					 0,
					 0,
					 NR_EXCLUSIVE,
					 NR_RX_RINGS_ONLY,
					 NR_TX_RINGS_ONLY,
					 NR_MONITOR_RX,
					 NR_MONITOR_TX,
					 NR_ZCOPY_MON,
					 NR_ACCEPT_VNET_HDR,
					 NR_NO_TX_POLL,
					 NR_DO_RX_POLL};

	memset(reg, 0, sizeof(*reg));
	reg->nr_mode = random_below(4) ? NR_REG_ALL_NIC : random_below(10);
	if (random_below(3) == 0)
		reg->nr_mode = NR_REG_NULL;
	reg->nr_mem_id = random_below(3) ? (uint16_t)random_below(2) : (uint16_t)random_below(40);
	reg->nr_ringid = random_below(4) ? 0 : (uint16_t)random_below(5);
	if (random_below(2)) {
		reg->nr_tx_slots = random_below(6) ? random_below(100) : small_word();
		reg->nr_rx_slots = random_below(6) ? random_below(100) : small_word();
		reg->nr_tx_rings =
			random_below(6) ? (uint16_t)random_below(4) : (uint16_t)small_word();
		reg->nr_rx_rings =
			random_below(6) ? (uint16_t)random_below(4) : (uint16_t)small_word();
		reg->nr_host_tx_rings = (uint16_t)random_below(3);
		reg->nr_host_rx_rings = (uint16_t)random_below(3);
	}
	reg->nr_extra_bufs = random_below(4) ? random_below(20) : small_word();
	for (int i = 0; i < 2; i++)
		reg->nr_flags |= flags[random_below(sizeof(flags) / sizeof(*flags))];
	if (random_below(30) == 0)
		reg->nr_flags = random_word();
}

static void random_extmem(struct nmreq_opt_extmem *option)
{
	option->nro_usrptr = random_below(3) ? (uintptr_t)external : random_address();
	memset(&option->nro_info, 0, sizeof(option->nro_info));
	option->nro_info.nr_memsize = random_below(4) ? sizeof(external) : random_word() >> 20;
	option->nro_info.nr_if_pool_objtotal = small_word();
	option->nro_info.nr_if_pool_objsize = random_below(2) ? 1024 : small_word();
	option->nro_info.nr_ring_pool_objtotal = small_word();
	option->nro_info.nr_ring_pool_objsize = random_below(2) ? 4096 : small_word();
	option->nro_info.nr_buf_pool_objtotal = small_word() * 8;
	option->nro_info.nr_buf_pool_objsize = random_below(2) ? 2048 : small_word();
}

/* One option at `at` of the arena: its size. */
static size_t random_option(char *at, uint32_t type)
{
	struct nmreq_option *option = (void *)at;

	memset(at, 0, 256);
	option->nro_reqtype = type;
	option->nro_size = random_below(10) ? 0 : random_word() >> random_below(64);
	switch (type) {
	case NETMAP_REQ_OPT_EXTMEM:
		random_extmem((void *)at);
		return sizeof(struct nmreq_opt_extmem);
	case NETMAP_REQ_OPT_SYNC_KLOOP_EVENTFDS: {
		struct nmreq_opt_sync_kloop_eventfds *fds_option = (void *)at;
		uint32_t count = random_below(6);

		option->nro_size = 24 + 8 * count;
		for (uint32_t i = 0; i < count; i++) {
			fds_option->eventfds[i].ioeventfd = (int)random_below(20) - 1;
			fds_option->eventfds[i].irqfd = (int)random_below(20) - 1;
		}
		return 24 + 8 * count;
	}
	case NETMAP_REQ_OPT_CSB: {
		struct nmreq_opt_csb *csb = (void *)at;

		csb->csb_atok = random_address();
		csb->csb_ktoa = random_address();
		return sizeof(*csb);
	}
	case NETMAP_REQ_OPT_SYNC_KLOOP_MODE:
		((struct nmreq_opt_sync_kloop_mode *)at)->mode = random_below(5);
		return sizeof(struct nmreq_opt_sync_kloop_mode);
	case NETMAP_REQ_OPT_OFFSETS: {
		struct nmreq_opt_offsets *offsets = (void *)at;

		offsets->nro_max_offset = random_word() >> (32 + random_below(32));
		offsets->nro_initial_offset = random_below(4) ? 0 : random_below(3000);
		offsets->nro_offset_bits = random_below(70);
		offsets->nro_min_gap = random_below(4000);
		return sizeof(*offsets);
	}
	default:
		return sizeof(*option);
	}
}

static uint64_t random_options(void)
{
	char *at = arena + random_below(ARENA / 2) / 64 * 64;
	const uint64_t first = (uintptr_t)at;
	uint32_t count = random_below(4);

	if (!count || random_below(2))
		return random_below(40) ? 0 : random_address();
	while (count--) {
		struct nmreq_option *option = (void *)at;
		size_t size = random_option(at, random_below(8));

		at += (size + 63) / 64 * 64;
		if (count)
			option->nro_next = random_below(30) ? (uintptr_t)at : random_address();
	}
	return first;
}

static void random_request(int fd)
{
	struct nmreq_header header = {.nr_version = NETMAP_API};
	char body[512] __attribute__((aligned(8)));

	for (unsigned int i = 0; i < sizeof(body); i++)
		body[i] = random_below(4) ? 0 : (char)random_word();
	header.nr_reqtype = (uint16_t)random_below(17);
	if (random_below(3) == 0)
		header.nr_reqtype = NETMAP_REQ_REGISTER;
	fill_name(header.nr_name, sizeof(header.nr_name));
	if (header.nr_reqtype == NETMAP_REQ_REGISTER || header.nr_reqtype == NETMAP_REQ_VALE_ATTACH)
		random_register((void *)body);
	if (header.nr_reqtype == NETMAP_REQ_SYNC_KLOOP_START)
		*(uint32_t *)body = random_below(1100000);
	header.nr_body = random_below(40) ? (uintptr_t)body : random_address();
	if (header.nr_reqtype == NETMAP_REQ_VALE_DELIF || header.nr_reqtype == 14 ||
	    header.nr_reqtype == 15)
		header.nr_body = random_below(20) ? 0 : header.nr_body;
	header.nr_options = random_options();
	if (random_below(200) == 0)
		header.nr_version = (uint16_t)random_word();
	ioctl(fd, NIOCCTRL, &header);
}

static void random_legacy(int fd)
{
	struct nmreq request = {.nr_version = 14};

	fill_name(request.nr_name, sizeof(request.nr_name));
	request.nr_ringid = (uint16_t)(random_below(4) ? 0 : random_word());
	request.nr_cmd = (uint16_t)(random_below(2) ? 0 : random_below(15));
	request.nr_arg1 = (uint16_t)random_below(5);
	request.nr_arg2 = (uint16_t)random_below(5);
	request.nr_arg3 = small_word();
	request.nr_flags = (uint32_t)(random_below(2) ? random_below(10) : random_word());
	request.nr_tx_rings = (uint16_t)random_below(5);
	request.nr_rx_rings = (uint16_t)random_below(5);
	request.nr_tx_slots = small_word();
	request.nr_rx_slots = small_word();
	ioctl(fd, random_below(2) ? NIOCREGIF : NIOCGINFO, &request);
}

/* Map what is bound, write anything into its first pages, where interfaces and rings lie. */
static void random_mapping(int fd)
{
	const size_t size = 1 << (12 + random_below(14));
	const off_t offset = random_below(4) ? 0 : (off_t)random_below(1 << 14) << 12;
	char *mem = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, offset);

	if (mem == MAP_FAILED)
		return;
	for (int i = 0; i < 200; i++)
		*(uint32_t *)(mem + random_below((uint32_t)size / 4) * 4) =
			random_below(2) ? random_below(3000) : (uint32_t)random_word();
	for (int i = 0; i < 3; i++) {
		ioctl(fd, NIOCTXSYNC);
		ioctl(fd, NIOCRXSYNC);
	}
	munmap(mem, size);
}

static void reopen(unsigned int which)
{
	int old = fds[which];

	fds[which] = open(DEVICE, O_RDWR | O_NONBLOCK);
	close(old);
}

static void step(void)
{
	const unsigned int which = random_below(DESCRIPTORS);
	struct pollfd entry = {.fd = fds[which], .events = (short)random_below(8)};
	const int fd = fds[which];

	switch (random_below(10)) {
	case 0:
		reopen(which);
		break;
	case 1:
		random_legacy(fd);
		break;
	case 2:
		ioctl(fd, random_below(2) ? NIOCTXSYNC : NIOCRXSYNC, NULL);
		break;
	case 3:
		poll(&entry, 1, 0);
		break;
	case 4:
		random_mapping(fd);
		break;
	case 5:
		arena[random_below(ARENA)] = (char)random_word();
		break;
	default:
		random_request(fd);
	}
}

static void *fuzz(void *argument)
{
	(void)argument;
	while (check_now() < until)
		step();
	return NULL;
}

/* A START blocks its thread: another keeps sending STOPs. */
static void *stop_loops(void *argument)
{
	struct nmreq_header header;

	(void)argument;
	while (check_now() < until + 1) {
		for (int i = 0; i < DESCRIPTORS; i++) {
			header = (struct nmreq_header){.nr_version = 14,
						       .nr_reqtype = NETMAP_REQ_SYNC_KLOOP_STOP};
			ioctl(fds[i], NIOCCTRL, &header);
		}
		usleep(2000);
	}
	return NULL;
}

static void begin(void)
{
	need(PART_NULL);
	random_begin();
	for (int i = 0; i < DESCRIPTORS; i++)
		fds[i] = netmap_open();
	for (int i = 0; i < 4; i++)
		EXPECT_SYSTEM(eventfd(0, EFD_NONBLOCK));
	until = check_now() + (check_options.minutes ? check_options.minutes * 60 : SHORT_RUN);
}

/* Switch ports and devices that a run made are not in anybody's descriptor. */
static void clean_up(void)
{
	static const char *const persistent[] = {"nmpers", "nmparent", "a", "null"};

	for (int i = 0; i < DESCRIPTORS; i++)
		close(fds[i]);
	for (int round = 0; round < 200; round++) {
		struct nmreq_vale_list where = {0};
		struct nmreq_vale_detach detach = {0};
		struct nmreq_header header = {.nr_version = 14,
					      .nr_reqtype = NETMAP_REQ_VALE_LIST,
					      .nr_body = (uintptr_t)&where};
		int fd = netmap_open();

		if (ioctl(fd, NIOCCTRL, &header)) {
			close(fd);
			break;
		}
		header.nr_reqtype = NETMAP_REQ_VALE_DETACH;
		header.nr_body = (uintptr_t)&detach;
		ioctl(fd, NIOCCTRL, &header);
		close(fd);
	}
	for (unsigned int i = 0; i < sizeof(persistent) / sizeof(*persistent); i++)
		netmap_ask(NETMAP_REQ_VALE_DELIF, persistent[i], NULL, NULL);
}

TEST_WITHIN(one_thread, LONG)
{
	pthread_t stopper;

	begin();
	EXPECT_OK(pthread_create(&stopper, NULL, stop_loops, NULL));
	fuzz(NULL);
	pthread_join(stopper, NULL);
	clean_up();
}

TEST_WITHIN(three_threads, LONG)
{
	pthread_t stopper, threads[3];

	begin();
	EXPECT_OK(pthread_create(&stopper, NULL, stop_loops, NULL));
	for (int i = 0; i < 3; i++)
		EXPECT_OK(pthread_create(&threads[i], NULL, fuzz, NULL));
	pthread_join(stopper, NULL);
	for (int i = 0; i < 3; i++)
		pthread_join(threads[i], NULL);
	clean_up();
}
