/*
 * mapmem.c - see mapmem.h.
 */
#define _GNU_SOURCE
#include "mapmem.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

/*
 * Map what mem->fd refers to. Huge pages are a wish: the kernel's setting for shared memory decides
 * (shmem_enabled: "advise" or more), and where it says never, MADV_COLLAPSE is refused too.
 */
static int map_shared(struct mapmem *mem)
{
	int protection = mem->writable ? PROT_READ | PROT_WRITE : PROT_READ;
	void *map = mmap(NULL, mem->size, protection, MAP_SHARED | MAP_NORESERVE, mem->fd, 0);

	if (map == MAP_FAILED)
		return -errno;
	mem->memory = map;
	if (mem->size >= MAPMEM_HUGE)
		madvise(map, mem->size, MADV_HUGEPAGE);
	return 0;
}

/*
 * Make `size` bytes of zeros, page-aligned. name is for /proc only. The caller owns *mem and closes
 * it, also after an error. Thread: any. -EINVAL: size 0.
 */
int mapmem_open(struct mapmem *mem, const char *name, size_t size)
{
	*mem = (struct mapmem){.fd = -1, .size = size, .writable = true};
	if (size == 0)
		return -EINVAL;
	mem->fd = memfd_create(name, MFD_CLOEXEC);
	if (mem->fd < 0 || ftruncate(mem->fd, (off_t)size) < 0)
		return -errno;
	return map_shared(mem);
}

/*
 * Map the first `size` bytes of a file, which are there; fd stays the caller's, and so do its locks
 * as long as *mem is open. Otherwise as mapmem_open.
 */
int mapmem_attach(struct mapmem *mem, int fd, size_t size, bool writable)
{
	*mem = (struct mapmem){.fd = -1, .size = size, .writable = writable};
	if (size == 0)
		return -EINVAL;
	mem->fd = fcntl(fd, F_DUPFD_CLOEXEC, 0);
	if (mem->fd < 0)
		return -errno;
	return map_shared(mem);
}

/* Make a part zero, giving its memory back where the file system can. Page-aligned. 0 or -errno. */
int mapmem_wipe(struct mapmem *mem, size_t start, size_t bytes)
{
	if (bytes == 0)
		return 0;
	if (fallocate(mem->fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, (off_t)start,
		      (off_t)bytes) == 0)
		return 0;
	if (errno != EOPNOTSUPP)
		return -errno;
	memset((char *)mem->memory + start, 0, bytes);
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
