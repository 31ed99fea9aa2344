/*
 * mapmem.c - see mapmem.h.
 */
#define _GNU_SOURCE
#include "mapmem.h"

#include <errno.h>
#include <sys/mman.h>
#include <unistd.h>

/*
 * Make `size` bytes of zeros, page-aligned. name is for /proc only. The caller owns *mem and closes
 * it, also after an error. Thread: any. -EINVAL: size 0.
 */
int mapmem_open(struct mapmem *mem, const char *name, size_t size)
{
	void *map;

	*mem = (struct mapmem){.fd = -1, .size = size};
	if (size == 0)
		return -EINVAL;
	mem->fd = memfd_create(name, MFD_CLOEXEC);
	if (mem->fd < 0 || ftruncate(mem->fd, (off_t)size) < 0)
		return -errno;
	map = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, mem->fd, 0);
	if (map == MAP_FAILED)
		return -errno;
	mem->memory = map;
	return 0;
}

/* Thread: any, when no worker and no view uses the memory any more. */
void mapmem_close(struct mapmem *mem)
{
	if (mem->memory)
		munmap(mem->memory, mem->size);
	if (mem->fd >= 0)
		close(mem->fd);
	*mem = (struct mapmem){.fd = -1};
}
