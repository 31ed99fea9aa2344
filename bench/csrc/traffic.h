/*
 * Seeded traffic of a realistic mix: well-formed TCP, UDP and ICMP over IPv4 (some with options,
 * some fragments) and IPv6, some of it tagged, some ARP. Packet number n of a seed is always the
 * same bytes, whoever asks.
 */
#ifndef BENCH_TRAFFIC_H
#define BENCH_TRAFFIC_H

#include <stdint.h>

enum { TRAFFIC_MAX_SIZE = 1522 };

/* Writes packet `number` of `seed` to `at`, which has room for TRAFFIC_MAX_SIZE zero bytes; returns
 * its length. */
uint32_t traffic_packet(uint8_t *at, uint64_t seed, uint64_t number);

/*
 * Writes a classic pcap file (microseconds, this machine's byte order, Ethernet) of at least
 * `bytes` bytes, each packet cut to `snaplen`. Returns the number of packets, or -errno.
 */
int64_t traffic_capture(const char *path, uint64_t seed, uint64_t bytes, uint32_t snaplen);

#endif
