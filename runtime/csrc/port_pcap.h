/*
 * port_pcap.h - capture files as ports: a reader and a writer.
 *
 * Format: the classic pcap file, version 2.4, draft-ietf-opsawg-pcap; microseconds or nanoseconds,
 * either byte order. Must not know: pcapng, compression, what a filter does. Regular files only.
 */
#ifndef NMJIT_PORT_PCAP_H
#define NMJIT_PORT_PCAP_H

#include "port.h"

#include <stdbool.h>
#include <stdio.h>

#define PCAP_BATCH	   256u
#define PCAP_FILE_HEADER   24u
#define PCAP_RECORD_HEADER 16u
#define PCAP_MAX_CAPLEN	   262144u /* what libpcap takes for the longest packet */
#define PCAP_READABLE	   4096u   /* bytes that may be read from any packet's start */
#define PCAP_MAX_HEADROOM  1024u   /* bytes that may be asked for in front of each packet */
#define PCAP_ETHERNET	   1u
#define PCAP_VERSION_MAJOR 2u
#define PCAP_VERSION_MINOR 4u
#define PCAP_LINKTYPE_MASK 0xffffu /* above: length of the FCS, which stays part of the packet */
#define PCAP_MICROSECONDS  0xa1b2c3d4u
#define PCAP_NANOSECONDS   0xa1b23c4du

/* How a file's numbers are written. */
struct pcap_format {
	bool swapped;	  /* not this machine's byte order */
	bool nanoseconds; /* else microseconds */
	uint32_t snaplen;
	uint32_t linktype;
};

/*
 * A capture being read: stretches of the file in turn, in one buffer that stays in the cache, where
 * packets are filtered and may be changed. Measured over a warm 1 GB file this takes half the time
 * of a mapping, whose page faults cost more than the copy; and a file that gets shorter meanwhile
 * ends the run (-ESTALE) rather than the process.
 */
struct pcap_reader {
	struct port port;
	struct pcap_format format;
	uint8_t header[PCAP_FILE_HEADER]; /* the file's own, for writers to copy */
	int fd;
	uint8_t *buffer;
	uint64_t size;	   /* bytes, of the file when it was opened */
	uint64_t origin;   /* offset in the file of the buffer's first byte */
	uint32_t filled;   /* bytes of the file in the buffer */
	uint64_t cursor;   /* offset in the file of the next record not shown */
	uint64_t record;   /* records shown so far */
	uint64_t error_at; /* offset in the file of what an error was about */
	uint8_t *spread;   /* copies of the packets shown, apart from each other; NULL without
			      headroom */
	uint32_t headroom; /* bytes in front of each of them */
	struct nmjit_descriptor packets[PCAP_BATCH];
};

/* A capture being written, under another name until it is finished. */
struct pcap_writer {
	struct port port;
	struct pcap_format format;
	int fd;
	char *path;
	char *temporary;
	uint8_t *buffer;
	size_t used;
	uint64_t packets;
};

int pcap_reader_open(struct pcap_reader *reader, const char *path);
void pcap_reader_close(struct pcap_reader *reader);

int pcap_writer_open(struct pcap_writer *writer, const char *path, const struct pcap_reader *like);
int pcap_writer_packet(struct pcap_writer *writer, uint64_t timestamp, const void *packet,
		       uint32_t len, uint32_t wire_len);
int pcap_writer_finish(struct pcap_writer *writer);
void pcap_writer_close(struct pcap_writer *writer);

#endif
