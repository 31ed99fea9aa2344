/*
 * port_pcap_write.c - see port_pcap.h: the writer.
 *
 * Records that pass are copied as they lie in the input, header and packet in one piece, so that
 * nothing is renumbered, retimed or reordered by this file. Format: draft-ietf-opsawg-pcap.
 */
#define _GNU_SOURCE
#include "port_pcap.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define BUFFER	     (1u << 20)
#define NAME_TRIES   100
#define FILE_MODE    0666 /* less the umask */
#define NS_IN_SECOND 1000000000ull
#define NS_IN_US     1000u
#define MAX_SNAPLEN  PCAP_MAX_CAPLEN

static int write_all(int fd, const uint8_t *bytes, size_t n)
{
	while (n > 0) {
		ssize_t done = write(fd, bytes, n);

		if (done < 0 && errno == EINTR)
			continue;
		if (done < 0)
			return -errno;
		bytes += done;
		n -= (size_t)done;
	}
	return 0;
}

static int drain(struct pcap_writer *writer)
{
	int err = write_all(writer->fd, writer->buffer, writer->used);

	writer->used = 0;
	return err;
}

/* Append to the buffer; what does not fit into an empty one goes straight to the file. */
static int append(struct pcap_writer *writer, const void *bytes, size_t n)
{
	int err = writer->used + n > BUFFER ? drain(writer) : 0;

	if (err)
		return err;
	if (n > BUFFER)
		return write_all(writer->fd, bytes, n);
	memcpy(writer->buffer + writer->used, bytes, n);
	writer->used += n;
	return 0;
}

/* Thread: any. Only a capture's own records can be copied whole. */
static int pcap_accepts(const struct port *port, const struct port *from)
{
	(void)port;
	return from->accessor == PORT_DESCRIPTOR ? 0 : -EXDEV;
}

/* Packets that were copied apart, and may have got other sizes, get records made for them. */
static int send_each(struct pcap_writer *writer, const uint8_t *base,
		     const struct nmjit_descriptor *packets, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++) {
		const struct nmjit_descriptor *packet = &packets[i];
		int err = pcap_writer_packet(writer, packet->timestamp, base + packet->offset,
					     packet->len, packet->wire_len);

		if (err)
			return err;
	}
	return (int)n;
}

/* Thread: the worker. */
static int pcap_copy(struct port *port, const uint8_t *packet, uint32_t len, uint64_t timestamp)
{
	int err = pcap_writer_packet((struct pcap_writer *)port, timestamp, packet, len, len);

	return err ? err : 1;
}

/*
 * Thread: the worker. Packets that follow one another in a batch follow one another in the file,
 * headers between them: one copy takes the run.
 */
static int pcap_send(struct port *port, const struct nmjit_batch *batch, uint32_t first, uint32_t n)
{
	struct pcap_writer *writer = (struct pcap_writer *)port;
	const struct nmjit_descriptor *packets = batch->slots;
	const struct nmjit_descriptor *from = &packets[batch->head + first];
	const struct nmjit_descriptor *last = from + n - 1;
	uint64_t start = from->offset - PCAP_RECORD_HEADER;
	int err;

	if (batch->headroom)
		return send_each(writer, batch->base, from, n);
	err = append(writer, batch->base + start, last->offset + last->len - start);
	if (err)
		return err;
	writer->packets += n;
	return (int)n;
}

/* Thread: the worker. The buffer goes to the file when it is full. */
static int pcap_flush(struct port *port)
{
	(void)port;
	return 0;
}

static const struct port_ops writer_ops = {
	.accepts = pcap_accepts,
	.send = pcap_send,
	.copy = pcap_copy,
	.flush = pcap_flush,
};

/* Create a file beside the target that nobody else has. */
static int create_temporary(struct pcap_writer *writer)
{
	int err = -EEXIST;

	for (int i = 0; i < NAME_TRIES && err == -EEXIST; i++) {
		free(writer->temporary);
		if (asprintf(&writer->temporary, "%s.%ld.%d.part", writer->path, (long)getpid(),
			     i) < 0) {
			writer->temporary = NULL;
			return -ENOMEM;
		}
		writer->fd =
			open(writer->temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, FILE_MODE);
		if (writer->fd >= 0)
			return 0;
		err = -errno;
	}
	free(writer->temporary);
	writer->temporary = NULL;
	return err;
}

static uint32_t put32(const struct pcap_format *format, uint32_t value)
{
	return format->swapped ? __builtin_bswap32(value) : value;
}

/* The header of a file that has no model: this machine's byte order, nanoseconds. */
static int append_file_header(struct pcap_writer *writer)
{
	const struct pcap_format *format = &writer->format;
	const uint16_t version[2] = {PCAP_VERSION_MAJOR, PCAP_VERSION_MINOR};
	uint32_t header[PCAP_FILE_HEADER / sizeof(uint32_t)] = {
		[0] = PCAP_NANOSECONDS,
		[4] = format->snaplen,
		[5] = format->linktype,
	};

	memcpy(&header[1], version, sizeof(version));
	return append(writer, header, sizeof(header));
}

/*
 * Start writing `path`. like: the file's header, byte order and resolution are its; NULL: this
 * machine's order and nanoseconds. `like` is only read here. The caller owns *writer and closes it,
 * also after an error. Thread: any. -EOPNOTSUPP: path names something that is no regular file.
 */
int pcap_writer_open(struct pcap_writer *writer, const char *path, const struct pcap_reader *like)
{
	struct stat st;
	int err;

	*writer = (struct pcap_writer){
		.port = {.ops = &writer_ops, .accessor = PORT_DESCRIPTOR},
		.format = {.nanoseconds = true, .snaplen = MAX_SNAPLEN, .linktype = PCAP_ETHERNET},
		.fd = -1,
	};
	if (stat(path, &st) == 0 && !S_ISREG(st.st_mode))
		return -EOPNOTSUPP;
	writer->path = strdup(path);
	writer->buffer = malloc(BUFFER);
	if (!writer->path || !writer->buffer)
		return -ENOMEM;
	err = create_temporary(writer);
	if (err)
		return err;
	if (!like)
		return append_file_header(writer);
	writer->format = like->format;
	return append(writer, like->header, PCAP_FILE_HEADER);
}

/*
 * Append one packet that comes from no capture. timestamp: ns since 1970, cut to the file's
 * resolution. Thread: the one that uses the writer. -EMSGSIZE: longer than pcap readers take.
 */
int pcap_writer_packet(struct pcap_writer *writer, uint64_t timestamp, const void *packet,
		       uint32_t len, uint32_t wire_len)
{
	const struct pcap_format *format = &writer->format;
	uint32_t fraction = (uint32_t)(timestamp % NS_IN_SECOND);
	uint32_t header[PCAP_RECORD_HEADER / sizeof(uint32_t)] = {
		put32(format, (uint32_t)(timestamp / NS_IN_SECOND)),
		put32(format, format->nanoseconds ? fraction : fraction / NS_IN_US),
		put32(format, len),
		put32(format, wire_len),
	};
	int err;

	if (len > PCAP_MAX_CAPLEN)
		return -EMSGSIZE;
	err = append(writer, header, sizeof(header));
	if (!err)
		err = append(writer, packet, len);
	writer->packets += !err;
	return err;
}

/*
 * Write what is buffered and give the file its name. After an error the target is as it was before
 * and pcap_writer_close removes what was written. Thread: any, when no worker uses the writer.
 */
int pcap_writer_finish(struct pcap_writer *writer)
{
	int err = drain(writer);
	int fd = writer->fd;

	if (err)
		return err;
	writer->fd = -1;
	if (close(fd) < 0 || rename(writer->temporary, writer->path) < 0)
		return -errno;
	free(writer->temporary);
	writer->temporary = NULL;
	return 0;
}

/* Thread: any. Without a finish before, the file does not come to be. */
void pcap_writer_close(struct pcap_writer *writer)
{
	if (writer->fd >= 0)
		close(writer->fd);
	if (writer->temporary)
		(void)unlink(writer->temporary);
	free(writer->temporary);
	free(writer->path);
	free(writer->buffer);
	*writer = (struct pcap_writer){.fd = -1};
}
