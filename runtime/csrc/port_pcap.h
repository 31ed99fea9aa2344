/*
 * port_pcap.h - capture files as ports: a reader that maps a file, and a writer.
 *
 * Format: the classic pcap file, version 2.4, draft-ietf-opsawg-pcap; microseconds or nanoseconds,
 * either byte order. Packets are filtered where they lie in the mapping, never copied to fit. Must
 * not know: pcapng, compression, what a filter does. Files only: a pipe cannot be mapped.
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
 * A capture being read. The mapping is private: what a filter writes stays in this process, and
 * page by page is forgotten once its packets are disposed of. Behind the file's end lies a page of
 * zeros. The file must not get shorter while it is read: a shorter file is found at the next batch
 * and ends the run (-ESTALE), but bytes taken away in the middle of a batch raise SIGBUS.
 */
struct pcap_reader {
	struct port port;
	struct pcap_format format;
	int fd;
	uint8_t *base;
	uint64_t size;	   /* bytes, of the file when it was opened */
	uint64_t mapped;   /* bytes, zeros behind the end included */
	uint64_t cursor;   /* offset of the next record not shown */
	uint64_t released; /* offset up to which pages are given back */
	uint64_t record;   /* records shown so far */
	uint64_t error_at; /* offset of what an error was about */
	uint32_t count;	   /* packets shown and not all disposed of */
	uint32_t disposed;
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

int pcap_reader_open(struct pcap_reader *reader, const char *path, bool writable);
void pcap_reader_close(struct pcap_reader *reader);
uint32_t pcap_reader_readable(const struct pcap_reader *reader);

int pcap_writer_open(struct pcap_writer *writer, const char *path, const struct pcap_reader *like);
int pcap_writer_packet(struct pcap_writer *writer, uint64_t timestamp, const void *packet,
		       uint32_t len, uint32_t wire_len);
int pcap_writer_finish(struct pcap_writer *writer);
void pcap_writer_close(struct pcap_writer *writer);

#endif
