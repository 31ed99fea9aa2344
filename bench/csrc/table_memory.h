/*
 * Memory of the hand-written tables: zeros, on pages of the size that nmjit's maps get.
 *
 * BENCH_HUGE 1: huge pages where the kernel has them; 0: ordinary ones
 */
#ifndef BENCH_TABLE_MEMORY_H
#define BENCH_TABLE_MEMORY_H

#include <stddef.h>
#include <sys/mman.h>

#ifndef BENCH_HUGE
#define BENCH_HUGE 0
#endif

/* `old` is what an earlier case of the same size had, or NULL; it is given back. NULL: no memory.
 */
static inline void *table_memory(void *old, size_t bytes)
{
	void *made;

	if (old)
		munmap(old, bytes);
	made = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
		    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (made == MAP_FAILED)
		return NULL;
	madvise(made, bytes, BENCH_HUGE ? MADV_HUGEPAGE : MADV_NOHUGEPAGE);
	return made;
}

#endif
