/* SPDX-License-Identifier: BSD-2-Clause */
/* traffic.c - see traffic.h. */
#include "traffic.h"

#include "check.h"

#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/select.h>
#include <unistd.h>

#define ETHERTYPE_LOCAL 0x88b5 /* for experiments within one network */
#define STALL		15.0   /* seconds without a packet that fail a flow */

struct packet {
	uint8_t to[6];
	uint8_t from[6];
	uint16_t type;
	uint16_t pad;
	uint32_t stream;
	uint32_t number;
	uint32_t length;
	uint32_t sum;
	uint8_t payload[];
} __attribute__((packed));

_Static_assert(sizeof(struct packet) == PACKET_MIN, "PACKET_MIN");

static uint32_t mix(uint32_t state)
{
	state ^= state << 13;
	state ^= state >> 17;
	return state ^ state << 5;
}

static uint32_t sum_of(const struct packet *packet, uint32_t length)
{
	uint32_t sum = packet->stream * 31 + packet->number * 17 + packet->length;

	for (uint32_t i = 0; i < length - PACKET_MIN; i++)
		sum = (sum << 5 | sum >> 27) ^ packet->payload[i];
	return sum;
}

void packet_make(void *bytes, uint32_t length, uint32_t stream, uint32_t number)
{
	struct packet *packet = bytes;
	uint32_t state = stream << 24 ^ number * 2654435761u ^ length;

	EXPECT(length >= PACKET_MIN && length <= PACKET_MAX);
	memset(packet->to, 0xff, 6);
	memcpy(packet->from, (uint8_t[6]){2, 0, 0, 0, 0, (uint8_t)stream}, 6);
	packet->type = htons(ETHERTYPE_LOCAL);
	packet->pad = 0;
	packet->stream = stream;
	packet->number = number;
	packet->length = length;
	state = state ? state : 1;
	for (uint32_t i = 0; i < length - PACKET_MIN; i++) {
		if (i % 4 == 0)
			state = mix(state);
		packet->payload[i] = (uint8_t)(state >> 8 * (i % 4));
	}
	packet->sum = sum_of(packet, length);
}

void packet_address(void *bytes, const uint8_t to[6], const uint8_t from[6])
{
	struct packet *packet = bytes;

	memcpy(packet->to, to, 6);
	memcpy(packet->from, from, 6);
}

uint32_t packet_number(const void *bytes)
{
	return ((const struct packet *)bytes)->number;
}

uint32_t packet_stream(const void *bytes)
{
	return ((const struct packet *)bytes)->stream;
}

const char *packet_fault(const void *bytes, uint32_t length, uint32_t stream, uint32_t number)
{
	const struct packet *packet = bytes;
	static _Thread_local char text[128];

	if (length < PACKET_MIN)
		snprintf(text, sizeof(text), "%u bytes are no packet of ours", length);
	else if (ntohs(packet->type) != ETHERTYPE_LOCAL || packet->stream != stream)
		snprintf(text, sizeof(text), "type 0x%x, stream %u, not %u", ntohs(packet->type),
			 packet->stream, stream);
	else if (packet->number != number)
		snprintf(text, sizeof(text), "packet %u, not %u", packet->number, number);
	else if (packet->length != length)
		snprintf(text, sizeof(text), "packet %u: %u bytes, sent %u", number, length,
			 packet->length);
	else if (packet->sum != sum_of(packet, length))
		snprintf(text, sizeof(text), "packet %u of %u bytes is damaged", number, length);
	else
		return NULL;
	return text;
}

uint32_t ring_put(struct netmap_ring *ring, const void *bytes, uint32_t length, uint32_t piece)
{
	uint32_t head = ring->head, slots, done = 0;
	const char *from = bytes;

	piece = piece && piece < ring->nr_buf_size ? piece : ring->nr_buf_size;
	slots = (length + piece - 1) / piece;
	if (ring_room(ring) < slots)
		return 0;
	while (done < length) {
		struct netmap_slot *slot = &ring->slot[head];
		uint32_t part = length - done < piece ? length - done : piece;

		memcpy(slot_data(ring, slot), from + done, part);
		done += part;
		slot->len = (uint16_t)part;
		slot->flags = done < length ? NS_MOREFRAG : 0;
		head = ring_next(ring, head);
	}
	ring->head = ring->cur = head;
	return slots;
}

uint32_t ring_take(struct netmap_ring *ring, void *bytes, uint32_t capacity)
{
	uint32_t head = ring->head, done = 0;
	bool more = true;

	if (!ring_room(ring))
		return 0;
	while (more) {
		const struct netmap_slot *slot = &ring->slot[head];

		if (head == ring->tail)
			FAIL("a packet of %u bytes so far does not end before tail", done);
		EXPECT(slot->len <= ring->nr_buf_size && done + slot->len <= capacity);
		memcpy((char *)bytes + done, slot_data(ring, slot), slot->len);
		done += slot->len;
		more = slot->flags & NS_MOREFRAG;
		head = ring_next(ring, head);
	}
	ring->head = ring->cur = head;
	return done;
}

/* Lengths that go through all of [min, max], the ends first. */
static uint32_t length_of(const struct flow *flow, uint32_t number)
{
	uint32_t span = flow->max_length - flow->min_length + 1;

	if (number < 2)
		return number ? flow->max_length : flow->min_length;
	return flow->min_length + number * 769u % span;
}

static uint32_t receive_all(const struct flow *flow, uint32_t received, char *bytes)
{
	struct netmap_ring *ring = rx_ring(flow->to, flow->to_ring);
	uint32_t length;

	while ((length = ring_take(ring, bytes, PACKET_MAX))) {
		const char *fault = packet_fault(bytes, length, flow->stream, received);

		if (fault)
			FAIL("stream %u: %s", flow->stream, fault);
		received++;
	}
	return received;
}

static bool send_one(const struct flow *flow, uint32_t sent, char *bytes)
{
	uint32_t length = length_of(flow, sent);

	packet_make(bytes, length, flow->stream, sent);
	return ring_put(tx_ring(flow->from, flow->from_ring), bytes, length, flow->piece);
}

void flow_run(const struct flow *flow)
{
	static char bytes[PACKET_MAX];
	uint32_t sent = 0, received = 0, before;
	double moved = check_now();

	while (received < flow->packets) {
		before = sent + received;
		while (sent < flow->packets && (!flow->window || sent - received < flow->window) &&
		       send_one(flow, sent, bytes))
			sent++;
		tx_sync(flow->from);
		rx_sync(flow->to);
		received = receive_all(flow, received, bytes);
		if (sent + received != before)
			moved = check_now();
		else if (check_now() - moved > STALL)
			FAIL("stream %u stalls: %u sent, %u received", flow->stream, sent,
			     received);
	}
	rx_sync(flow->to);
	tx_sync(flow->from);
}

struct ends {
	const struct flow *flow;
	enum waiting waiting;
	int sender_epoll;
	int receiver_epoll;
	_Atomic uint32_t sent;
	_Atomic uint32_t received;
};

static int epoll_of(int fd, uint32_t events)
{
	struct epoll_event event = {.events = events};
	int epoll = epoll_create1(EPOLL_CLOEXEC);

	EXPECT_SYSTEM(epoll);
	EXPECT_SYSTEM(epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event));
	return epoll;
}

static void wait_by_select(int fd, bool to_write)
{
	struct timeval limit = {.tv_usec = 100000};
	fd_set set;

	EXPECT(fd < FD_SETSIZE);
	FD_ZERO(&set);
	FD_SET(fd, &set);
	EXPECT_SYSTEM(select(fd + 1, to_write ? NULL : &set, to_write ? &set : NULL, NULL, &limit));
}

static void wait_for(const struct ends *ends, bool to_write)
{
	const struct client *client = to_write ? ends->flow->from : ends->flow->to;
	struct epoll_event event;
	short got;

	switch (ends->waiting) {
	case BY_SYNC:
		(to_write ? tx_sync : rx_sync)(client);
		break;
	case BY_POLL:
		got = client_poll(client, to_write ? POLLOUT : POLLIN, 100);
		if (got & (POLLERR | POLLNVAL))
			FAIL("poll gave 0x%x", got);
		break;
	case BY_SELECT:
		wait_by_select(client->fd, to_write);
		break;
	case BY_EPOLL:
		EXPECT_SYSTEM(epoll_wait(to_write ? ends->sender_epoll : ends->receiver_epoll,
					 &event, 1, 100));
		break;
	}
}

static void *send_side(void *argument)
{
	const struct flow *flow = ((struct ends *)argument)->flow;
	struct ends *ends = argument;
	static char bytes[PACKET_MAX];

	while (ends->received < flow->packets) {
		while (ends->sent < flow->packets &&
		       (!flow->window || ends->sent - ends->received < flow->window) &&
		       send_one(flow, ends->sent, bytes))
			ends->sent++;
		wait_for(ends, true);
	}
	return NULL;
}

static void *receive_side(void *argument)
{
	const struct flow *flow = ((struct ends *)argument)->flow;
	struct ends *ends = argument;
	static char bytes[PACKET_MAX];
	double moved = check_now();
	uint32_t received = 0;

	while (received < flow->packets) {
		wait_for(ends, false);
		received = receive_all(flow, received, bytes);
		if (received != ends->received)
			moved = check_now();
		else if (check_now() - moved > STALL)
			FAIL("stream %u stalls: %u sent, %u received", flow->stream, ends->sent,
			     received);
		ends->received = received;
	}
	rx_sync(flow->to);
	return NULL;
}

void flow_run_threads(const struct flow *flow, enum waiting waiting)
{
	struct ends ends = {.flow = flow, .waiting = waiting};
	pthread_t sender, receiver;

	if (waiting == BY_EPOLL) {
		ends.sender_epoll = epoll_of(flow->from->fd, EPOLLOUT);
		ends.receiver_epoll = epoll_of(flow->to->fd, EPOLLIN);
	}
	EXPECT_OK(pthread_create(&sender, NULL, send_side, &ends));
	EXPECT_OK(pthread_create(&receiver, NULL, receive_side, &ends));
	pthread_join(receiver, NULL);
	pthread_join(sender, NULL);
	if (waiting == BY_EPOLL) {
		close(ends.sender_epoll);
		close(ends.receiver_epoll);
	}
}
