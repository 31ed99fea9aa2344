/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * t_host.c - host rings: the stack goes on through the program that took its device (ABI 6.2, 3.6;
 * kernel notes 6).
 */
#include "check.h"
#include "client.h"
#include "parts.h"
#include "topology.h"
#include "traffic.h"

#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

static struct client both, peer;
static char bytes[PACKET_MAX];

static void open_both(void)
{
	struct nmreq_register request = want(NR_REG_NIC_SW);

	need(PART_HOST);
	if (!strcmp(check_options.path, "xdp"))
		need(PART_XDP);
	client_open(&both, VETH_A, &request, NULL);
	request = want(NR_REG_ALL_NIC);
	client_open(&peer, VETH_B, &request, NULL);
}

static struct netmap_ring *host_tx(void)
{
	return tx_ring(&both, both.reg.nr_tx_rings);
}

static struct netmap_ring *host_rx(void)
{
	return rx_ring(&both, both.reg.nr_rx_rings);
}

static uint32_t take_any(const struct client *client)
{
	uint32_t length = 0;

	for (uint32_t r = 0; r < client->reg.nr_rx_rings && !length; r++)
		length = ring_take(rx_ring(client, r), bytes, sizeof(bytes));
	return length;
}

TEST(what_the_stack_sends_is_in_the_host_ring)
{
	int raw;

	open_both();
	raw = packet_socket(VETH_A);
	for (uint32_t i = 0; i < 50; i++) {
		packet_make(bytes, 60 + i * 20, 3, i);
		packet_send(raw, bytes, 60 + i * 20);
		EXPECT(client_poll(&both, POLLIN, 3000) & POLLIN);
		EXPECT_EQ(ring_take(host_rx(), bytes, sizeof(bytes)), 60 + i * 20);
		EXPECT(!packet_fault(bytes, 60 + i * 20, 3, i));
	}
	rx_sync(&peer);
	EXPECT_EQ(take_any(&peer), 0); /* none went out by itself */
}

TEST(what_is_put_into_the_host_ring_is_received)
{
	int raw;

	open_both();
	raw = packet_socket(VETH_A);
	for (uint32_t i = 0; i < 50; i++) {
		packet_make(bytes, 60 + i * 20, 4, i);
		EXPECT_EQ(ring_put(host_tx(), bytes, 60 + i * 20, 0), 1);
		tx_sync(&both);
		EXPECT_EQ(packet_receive(raw, bytes, sizeof(bytes), 3000), 60 + i * 20);
		EXPECT(!packet_fault(bytes, 60 + i * 20, 4, i));
	}
	EXPECT_EQ(ring_room(host_tx()), host_tx()->num_slots - 1);
	rx_sync(&both);
	EXPECT_EQ(take_any(&both), 0); /* none was caught again */
}

TEST(short_frames_are_not_for_the_stack)
{
	int raw;

	open_both();
	raw = packet_socket(VETH_A);
	packet_make(bytes, 100, 4, 0);
	for (uint32_t i = 0; i < 3; i++) {
		struct netmap_ring *ring = host_tx();

		memcpy(slot_data(ring, &ring->slot[ring->head]), bytes, 100);
		ring->slot[ring->head].len = (uint16_t)(i == 2 ? 0xffff : i * 13);
		ring->slot[ring->head].flags = 0;
		ring->head = ring->cur = ring_next(ring, ring->head);
	}
	EXPECT_EQ(ring_put(host_tx(), bytes, 100, 0), 1);
	tx_sync(&both);
	EXPECT_EQ(packet_receive(raw, bytes, sizeof(bytes), 3000), 100);
	EXPECT_EQ(packet_receive(raw, bytes, sizeof(bytes), 100), 0);
}

/* NS_FORWARD on a NIC ring: up. On the host's: out. */
TEST(forwarding_both_ways)
{
	struct netmap_ring *ring;
	int raw;

	open_both();
	raw = packet_socket(VETH_A);
	packet_make(bytes, 200, 5, 0);
	EXPECT_EQ(ring_put(tx_ring(&peer, 0), bytes, 200, 0), 1);
	tx_sync(&peer);
	EXPECT(client_poll(&both, POLLIN, 3000) & POLLIN);
	for (uint32_t r = 0; r < both.reg.nr_rx_rings; r++) {
		ring = rx_ring(&both, r);
		ring->flags = NR_FORWARD;
		while (ring_room(ring)) {
			ring->slot[ring->head].flags |= NS_FORWARD;
			ring->head = ring->cur = ring_next(ring, ring->head);
		}
	}
	client_poll(&both, POLLIN, 50);
	EXPECT_EQ(packet_receive(raw, bytes, sizeof(bytes), 3000), 200);
	packet_make(bytes, 300, 6, 0);
	packet_send(raw, bytes, 300);
	EXPECT(client_poll(&both, POLLIN, 3000) & POLLIN);
	ring = host_rx();
	EXPECT_EQ(ring_room(ring), 1);
	ring->flags = NR_FORWARD;
	ring->slot[ring->head].flags |= NS_FORWARD;
	ring->head = ring->cur = ring_next(ring, ring->head);
	client_poll(&both, POLLIN, 50);
	EXPECT(client_poll(&peer, POLLIN, 3000) & POLLIN);
	EXPECT_EQ(take_any(&peer), 300);
	EXPECT(!packet_fault(bytes, 300, 6, 0));
}

/* The program copies between NIC and host rings: two stacks talk through it. */
TEST(stacks_talk_through_the_program)
{
	struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(7777)};
	int sender, receiver, status = 0;
	char text[32] = "";

	need(PART_HOST);
	shell("ip netns add nmtalk && ip link add nmta type veth peer name nmtb netns nmtalk && "
	      "ip addr add 10.78.0.1/24 dev nmta && ip link set nmta up && "
	      "ip -n nmtalk addr add 10.78.0.2/24 dev nmtb && ip -n nmtalk link set nmtb up");
	client_open(&both, "nmta", &(struct nmreq_register){.nr_mode = NR_REG_NIC_SW}, NULL);
	parameter_set("fwd", 1);
	inet_pton(AF_INET, "10.78.0.1", &to.sin_addr);
	receiver = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK, 0);
	EXPECT_SYSTEM(bind(receiver, (struct sockaddr *)&to, sizeof(to)));
	sender = fork();
	if (sender == 0)
		_exit(shell_status("ip netns exec nmtalk bash -c 'for i in 1 2 3 4 5; do echo talk "
				   ">/dev/udp/10.78.0.1/7777; sleep 0.3; done'"));
	for (double until = check_now() + 10; check_now() < until && !text[0];) {
		for (uint32_t r = 0; r <= both.reg.nr_rx_rings; r++) {
			struct netmap_ring *ring = rx_ring(&both, r);

			ring->head = ring->cur = ring->tail;
		}
		client_poll(&both, POLLIN, 20);
		if (recv(receiver, text, sizeof(text) - 1, 0) < 0)
			text[0] = '\0';
	}
	parameter_set("fwd", 0);
	waitpid(sender, &status, 0);
	client_close(&both);
	shell("ip netns del nmtalk");
	EXPECT(!strcmp(text, "talk\n"));
}
