/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * t_layout.c - the ABI of the header that programs are built against, number by number, and the
 * same numbers as the module lays them out in a region (checklist 8).
 */
#include "check.h"
#include "client.h"
#include "parts.h"

#include <stddef.h>
#include <string.h>

struct row {
	const char *name;
	size_t got_offset, offset;
	size_t got_size, size;
};

#define PART(type, member, at, bytes)                                                              \
	{#type "." #member, offsetof(struct type, member), at, sizeof(((struct type *)0)->member), \
	 bytes}
#define TAIL(type, member, at, bytes)                               \
	{#type "." #member "[]", offsetof(struct type, member), at, \
	 sizeof(((struct type *)0)->member[0]), bytes}
/* Its alignment in place of an offset. */
#define WHOLE(type, bytes, align) {#type, _Alignof(struct type), align, sizeof(struct type), bytes}

static const struct row rows[] = {
	WHOLE(netmap_slot, 16, 8),
	PART(netmap_slot, buf_idx, 0, 4),
	PART(netmap_slot, len, 4, 2),
	PART(netmap_slot, flags, 6, 2),
	PART(netmap_slot, ptr, 8, 8),
	WHOLE(netmap_ring, 256, 128),
	PART(netmap_ring, buf_ofs, 0, 8),
	PART(netmap_ring, num_slots, 8, 4),
	PART(netmap_ring, nr_buf_size, 12, 4),
	PART(netmap_ring, ringid, 16, 2),
	PART(netmap_ring, dir, 18, 2),
	PART(netmap_ring, head, 20, 4),
	PART(netmap_ring, cur, 24, 4),
	PART(netmap_ring, tail, 28, 4),
	PART(netmap_ring, flags, 32, 4),
	PART(netmap_ring, ts, 40, 16),
	PART(netmap_ring, offset_mask, 56, 8),
	PART(netmap_ring, buf_align, 64, 8),
	PART(netmap_ring, sem, 128, 128),
	TAIL(netmap_ring, slot, 256, 16),
	WHOLE(netmap_if, 56, 8),
	PART(netmap_if, ni_name, 0, 16),
	PART(netmap_if, ni_version, 16, 4),
	PART(netmap_if, ni_flags, 20, 4),
	PART(netmap_if, ni_tx_rings, 24, 4),
	PART(netmap_if, ni_rx_rings, 28, 4),
	PART(netmap_if, ni_bufs_head, 32, 4),
	PART(netmap_if, ni_host_tx_rings, 36, 4),
	PART(netmap_if, ni_host_rx_rings, 40, 4),
	PART(netmap_if, ni_spare1, 44, 12),
	TAIL(netmap_if, ring_ofs, 56, 8),
	WHOLE(nmreq_header, 88, 8),
	PART(nmreq_header, nr_version, 0, 2),
	PART(nmreq_header, nr_reqtype, 2, 2),
	PART(nmreq_header, nr_reserved, 4, 4),
	PART(nmreq_header, nr_name, 8, 64),
	PART(nmreq_header, nr_options, 72, 8),
	PART(nmreq_header, nr_body, 80, 8),
	WHOLE(nmreq_option, 24, 8),
	PART(nmreq_option, nro_next, 0, 8),
	PART(nmreq_option, nro_reqtype, 8, 4),
	PART(nmreq_option, nro_status, 12, 4),
	PART(nmreq_option, nro_size, 16, 8),
	WHOLE(nmreq_register, 56, 8),
	PART(nmreq_register, nr_offset, 0, 8),
	PART(nmreq_register, nr_memsize, 8, 8),
	PART(nmreq_register, nr_tx_slots, 16, 4),
	PART(nmreq_register, nr_rx_slots, 20, 4),
	PART(nmreq_register, nr_tx_rings, 24, 2),
	PART(nmreq_register, nr_rx_rings, 26, 2),
	PART(nmreq_register, nr_host_tx_rings, 28, 2),
	PART(nmreq_register, nr_host_rx_rings, 30, 2),
	PART(nmreq_register, nr_mem_id, 32, 2),
	PART(nmreq_register, nr_ringid, 34, 2),
	PART(nmreq_register, nr_mode, 36, 4),
	PART(nmreq_register, nr_extra_bufs, 40, 4),
	PART(nmreq_register, nr_flags, 48, 8),
	WHOLE(nmreq_port_info_get, 32, 8),
	PART(nmreq_port_info_get, nr_memsize, 0, 8),
	PART(nmreq_port_info_get, nr_tx_slots, 8, 4),
	PART(nmreq_port_info_get, nr_rx_slots, 12, 4),
	PART(nmreq_port_info_get, nr_tx_rings, 16, 2),
	PART(nmreq_port_info_get, nr_rx_rings, 18, 2),
	PART(nmreq_port_info_get, nr_host_tx_rings, 20, 2),
	PART(nmreq_port_info_get, nr_host_rx_rings, 22, 2),
	PART(nmreq_port_info_get, nr_mem_id, 24, 2),
	PART(nmreq_port_info_get, pad1, 26, 6),
	WHOLE(nmreq_vale_attach, 64, 8),
	PART(nmreq_vale_attach, reg, 0, 56),
	PART(nmreq_vale_attach, port_index, 56, 4),
	PART(nmreq_vale_attach, pad1, 60, 4),
	WHOLE(nmreq_vale_detach, 8, 4),
	PART(nmreq_vale_detach, port_index, 0, 4),
	PART(nmreq_vale_detach, pad1, 4, 4),
	WHOLE(nmreq_vale_list, 8, 4),
	PART(nmreq_vale_list, nr_bridge_idx, 0, 2),
	PART(nmreq_vale_list, pad1, 2, 2),
	PART(nmreq_vale_list, nr_port_idx, 4, 4),
	WHOLE(nmreq_port_hdr, 8, 4),
	PART(nmreq_port_hdr, nr_hdr_len, 0, 4),
	PART(nmreq_port_hdr, pad1, 4, 4),
	WHOLE(nmreq_vale_newif, 16, 4),
	PART(nmreq_vale_newif, nr_tx_slots, 0, 4),
	PART(nmreq_vale_newif, nr_rx_slots, 4, 4),
	PART(nmreq_vale_newif, nr_tx_rings, 8, 2),
	PART(nmreq_vale_newif, nr_rx_rings, 10, 2),
	PART(nmreq_vale_newif, nr_mem_id, 12, 2),
	PART(nmreq_vale_newif, pad1, 14, 2),
	WHOLE(nmreq_vale_polling, 16, 4),
	PART(nmreq_vale_polling, nr_mode, 0, 4),
	PART(nmreq_vale_polling, nr_first_cpu_id, 4, 4),
	PART(nmreq_vale_polling, nr_num_polling_cpus, 8, 4),
	PART(nmreq_vale_polling, pad1, 12, 4),
	WHOLE(nmreq_pools_info, 64, 8),
	PART(nmreq_pools_info, nr_memsize, 0, 8),
	PART(nmreq_pools_info, nr_mem_id, 8, 2),
	PART(nmreq_pools_info, pad1, 10, 6),
	PART(nmreq_pools_info, nr_if_pool_offset, 16, 8),
	PART(nmreq_pools_info, nr_if_pool_objtotal, 24, 4),
	PART(nmreq_pools_info, nr_if_pool_objsize, 28, 4),
	PART(nmreq_pools_info, nr_ring_pool_offset, 32, 8),
	PART(nmreq_pools_info, nr_ring_pool_objtotal, 40, 4),
	PART(nmreq_pools_info, nr_ring_pool_objsize, 44, 4),
	PART(nmreq_pools_info, nr_buf_pool_offset, 48, 8),
	PART(nmreq_pools_info, nr_buf_pool_objtotal, 56, 4),
	PART(nmreq_pools_info, nr_buf_pool_objsize, 60, 4),
	WHOLE(nmreq_sync_kloop_start, 8, 4),
	PART(nmreq_sync_kloop_start, sleep_us, 0, 4),
	PART(nmreq_sync_kloop_start, pad1, 4, 4),
	WHOLE(nm_csb_atok, 64, 4),
	PART(nm_csb_atok, head, 0, 4),
	PART(nm_csb_atok, cur, 4, 4),
	PART(nm_csb_atok, appl_need_kick, 8, 4),
	PART(nm_csb_atok, sync_flags, 12, 4),
	PART(nm_csb_atok, pad, 16, 48),
	WHOLE(nm_csb_ktoa, 64, 4),
	PART(nm_csb_ktoa, hwcur, 0, 4),
	PART(nm_csb_ktoa, hwtail, 4, 4),
	PART(nm_csb_ktoa, kern_need_kick, 8, 4),
	PART(nm_csb_ktoa, pad, 12, 52),
	WHOLE(nmreq_opt_extmem, 96, 8),
	PART(nmreq_opt_extmem, nro_opt, 0, 24),
	PART(nmreq_opt_extmem, nro_usrptr, 24, 8),
	PART(nmreq_opt_extmem, nro_info, 32, 64),
	WHOLE(nmreq_opt_csb, 40, 8),
	PART(nmreq_opt_csb, nro_opt, 0, 24),
	PART(nmreq_opt_csb, csb_atok, 24, 8),
	PART(nmreq_opt_csb, csb_ktoa, 32, 8),
	WHOLE(nmreq_opt_sync_kloop_eventfds, 24, 8),
	PART(nmreq_opt_sync_kloop_eventfds, nro_opt, 0, 24),
	TAIL(nmreq_opt_sync_kloop_eventfds, eventfds, 24, 8),
	WHOLE(nmreq_opt_sync_kloop_mode, 32, 8),
	PART(nmreq_opt_sync_kloop_mode, nro_opt, 0, 24),
	PART(nmreq_opt_sync_kloop_mode, mode, 24, 4),
	WHOLE(nmreq_opt_offsets, 56, 8),
	PART(nmreq_opt_offsets, nro_opt, 0, 24),
	PART(nmreq_opt_offsets, nro_max_offset, 24, 8),
	PART(nmreq_opt_offsets, nro_initial_offset, 32, 8),
	PART(nmreq_opt_offsets, nro_offset_bits, 40, 4),
	PART(nmreq_opt_offsets, nro_tx_align, 44, 4),
	PART(nmreq_opt_offsets, nro_min_gap, 48, 8),
	WHOLE(nmreq, 60, 4),
	PART(nmreq, nr_name, 0, 16),
	PART(nmreq, nr_version, 16, 4),
	PART(nmreq, nr_offset, 20, 4),
	PART(nmreq, nr_memsize, 24, 4),
	PART(nmreq, nr_tx_slots, 28, 4),
	PART(nmreq, nr_rx_slots, 32, 4),
	PART(nmreq, nr_tx_rings, 36, 2),
	PART(nmreq, nr_rx_rings, 38, 2),
	PART(nmreq, nr_ringid, 40, 2),
	PART(nmreq, nr_cmd, 42, 2),
	PART(nmreq, nr_arg1, 44, 2),
	PART(nmreq, nr_arg2, 46, 2),
	PART(nmreq, nr_arg3, 48, 4),
	PART(nmreq, nr_flags, 52, 4),
	PART(nmreq, spare2, 56, 4),
	WHOLE(nm_ifreq, 272, 1),
	PART(nm_ifreq, nifr_name, 0, 16),
	PART(nm_ifreq, data, 16, 256),
};

TEST(layouts)
{
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		if (rows[i].got_offset != rows[i].offset || rows[i].got_size != rows[i].size)
			FAIL("%s: at %zu with %zu bytes, not at %zu with %zu", rows[i].name,
			     rows[i].got_offset, rows[i].got_size, rows[i].offset, rows[i].size);
	}
}

#define NUMBER(name, value) {#name, name, value}

static const struct number {
	const char *name;
	unsigned long got, value;
} numbers[] = {
	NUMBER(NIOCCTRL, 0xc0586997),
	NUMBER(NIOCTXSYNC, 0x6994),
	NUMBER(NIOCRXSYNC, 0x6995),
	NUMBER(NIOCGINFO, 0xc03c6991),
	NUMBER(NIOCREGIF, 0xc03c6992),
	NUMBER(NIOCCONFIG, 0xc1106996),
	NUMBER(NETMAP_API, 14),
	NUMBER(NETMAP_MIN_API, 14),
	NUMBER(NETMAP_MAX_API, 15),
	NUMBER(NETMAP_REQ_IFNAMSIZ, 64),
	NUMBER(NETMAP_REQ_MAXSIZE, 4096),
	NUMBER(NETMAP_MAX_FRAGS, 64),
	NUMBER(NETMAP_REQ_REGISTER, 1),
	NUMBER(NETMAP_REQ_PORT_INFO_GET, 2),
	NUMBER(NETMAP_REQ_VALE_ATTACH, 3),
	NUMBER(NETMAP_REQ_VALE_DETACH, 4),
	NUMBER(NETMAP_REQ_VALE_LIST, 5),
	NUMBER(NETMAP_REQ_PORT_HDR_SET, 6),
	NUMBER(NETMAP_REQ_PORT_HDR_GET, 7),
	NUMBER(NETMAP_REQ_VALE_NEWIF, 8),
	NUMBER(NETMAP_REQ_VALE_DELIF, 9),
	NUMBER(NETMAP_REQ_VALE_POLLING_ENABLE, 10),
	NUMBER(NETMAP_REQ_VALE_POLLING_DISABLE, 11),
	NUMBER(NETMAP_REQ_POOLS_INFO_GET, 12),
	NUMBER(NETMAP_REQ_SYNC_KLOOP_START, 13),
	NUMBER(NETMAP_REQ_SYNC_KLOOP_STOP, 14),
	NUMBER(NETMAP_REQ_CSB_ENABLE, 15),
	NUMBER(NETMAP_REQ_OPT_EXTMEM, 1),
	NUMBER(NETMAP_REQ_OPT_SYNC_KLOOP_EVENTFDS, 2),
	NUMBER(NETMAP_REQ_OPT_CSB, 3),
	NUMBER(NETMAP_REQ_OPT_SYNC_KLOOP_MODE, 4),
	NUMBER(NETMAP_REQ_OPT_OFFSETS, 5),
	NUMBER(NETMAP_REQ_OPT_MAX, 6),
	NUMBER(NR_REG_DEFAULT, 0),
	NUMBER(NR_REG_ALL_NIC, 1),
	NUMBER(NR_REG_SW, 2),
	NUMBER(NR_REG_NIC_SW, 3),
	NUMBER(NR_REG_ONE_NIC, 4),
	NUMBER(NR_REG_PIPE_MASTER, 5),
	NUMBER(NR_REG_PIPE_SLAVE, 6),
	NUMBER(NR_REG_NULL, 7),
	NUMBER(NR_REG_ONE_SW, 8),
	NUMBER(NR_MONITOR_TX, 0x100),
	NUMBER(NR_MONITOR_RX, 0x200),
	NUMBER(NR_ZCOPY_MON, 0x400),
	NUMBER(NR_EXCLUSIVE, 0x800),
	NUMBER(NR_RX_RINGS_ONLY, 0x2000),
	NUMBER(NR_TX_RINGS_ONLY, 0x4000),
	NUMBER(NR_ACCEPT_VNET_HDR, 0x8000),
	NUMBER(NR_DO_RX_POLL, 0x10000),
	NUMBER(NR_NO_TX_POLL, 0x20000),
	NUMBER(NR_TIMESTAMP, 2),
	NUMBER(NR_FORWARD, 4),
	NUMBER(NS_BUF_CHANGED, 1),
	NUMBER(NS_REPORT, 2),
	NUMBER(NS_FORWARD, 4),
	NUMBER(NS_NO_LEARN, 8),
	NUMBER(NS_INDIRECT, 0x10),
	NUMBER(NS_MOREFRAG, 0x20),
	NUMBER(NS_TXMON, 0x40),
	NUMBER(NS_PORT_SHIFT, 8),
	NUMBER(NI_PRIV_MEM, 1),
	NUMBER(NETMAP_RING_MASK, 0xfff),
	NUMBER(NETMAP_NO_TX_POLL, 0x1000),
	NUMBER(NETMAP_SW_RING, 0x2000),
	NUMBER(NETMAP_HW_RING, 0x4000),
	NUMBER(NETMAP_DO_RX_POLL, 0x8000),
	NUMBER(NM_OPT_SYNC_KLOOP_DIRECT_TX, 1),
	NUMBER(NM_OPT_SYNC_KLOOP_DIRECT_RX, 2),
};

TEST(constants)
{
	for (size_t i = 0; i < sizeof(numbers) / sizeof(*numbers); i++) {
		if (numbers[i].got != numbers[i].value)
			FAIL("%s is 0x%lx, not 0x%lx", numbers[i].name, numbers[i].got,
			     numbers[i].value);
	}
}

static void expect_new_ring(const struct netmap_ring *ring, uint32_t slots, uint16_t id,
			    uint16_t direction)
{
	static const struct netmap_ring empty;

	EXPECT(ring);
	EXPECT_EQ(ring->num_slots, slots);
	EXPECT_EQ(ring->nr_buf_size, parameter_get("buf_size"));
	EXPECT_EQ(ring->ringid, id);
	EXPECT_EQ(ring->dir, direction);
	EXPECT_EQ(ring->head, 0);
	EXPECT_EQ(ring->cur, 0);
	EXPECT_EQ(ring->tail, direction == NETMAP_RING_TX ? slots - 1 : 0);
	EXPECT_EQ(ring->flags, 0);
	EXPECT_EQ(ring->offset_mask, 0);
	EXPECT(!memcmp(&ring->ts, &empty.ts, sizeof(ring->ts)));
	EXPECT(!memcmp(ring->sem, empty.sem, sizeof(ring->sem)));
	for (uint32_t i = 0; i < slots; i++) {
		EXPECT(ring->slot[i].buf_idx >= 2);
		EXPECT_EQ(ring->slot[i].len, ring->nr_buf_size);
		EXPECT_EQ(ring->slot[i].flags, 0);
		EXPECT_EQ(ring->slot[i].ptr, 0);
	}
}

/* Every buffer of every bound ring is another one, inside the pool and inside the mapping. */
static void expect_own_buffers(const struct client *client, long pool_offset, uint32_t total)
{
	static uint8_t seen[1 << 20];
	unsigned int entries = client->nif->ni_tx_rings + client->nif->ni_host_tx_rings +
			       client->nif->ni_rx_rings + client->nif->ni_host_rx_rings;

	for (unsigned int i = 0; i < entries; i++) {
		int64_t distance = client->nif->ring_ofs[i];
		struct netmap_ring *ring = (void *)((char *)client->nif + distance);

		if (!distance)
			continue;
		EXPECT(((uintptr_t)ring - (uintptr_t)client->mem) % 64 == 0);
		EXPECT_EQ((char *)ring + ring->buf_ofs - client->mem, pool_offset);
		for (uint32_t s = 0; s < ring->num_slots; s++) {
			uint32_t index = ring->slot[s].buf_idx;

			EXPECT(index < total);
			if (seen[index]++)
				FAIL("buffer %u is in two places", index);
		}
	}
}

TEST(new_rings_in_memory)
{
	struct nmreq_register request = want_null(3, 2, 100);
	struct client client;

	need(PART_NULL);
	request.nr_rx_slots = 60;
	client_open(&client, "ring", &request, NULL);
	EXPECT_EQ(client.nif->ni_tx_rings, 3);
	EXPECT_EQ(client.nif->ni_rx_rings, 2);
	EXPECT_EQ(client.nif->ni_host_tx_rings, 1);
	EXPECT_EQ(client.nif->ni_host_rx_rings, 1);
	EXPECT_EQ(client.nif->ni_version, 0);
	EXPECT_EQ(client.nif->ni_bufs_head, 0);
	EXPECT_EQ(client.nif->ni_flags, 0);
	EXPECT(!memcmp(client.nif->ni_name, "null:", 5));
	for (uint16_t i = 0; i < 3; i++)
		expect_new_ring(tx_ring(&client, i), 100, i, NETMAP_RING_TX);
	for (uint16_t i = 0; i < 2; i++)
		expect_new_ring(rx_ring(&client, i), 60, i, NETMAP_RING_RX);
	EXPECT(!tx_ring(&client, 3) && !rx_ring(&client, 2));
	expect_own_buffers(&client,
			   parameter_get("if_curr_num") * parameter_get("if_curr_size") +
				   parameter_get("ring_curr_num") * parameter_get("ring_curr_size"),
			   (uint32_t)parameter_get("buf_curr_num"));
	client_close(&client);
}

/* The header of a ring object, and what was in it, come to the next owner cleared. */
TEST(recycled_rings_are_clean)
{
	struct nmreq_register request = want_null(1, 1, 32);
	struct client client;

	need(PART_NULL);
	client_open(&client, "first", &request, NULL);
	for (int i = 0; i < 2; i++) {
		struct netmap_ring *ring = i ? rx_ring(&client, 0) : tx_ring(&client, 0);

		ring->flags = NR_TIMESTAMP;
		ring->offset_mask = 0xff;
		ring->ts.tv_sec = 1;
		memset(ring->sem, 0xa5, sizeof(ring->sem));
		for (uint32_t s = 0; s < ring->num_slots; s++) {
			ring->slot[s].ptr = 5;
			ring->slot[s].flags = NS_MOREFRAG;
		}
	}
	client_close(&client);
	client_open(&client, "second", &request, NULL);
	expect_new_ring(tx_ring(&client, 0), 32, 0, NETMAP_RING_TX);
	expect_new_ring(rx_ring(&client, 0), 32, 0, NETMAP_RING_RX);
	client_close(&client);
}
