/* See traffic.h. The shares below are the mix; README.md says what the filters make of it. */
#include "traffic.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

/* splitmix64 (Steele, Lea, Flood 2014): each packet has a generator of its own. */
static uint64_t next_random(uint64_t *state)
{
	uint64_t z = *state += 0x9e3779b97f4a7c15u;

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
	return z ^ (z >> 31);
}

static uint32_t below(uint64_t *state, uint32_t bound)
{
	return (uint32_t)((next_random(state) >> 32) * bound >> 32);
}

static bool chance(uint64_t *state, uint32_t percent)
{
	return below(state, 100) < percent;
}

static uint8_t *put16(uint8_t *at, uint32_t value)
{
	at[0] = (uint8_t)(value >> 8);
	at[1] = (uint8_t)value;
	return at + 2;
}

static uint8_t *put32(uint8_t *at, uint32_t value)
{
	return put16(put16(at, value >> 16), value & 0xffff);
}

static uint32_t ipv4_address(uint64_t *state)
{
	uint32_t kind = below(state, 100), host = (uint32_t)next_random(state);

	if (kind < 40)
		return 0x0a000000u | (host & 0x00ffffff); /* 10.0.0.0/8 */
	if (kind < 55)
		return 0xc0a80000u | (host & 0x00001fff); /* 192.168.0.0/19 */
	if (kind < 65)
		return 0xac100000u | (host & 0x000fffff); /* 172.16.0.0/12 */
	if (kind < 68)
		return 0xcb007100u | (host & 0x000000ff); /* 203.0.113.0/24 */
	return (host & 0x3fffffff) + 0x40000000u;
}

static void put_ipv6_address(uint8_t *at, uint64_t *state)
{
	static const uint16_t subnets[] = {0xbad, 0x10, 0x20, 0x30, 0x31, 0x32, 0x33, 0x34};
	uint32_t kind = below(state, 100);

	if (kind < 70) { /* 2001:db8:SUBNET::/64 */
		put16(put32(at, 0x20010db8u), subnets[below(state, 8)]);
		memset(at + 6, 0, 2);
	} else {
		put32(put32(at, 0x2a000000u | below(state, 1u << 24)),
		      (uint32_t)next_random(state));
	}
	put32(put32(at + 8, (uint32_t)next_random(state)), (uint32_t)next_random(state));
}

static uint32_t tcp_port(uint64_t *state)
{
	uint32_t kind = below(state, 100);

	if (kind < 24)
		return 80;
	if (kind < 50)
		return 443;
	if (kind < 56)
		return 22;
	if (kind < 59)
		return 23;
	if (kind < 62)
		return 135 + below(state, 5);
	return 1024 + below(state, 64512);
}

static uint32_t udp_port(uint64_t *state)
{
	uint32_t kind = below(state, 100);

	if (kind < 30)
		return 53;
	if (kind < 60)
		return 443;
	if (kind < 66)
		return 1900;
	if (kind < 72)
		return 5000 + below(state, 1000);
	return 1024 + below(state, 64512);
}

/* One of the usual sizes of an IP packet, in bytes. */
static uint32_t ip_size(uint64_t *state)
{
	uint32_t kind = below(state, 100);

	if (kind < 50)
		return 40 + below(state, 60);
	if (kind < 70)
		return 300 + below(state, 400);
	return 1400 + below(state, 101);
}

/* Writes the layer-4 header; returns its size. The payload is left as it is: zero. */
static uint32_t put_layer4(uint8_t *at, uint64_t *state, uint8_t proto, uint32_t ip_payload)
{
	switch (proto) {
	case 6: {
		uint32_t words = chance(state, 30) ? 8 : 5; /* with timestamps: NOP NOP TS */

		put16(put16(at, 1024 + below(state, 64512)), tcp_port(state));
		put32(put32(at + 4, (uint32_t)next_random(state)), (uint32_t)next_random(state));
		put16(at + 12, words << 12 | 0x10);
		put16(at + 14, 64240);
		if (words == 8)
			put32(at + 20, 0x0101080a);
		return words * 4;
	}
	case 17:
		put16(put16(at, 1024 + below(state, 64512)), udp_port(state));
		put16(at + 4, ip_payload);
		return 8;
	default: /* echo request */
		at[0] = proto == 1 ? 8 : 128;
		put16(at + 4, below(state, 65536));
		return 8;
	}
}

static uint8_t pick_proto(uint64_t *state, uint8_t icmp)
{
	uint32_t kind = below(state, 100);

	return kind < 64 ? 6 : kind < 92 ? 17 : icmp;
}

/* Room for the largest layer-4 header that put_layer4() writes. */
static uint32_t at_least(uint32_t size, uint32_t header)
{
	return size < header + 32 ? header + 32 : size;
}

static uint32_t put_ipv4(uint8_t *at, uint64_t *state)
{
	uint32_t words = chance(state, 3) ? 6 + below(state, 4) : 5;
	uint32_t size = at_least(ip_size(state), words * 4), sum = 0;
	bool later_fragment = chance(state, 1);
	uint8_t proto = pick_proto(state, 1);

	at[0] = (uint8_t)(0x40 | words);
	put16(at + 2, size);
	put16(at + 4, below(state, 65536));
	put16(at + 6, later_fragment ? 1 + below(state, 180) : 0x4000);
	at[8] = (uint8_t)(chance(state, 2) ? below(state, 2) : 64 + below(state, 192));
	at[9] = proto;
	put32(put32(at + 12, ipv4_address(state)), ipv4_address(state));
	memset(at + 20, 1, words * 4 - 20); /* options: NOP */
	put_layer4(at + words * 4, state, proto, size - words * 4);
	for (uint32_t i = 0; i < words * 4; i += 2)
		sum += (uint32_t)at[i] << 8 | at[i + 1];
	sum = (sum & 0xffff) + (sum >> 16);
	put16(at + 10, ~(sum + (sum >> 16)) & 0xffff);
	return size;
}

static uint32_t put_ipv6(uint8_t *at, uint64_t *state)
{
	uint32_t size = at_least(ip_size(state), 40);
	uint8_t proto = pick_proto(state, 58);

	at[0] = 0x60;
	put16(at + 4, size - 40);
	at[6] = proto;
	at[7] = 64;
	put_ipv6_address(at + 8, state);
	put_ipv6_address(at + 24, state);
	put_layer4(at + 40, state, proto, size - 40);
	return size;
}

static uint32_t put_arp(uint8_t *at, uint64_t *state)
{
	put16(put32(at, 0x00010800), 0x0604);
	put16(at + 6, 1);
	put32(at + 14, ipv4_address(state));
	put32(at + 24, ipv4_address(state));
	return 28;
}

uint32_t traffic_packet(uint8_t *at, uint64_t seed, uint64_t number)
{
	uint64_t state = (seed + 1) * 0xd1342543de82ef95u ^ number * 0x2545f4914f6cdd1du;
	uint32_t tags = below(&state, 100), kind = below(&state, 100), size;
	uint8_t *type = at + 12, *end;

	put32(at, 0x02000000u | below(&state, 1u << 16));
	put32(at + 6, 0x02010000u | below(&state, 1u << 16));
	if (tags < 1) /* two tags, then one tag of another 6 percent */
		type = put16(put16(type, 0x88a8), 1 + below(&state, 4094));
	if (tags < 7)
		type = put16(put16(type, 0x8100), 1 + below(&state, 4094));
	end = put16(type, kind < 78 ? 0x0800 : kind < 98 ? 0x86dd : 0x0806);
	size = kind < 78   ? put_ipv4(end, &state)
	       : kind < 98 ? put_ipv6(end, &state)
			   : put_arp(end, &state);
	size += (uint32_t)(end - at);
	return size < 60 ? 60 : size; /* Ethernet pads */
}

static bool put_record(FILE *file, uint64_t seed, uint64_t number, uint32_t snaplen,
		       uint64_t *written)
{
	uint8_t packet[TRAFFIC_MAX_SIZE] = {0};
	uint32_t wire_len = traffic_packet(packet, seed, number),
		 len = wire_len < snaplen ? wire_len : snaplen;
	const uint32_t record[4] = {1700000000u + (uint32_t)(number / 1000000),
				    (uint32_t)(number % 1000000), len, wire_len};

	*written += sizeof(record) + len;
	return fwrite(record, sizeof(record), 1, file) == 1 && fwrite(packet, len, 1, file) == 1;
}

int64_t traffic_capture(const char *path, uint64_t seed, uint64_t bytes, uint32_t snaplen)
{
	const uint32_t head[6] = {0xa1b2c3d4u, 2u | 4u << 16, 0, 0, snaplen, 1};
	FILE *file = fopen(path, "wb");
	uint64_t written = sizeof(head), number = 0;
	bool good;

	if (!file)
		return -errno;
	good = fwrite(head, sizeof(head), 1, file) == 1;
	for (; good && written < bytes; number++)
		good = put_record(file, seed, number, snaplen, &written);
	if (fclose(file) || !good)
		return -(errno ? errno : EIO);
	return (int64_t)number;
}
