/*
 * mapmem.h - memory that holds a filter's map: shared by file descriptor, zero at the start.
 *
 * Must not know: kinds of map and what their bytes mean.
 */
#ifndef NMJIT_MAPMEM_H
#define NMJIT_MAPMEM_H

#include <stddef.h>

struct mapmem {
	int fd; /* memfd; another process that has it sees the map live */
	void *memory;
	size_t size;
};

int mapmem_open(struct mapmem *mem, const char *name, size_t size);
void mapmem_close(struct mapmem *mem);

#endif
