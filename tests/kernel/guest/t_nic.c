/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * t_nic.c - packets between network devices that are bound, and between a bound device and the
 * stack behind its peer; by the data path that --path names (ABI 6.7; kernel notes 3 to 7).
 */
#include "check.h"
#include "client.h"
#include "parts.h"
#include "topology.h"
#include "traffic.h"

#include <arpa/inet.h>
#include <errno.h>
#include <net/if.h>
#include <netinet/udp.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define VIRTIO_A  "nmp0"
#define VIRTIO_B  "nmp1"
#define FRAME_MIN 60
#define FRAME_MAX 1514

static struct client near, far;
static char bytes[PACKET_MAX];

static void begin(void)
{
	need(PART_NETDEV);
	if (!strcmp(check_options.path, "xdp"))
		need(PART_XDP);
}

static void open_pair(const char *one, const char *other)
{
	struct nmreq_register request = want(NR_REG_ALL_NIC);

	client_open(&near, one, &request, NULL);
	client_open(&far, other, &request, NULL);
}

static void open_veth(void)
{
	begin();
	open_pair(VETH_A, VETH_B);
}

static void open_virtio(void)
{
	begin();
	if (!if_nametoindex(VIRTIO_A) || !if_nametoindex(VIRTIO_B))
		FAIL("the guest has no virtio-net pair");
	open_pair(VIRTIO_A, VIRTIO_B);
}

static struct flow flow_of(uint32_t packets)
{
	return (struct flow){
		.from = &near,
		.to = &far,
		.stream = 1,
		.min_length = FRAME_MIN,
		.max_length = FRAME_MAX,
		.window = 100,
		.packets = packets,
	};
}

/*
 * Streams from every tx ring of `from`, which may come out of any rx ring of `to`: each stream in
 * order and complete.
 */
static void run_all_rings(const struct client *from, const struct client *to, uint32_t packets)
{
	uint32_t sent[16] = {0}, received[16] = {0}, total = 0, out = 0, length;
	const uint32_t rings = from->reg.nr_tx_rings;
	double moved = check_now();

	EXPECT(rings <= 16);
	while (total < rings * packets) {
		const uint32_t before = total;

		for (uint32_t r = 0; r < rings; r++) {
			while (sent[r] < packets && out - total < 64) {
				length = FRAME_MIN + sent[r] * 131 % (FRAME_MAX - FRAME_MIN);
				packet_make(bytes, length, 20 + r, sent[r]);
				if (!ring_put(tx_ring(from, r), bytes, length, 0))
					break;
				sent[r]++;
				out++;
			}
		}
		tx_sync(from);
		rx_sync(to);
		for (uint32_t r = 0; r < to->reg.nr_rx_rings; r++) {
			while ((length = ring_take(rx_ring(to, r), bytes, sizeof(bytes)))) {
				uint32_t which = packet_stream(bytes) - 20;
				const char *fault;

				EXPECT(which < rings);
				fault = packet_fault(bytes, length, 20 + which, received[which]++);
				if (fault)
					FAIL("ring %u: %s", which, fault);
				total++;
			}
		}
		if (total != before)
			moved = check_now();
		else if (check_now() - moved > 15)
			FAIL("stalls: %u sent, %u received", out, total);
	}
}

TEST(veth_every_size)
{
	open_veth();
	run_all_rings(&near, &far, 2000);
	run_all_rings(&far, &near, 2000);
}

TEST(virtio_every_size)
{
	open_virtio();
	run_all_rings(&near, &far, 1000);
	run_all_rings(&far, &near, 1000);
}

static void run_threads(enum waiting waiting)
{
	struct nmreq_register one = want(NR_REG_ONE_NIC);
	struct flow flow = flow_of(6000);

	begin();
	client_open(&near, VETH_A, &one, NULL);
	shell("ethtool -L " VETH_B " rx 1 tx 1 2>/dev/null || true");
	client_open(&far, VETH_B, &(struct nmreq_register){.nr_mode = NR_REG_ALL_NIC}, NULL);
	flow.max_length = 400;
	if (far.reg.nr_rx_rings > 1)
		check_skip("the peer's queues can't be reduced to one");
	flow_run_threads(&flow, waiting);
	client_close(&near);
	client_close(&far);
	shell("ethtool -L " VETH_B " rx 2 tx 2");
}

TEST_WITHIN(veth_poll, 120)
{
	run_threads(BY_POLL);
}

TEST_WITHIN(veth_epoll, 120)
{
	run_threads(BY_EPOLL);
}

TEST_WITHIN(veth_busy, 120)
{
	run_threads(BY_SYNC);
}

TEST(rings_bound_one_by_one)
{
	struct nmreq_register request = want(NR_REG_ONE_NIC);
	struct client first, second;

	begin();
	client_open(&first, VETH_A, &request, NULL);
	EXPECT_EQ(first.reg.nr_tx_rings, 2);
	request.nr_ringid = 1;
	client_open(&second, VETH_A, &request, NULL);
	EXPECT(tx_ring(&first, 0) && !tx_ring(&first, 1));
	EXPECT(!tx_ring(&second, 0) && tx_ring(&second, 1));
	EXPECT(tx_ring(&first, 0) != tx_ring(&second, 1));
	client_close(&first);
	client_close(&second);
}

/* The other end is the stack: a raw socket. */
TEST(to_and_from_the_stack)
{
	struct nmreq_register request = want(NR_REG_ALL_NIC);
	int raw;

	begin();
	client_open(&near, VETH_A, &request, NULL);
	raw = packet_socket(VETH_B);
	for (uint32_t i = 0; i < 50; i++) {
		packet_make(bytes, FRAME_MIN + i * 20, 3, i);
		EXPECT_EQ(ring_put(tx_ring(&near, 0), bytes, FRAME_MIN + i * 20, 0), 1);
		tx_sync(&near);
		EXPECT_EQ(packet_receive(raw, bytes, sizeof(bytes), 3000), FRAME_MIN + i * 20);
		EXPECT(!packet_fault(bytes, FRAME_MIN + i * 20, 3, i));
	}
	for (uint32_t i = 0; i < 50; i++) {
		uint32_t length = 0;

		packet_make(bytes, FRAME_MIN + i * 20, 4, i);
		packet_send(raw, bytes, FRAME_MIN + i * 20);
		EXPECT(client_poll(&near, POLLIN, 3000) & POLLIN);
		for (uint32_t r = 0; r < near.reg.nr_rx_rings && !length; r++)
			length = ring_take(rx_ring(&near, r), bytes, sizeof(bytes));
		EXPECT_EQ(length, FRAME_MIN + i * 20);
		EXPECT(!packet_fault(bytes, length, 4, i));
	}
}

/* What the stack took out of a frame is in it again: the VLAN tag. */
TEST(vlan_tags_are_kept)
{
	struct nmreq_register request = want(NR_REG_ALL_NIC);
	char frame[200];
	uint32_t length = 0;
	int raw;

	begin();
	client_open(&near, VETH_A, &request, NULL);
	raw = packet_socket(VETH_B);
	packet_make(bytes, 150, 3, 7);
	memcpy(frame, bytes, 12);
	memcpy(frame + 12, "\x81\x00\x60\x2a", 4); /* priority 3, VLAN 42 */
	memcpy(frame + 16, bytes + 12, 138);
	packet_send(raw, frame, 154);
	EXPECT(client_poll(&near, POLLIN, 3000) & POLLIN);
	for (uint32_t r = 0; r < near.reg.nr_rx_rings && !length; r++)
		length = ring_take(rx_ring(&near, r), bytes, sizeof(bytes));
	EXPECT_EQ(length, 154);
	EXPECT(!memcmp(bytes, frame, 154));
}

/* A VLAN device on top sees nothing of what is taken, and its own frames come out tagged. */
TEST(vlan_device_of_the_peer)
{
	struct nmreq_register request = want(NR_REG_ALL_NIC);
	uint32_t length = 0;
	int raw;

	begin();
	shell("ip link add link " VETH_B " name nmvlan type vlan id 43 && ip link set nmvlan up");
	client_open(&near, VETH_A, &request, NULL);
	raw = packet_socket("nmvlan");
	packet_make(bytes, 150, 3, 7);
	packet_send(raw, bytes, 150);
	for (int tries = 0; !length && tries < 20; tries++) {
		client_poll(&near, POLLIN, 200);
		for (uint32_t r = 0; r < near.reg.nr_rx_rings && !length; r++)
			length = ring_take(rx_ring(&near, r), bytes, sizeof(bytes));
	}
	client_close(&near);
	shell("ip link del nmvlan");
	EXPECT_EQ(length, 154);
	EXPECT(!memcmp(bytes + 12, "\x81\x00\x00\x2b\x88\xb5", 6));
}

#define SEGMENT	 1000
#define SEGMENTS 20

static void send_segmented(void)
{
	struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(9)};
	static char payload[SEGMENT * SEGMENTS];
	int fd = socket(AF_INET, SOCK_DGRAM, 0), size = SEGMENT;

	for (size_t i = 0; i < sizeof(payload); i++)
		payload[i] = (char)(i / SEGMENT + i);
	inet_pton(AF_INET, "10.77.0.1", &to.sin_addr);
	EXPECT_SYSTEM(setsockopt(fd, IPPROTO_UDP, UDP_SEGMENT, &size, sizeof(size)));
	EXPECT_EQ(sendto(fd, payload, sizeof(payload), 0, (struct sockaddr *)&to, sizeof(to)),
		  sizeof(payload));
	close(fd);
}

static void expect_segment(const uint8_t *frame, uint32_t length, uint32_t number)
{
	uint32_t pseudo = 17 + 8 + SEGMENT;

	EXPECT_EQ(length, 14 + 20 + 8 + SEGMENT);
	EXPECT_EQ(internet_sum(frame + 14, 20, 0), 0);
	for (int i = 26; i < 34; i += 2)
		pseudo += (uint32_t)frame[i] << 8 | frame[i + 1];
	if (internet_sum(frame + 34, 8 + SEGMENT, pseudo))
		FAIL("segment %u has a wrong UDP checksum", number);
	EXPECT_EQ(frame[42], (uint8_t)(number + number * SEGMENT));
}

/* One large packet of the peer's stack, checksum unfinished, comes as the frames that a wire has.
 */
TEST(segmentation_and_checksum_offload_of_the_peer)
{
	struct nmreq_register request = want(NR_REG_ALL_NIC);
	uint32_t got = 0, length;

	begin();
	shell("ip addr add 10.77.0.2/24 dev " VETH_B
	      " && ip neigh replace 10.77.0.1 lladdr 02:00:00:00:02:0a dev " VETH_B);
	client_open(&near, VETH_A, &request, NULL);
	send_segmented();
	for (int tries = 0; got < SEGMENTS && tries < 50; tries++) {
		client_poll(&near, POLLIN, 100);
		for (uint32_t r = 0; r < near.reg.nr_rx_rings; r++) {
			while ((length = ring_take(rx_ring(&near, r), bytes, sizeof(bytes)))) {
				if (length > 500)
					expect_segment((uint8_t *)bytes, length, got++);
			}
		}
	}
	client_close(&near);
	shell("ip addr flush dev " VETH_B);
	EXPECT_EQ(got, SEGMENTS);
}

/* After the last close the stack has the device as before. */
TEST(stack_gets_the_device_back)
{
	struct nmreq_register request = want(NR_REG_ALL_NIC);
	int a, b;

	begin();
	a = packet_socket(VETH_A);
	b = packet_socket(VETH_B);
	for (int round = 0; round < 3; round++) {
		client_open(&near, VETH_A, &request, NULL);
		client_close(&near);
		packet_make(bytes, 100, 9, (uint32_t)round);
		packet_send(b, bytes, 100);
		EXPECT_EQ(packet_receive(a, bytes, sizeof(bytes), 3000), 100);
		EXPECT(!packet_fault(bytes, 100, 9, (uint32_t)round));
	}
	EXPECT_EQ(shell_status("ip -d link show " VETH_A " | grep -q xdp"), 1);
	EXPECT_EQ(shell_status("ip -d link show " VETH_A " | grep -qi promisc.*PROMISC"), 1);
}

TEST(runts_and_giants_do_no_harm)
{
	struct netmap_ring *ring;

	open_veth();
	for (uint32_t i = 0; i < 600; i++) {
		ring = tx_ring(&near, 0);
		ring->slot[ring->head].len = (uint16_t)(i < 100 ? i : i * 131);
		ring->slot[ring->head].flags = i % 7 ? 0 : NS_MOREFRAG;
		ring->head = ring->cur = ring_next(ring, ring->head);
		tx_sync(&near);
		rx_sync(&far);
		for (uint32_t r = 0; r < far.reg.nr_rx_rings; r++) {
			ring = rx_ring(&far, r);
			ring->head = ring->cur = ring->tail;
		}
		if (!ring_room(tx_ring(&near, 0)))
			client_poll(&near, POLLOUT, 1000);
	}
	client_close(&near);
	client_close(&far);
	open_veth();
	run_all_rings(&near, &far, 200);
}

TEST(full_receiver_loses_and_goes_on)
{
	open_veth();
	for (uint32_t i = 0; i < 5000; i++) {
		packet_make(bytes, 100, 2, i);
		if (!ring_put(tx_ring(&near, 0), bytes, 100, 0))
			EXPECT(client_poll(&near, POLLOUT, 3000) & POLLOUT);
		tx_sync(&near);
	}
	rx_sync(&far);
	for (uint32_t r = 0; r < far.reg.nr_rx_rings; r++) {
		struct netmap_ring *ring = rx_ring(&far, r);

		EXPECT(ring_room(ring) < ring->num_slots);
		ring->head = ring->cur = ring->tail;
	}
	rx_sync(&far);
	run_all_rings(&near, &far, 200);
}
