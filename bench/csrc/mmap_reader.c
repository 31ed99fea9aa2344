/*
 * The floor for reading a capture: maps a classic pcap file of this machine's byte order, walks the
 * records, reads 64 bytes of each packet (or what there is). Prints the number of packets, their
 * bytes, and the sum of what was read, so that no reading can be left out. Exit 1 with one line
 * where the file is not such a capture.
 */
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

enum { FILE_HEADER = 24, RECORD_HEADER = 16, TOUCHED = 64 };

struct totals {
	uint64_t packets, bytes, sum;
};

static uint32_t load32(const uint8_t *at)
{
	uint32_t value;

	memcpy(&value, at, sizeof(value));
	return value;
}

static uint64_t touch(const uint8_t *packet, uint32_t len)
{
	uint64_t words[TOUCHED / 8] = {0}, sum = 0;

	memcpy(words, packet, len < TOUCHED ? len : TOUCHED);
	for (int i = 0; i < TOUCHED / 8; i++)
		sum += words[i];
	return sum;
}

static struct totals walk(const uint8_t *file, size_t size)
{
	struct totals totals = {0, 0, 0};
	size_t at = FILE_HEADER;

	while (size - at >= RECORD_HEADER) {
		uint32_t len = load32(file + at + 8);

		at += RECORD_HEADER;
		if (len > size - at) /* cut short */
			break;
		totals.packets++;
		totals.bytes += len;
		totals.sum += touch(file + at, len);
		at += len;
	}
	return totals;
}

static int fail(const char *path, const char *reason)
{
	fprintf(stderr, "%s: %s\n", path, reason);
	return 1;
}

int main(int argc, char **argv)
{
	struct totals totals;
	struct stat status;
	uint8_t *file;
	uint32_t magic;
	int fd;

	if (argc != 2)
		return fail(argv[0], "usage: mmap_reader FILE.pcap");
	fd = open(argv[1], O_RDONLY | O_CLOEXEC);
	if (fd < 0 || fstat(fd, &status))
		return fail(argv[1], "cannot open");
	if (status.st_size < FILE_HEADER)
		return fail(argv[1], "not a capture");
	file = mmap(NULL, (size_t)status.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
	if (file == MAP_FAILED)
		return fail(argv[1], "cannot map");
	magic = load32(file);
	if (magic != 0xa1b2c3d4u && magic != 0xa1b23c4du)
		return fail(argv[1], "not a classic capture of this byte order");
	madvise(file, (size_t)status.st_size, MADV_SEQUENTIAL);
	totals = walk(file, (size_t)status.st_size);
	printf("%" PRIu64 " packets, %" PRIu64 " bytes, sum %016" PRIx64 "\n", totals.packets,
	       totals.bytes, totals.sum);
	return 0;
}
