/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * A pool: objects of one size, one behind the other, which are free or
 * not. Must not know what the objects are for. The caller serialises.
 */
#ifndef NMJ_POOL_H
#define NMJ_POOL_H

#include <linux/types.h>

struct page;

/* How many objects of which size; as asked for, before rounding. */
struct nmj_pool_want {
	u32 num;
	u32 size;
};

struct nmj_pool {
	u32 objsize;
	u32 objtotal;
	u32 objfree;
	u32 cluster; /* objects that fill whole pages together */
	u32 hint; /* no free object below */
	u64 bytes;
	u64 offset; /* in the region */
	void **lut; /* kernel address of each object; NULL while the pool is closed */
	unsigned long *free; /* a set bit: free */
	void *mapping; /* of all pages in one piece, where objects need it; or NULL */
};

/*
 * Object size rounded up to 64 bytes, number up to whole clusters. -EINVAL: no
 * cluster of at most 4 MiB holds a whole number of objects.
 */
int nmj_pool_layout(struct nmj_pool *pool, const struct nmj_pool_want *want);
/* Over bytes / PAGE_SIZE pages; everything is free then. 0 or -ENOMEM. */
int nmj_pool_open(struct nmj_pool *pool, struct page **pages);
void nmj_pool_close(struct nmj_pool *pool);
/* Everything is free. */
void nmj_pool_reset(struct nmj_pool *pool);
/* Index of the lowest free object, zeroed; -ENOSPC. */
int nmj_pool_take(struct nmj_pool *pool);
/* As take, for a given object that is known to be free. */
void nmj_pool_reserve(struct nmj_pool *pool, u32 i);
/* False: there is no such object, or it is free. */
bool nmj_pool_give(struct nmj_pool *pool, u32 i);
/* The object at @addr, which came from take. */
u32 nmj_pool_index(const struct nmj_pool *pool, const void *addr);

#endif
