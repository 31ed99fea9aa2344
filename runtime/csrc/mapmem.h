/*
 * mapmem.h - memory that holds a filter's map: shared by file descriptor, zero at the start.
 *
 * A memfd, or a file that somebody opened. Room that nobody writes to takes no memory. Must not
 * know: kinds of map and what their bytes mean.
 */
#ifndef NMJIT_MAPMEM_H
#define NMJIT_MAPMEM_H

#include <stdbool.h>
#include <stddef.h>

#define MAPMEM_HUGE (64ul << 20) /* from this size on, huge pages are asked for */

struct mapmem {
	int fd; /* another process that has it sees the map live */
	void *memory;
	size_t size;
	bool writable;
};

int mapmem_open(struct mapmem *mem, const char *name, size_t size);
int mapmem_attach(struct mapmem *mem, int fd, size_t size, bool writable);
int mapmem_wipe(struct mapmem *mem, size_t start, size_t bytes);
void mapmem_close(struct mapmem *mem);

#endif
