/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * Regions: the memory that programs map, as three pools of objects
 * (interfaces, rings, buffers), and the ids that name regions. Must not know
 * what a port or a device is.
 *
 * Life of a region: it exists while it is referenced (get/put); it has pages
 * while it is used (use/unuse nest). When the last user leaves, every object
 * counts as free again, whatever a program did to lists and slots.
 *
 * Locks: one for the table of ids, inside; mem->lock for pools. All functions may
 * sleep.
 */
#ifndef NMJ_MEM_H
#define NMJ_MEM_H

#include <linux/kref.h>
#include <linux/list.h>
#include <linux/mutex.h>
#include <linux/types.h>

#include "pool.h"
#include "uapi/netmap.h"

struct nmj_mem_backing;
struct page;
struct vm_area_struct;

enum nmj_pool_kind {
	NMJ_POOL_IF,
	NMJ_POOL_RING,
	NMJ_POOL_BUF,
	NMJ_POOLS,
};

/* Buffers 0 and 1 are never handed out; 0 also takes what has no place. */
#define NMJ_BUF_FIRST 2

struct nmj_mem_want {
	struct nmj_pool_want pool[NMJ_POOLS];
};

struct nmj_mem {
	struct kref ref;
	u16 id;
	bool priv; /* serves one port alone: NI_PRIV_MEM */
	bool complained; /* about buffers that could not be freed */
	int nid; /* NUMA node, or NUMA_NO_NODE */
	struct mutex lock;
	unsigned int users;
	struct nmj_mem_want want; /* what the pages were made for, as asked */
	struct nmj_pool pool[NMJ_POOLS];
	u64 size; /* of the whole region, in bytes */
	struct page **pages; /* size / PAGE_SIZE of them */
	const struct nmj_mem_backing *backing;
	void *backing_priv;
};

/* Where the pages of a region come from. All may sleep; mem->lock is held. */
struct nmj_mem_backing {
	/* Fills mem->pages [0, n): all or none. */
	int (*alloc)(struct nmj_mem *mem, unsigned long n);
	void (*release)(struct nmj_mem *mem, unsigned long n);
	/* Maps the region's pages from vma->vm_pgoff on into @vma; they are there. */
	int (*mmap)(struct nmj_mem *mem, struct vm_area_struct *vma);
	/* Frees backing_priv, at the region's end. May be NULL. */
	void (*dtor)(struct nmj_mem *mem);
};

extern const char *const nmj_pool_name[NMJ_POOLS]; /* for the log */

int nmj_mem_init(void);
void nmj_mem_exit(void);

/* All of these return a reference. */
struct nmj_mem *nmj_mem_global_get(void); /* region 1 */
struct nmj_mem *nmj_mem_find(u16 id); /* NULL: there is none */
/* @want: what is below the private minimum is raised to it. ERR_PTR on failure. */
struct nmj_mem *nmj_mem_private(const struct nmj_mem_want *want, int nid);
struct nmj_mem *nmj_mem_get(struct nmj_mem *mem);
void nmj_mem_put(struct nmj_mem *mem);

/*
 * A region with an id over pages from elsewhere, sized as @want says and no
 * larger than @limit bytes (0: as large as it comes out), whose surplus becomes
 * buffers. Owns @backing_priv on success. For extmem.c.
 */
struct nmj_mem *nmj_mem_make(const struct nmj_mem_want *want, u64 limit,
			     const struct nmj_mem_backing *backing, void *backing_priv);
/* Calls @fn under the lock of the table until it is true; that region, with a reference. */
struct nmj_mem *nmj_mem_match(bool (*fn)(struct nmj_mem *mem, void *arg), void *arg);
/* Fields of @want that are 0 become the private minimum. */
void nmj_mem_want_defaults(struct nmj_mem_want *want);

/*
 * The size of a private region for a port: rings and slots per direction
 * (index NETMAP_RING_RX/TX; host rings not counted), extra buffers, pipes.
 */
void nmj_mem_want_for(struct nmj_mem_want *want, const u16 rings[2], const u32 slots[2], u32 extra,
		      u32 pipes);

/* Pages now, if there are none. -EINVAL: parameters out of range; -ENOMEM. */
int nmj_mem_use(struct nmj_mem *mem);
void nmj_mem_unuse(struct nmj_mem *mem);

/* Bytes of the region as it is, or would be if it came into use now; -EINVAL. */
s64 nmj_mem_size(struct nmj_mem *mem);

/* Objects of a region in use. They come zeroed, NULL/-ENOMEM logs who had what. */
void *nmj_mem_if_alloc(struct nmj_mem *mem, size_t bytes);
void nmj_mem_if_free(struct nmj_mem *mem, void *obj);
void *nmj_mem_ring_alloc(struct nmj_mem *mem, size_t bytes);
void nmj_mem_ring_free(struct nmj_mem *mem, void *obj);
/* All @n or none; indices to @idx. */
int nmj_mem_bufs_alloc(struct nmj_mem *mem, u32 *idx, u32 n);
/* Says nothing about 0 and 1; logs, once a region, what cannot be freed. */
void nmj_mem_buf_free(struct nmj_mem *mem, u32 idx);
/* Up to @want linked buffers; returns how many, the first to @head. */
u32 nmj_mem_extra_alloc(struct nmj_mem *mem, u32 want, u32 *head);
void nmj_mem_extra_free(struct nmj_mem *mem, u32 head);

/* Offset in the region of an object of a pool. */
u64 nmj_mem_offset(const struct nmj_mem *mem, enum nmj_pool_kind kind, const void *obj);
/* Geometry; the region is in use. */
void nmj_mem_info(const struct nmj_mem *mem, struct nmreq_pools_info *info);
/* @vma's file keeps the region in use for as long as it is mapped. */
int nmj_mem_mmap(struct nmj_mem *mem, struct vm_area_struct *vma);

static inline u32 nmj_mem_bufs(const struct nmj_mem *mem)
{
	return mem->pool[NMJ_POOL_BUF].objtotal;
}

static inline u32 nmj_mem_bufsize(const struct nmj_mem *mem)
{
	return mem->pool[NMJ_POOL_BUF].objsize;
}

#endif
