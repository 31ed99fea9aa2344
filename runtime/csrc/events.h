/*
 * events.h - a ring of records from one worker to user space.
 *
 * compiler/maplayout.py is the home of the layout. The worker's compiled code writes records and
 * head, the reader only tail. Must not know: what records hold.
 */
#ifndef NMJIT_EVENTS_H
#define NMJIT_EVENTS_H

#include <stdint.h>

struct nmjit_ring {
	uint64_t head; /* records written so far */
	uint64_t dropped;
	uint64_t unused[6];
	uint64_t tail; /* records read so far; record n lies at place n modulo capacity */
	uint64_t unused_too[7];
	uint8_t records[];
};

struct events_count {
	uint64_t written;
	uint64_t read;
	uint64_t dropped;
};

uint32_t events_read(struct nmjit_ring *ring, uint32_t capacity, uint32_t record_size,
		     void *records, uint32_t room);
void events_peek(const struct nmjit_ring *ring, uint32_t capacity, uint32_t record_size,
		 void *records, uint32_t count);
void events_load(struct nmjit_ring *ring, uint32_t record_size, const void *records,
		 uint32_t count);
struct events_count events_count(const struct nmjit_ring *ring);
void events_recover(struct nmjit_ring *ring, uint32_t capacity);

#endif
