/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * t_header.c - what NIOCCTRL does with every request before it looks at it: header, body, options,
 * copy-out (ABI 5.1; checklist 9 to 11).
 */
#include "check.h"
#include "client.h"
#include "parts.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define BAD_ADDRESS 8 /* not mapped */

/* A request that works on every module: the size of region 1. */
static struct nmreq_header query(struct nmreq_port_info_get *body)
{
	memset(body, 0, sizeof(*body));
	return (struct nmreq_header){
		.nr_version = NETMAP_API,
		.nr_reqtype = NETMAP_REQ_PORT_INFO_GET,
		.nr_body = (uintptr_t)body,
	};
}

static int send_header(struct nmreq_header *header)
{
	int fd = netmap_open();
	int error = netmap_ioctl(fd, NIOCCTRL, header);

	close(fd);
	return error;
}

TEST(null_and_unreadable_headers)
{
	int fd = netmap_open();

	EXPECT_ERRNO(netmap_ioctl(fd, NIOCCTRL, NULL), EINVAL);
	EXPECT_ERRNO(netmap_ioctl(fd, NIOCCTRL, (void *)BAD_ADDRESS), EFAULT);
	EXPECT_ERRNO(netmap_ioctl(fd, NIOCCTRL, (void *)(~0ul - 4095)), EFAULT);
}

TEST(header_across_the_end_of_memory)
{
	struct nmreq_port_info_get body;
	char *two = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	struct nmreq_header *header = (void *)(two + 4096 - 80);

	EXPECT(two != MAP_FAILED);
	*header = query(&body);
	EXPECT_OK(send_header(header));
	munmap(two + 4096, 4096);
	EXPECT_ERRNO(send_header(header), EFAULT);
}

TEST(versions)
{
	struct nmreq_port_info_get body;
	struct nmreq_header header;

	for (uint32_t version = 0; version < 0x10000; version += version < 32 ? 1 : 1999) {
		header = query(&body);
		header.nr_version = (uint16_t)version;
		EXPECT_ERRNO(send_header(&header), version == 14 || version == 15 ? 0 : EINVAL);
		EXPECT_EQ(header.nr_version, version);
	}
}

TEST(reserved_word)
{
	struct nmreq_port_info_get body;
	struct nmreq_header header = query(&body);

	header.nr_reserved = 1;
	EXPECT_ERRNO(send_header(&header), EINVAL);
	header = query(&body);
	header.nr_reserved = 0x80000000u;
	EXPECT_ERRNO(send_header(&header), EINVAL);
}

TEST(body_exactly_where_the_request_has_one)
{
	static const uint16_t without[] = {NETMAP_REQ_VALE_DELIF,
					   NETMAP_REQ_SYNC_KLOOP_STOP,
					   NETMAP_REQ_CSB_ENABLE,
					   0,
					   16,
					   100,
					   0xffff};
	char body[256] = {0};
	struct nmreq_header header;

	for (uint16_t type = 1; type <= 15; type++) {
		bool bare = false;

		for (unsigned int i = 0; i < 3; i++)
			bare |= without[i] == type;
		if (bare)
			continue;
		header = (struct nmreq_header){.nr_version = 14, .nr_reqtype = type};
		EXPECT_ERRNO(send_header(&header), EINVAL);
		EXPECT_EQ(header.nr_reserved, 0);
	}
	for (unsigned int i = 0; i < sizeof(without) / sizeof(*without); i++) {
		header = (struct nmreq_header){.nr_version = 14, .nr_reqtype = without[i]};
		header.nr_body = (uintptr_t)body;
		EXPECT_ERRNO(send_header(&header), EINVAL);
		EXPECT_EQ(header.nr_reserved, 0);
		EXPECT_EQ(header.nr_body, (uintptr_t)body);
	}
}

TEST(unknown_types)
{
	static const uint16_t unknown[] = {0, 16, 17, 255, 256, 0x8001, 0xffff};

	for (unsigned int i = 0; i < sizeof(unknown) / sizeof(*unknown); i++)
		EXPECT_ERRNO(netmap_ask(unknown[i], TAP, NULL, NULL), EINVAL);
}

TEST(unreadable_body)
{
	for (uint16_t type = 1; type <= 13; type++) {
		if (type == NETMAP_REQ_VALE_DELIF)
			continue;
		EXPECT_ERRNO(netmap_ask(type, TAP, (void *)BAD_ADDRESS, NULL), EFAULT);
	}
}

TEST(unwritable_body)
{
	struct nmreq_port_info_get *body =
		mmap(NULL, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	EXPECT(body != MAP_FAILED);
	EXPECT_ERRNO(netmap_ask(NETMAP_REQ_PORT_INFO_GET, "", body, NULL), EFAULT);
}

/* The reply of a REGISTER can't be delivered: closing takes back whatever was bound. */
TEST(unwritable_register_body)
{
	struct nmreq_register *body =
		mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	struct nmreq_register request = want_null(1, 1, 64);
	int fd = netmap_open();

	need(PART_NULL);
	*body = request;
	EXPECT_SYSTEM(mprotect(body, 4096, PROT_READ));
	EXPECT_ERRNO(netmap_ctrl(fd, NETMAP_REQ_REGISTER, "x", body, NULL), EFAULT);
	close(fd);
}

TEST(body_stays_as_sent_on_failure)
{
	struct nmreq_register sent = want_null(3, 4, 55), body;

	sent.nr_mem_id = 0;
	sent.nr_extra_bufs = 7;
	sent.nr_offset = 0x1234;
	body = sent;
	EXPECT_ERRNO(netmap_ask(NETMAP_REQ_REGISTER, "x", &body, NULL), EINVAL);
	EXPECT(!memcmp(&body, &sent, sizeof(body)));
}

TEST(name_is_ended_by_force)
{
	struct nmreq_port_info_get body;
	struct nmreq_header header = query(&body);

	memset(header.nr_name, 'x', sizeof(header.nr_name));
	EXPECT_ERRNO(send_header(&header), ENXIO);
	EXPECT_EQ(header.nr_name[62], 'x');
}

/* Options. */

static struct nmreq_option option(uint32_t type, void *next)
{
	return (struct nmreq_option){
		.nro_next = (uintptr_t)next,
		.nro_reqtype = type,
		.nro_status = 77,
		.nro_size = 0,
	};
}

static int ask_info(void *options)
{
	struct nmreq_port_info_get body = {0};

	return netmap_ask(NETMAP_REQ_PORT_INFO_GET, "", &body, options);
}

TEST(unknown_option_fails_register_alone)
{
	static const uint32_t types[] = {NETMAP_REQ_OPT_MAX, 7, 1000, 0xffffffff};
	struct nmreq_register body;
	struct nmreq_option one;

	need(PART_NULL);
	for (unsigned int i = 0; i < sizeof(types) / sizeof(*types); i++) {
		one = option(types[i], NULL);
		one.nro_size = 0x1122334455667788;
		EXPECT_OK(ask_info(&one));
		EXPECT_EQ(one.nro_status, EOPNOTSUPP);
		one.nro_status = 77;
		body = want_null(1, 1, 64);
		EXPECT_ERRNO(netmap_ask(NETMAP_REQ_REGISTER, "x", &body, &one), EOPNOTSUPP);
		EXPECT_EQ(one.nro_status, EOPNOTSUPP);
		EXPECT_EQ(one.nro_next, 0);
		EXPECT_EQ(one.nro_reqtype, types[i]);
		EXPECT_EQ(one.nro_size, 0x1122334455667788);
	}
}

/* A known option of another request is as good as unknown. */
TEST(misplaced_option_fails_register_alone)
{
	struct nmreq_register body = want_null(1, 1, 64);
	struct nmreq_opt_sync_kloop_mode mode = {
		.nro_opt = option(NETMAP_REQ_OPT_SYNC_KLOOP_MODE, NULL),
		.mode = 1,
	};

	need(PART_NULL);
	EXPECT_OK(ask_info(&mode));
	EXPECT_EQ(mode.nro_opt.nro_status, EOPNOTSUPP);
	EXPECT_ERRNO(netmap_ask(NETMAP_REQ_REGISTER, "x", &body, &mode), EOPNOTSUPP);
	EXPECT_EQ(mode.nro_opt.nro_status, EOPNOTSUPP);
	EXPECT_EQ(mode.mode, 1);
}

TEST(option_of_type_zero)
{
	struct nmreq_option zero = option(0, NULL), before = option(1000, &zero);

	EXPECT_ERRNO(ask_info(&before), EINVAL);
	EXPECT_EQ(zero.nro_status, EINVAL);
}

TEST(unreadable_options)
{
	struct nmreq_option one = option(1000, (void *)BAD_ADDRESS);

	EXPECT_ERRNO(ask_info((void *)BAD_ADDRESS), EFAULT);
	EXPECT_ERRNO(ask_info(&one), EFAULT);
}

/* The header of a known option is there and its body is not. */
TEST(option_body_across_the_end_of_memory)
{
	char *two = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	struct nmreq_option *at = (void *)(two + 4096 - sizeof(*at));

	EXPECT(two != MAP_FAILED);
	munmap(two + 4096, 4096);
	*at = option(NETMAP_REQ_OPT_CSB, NULL);
	EXPECT_ERRNO(ask_info(at), EFAULT);
	*at = option(1000, NULL);
	EXPECT_OK(ask_info(at));
}

TEST(option_linked_to_itself)
{
	struct nmreq_opt_csb known = {.nro_opt = option(NETMAP_REQ_OPT_CSB, &known)};
	struct nmreq_option unknown = option(1000, &unknown);

	EXPECT_ERRNO(ask_info(&unknown), EMSGSIZE);
	EXPECT_ERRNO(ask_info(&known), EINVAL);
	EXPECT_EQ(known.nro_opt.nro_status, EINVAL);
}

TEST(duplicate_known_option)
{
	struct nmreq_opt_csb second = {.nro_opt = option(NETMAP_REQ_OPT_CSB, NULL)};
	struct nmreq_option between = option(1000, &second);
	struct nmreq_opt_csb first = {.nro_opt = option(NETMAP_REQ_OPT_CSB, &between)};

	EXPECT_ERRNO(ask_info(&first), EINVAL);
	EXPECT_EQ(first.nro_opt.nro_status, EINVAL);
	EXPECT_EQ(second.nro_opt.nro_status, EINVAL);
}

/*
 * A chain of `count` unknown options, and behind it one of variable size where `size` is not 0.
 * The limits: b + 24k + x <= 4096 and b + 32k + x <= 4144, b = 32 here.
 */
static int ask_chain(unsigned int count, uint64_t size)
{
	static struct nmreq_option chain[200];
	static union {
		struct nmreq_option header;
		char bytes[8192];
	} tail;
	void *next = NULL;

	if (size) {
		tail.header = option(NETMAP_REQ_OPT_SYNC_KLOOP_EVENTFDS, NULL);
		tail.header.nro_size = size;
		next = &tail;
	}
	while (count--) {
		chain[count] = option(1000 + count, next);
		next = &chain[count];
	}
	return ask_info(next);
}

TEST(size_limits)
{
	EXPECT_OK(ask_chain(128, 0)); /* 32 + 32 * 128 = 4128 */
	EXPECT_ERRNO(ask_chain(129, 0), EMSGSIZE);
	EXPECT_ERRNO(ask_chain(200, 0), EMSGSIZE);
	EXPECT_ERRNO(ask_chain(100, 1000), EMSGSIZE); /* below 4096 but for the overhead */
	EXPECT_OK(ask_chain(90, 1000));		      /* 32 + 32 * 91 + 976 = 3920 */
	EXPECT_OK(ask_chain(0, 4064));		      /* 32 + 4064 = 4096 */
	EXPECT_ERRNO(ask_chain(0, 4065), EMSGSIZE);
	EXPECT_ERRNO(ask_chain(0, 4097), EMSGSIZE);
	EXPECT_ERRNO(ask_chain(0, 1ull << 32), EMSGSIZE);
	EXPECT_ERRNO(ask_chain(0, ~0ull), EMSGSIZE);
	EXPECT_ERRNO(ask_chain(0, ~0ull - 4000), EMSGSIZE);
}

/* Statuses are reported also when the request fails for another reason. */
TEST(statuses_come_back_on_failure)
{
	struct nmreq_register body = want_null(1, 1, 64);
	struct nmreq_option one = option(1000, NULL);

	body.nr_mem_id = 0;
	EXPECT_ERRNO(netmap_ask(NETMAP_REQ_REGISTER, "x", &body, &one), EINVAL);
	EXPECT_EQ(one.nro_status, EOPNOTSUPP);
}

/* A status that can not be delivered. */
TEST(read_only_options)
{
	struct nmreq_option *one =
		mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	int error;

	EXPECT(one != MAP_FAILED);
	*one = option(1000, NULL);
	EXPECT_SYSTEM(mprotect(one, 4096, PROT_READ));
	error = ask_info(one);
	EXPECT(error == EFAULT || error == 0);
}
