/*
 * port_pcap.c - see port_pcap.h: the reader. The writer is in port_pcap_write.c.
 */
#include "port_pcap.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* Bytes of the file that are held at once: a record fits, and half of an L2 cache is left. */
#define STRETCH	     (512u << 10)
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

/*
 * Keep what lies in the buffer from the cursor on, and fill up behind it. 0, -ESTALE where the file
 * has lost bytes that it had when it was opened, or the error of the read.
 */
static int refill(struct pcap_reader *reader)
{
	const uint32_t done = (uint32_t)(reader->cursor - reader->origin);

	reader->filled -= done;
	memmove(reader->buffer, reader->buffer + done, reader->filled);
	reader->origin = reader->cursor;
	while (reader->filled < STRETCH && reader->origin + reader->filled < reader->size) {
		uint64_t at = reader->origin + reader->filled, left = reader->size - at;
		uint32_t room = STRETCH - reader->filled;
		ssize_t got = pread(reader->fd, reader->buffer + reader->filled,
				    left < room ? left : room, (off_t)at);

		if (got < 0 && errno == EINTR)
			continue;
		if (got <= 0) {
			reader->error_at = at;
			return got < 0 ? -errno : -ESTALE;
		}
		reader->filled += (uint32_t)got;
	}
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
	memcpy(&magic, reader->buffer, sizeof(magic));
	if (parse_magic(format, magic) < 0)
		return -EINVAL;
	if (reader->size < PCAP_FILE_HEADER) {
		reader->error_at = reader->size;
		return -EBADMSG;
	}
	format->snaplen = get32(format, reader->buffer + 16);
	format->linktype = get32(format, reader->buffer + 20) & PCAP_LINKTYPE_MASK;
	if (get16(format, reader->buffer + 4) != PCAP_VERSION_MAJOR ||
	    get16(format, reader->buffer + 6) != PCAP_VERSION_MINOR) {
		reader->error_at = 4;
		return -EINVAL;
	}
	if (format->linktype != PCAP_ETHERNET) {
		reader->error_at = 20;
		return -EPROTONOSUPPORT;
	}
	memcpy(reader->header, reader->buffer, PCAP_FILE_HEADER);
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
 * Describe the record at the cursor and step over it. 1; 0 where its end lies behind what the
 * buffer holds, or the file ends; or -EBADMSG. A captured length above the length on the wire is
 * let through, as libpcap does; the filter then sees the captured length for both.
 */
static int next_record(struct pcap_reader *reader, struct nmjit_descriptor *packet)
{
	const struct pcap_format *format = &reader->format;
	const uint64_t left = reader->size - reader->cursor;
	const uint32_t place = (uint32_t)(reader->cursor - reader->origin);
	const uint8_t *header = reader->buffer + place;
	uint64_t fraction;
	uint32_t caplen, origlen;

	if (left == 0)
		return 0;
	if (left < PCAP_RECORD_HEADER)
		return bad_record(reader);
	if (reader->filled - place < PCAP_RECORD_HEADER)
		return 0;
	caplen = get32(format, header + 8);
	origlen = get32(format, header + 12);
	if (caplen > PCAP_MAX_CAPLEN || caplen > left - PCAP_RECORD_HEADER)
		return bad_record(reader);
	if (caplen > reader->filled - place - PCAP_RECORD_HEADER)
		return 0;
	fraction = get32(format, header + 4);
	*packet = (struct nmjit_descriptor){
		.offset = place + PCAP_RECORD_HEADER,
		.timestamp = get32(format, header) * NS_IN_SECOND +
			     fraction * (format->nanoseconds ? 1 : NS_IN_US),
		.len = caplen,
		.wire_len = origlen > caplen ? origlen : caplen,
	};
	reader->cursor += PCAP_RECORD_HEADER + caplen;
	reader->record++;
	return 1;
}

static int next_records(struct pcap_reader *reader, uint32_t max, uint32_t *n)
{
	int got = 1;

	for (*n = 0; *n < max && got > 0; *n += got > 0)
		got = next_record(reader, &reader->packets[*n]);
	return got;
}

/* Records lie next to each other, so a packet that is to have room in front of it is copied. */
static void spread_packets(struct pcap_reader *reader, uint32_t n)
{
	uint64_t place = 0;

	for (uint32_t i = 0; i < n; i++) {
		struct nmjit_descriptor *packet = &reader->packets[i];

		place += reader->headroom;
		memcpy(reader->spread + place, reader->buffer + packet->offset, packet->len);
		packet->offset = place;
		place += packet->len;
	}
}

/* Thread: the worker. */
static int pcap_reserve(struct port *port, uint32_t bytes)
{
	struct pcap_reader *reader = (struct pcap_reader *)port;

	if (bytes > PCAP_MAX_HEADROOM)
		return -EINVAL;
	if (!reader->spread)
		reader->spread =
			calloc(1, STRETCH + PCAP_BATCH * PCAP_MAX_HEADROOM + PCAP_READABLE);
	if (!reader->spread)
		return -ENOMEM;
	reader->headroom = bytes;
	return 0;
}

/* Thread: the worker. Records before a bad one are shown first; the next call reports it. */
static int pcap_recv(struct port *port, uint32_t max, struct nmjit_batch *batch)
{
	struct pcap_reader *reader = (struct pcap_reader *)port;
	uint32_t n;
	int got;

	if (max > PCAP_BATCH)
		max = PCAP_BATCH;
	got = next_records(reader, max, &n);
	if (n == 0 && got == 0 && reader->cursor < reader->size) {
		got = refill(reader);
		if (got == 0)
			got = next_records(reader, max, &n);
	}
	if (n == 0)
		return got < 0 ? got : -ENODATA;
	if (reader->spread)
		spread_packets(reader, n);
	*batch = (struct nmjit_batch){
		.slots = reader->packets,
		.base = reader->spread ? reader->spread : reader->buffer,
		.headroom = reader->headroom,
		.num_slots = PCAP_BATCH,
		.count = n,
		.readable = PCAP_READABLE,
	};
	return (int)n;
}

/* Thread: the worker. The buffer is refilled when recv is called next, so there is nothing to do.
 */
static int pcap_commit(struct port *port, uint32_t n)
{
	(void)port;
	(void)n;
	return 0;
}

static const struct port_ops reader_ops = {
	.recv = pcap_recv,
	.commit = pcap_commit,
	.reserve = pcap_reserve,
};

/*
 * Open a capture. The caller owns *reader and closes it, also after an error; error_at then says
 * where in the file. Thread: any. -EINVAL: not a pcap file of version 2.4; -EBADMSG: it ends within
 * its header; -EPROTONOSUPPORT: not Ethernet (format.linktype); -ESPIPE: not a regular file.
 */
int pcap_reader_open(struct pcap_reader *reader, const char *path)
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
	reader->buffer = calloc(1, STRETCH + PCAP_READABLE);
	if (!reader->buffer)
		return -ENOMEM;
	/* Advice: the file is read as well without it. */
	(void)posix_fadvise(reader->fd, 0, 0, POSIX_FADV_SEQUENTIAL);
	err = refill(reader);
	return err ? err : parse_file_header(reader);
}

/* Thread: any, when no worker uses the reader any more. */
void pcap_reader_close(struct pcap_reader *reader)
{
	free(reader->buffer);
	free(reader->spread);
	if (reader->fd >= 0)
		close(reader->fd);
	reader->buffer = NULL;
	reader->spread = NULL;
	reader->fd = -1;
}
