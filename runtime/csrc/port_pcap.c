/*
 * port_pcap.c - see port_pcap.h: the reader. The writer is in port_pcap_write.c.
 */
#define _GNU_SOURCE
#include "port_pcap.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define WINDOW	     (16u << 20) /* pages are given back, and asked for, in steps of this */
#define NS_IN_SECOND 1000000000ull
#define NS_IN_US     1000u

static uint32_t get32(const struct pcap_format *format, const uint8_t *at)
{
	uint32_t value;

	memcpy(&value, at, sizeof(value));
	return format->swapped ? __builtin_bswap32(value) : value;
}

static uint16_t get16(const struct pcap_format *format, const uint8_t *at)
{
	uint16_t value;

	memcpy(&value, at, sizeof(value));
	return format->swapped ? __builtin_bswap16(value) : value;
}

static uint64_t file_page(void)
{
	return (uint64_t)sysconf(_SC_PAGESIZE);
}

/*
 * Map the file with zeros behind it: an anonymous mapping one page longer, and the file over its
 * beginning. The kernel itself clears the rest of the file's last page.
 */
static int map_file(struct pcap_reader *reader, bool writable)
{
	const int prot = PROT_READ | (writable ? PROT_WRITE : 0);
	const uint64_t page = file_page();
	uint64_t whole = (reader->size + page - 1) / page * page;
	void *map;

	map = mmap(NULL, whole + page, prot, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (map == MAP_FAILED)
		return -errno;
	reader->base = map;
	reader->mapped = whole + page;
	map = mmap(map, reader->size, prot, MAP_PRIVATE | MAP_FIXED | MAP_NORESERVE, reader->fd, 0);
	if (map == MAP_FAILED)
		return -errno;
	/* Advice: the file is read as well without it. */
	(void)madvise(reader->base, reader->size, MADV_SEQUENTIAL);
	(void)madvise(reader->base, reader->size < WINDOW ? reader->size : WINDOW, MADV_WILLNEED);
	return 0;
}

static int parse_magic(struct pcap_format *format, uint32_t magic)
{
	format->swapped = magic == __builtin_bswap32(PCAP_MICROSECONDS) ||
			  magic == __builtin_bswap32(PCAP_NANOSECONDS);
	if (format->swapped)
		magic = __builtin_bswap32(magic);
	format->nanoseconds = magic == PCAP_NANOSECONDS;
	return magic == PCAP_MICROSECONDS || magic == PCAP_NANOSECONDS ? 0 : -EINVAL;
}

static int parse_file_header(struct pcap_reader *reader)
{
	struct pcap_format *format = &reader->format;
	uint32_t magic;

	reader->error_at = 0;
	if (reader->size < sizeof(magic))
		return -EBADMSG;
	memcpy(&magic, reader->base, sizeof(magic));
	if (parse_magic(format, magic) < 0)
		return -EINVAL;
	if (reader->size < PCAP_FILE_HEADER) {
		reader->error_at = reader->size;
		return -EBADMSG;
	}
	format->snaplen = get32(format, reader->base + 16);
	format->linktype = get32(format, reader->base + 20) & PCAP_LINKTYPE_MASK;
	if (get16(format, reader->base + 4) != PCAP_VERSION_MAJOR ||
	    get16(format, reader->base + 6) != PCAP_VERSION_MINOR) {
		reader->error_at = 4;
		return -EINVAL;
	}
	if (format->linktype != PCAP_ETHERNET) {
		reader->error_at = 20;
		return -EPROTONOSUPPORT;
	}
	reader->cursor = PCAP_FILE_HEADER;
	return 0;
}

/* The file ends, or a length is impossible: the record that starts at the cursor is at fault. */
static int bad_record(struct pcap_reader *reader)
{
	reader->error_at = reader->cursor;
	return -EBADMSG;
}

/*
 * Describe the record at the cursor and step over it. 1, 0 at the end of the file, or -EBADMSG.
 * A captured length above the length on the wire is let through, as libpcap does; the filter then
 * sees the captured length for both.
 */
static int next_record(struct pcap_reader *reader, struct nmjit_descriptor *packet)
{
	const struct pcap_format *format = &reader->format;
	uint64_t left = reader->size - reader->cursor;
	const uint8_t *header = reader->base + reader->cursor;
	uint64_t fraction;
	uint32_t caplen, origlen;

	if (left == 0)
		return 0;
	if (left < PCAP_RECORD_HEADER)
		return bad_record(reader);
	caplen = get32(format, header + 8);
	origlen = get32(format, header + 12);
	if (caplen > PCAP_MAX_CAPLEN || caplen > left - PCAP_RECORD_HEADER)
		return bad_record(reader);
	fraction = get32(format, header + 4);
	*packet = (struct nmjit_descriptor){
		.offset = reader->cursor + PCAP_RECORD_HEADER,
		.timestamp = get32(format, header) * NS_IN_SECOND +
			     fraction * (format->nanoseconds ? 1 : NS_IN_US),
		.len = caplen,
		.wire_len = origlen > caplen ? origlen : caplen,
	};
	reader->cursor += PCAP_RECORD_HEADER + caplen;
	reader->record++;
	return 1;
}

static int check_size(struct pcap_reader *reader)
{
	struct stat st;

	if (fstat(reader->fd, &st) < 0)
		return -errno;
	if ((uint64_t)st.st_size >= reader->size)
		return 0;
	reader->error_at = (uint64_t)st.st_size;
	return -ESTALE;
}

/* Thread: the worker. Records before a bad one are shown first; the next call reports it. */
static int pcap_recv(struct port *port, uint32_t max, struct nmjit_batch *batch)
{
	struct pcap_reader *reader = (struct pcap_reader *)port;
	uint32_t n = 0;
	int got = check_size(reader);

	if (got < 0)
		return got;
	if (max > PCAP_BATCH)
		max = PCAP_BATCH;
	for (got = 1; n < max && got > 0; n += got > 0)
		got = next_record(reader, &reader->packets[n]);
	if (n == 0)
		return got < 0 ? got : -ENODATA;
	reader->count = n;
	reader->disposed = 0;
	*batch = (struct nmjit_batch){
		.slots = reader->packets,
		.base = reader->base,
		.num_slots = PCAP_BATCH,
		.count = n,
		.readable = pcap_reader_readable(reader),
	};
	return (int)n;
}

/* Forget the pages before `upto`, written or not, and ask for those to come. */
static int release_pages(struct pcap_reader *reader, uint64_t upto)
{
	uint64_t left = reader->size - upto;

	upto -= upto % file_page();
	if (upto < reader->released + WINDOW)
		return 0;
	if (madvise(reader->base + reader->released, upto - reader->released, MADV_DONTNEED) < 0)
		return -errno;
	reader->released = upto;
	(void)madvise(reader->base + upto, left < 2 * WINDOW ? left : 2 * WINDOW, MADV_WILLNEED);
	return 0;
}

/* Thread: the worker. */
static int pcap_commit(struct port *port, uint32_t n)
{
	struct pcap_reader *reader = (struct pcap_reader *)port;

	reader->disposed += n;
	if (reader->disposed < reader->count)
		return release_pages(reader,
				     reader->packets[reader->disposed].offset - PCAP_RECORD_HEADER);
	return release_pages(reader, reader->cursor);
}

static const struct port_ops reader_ops = {
	.recv = pcap_recv,
	.commit = pcap_commit,
};

/*
 * Open a capture. writable: the filter may write to packets (in this process's copy). The caller
 * owns *reader and closes it, also after an error; error_at then says where in the file. Thread:
 * any. -EINVAL: not a pcap file of version 2.4; -EBADMSG: it ends within its header;
 * -EPROTONOSUPPORT: not Ethernet (format.linktype); -ESPIPE: not a regular file.
 */
int pcap_reader_open(struct pcap_reader *reader, const char *path, bool writable)
{
	struct stat st;
	int err;

	memset(reader, 0, sizeof(*reader));
	reader->port = (struct port){.ops = &reader_ops, .accessor = PORT_DESCRIPTOR};
	reader->fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	if (reader->fd < 0)
		return -errno;
	if (fstat(reader->fd, &st) < 0)
		return -errno;
	if (!S_ISREG(st.st_mode))
		return -ESPIPE;
	reader->size = (uint64_t)st.st_size;
	if (reader->size == 0)
		return -EBADMSG;
	err = map_file(reader, writable);
	return err ? err : parse_file_header(reader);
}

/* Thread: any, when no worker uses the reader any more. */
void pcap_reader_close(struct pcap_reader *reader)
{
	if (reader->base)
		munmap(reader->base, reader->mapped);
	if (reader->fd >= 0)
		close(reader->fd);
	reader->base = NULL;
	reader->fd = -1;
}

/* Bytes that may be read from any packet's start: from the file's end to the mapping's. */
uint32_t pcap_reader_readable(const struct pcap_reader *reader)
{
	return (uint32_t)(reader->mapped - reader->size);
}
