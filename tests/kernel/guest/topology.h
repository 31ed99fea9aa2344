/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * topology.h - changing interfaces, and the network stack as the other party: raw and UDP sockets.
 * Knows nothing of rings.
 */
#ifndef NMJIT_GUEST_TOPOLOGY_H
#define NMJIT_GUEST_TOPOLOGY_H

#include <stddef.h>
#include <stdint.h>

/* Run a shell command; fails the test unless it succeeds. */
void shell(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* The same, giving its exit status. */
int shell_status(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* A socket that sends and receives whole frames on an interface. */
int packet_socket(const char *interface);
void packet_send(int socket, const void *frame, size_t length);
/* The next frame of the tests' own type; its length, or 0 after `ms` milliseconds. */
size_t packet_receive(int socket, void *frame, size_t capacity, int ms);

/* Internet checksum over `length` bytes, added to `sum`, folded; 0 where the sum is right. */
uint16_t internet_sum(const void *bytes, size_t length, uint32_t sum);

#endif
