/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * footprint.c - what nobody may leave behind: objects of region 1, regions, and a busy module.
 *
 * Counted before the first test and after each. A null port without rings takes one if-object and
 * the two placeholder rings, so how many of them can be bound at once shows both pools; the extra
 * buffers granted to one show the third. Works in a process of its own, since it may end a test.
 */
#include "check.h"
#include "client.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#define PORTS	 1200 /* more than the pools of region 1 have room for */
#define REGIONS	 2048 /* numbers looked at: they are given out in turn */
#define PATIENCE 5.0  /* seconds until what was closed must be gone */

struct footprint {
	bool valid;
	uint32_t buffers;
	uint32_t ports;
	uint32_t regions;
	long references;
};

static struct footprint *now; /* shared with the process that counts */
static struct footprint first;

static uint32_t count_ports(void)
{
	static int fds[PORTS];
	struct nmreq_register request = want_null(0, 0, 0);
	struct client client;
	uint32_t count = 0;

	while (count < PORTS && !client_bind(&client, "count", &request, NULL))
		fds[count++] = client.fd;
	for (uint32_t i = 0; i < count; i++)
		close(fds[i]);
	return count;
}

static uint32_t count_regions(void)
{
	uint32_t count = 0;
	int fd = netmap_open();

	for (uint32_t id = 2; id < REGIONS; id++) {
		struct nmreq_port_info_get body = {.nr_mem_id = (uint16_t)id};

		count += !netmap_ctrl(fd, NETMAP_REQ_PORT_INFO_GET, "", &body, NULL);
	}
	close(fd);
	return count;
}

static long count_references(void)
{
	FILE *file = fopen("/sys/module/nmjit/refcnt", "r");
	long count = -1;

	if (!file || fscanf(file, "%ld", &count) != 1)
		FAIL("the module's use count can't be read");
	fclose(file);
	return count;
}

static bool count(void)
{
	pid_t child;
	int status;

	now->valid = false;
	child = fork();
	if (child == 0) {
		now->references = count_references();
		now->buffers = free_buffers(1);
		now->ports = count_ports();
		now->regions = count_regions();
		now->valid = true;
		_exit(0);
	}
	if (child > 0)
		waitpid(child, &status, 0);
	return child > 0 && now->valid;
}

void check_before_tests(void)
{
	now = mmap(NULL, sizeof(*now), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (now != MAP_FAILED && count())
		first = *now;
}

static bool same(void)
{
	return now->buffers == first.buffers && now->ports == first.ports &&
	       now->regions == first.regions && now->references == first.references;
}

const char *check_after_test(void)
{
	static char text[256];
	double until = check_now() + PATIENCE;

	do {
		if (!count())
			return "a count that failed: no null port can be bound any more";
		if (!first.valid)
			return "a count that failed before the first test";
		if (same())
			return NULL;
		usleep(20000);
	} while (check_now() < until);
	snprintf(text, sizeof(text),
		 "free buffers %u, were %u; room for %u ports, was %u; private regions %u, were "
		 "%u; module uses %ld, were %ld",
		 now->buffers, first.buffers, now->ports, first.ports, now->regions, first.regions,
		 now->references, first.references);
	return text;
}
