/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * t_faults.c - each allocation of a request fails once: the first, the second, and so on until the
 * request no longer reaches the one that would. The answer is ENOMEM or success, and nothing stays
 * behind. Needs a kernel with fault injection: the debug kernel.
 */
#include "check.h"
#include "client.h"
#include "loop.h"
#include "parts.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define MOST_FAULTS 20000
#define LONG	    1500

static void set_knob(const char *path, const char *value)
{
	FILE *file = fopen(path, "w");

	if (!file || fputs(value, file) < 0 || fclose(file))
		FAIL("%s: %s", path, check_errno_name(errno));
}

static void prepare(void)
{
	if (access("/proc/self/fail-nth", F_OK))
		check_skip("this kernel has no fault injection: make test-kernel-debug");
	set_knob("/sys/kernel/debug/failslab/ignore-gfp-wait", "N");
	set_knob("/sys/kernel/debug/fail_page_alloc/ignore-gfp-wait", "N");
	set_knob("/sys/kernel/debug/fail_page_alloc/ignore-gfp-highmem", "N");
	set_knob("/sys/kernel/debug/fail_page_alloc/min-order", "0");
}

/* Runs `act` with allocation `nth` of this thread failing; whether it got that far. */
static bool failed_at(int nth, int (*act)(void))
{
	int fd = open("/proc/thread-self/fail-nth", O_RDWR), error;
	char text[16] = "";

	EXPECT_SYSTEM(fd);
	snprintf(text, sizeof(text), "%d", nth);
	EXPECT_EQ(write(fd, text, strlen(text)), strlen(text));
	error = act();
	memset(text, 0, sizeof(text));
	EXPECT(pread(fd, text, sizeof(text) - 1, 0) > 0);
	EXPECT_EQ(pwrite(fd, "0", 1, 0), 1);
	close(fd);
	if (error && error != ENOMEM)
		FAIL("allocation %d: %s", nth, check_errno_name(error));
	return atoi(text) == 0;
}

static void fail_each(int (*act)(void))
{
	int nth = 1;

	EXPECT_OK(act());
	while (nth < MOST_FAULTS && failed_at(nth, act))
		nth += nth < 300 ? 1 : nth / 20; /* pools take thousands of pages, all alike */
	check_note("%d allocations\n", nth - 1);
	EXPECT(nth > 1);
	EXPECT_OK(act());
}

static int bind_name(const char *name, struct nmreq_register request, void *options)
{
	struct nmreq_header header = {.nr_version = NETMAP_API,
				      .nr_reqtype = NETMAP_REQ_REGISTER,
				      .nr_body = (uintptr_t)&request,
				      .nr_options = (uintptr_t)options};
	int fd = open(DEVICE, O_RDWR), error = 0;
	void *mem;

	if (fd < 0)
		return errno;
	strncpy(header.nr_name, name, sizeof(header.nr_name) - 1);
	if (ioctl(fd, NIOCCTRL, &header)) {
		error = errno;
	} else {
		mem = mmap(NULL, request.nr_memsize, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
		if (mem == MAP_FAILED)
			error = errno;
		else
			munmap(mem, request.nr_memsize);
	}
	close(fd);
	return error;
}

static int bind_null(void)
{
	struct nmreq_register request = want_null(2, 2, 64);

	request.nr_extra_bufs = 10;
	return bind_name("fault", request, NULL);
}

static int bind_with_options(void)
{
	struct nmreq_opt_csb csb_option = option_csb(csb.atok, csb.ktoa);
	struct nmreq_opt_offsets offsets = {
		.nro_opt = {.nro_reqtype = NETMAP_REQ_OPT_OFFSETS,
			    .nro_next = (uintptr_t)&csb_option},
		.nro_max_offset = 128,
	};

	return bind_name("fault", exclusive_null(2, 2, 0), &offsets);
}

static char name_of_pipe[64];

static int bind_pipe(void)
{
	return bind_name(name_of_pipe, want(NR_REG_ALL_NIC), NULL);
}

static char external[12 << 20] __attribute__((aligned(4096)));

static int bind_extmem(void)
{
	struct nmreq_opt_extmem option = {
		.nro_opt = {.nro_reqtype = NETMAP_REQ_OPT_EXTMEM},
		.nro_usrptr = (uintptr_t)external,
		.nro_info = {.nr_memsize = sizeof(external)},
	};
	struct nmreq_register request = want_null(1, 1, 64);

	request.nr_mem_id = 0;
	return bind_name("fault", request, &option);
}

static int bind_switch_port(void)
{
	return bind_name("vale5:fault", want(NR_REG_ALL_NIC), NULL);
}

static int bind_device(void)
{
	return bind_name(VETH_A, want(NR_REG_NIC_SW), NULL);
}

static int make_persistent_port(void)
{
	struct nmreq_vale_newif body = {0};
	struct nmreq_header header = {.nr_version = NETMAP_API,
				      .nr_reqtype = NETMAP_REQ_VALE_NEWIF,
				      .nr_name = "nmfault",
				      .nr_body = (uintptr_t)&body};
	int fd = open(DEVICE, O_RDWR), error = 0;

	if (fd < 0)
		return errno;
	if (ioctl(fd, NIOCCTRL, &header)) {
		error = errno;
	} else {
		header.nr_reqtype = NETMAP_REQ_VALE_DELIF;
		header.nr_body = 0;
		while (ioctl(fd, NIOCCTRL, &header)) /* may lack memory itself, once */
			usleep(1000);
	}
	close(fd);
	return error;
}

TEST_WITHIN(null_port, LONG)
{
	need(PART_NULL);
	prepare();
	fail_each(bind_null);
}

/* The whole region is allocated anew each time. */
TEST_WITHIN(region_of_another_size, LONG)
{
	const long before = parameter_get("buf_num");

	need(PART_NULL);
	prepare();
	for (int nth = 1; nth < 400; nth += nth < 40 ? 1 : 23) {
		parameter_set("buf_num", before + nth % 2 * 64 + 64);
		failed_at(nth, bind_null);
	}
	parameter_set("buf_num", before);
	EXPECT_OK(bind_null());
}

TEST_WITHIN(options, LONG)
{
	need(PART_CSB);
	need(PART_OFFSETS);
	prepare();
	fail_each(bind_with_options);
}

TEST_WITHIN(a_pipe, LONG)
{
	need(PART_PIPE);
	prepare();
	strcpy(name_of_pipe, pipe_master("fault"));
	fail_each(bind_pipe);
}

TEST_WITHIN(external_memory, LONG)
{
	need(PART_EXTMEM);
	prepare();
	memset(external, 1, sizeof(external));
	fail_each(bind_extmem);
}

TEST_WITHIN(switch_port, LONG)
{
	need(PART_VALE);
	prepare();
	fail_each(bind_switch_port);
}

TEST_WITHIN(persistent_switch_port, LONG)
{
	need(PART_VALE);
	prepare();
	fail_each(make_persistent_port);
}

TEST_WITHIN(device, LONG)
{
	need(PART_NETDEV);
	prepare();
	fail_each(bind_device);
}
