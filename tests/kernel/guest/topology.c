/* SPDX-License-Identifier: BSD-2-Clause */
/* topology.c - see topology.h. */
#include "topology.h"

#include "check.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/if_packet.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>

#define OWN_TYPE 0x88b5

static int run(const char *format, va_list arguments, char *command, size_t size)
{
	int status;

	vsnprintf(command, size, format, arguments);
	status = system(command);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 255;
}

int shell_status(const char *format, ...)
{
	char command[512];
	va_list arguments;
	int status;

	va_start(arguments, format);
	status = run(format, arguments, command, sizeof(command));
	va_end(arguments);
	return status;
}

void shell(const char *format, ...)
{
	char command[512];
	va_list arguments;
	int status;

	va_start(arguments, format);
	status = run(format, arguments, command, sizeof(command));
	va_end(arguments);
	if (status)
		FAIL("%s: exit status %d", command, status);
}

int packet_socket(const char *interface)
{
	struct sockaddr_ll address = {
		.sll_family = AF_PACKET,
		.sll_protocol = htons(ETH_P_ALL),
		.sll_ifindex = (int)if_nametoindex(interface),
	};
	int fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, htons(ETH_P_ALL));

	EXPECT_SYSTEM(fd);
	EXPECT(address.sll_ifindex);
	EXPECT_SYSTEM(bind(fd, (struct sockaddr *)&address, sizeof(address)));
	return fd;
}

void packet_send(int socket, const void *frame, size_t length)
{
	EXPECT_EQ(send(socket, frame, length, 0), length);
}

size_t packet_receive(int socket, void *frame, size_t capacity, int ms)
{
	double until = check_now() + ms / 1000.0;
	struct pollfd entry = {.fd = socket, .events = POLLIN};
	struct sockaddr_ll from;
	ssize_t length;

	do {
		socklen_t size = sizeof(from);

		if (poll(&entry, 1, 20) <= 0)
			continue;
		length = recvfrom(socket, frame, capacity, 0, (struct sockaddr *)&from, &size);
		EXPECT_SYSTEM(length);
		if (from.sll_pkttype != PACKET_OUTGOING && length >= 14 &&
		    ntohs(*(uint16_t *)((char *)frame + 12)) == OWN_TYPE)
			return (size_t)length;
	} while (check_now() < until);
	return 0;
}

uint16_t internet_sum(const void *bytes, size_t length, uint32_t sum)
{
	const uint8_t *at = bytes;

	for (size_t i = 0; i + 1 < length; i += 2)
		sum += (uint32_t)at[i] << 8 | at[i + 1];
	if (length % 2)
		sum += (uint32_t)at[length - 1] << 8;
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t)~sum;
}
