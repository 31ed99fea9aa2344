/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * t_device.c - the device node and the states of a descriptor (ABI 1.1 to 1.3; checklist 5, 30).
 */
#include "check.h"
#include "client.h"
#include "parts.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

static int unload(void)
{
	return syscall(SYS_delete_module, "nmjit", O_NONBLOCK) ? errno : 0;
}

static int map(int fd, size_t length, off_t offset, int flags)
{
	void *mem = mmap(NULL, length, PROT_READ | PROT_WRITE, flags, fd, offset);

	if (mem == MAP_FAILED)
		return errno;
	munmap(mem, length);
	return 0;
}

static void open_null(struct client *client)
{
	struct nmreq_register request = want_null(1, 1, 64);

	need(PART_NULL);
	client_open(client, "device", &request, NULL);
}

TEST(node_belongs_to_root_alone)
{
	struct stat info;

	EXPECT_SYSTEM(stat(DEVICE, &info));
	EXPECT(S_ISCHR(info.st_mode));
	EXPECT_EQ(info.st_mode & 0777, 0600);
	EXPECT_EQ(info.st_uid, 0);
}

TEST(read_and_write_are_refused)
{
	char byte = 0;
	int fd = netmap_open();

	EXPECT(read(fd, &byte, 1) == -1 && errno == EINVAL);
	EXPECT(write(fd, &byte, 1) == -1 && errno == EINVAL);
}

TEST(unknown_commands_are_refused)
{
	struct nm_ifreq config = {.nifr_name = "vale0"};
	char space[4096] = {0};
	int fd = netmap_open();

	EXPECT_ERRNO(netmap_ioctl(fd, _IO('i', 147), space), EOPNOTSUPP);
	EXPECT_ERRNO(netmap_ioctl(fd, _IO('i', 152), space), EOPNOTSUPP);
	EXPECT_ERRNO(netmap_ioctl(fd, _IOWR('i', 151, uint64_t), space), EOPNOTSUPP);
	EXPECT_ERRNO(netmap_ioctl(fd, 0, space), EOPNOTSUPP);
	EXPECT_ERRNO(netmap_ioctl(fd, NIOCCONFIG, &config), EINVAL);
}

TEST(unbound_descriptor)
{
	struct client client = {.fd = netmap_open()};

	EXPECT_ERRNO(netmap_ioctl(client.fd, NIOCTXSYNC, NULL), ENXIO);
	EXPECT_ERRNO(netmap_ioctl(client.fd, NIOCRXSYNC, NULL), ENXIO);
	EXPECT_ERRNO(map(client.fd, 4096, 0, MAP_SHARED), EINVAL);
	EXPECT(client_poll(&client, POLLIN | POLLOUT, 0) & POLLERR);
	EXPECT(client_poll(&client, 0, 1000) & POLLERR);
}

TEST(second_register_is_busy)
{
	struct nmreq_register request = want_null(1, 1, 64);
	struct client client;

	open_null(&client);
	EXPECT_ERRNO(netmap_ctrl(client.fd, NETMAP_REQ_REGISTER, "again", &request, NULL), EBUSY);
	tx_sync(&client);
	client_close(&client);
}

TEST(failed_register_leaves_a_usable_descriptor)
{
	struct nmreq_register bad = want_null(1, 1, 64), good = bad;
	int fd = netmap_open();

	need(PART_NULL);
	bad.nr_mem_id = 0;
	for (int i = 0; i < 3; i++)
		EXPECT_ERRNO(netmap_ctrl(fd, NETMAP_REQ_REGISTER, "x", &bad, NULL), EINVAL);
	EXPECT_ERRNO(netmap_ioctl(fd, NIOCTXSYNC, NULL), ENXIO);
	EXPECT_OK(netmap_ctrl(fd, NETMAP_REQ_REGISTER, "x", &good, NULL));
	EXPECT_OK(netmap_ioctl(fd, NIOCTXSYNC, NULL));
}

TEST(mapping_within_the_region)
{
	struct client client;
	size_t size;

	open_null(&client);
	size = client.reg.nr_memsize;
	EXPECT_OK(map(client.fd, size, 0, MAP_SHARED));
	EXPECT_OK(map(client.fd, 4096, 0, MAP_SHARED));
	EXPECT_OK(map(client.fd, size - 4096, 4096, MAP_SHARED));
	EXPECT_OK(map(client.fd, 4096, (off_t)size - 4096, MAP_SHARED));
	EXPECT_ERRNO(map(client.fd, size + 4096, 0, MAP_SHARED), EINVAL);
	EXPECT_ERRNO(map(client.fd, size, 4096, MAP_SHARED), EINVAL);
	EXPECT_ERRNO(map(client.fd, 4096, (off_t)size, MAP_SHARED), EINVAL);
	EXPECT_ERRNO(map(client.fd, 4096, 1ll << 62, MAP_SHARED), EINVAL);
	client_close(&client);
}

TEST(several_mappings_show_the_same)
{
	struct netmap_ring *ring;
	struct client client;
	off_t page;
	char *other;

	open_null(&client);
	ring = tx_ring(&client, 0);
	page = ((char *)ring - client.mem) & ~4095L;
	other = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_SHARED, client.fd, page);
	EXPECT(other != MAP_FAILED);
	ring->sem[5] = 77;
	EXPECT_EQ(*((uint8_t *)other + ((char *)ring->sem - client.mem - page) + 5), 77);
	client_close(&client);
}

TEST(mapping_pins_the_binding)
{
	struct nmreq_register request = want(NR_REG_ALL_NIC);
	struct client first, second;

	need(PART_PIPE);
	request.nr_flags = NR_EXCLUSIVE;
	client_open(&first, pipe_master("pin"), &request, NULL);
	close(first.fd);
	EXPECT_ERRNO(client_bind(&second, pipe_master("pin"), &request, NULL), EBUSY);
	munmap(first.mem, first.reg.nr_memsize);
	EXPECT_OK(client_bind(&second, pipe_master("pin"), &request, NULL));
	client_close(&second);
}

TEST(dup_and_fork_share_the_binding)
{
	struct client client, copy;
	int status;
	pid_t child;

	open_null(&client);
	copy = client;
	copy.fd = dup(client.fd);
	tx_sync(&copy);
	close(client.fd);
	child = fork();
	if (child == 0) {
		tx_sync(&copy);
		tx_ring(&copy, 0)->sem[0] = 42;
		_exit(0);
	}
	EXPECT_SYSTEM(waitpid(child, &status, 0));
	EXPECT_EQ(status, 0);
	EXPECT_EQ(tx_ring(&copy, 0)->sem[0], 42);
	client_close(&copy);
}

static void pass_descriptor(int socket, int fd)
{
	char space[CMSG_SPACE(sizeof(int))] = {0}, byte = 0;
	struct iovec vector = {&byte, 1};
	struct msghdr message = {
		.msg_iov = &vector,
		.msg_iovlen = 1,
		.msg_control = space,
		.msg_controllen = sizeof(space),
	};
	struct cmsghdr *control = CMSG_FIRSTHDR(&message);

	control->cmsg_level = SOL_SOCKET;
	control->cmsg_type = SCM_RIGHTS;
	control->cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(control), &fd, sizeof(int));
	EXPECT_SYSTEM(sendmsg(socket, &message, 0));
}

static int take_descriptor(int socket)
{
	char space[CMSG_SPACE(sizeof(int))] = {0}, byte;
	struct iovec vector = {&byte, 1};
	struct msghdr message = {
		.msg_iov = &vector,
		.msg_iovlen = 1,
		.msg_control = space,
		.msg_controllen = sizeof(space),
	};
	int fd;

	EXPECT_SYSTEM(recvmsg(socket, &message, 0));
	EXPECT(CMSG_FIRSTHDR(&message));
	memcpy(&fd, CMSG_DATA(CMSG_FIRSTHDR(&message)), sizeof(int));
	return fd;
}

TEST(descriptor_passed_over_a_socket)
{
	struct client client;
	int pair[2], status;
	pid_t child;

	open_null(&client);
	EXPECT_SYSTEM(socketpair(AF_UNIX, SOCK_STREAM, 0, pair));
	child = fork();
	if (child == 0) {
		struct client other = {.reg = client.reg};

		client_close(&client);
		other.fd = take_descriptor(pair[1]);
		for (int i = 0; i < 20; i++) {
			client_map(&other);
			tx_sync(&other);
			EXPECT_EQ(munmap(other.mem, other.reg.nr_memsize), 0);
		}
		_exit(0);
	}
	pass_descriptor(pair[0], client.fd);
	client_close(&client);
	EXPECT_SYSTEM(waitpid(child, &status, 0));
	EXPECT_EQ(status, 0);
}

TEST(module_stays_while_a_descriptor_is_open)
{
	int fd = netmap_open();

	EXPECT_ERRNO(unload(), EAGAIN);
	EXPECT_EQ(close(fd), 0);
}

TEST(module_stays_while_a_mapping_exists)
{
	struct client client;

	open_null(&client);
	close(client.fd);
	EXPECT_ERRNO(unload(), EAGAIN);
	munmap(client.mem, client.reg.nr_memsize);
}

TEST(release_at_the_death_of_a_process)
{
	struct nmreq_register request = want(NR_REG_ALL_NIC);
	struct client client;
	pid_t child;

	need(PART_PIPE);
	request.nr_flags = NR_EXCLUSIVE;
	for (int i = 0; i < 20; i++) {
		child = fork();
		if (child == 0) {
			client_open(&client, pipe_master("die"), &request, NULL);
			pause();
		}
		usleep(20000);
		kill(child, SIGKILL);
		EXPECT_SYSTEM(waitpid(child, NULL, 0));
	}
	EXPECT_OK(client_bind(&client, pipe_master("die"), &request, NULL));
	client_close(&client);
}
