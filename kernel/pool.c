// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * See pool.h.
 *
 * An object has one kernel address, so that rings can be plain structs. Where
 * objects lie within pages the kernel's direct map serves; objects that cross
 * from page to page get the pool mapped in one piece.
 */
#include <linux/bitmap.h>
#include <linux/gcd.h>
#include <linux/math64.h>
#include <linux/mm.h>
#include <linux/sizes.h>
#include <linux/vmalloc.h>

#include "pool.h"

#define OBJ_ALIGN 64

int nmj_pool_layout(struct nmj_pool *pool, const struct nmj_pool_want *want)
{
	u32 size = round_up(want->size, OBJ_ALIGN);
	u32 k = PAGE_SIZE / gcd(PAGE_SIZE, size);

	if ((u64)k * size > SZ_4M)
		return -EINVAL;
	pool->objsize = size;
	pool->cluster = k;
	pool->objtotal = roundup(want->num, k);
	pool->bytes = (u64)pool->objtotal * size;
	return 0;
}

static bool objects_cross_pages(const struct nmj_pool *pool)
{
	return pool->objsize > PAGE_SIZE || PAGE_SIZE % pool->objsize;
}

static void fill_lut(struct nmj_pool *pool, struct page **pages)
{
	u64 at = 0;
	u32 i;

	for (i = 0; i < pool->objtotal; i++, at += pool->objsize) {
		if (pool->mapping)
			pool->lut[i] = (char *)pool->mapping + at;
		else
			pool->lut[i] = (char *)page_address(pages[at >> PAGE_SHIFT]) +
				       offset_in_page(at);
	}
}

int nmj_pool_open(struct nmj_pool *pool, struct page **pages)
{
	pool->mapping = NULL;
	pool->lut = kvmalloc_array(pool->objtotal, sizeof(*pool->lut), GFP_KERNEL_ACCOUNT);
	pool->free = kvcalloc(BITS_TO_LONGS(pool->objtotal), sizeof(long), GFP_KERNEL_ACCOUNT);
	if (!pool->lut || !pool->free)
		goto err;
	if (objects_cross_pages(pool)) {
		pool->mapping = vmap(pages, pool->bytes >> PAGE_SHIFT, VM_MAP, PAGE_KERNEL);
		if (!pool->mapping)
			goto err;
	}
	fill_lut(pool, pages);
	nmj_pool_reset(pool);
	return 0;
err:
	nmj_pool_close(pool);
	return -ENOMEM;
}

void nmj_pool_close(struct nmj_pool *pool)
{
	if (pool->mapping)
		vunmap(pool->mapping);
	kvfree(pool->free);
	kvfree(pool->lut);
	pool->mapping = NULL;
	pool->free = NULL;
	pool->lut = NULL;
	pool->objfree = 0;
}

void nmj_pool_reset(struct nmj_pool *pool)
{
	bitmap_fill(pool->free, pool->objtotal);
	pool->objfree = pool->objtotal;
	pool->hint = 0;
}

int nmj_pool_take(struct nmj_pool *pool)
{
	u32 i = find_next_bit(pool->free, pool->objtotal, pool->hint);

	if (i >= pool->objtotal)
		return -ENOSPC;
	nmj_pool_reserve(pool, i);
	pool->hint = i + 1;
	memset(pool->lut[i], 0, pool->objsize);
	return i;
}

void nmj_pool_reserve(struct nmj_pool *pool, u32 i)
{
	__clear_bit(i, pool->free);
	pool->objfree--;
}

bool nmj_pool_give(struct nmj_pool *pool, u32 i)
{
	if (i >= pool->objtotal || test_bit(i, pool->free))
		return false;
	__set_bit(i, pool->free);
	pool->objfree++;
	pool->hint = min(pool->hint, i);
	return true;
}

u32 nmj_pool_index(const struct nmj_pool *pool, const void *addr)
{
	u32 i;

	if (pool->mapping)
		return div_u64((const char *)addr - (const char *)pool->mapping, pool->objsize);
	for (i = 0; i < pool->objtotal; i++)
		if (pool->lut[i] == addr)
			break;
	return i;
}
