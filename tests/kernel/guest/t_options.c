/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * t_options.c - the options of REGISTER: OFFSETS, EXTMEM, several together (ABI 5.3; checklist 12).
 */
#include "check.h"
#include "client.h"
#include "parts.h"
#include "traffic.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

static struct nmreq_opt_offsets offsets(uint64_t max, uint64_t initial, uint32_t bits)
{
	return (struct nmreq_opt_offsets){
		.nro_opt = {.nro_reqtype = NETMAP_REQ_OPT_OFFSETS, .nro_status = 77},
		.nro_max_offset = max,
		.nro_initial_offset = initial,
		.nro_offset_bits = bits,
	};
}

static int bind_offsets(struct client *client, const char *name, struct nmreq_opt_offsets *option)
{
	struct nmreq_register request = want_null(1, 1, 16);
	int error;

	if (*name)
		request = want(NR_REG_ALL_NIC);
	error = client_bind(client, name, &request, option);
	EXPECT_EQ(option->nro_opt.nro_status, error);
	return error;
}

static int try_offsets(uint64_t max, uint64_t initial, uint32_t bits)
{
	struct nmreq_opt_offsets option = offsets(max, initial, bits);
	struct client client;
	int error = bind_offsets(&client, "", &option);

	if (!error)
		client_close(&client);
	return error;
}

TEST(offsets_out_of_range)
{
	long size;

	need(PART_OFFSETS);
	size = parameter_get("buf_size");
	EXPECT_ERRNO(try_offsets(64, 0, 65), EINVAL);
	EXPECT_ERRNO(try_offsets(64, 0, 0xffffffff), EINVAL);
	EXPECT_ERRNO(try_offsets((uint64_t)size + 1, 0, 0), EINVAL);
	EXPECT_ERRNO(try_offsets(~0ull, 0, 0), EINVAL);
	EXPECT_ERRNO(try_offsets(64, 0, 6), EINVAL);
	EXPECT_ERRNO(try_offsets(64, 65, 0), EINVAL);
	EXPECT_OK(try_offsets(64, 64, 7));
	EXPECT_OK(try_offsets(63, 63, 6));
	EXPECT_OK(try_offsets(64, 0, 64));
	EXPECT_OK(try_offsets(0, 0, 0));
}

TEST(offsets_in_new_rings)
{
	struct nmreq_opt_offsets option = offsets(256, 128, 16);
	struct client client;

	need(PART_OFFSETS);
	EXPECT_OK(bind_offsets(&client, "", &option));
	EXPECT_EQ(option.nro_max_offset, 256);
	client_map(&client);
	for (int rx = 0; rx < 2; rx++) {
		struct netmap_ring *ring = rx ? rx_ring(&client, 0) : tx_ring(&client, 0);

		EXPECT_EQ(ring->offset_mask, 0xffff);
		for (uint32_t i = 0; i < ring->num_slots; i++)
			EXPECT_EQ(ring->slot[i].ptr, 128);
	}
	client_close(&client);
	option = offsets(256, 0, 0);
	EXPECT_OK(bind_offsets(&client, "", &option));
	client_map(&client);
	EXPECT(tx_ring(&client, 0)->offset_mask == ~0ull);
	client_close(&client);
}

TEST(offsets_shared_between_opens)
{
	struct nmreq_opt_offsets option = offsets(256, 64, 16);
	struct nmreq_register request = want(NR_REG_ALL_NIC);
	struct client first, second;
	char name[64];

	need(PART_OFFSETS);
	need(PART_PIPE);
	strcpy(name, pipe_master("off"));
	EXPECT_OK(bind_offsets(&first, name, &option));
	option = offsets(512, 0, 16);
	EXPECT_ERRNO(bind_offsets(&second, name, &option), EBUSY);
	option = offsets(256, 0, 17);
	EXPECT_ERRNO(bind_offsets(&second, name, &option), EBUSY);
	option = offsets(100, 0, 10);
	EXPECT_OK(bind_offsets(&second, name, &option));
	EXPECT_EQ(option.nro_max_offset, 256);
	client_map(&second);
	EXPECT_EQ(tx_ring(&second, 0)->offset_mask, 0xffff);
	EXPECT_EQ(tx_ring(&second, 0)->slot[0].ptr, 64);
	client_close(&second);
	client_open(&second, name, &request, NULL);
	EXPECT_EQ(tx_ring(&second, 0)->offset_mask, 0xffff);
	client_close(&second);
	client_close(&first);
	client_open(&first, name, &request, NULL);
	EXPECT_EQ(tx_ring(&first, 0)->offset_mask, 0);
	EXPECT_EQ(tx_ring(&first, 0)->slot[0].ptr, 0);
	client_close(&first);
}

/* A failing option takes the bind with it, and the status says which of them it was. */
TEST(failing_option_among_good_ones)
{
	static struct nm_csb_atok atok[2] __attribute__((aligned(64)));
	struct nmreq_opt_csb csb = {
		.nro_opt = {.nro_reqtype = NETMAP_REQ_OPT_CSB, .nro_status = 77},
		.csb_atok = (uintptr_t)atok,
		.csb_ktoa = 64,
	};
	struct nmreq_opt_offsets option = offsets(64, 0, 0);
	struct nmreq_register request = want_null(1, 1, 16);
	struct client client;

	need(PART_OFFSETS);
	need(PART_CSB);
	option.nro_opt.nro_next = (uintptr_t)&csb;
	request.nr_flags = NR_EXCLUSIVE;
	EXPECT_ERRNO(client_bind(&client, "x", &request, &option), EFAULT);
	EXPECT_EQ(csb.nro_opt.nro_status, EFAULT);
	EXPECT_EQ(option.nro_opt.nro_next, (uintptr_t)&csb);
}

/* External memory. */

#define EXTERNAL (16 << 20)

static struct nmreq_opt_extmem extmem(void *memory, uint64_t size)
{
	return (struct nmreq_opt_extmem){
		.nro_opt = {.nro_reqtype = NETMAP_REQ_OPT_EXTMEM, .nro_status = 77},
		.nro_usrptr = (uintptr_t)memory,
		.nro_info = {.nr_memsize = size,
			     .nr_if_pool_objtotal = 8,
			     .nr_if_pool_objsize = 1024,
			     .nr_ring_pool_objtotal = 16,
			     .nr_ring_pool_objsize = 20480,
			     .nr_buf_pool_objtotal = 5000,
			     .nr_buf_pool_objsize = 2048},
	};
}

static struct nmreq_register external_null(void)
{
	struct nmreq_register request = want_null(2, 2, 64);

	request.nr_mem_id = 0;
	return request;
}

static void *pages(size_t size, int protection)
{
	void *memory = mmap(NULL, size, protection, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	EXPECT(memory != MAP_FAILED);
	return memory;
}

TEST(extmem_is_the_region)
{
	struct nmreq_register request = external_null();
	struct nmreq_opt_extmem option;
	struct client client;
	struct netmap_if *nif;
	char *memory;

	need(PART_EXTMEM);
	memory = pages(EXTERNAL, PROT_READ | PROT_WRITE);
	option = extmem(memory, EXTERNAL);
	client_open(&client, "x", &request, &option);
	EXPECT_EQ(option.nro_opt.nro_status, 0);
	EXPECT_EQ(option.nro_usrptr, (uintptr_t)memory);
	EXPECT(client.reg.nr_mem_id > 1);
	EXPECT(option.nro_info.nr_buf_pool_objtotal >= 5000);
	nif = (void *)(memory + client.reg.nr_offset);
	EXPECT_EQ(nif->ni_tx_rings, 2);
	EXPECT_EQ(nif->ni_flags, NI_PRIV_MEM);
	EXPECT(nif->ring_ofs[0]);
	nif->ni_spare1[0] = 0x5eed;
	EXPECT_EQ(client.nif->ni_spare1[0], 0x5eed); /* the descriptor's mapping shows the same */
	client_close(&client);
	munmap(memory, EXTERNAL);
}

TEST(extmem_zero_fields_take_the_minimum)
{
	struct nmreq_register request = external_null();
	struct nmreq_opt_extmem option;
	struct client client;

	need(PART_EXTMEM);
	option = extmem(pages(EXTERNAL, PROT_READ | PROT_WRITE), EXTERNAL);
	memset(&option.nro_info.nr_if_pool_offset, 0,
	       sizeof(option.nro_info) - offsetof(struct nmreq_pools_info, nr_if_pool_offset));
	request.nr_tx_rings = request.nr_rx_rings = 1;
	EXPECT_OK(client_bind(&client, "x", &request, &option));
	EXPECT(option.nro_info.nr_if_pool_objtotal >= parameter_get("priv_if_num"));
	EXPECT_EQ(option.nro_info.nr_if_pool_objsize, parameter_get("priv_if_size"));
	EXPECT_EQ(option.nro_info.nr_ring_pool_objsize, parameter_get("priv_ring_size"));
	EXPECT_EQ(option.nro_info.nr_buf_pool_objsize, parameter_get("priv_buf_size"));
	client_close(&client);
}

static int try_extmem(struct nmreq_opt_extmem option)
{
	struct nmreq_register request = external_null();
	struct client client;
	int error = client_bind(&client, "x", &request, &option);

	EXPECT_EQ(option.nro_opt.nro_status, error);
	if (!error)
		client_close(&client);
	return error;
}

TEST(extmem_refused)
{
	struct nmreq_opt_extmem option;
	char *memory;

	need(PART_EXTMEM);
	memory = pages(EXTERNAL, PROT_READ | PROT_WRITE);
	EXPECT_ERRNO(try_extmem(extmem(memory, 1 << 20)), ENOMEM);
	EXPECT_ERRNO(try_extmem(extmem((void *)4096, EXTERNAL)), EFAULT);
	EXPECT_ERRNO(try_extmem(extmem(pages(EXTERNAL, PROT_READ), EXTERNAL)), EFAULT);
	EXPECT(try_extmem(extmem(memory, ~0ull)) != 0);
	EXPECT(try_extmem(extmem((void *)(~0ul - 4095), EXTERNAL)) != 0);
	option = extmem(memory, EXTERNAL);
	option.nro_info.nr_ring_pool_objsize = 0xffffffc0;
	EXPECT(try_extmem(option) != 0);
	option = extmem(memory, EXTERNAL);
	option.nro_info.nr_buf_pool_objtotal = 0xffffffff;
	option.nro_info.nr_buf_pool_objsize = 0xffffffff;
	EXPECT(try_extmem(option) != 0);
	munmap(memory + EXTERNAL / 2, 4096); /* a hole */
	EXPECT_ERRNO(try_extmem(extmem(memory, EXTERNAL)), EFAULT);
}

/* The program takes its memory away while the port is bound: the kernel goes on with its pages. */
TEST(extmem_unmapped_while_bound)
{
	struct nmreq_register request = external_null();
	struct nmreq_opt_extmem option;
	struct client client;
	char *memory;

	need(PART_EXTMEM);
	memory = pages(EXTERNAL, PROT_READ | PROT_WRITE);
	option = extmem(memory, EXTERNAL);
	EXPECT_OK(client_bind(&client, "x", &request, &option));
	munmap(memory, EXTERNAL);
	tx_sync(&client);
	rx_sync(&client);
	client_close(&client);
}

TEST(extmem_used_twice_is_one_region)
{
	struct nmreq_register request = external_null();
	struct nmreq_opt_extmem option;
	struct client first, second;
	char *memory;

	need(PART_EXTMEM);
	memory = pages(EXTERNAL, PROT_READ | PROT_WRITE);
	option = extmem(memory, EXTERNAL);
	EXPECT_OK(client_bind(&first, "x", &request, &option));
	option = extmem(memory, EXTERNAL);
	option.nro_info.nr_if_pool_objtotal = 3;
	EXPECT_OK(client_bind(&second, "y", &request, &option));
	EXPECT_EQ(first.reg.nr_mem_id, second.reg.nr_mem_id);
	EXPECT_EQ(first.reg.nr_memsize, second.reg.nr_memsize);
	client_close(&first);
	tx_sync(&second);
	client_close(&second);
}
