/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * t_memory.c - the pools: extra buffers, what comes back and how, cgroup limits, parameters that
 * change while the module runs (ABI 1.5, 1.7 to 1.9; checklist 26, 33).
 */
#include "check.h"
#include "client.h"
#include "parts.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/klog.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static struct nmreq_register with_extra(uint32_t count)
{
	struct nmreq_register request = want_null(1, 1, 16);

	request.nr_extra_bufs = count;
	return request;
}

static uint32_t *word_of(const struct client *client, uint32_t index)
{
	return (uint32_t *)buffer_at(tx_ring(client, 0), index);
}

TEST(extra_buffers_are_a_list)
{
	struct nmreq_register request = with_extra(100);
	uint32_t count = 0, index, last = 0xffffffff;
	struct client client;

	need(PART_NULL);
	client_open(&client, "x", &request, NULL);
	EXPECT_EQ(client.reg.nr_extra_bufs, 100);
	for (index = client.nif->ni_bufs_head; index; index = *word_of(&client, index)) {
		EXPECT(index >= 2 && index < last); /* the last allocated comes first */
		last = index;
		count++;
	}
	EXPECT_EQ(count, 100);
	client_close(&client);
}

TEST(fewer_extra_buffers_are_no_error)
{
	uint32_t all = 0, index, count = 0;
	struct nmreq_register request;
	struct client client, second;

	need(PART_NULL);
	all = free_buffers(1);
	EXPECT_EQ(all, parameter_get("buf_curr_num") - 2);
	request = with_extra(2000000);
	client_open(&client, "x", &request, NULL);
	EXPECT_EQ(client.reg.nr_extra_bufs, all - 32);
	for (index = client.nif->ni_bufs_head; index; index = *word_of(&client, index))
		count++;
	EXPECT_EQ(count, all - 32);
	request = want_null(0, 0, 0);
	request.nr_extra_bufs = 5;
	client_open(&second, "y", &request, NULL);
	EXPECT_EQ(second.reg.nr_extra_bufs, 0);
	EXPECT_EQ(second.nif->ni_bufs_head, 0);
	client_close(&second);
	request = want_null(1, 0, 4);
	EXPECT_ERRNO(client_bind(&second, "y", &request, NULL), ENOMEM);
	client_close(&client);
	EXPECT_EQ(free_buffers(1), all);
}

/* While another user keeps the region, so that its state is not simply made anew. */
static uint32_t with_keeper(struct client *keeper)
{
	struct nmreq_register request = want_null(1, 1, 8);

	client_open(keeper, "keeper", &request, NULL);
	return free_buffers(1);
}

TEST(swapped_buffers_come_back)
{
	struct nmreq_register request = with_extra(16);
	struct client keeper, client;
	struct netmap_slot *slot;
	uint32_t before, index;

	need(PART_NULL);
	before = with_keeper(&keeper);
	client_open(&client, "x", &request, NULL);
	for (uint32_t i = 0; i < 15; i++) {
		slot = &(i % 2 ? tx_ring(&client, 0) : rx_ring(&client, 0))->slot[i];
		index = client.nif->ni_bufs_head;
		client.nif->ni_bufs_head = *word_of(&client, index);
		*word_of(&client, slot->buf_idx) = client.nif->ni_bufs_head;
		client.nif->ni_bufs_head = slot->buf_idx;
		slot->buf_idx = index;
		slot->flags = NS_BUF_CHANGED;
	}
	client_close(&client);
	EXPECT_EQ(free_buffers(1), before);
	client_close(&keeper);
}

/* A list that is no list, and slots that name what they do not own. */
TEST(hostile_lists_and_slots)
{
	static const uint32_t words[] = {0, 1, 2, 0xffffffff, 0x7fffffff, 1000000000};
	struct nmreq_register request = with_extra(16);
	struct client keeper, client;
	uint32_t first, owned;

	need(PART_NULL);
	with_keeper(&keeper);
	owned = tx_ring(&keeper, 0)->slot[3].buf_idx;
	for (unsigned int i = 0; i < 6; i++) {
		client_open(&client, "x", &request, NULL);
		client.nif->ni_bufs_head = words[i];
		tx_ring(&client, 0)->slot[0].buf_idx = words[i];
		client_close(&client);
		client_open(&client, "x", &request, NULL);
		first = client.nif->ni_bufs_head;
		*word_of(&client, first) = first; /* a circle */
		rx_ring(&client, 0)->slot[1].buf_idx = rx_ring(&client, 0)->slot[0].buf_idx;
		rx_ring(&client, 0)->slot[2].buf_idx = words[i];
		client_close(&client);
	}
	client_open(&client, "x", &request, NULL);
	tx_ring(&client, 0)->slot[0].buf_idx = owned; /* freed twice: once here */
	client_close(&client);
	client_close(&keeper);
	EXPECT_EQ(free_buffers(1), parameter_get("buf_curr_num") - 2);
}

TEST(buffers_of_another_owner_are_cleared)
{
	struct nmreq_register request = with_extra(2000000);
	struct client keeper, client;
	uint32_t index;

	need(PART_NULL);
	with_keeper(&keeper);
	client_open(&client, "x", &request, NULL);
	for (index = client.nif->ni_bufs_head; index; index = *word_of(&client, index))
		memset(word_of(&client, index) + 1, 0x5a, 60);
	client_close(&client);
	client_open(&client, "y", &request, NULL);
	for (index = client.nif->ni_bufs_head; index; index = *word_of(&client, index)) {
		for (int i = 1; i < 16; i++)
			EXPECT_EQ(word_of(&client, index)[i], 0);
	}
	client_close(&client);
	client_close(&keeper);
}

TEST_WITHIN(many_opens_leave_nothing, 120)
{
	struct nmreq_register request = with_extra(64);
	struct client client;
	uint32_t before;

	need(PART_NULL);
	before = free_buffers(1);
	for (int i = 0; i < 300; i++) {
		client_open(&client, "x", &request, NULL);
		if (i % 3)
			close(client.fd), munmap(client.mem, client.reg.nr_memsize);
		else
			client_close(&client);
	}
	EXPECT_EQ(free_buffers(1), before);
}

/* Processes that die with buffers in every place. */
TEST(killed_users_leave_full_pools)
{
	struct client keeper, client;
	uint32_t before;
	pid_t child;

	need(PART_NULL);
	before = with_keeper(&keeper);
	for (int i = 0; i < 30; i++) {
		child = fork();
		if (child == 0) {
			struct nmreq_register request = with_extra(50);

			client_open(&client, "x", &request, NULL);
			client.nif->ni_bufs_head = *word_of(&client, client.nif->ni_bufs_head);
			tx_ring(&client, 0)->slot[i % 16].buf_idx = client.nif->ni_bufs_head;
			kill(getpid(), SIGKILL);
		}
		EXPECT_SYSTEM(waitpid(child, NULL, 0));
	}
	/* What such a process had taken out of both lists is lost until the region is idle. */
	EXPECT(free_buffers(1) <= before && before - free_buffers(1) <= 3 * 30);
	client_close(&keeper);
	EXPECT_EQ(free_buffers(1), parameter_get("buf_curr_num") - 2);
}

/* Parameters. */

TEST(parameters_show_the_pools)
{
	struct nmreq_register request = want_null(1, 1, 16);
	struct client client;
	long bytes;

	need(PART_NULL);
	client_open(&client, "x", &request, NULL);
	EXPECT_EQ(parameter_get("buf_curr_size"), parameter_get("buf_size"));
	EXPECT_EQ(parameter_get("ring_curr_size"), parameter_get("ring_size"));
	EXPECT_EQ(parameter_get("if_curr_size"), parameter_get("if_size"));
	EXPECT(parameter_get("buf_curr_num") >= parameter_get("buf_num"));
	bytes = parameter_get("buf_curr_num") * parameter_get("buf_curr_size") +
		parameter_get("ring_curr_num") * parameter_get("ring_curr_size") +
		parameter_get("if_curr_num") * parameter_get("if_curr_size");
	EXPECT_EQ(client.reg.nr_memsize, (bytes + 4095) / 4096 * 4096);
	client_close(&client);
}

/* Does the kernel's log have a line of the module's with `what`, since it was last cleared? */
static bool logged(const char *what)
{
	static char text[1 << 20];
	int length = klogctl(3, text, sizeof(text) - 1);
	char *line;

	EXPECT_SYSTEM(length);
	text[length] = '\0';
	for (line = strtok(text, "\n"); line; line = strtok(NULL, "\n")) {
		if (strstr(line, "nmjit") && strstr(line, what))
			return true;
	}
	return false;
}

TEST(change_waits_until_the_region_is_idle)
{
	const long before = parameter_get("buf_num");
	struct nmreq_register request = want_null(1, 1, 16);
	struct client client, second;

	need(PART_NULL);
	client_open(&client, "x", &request, NULL);
	parameter_set("buf_num", before + 1000);
	client_open(&second, "y", &request, NULL);
	EXPECT_EQ(second.reg.nr_memsize, client.reg.nr_memsize);
	EXPECT(parameter_get("buf_curr_num") < before + 1000);
	client_close(&second);
	client_close(&client);
	client_open(&client, "x", &request, NULL);
	EXPECT(parameter_get("buf_curr_num") >= before + 1000);
	client_close(&client);
	parameter_set("buf_num", before);
	client_open(&client, "x", &request, NULL);
	EXPECT(parameter_get("buf_curr_num") < before + 1000);
	client_close(&client);
}

TEST(values_out_of_range)
{
	static const struct {
		const char *name;
		long value;
	} wrong[] = {{"buf_num", 3},	  {"buf_num", 1000001},	 {"buf_size", 63},
		     {"buf_size", 65537}, {"ring_num", 1},	 {"ring_num", 1025},
		     {"ring_size", 255},  {"ring_size", 131073}, {"if_num", 9},
		     {"if_num", 10001},	  {"if_size", 55},	 {"if_size", 4097}};
	struct nmreq_register request = want_null(0, 0, 0);
	struct client client;

	need(PART_NULL);
	for (unsigned int i = 0; i < sizeof(wrong) / sizeof(*wrong); i++) {
		const long before = parameter_get(wrong[i].name);

		parameter_set(wrong[i].name, wrong[i].value);
		if (client_bind(&client, "x", &request, NULL) != EINVAL) {
			parameter_set(wrong[i].name, before);
			FAIL("%s = %ld is taken", wrong[i].name, wrong[i].value);
		}
		parameter_set(wrong[i].name, before);
		EXPECT_OK(client_bind(&client, "x", &request, NULL));
		client_close(&client);
	}
}

/* Sizes that are no divisor of a page: clusters, and counts rounded up to them. */
TEST(odd_sizes)
{
	static const long sizes[] = {64, 192, 1000, 1536, 3000, 9216, 65536};
	const long before = parameter_get("buf_size"), count = parameter_get("buf_num");
	struct nmreq_register request = want_null(1, 1, 16);
	struct client client;

	need(PART_NULL);
	parameter_set("buf_num", 300);
	for (unsigned int i = 0; i < sizeof(sizes) / sizeof(*sizes); i++) {
		const long rounded = (sizes[i] + 63) / 64 * 64;
		long last;
		int error;

		parameter_set("buf_size", sizes[i]);
		error = client_bind(&client, "x", &request, NULL);
		parameter_set("buf_size", before);
		EXPECT_OK(error);
		client_map(&client);
		last = parameter_get("buf_curr_num") - 1;
		EXPECT_EQ(tx_ring(&client, 0)->nr_buf_size, rounded);
		EXPECT(last >= 299);
		memset(buffer_at(tx_ring(&client, 0), (uint32_t)last), 0x77, (size_t)rounded);
		memset(buffer_at(tx_ring(&client, 0), 0), 0x66, (size_t)rounded);
		client_close(&client);
	}
	parameter_set("buf_num", count);
	EXPECT_OK(client_bind(&client, "x", &request, NULL));
	client_close(&client);
	EXPECT_EQ(parameter_get("buf_curr_size"), before);
}

/* The request fails, and the log says which pool; not each time, since such lines are limited. */
static void expect_complaint(const struct nmreq_register *request, const char *pool)
{
	double until = check_now() + 20;
	struct client client;

	EXPECT_SYSTEM(klogctl(5, NULL, 0));
	do {
		EXPECT_ERRNO(client_bind(&client, "x", request, NULL), ENOMEM);
		if (logged(pool))
			return;
		usleep(500000);
	} while (check_now() < until);
	FAIL("no line about the %s pool", pool);
}

TEST(a_request_that_does_not_fit_is_logged)
{
	struct nmreq_register request;
	struct client client;

	need(PART_NULL);
	request = want_null((uint16_t)(parameter_get("ring_num") + 1), 0, 4);
	expect_complaint(&request, "ring");
	request = want_null(1, 0, (uint32_t)parameter_get("ring_size") / 16);
	expect_complaint(&request, "ring");
	request = want_null(1, 0, 4);
	request.nr_extra_bufs = 2000000;
	EXPECT_OK(client_bind(&client, "x", &request, NULL));
	request.nr_extra_bufs = 0;
	expect_complaint(&request, "buf");
	client_close(&client);
}

/* Memory that is made for a program is charged to it. */
TEST(cgroup_limit_stops_private_regions)
{
	struct nmreq_register request = want(NR_REG_ALL_NIC);
	const char *group = "/sys/fs/cgroup/nmj";
	struct client client;
	pid_t child;
	int status;
	FILE *file;

	need(PART_VALE);
	file = fopen("/sys/fs/cgroup/cgroup.subtree_control", "w");
	EXPECT(file && fputs("+memory", file) >= 0 && !fclose(file));
	EXPECT(mkdir(group, 0755) == 0 || errno == EEXIST);
	file = fopen("/sys/fs/cgroup/nmj/memory.max", "w");
	EXPECT(file && fputs("8M", file) >= 0 && !fclose(file));
	child = fork();
	if (child == 0) {
		file = fopen("/sys/fs/cgroup/nmj/cgroup.procs", "w");
		EXPECT(file && fprintf(file, "%d", getpid()) > 0 && !fclose(file));
		EXPECT_ERRNO(client_bind(&client, "vale1:c", &request, NULL), ENOMEM);
		_exit(0);
	}
	EXPECT_SYSTEM(waitpid(child, &status, 0));
	EXPECT_EQ(rmdir(group), 0);
	EXPECT_EQ(status, 0);
	EXPECT_OK(client_bind(&client, "vale1:c", &request, NULL));
	client_close(&client);
}
