// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * See mem.h: objects of a region in use, handed out and taken back. Programs
 * write buffer indices and lists: what comes back may be anything.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/printk.h>
#include <linux/ratelimit.h>
#include <linux/sched.h>

#include "mem.h"

static void tell_short(const struct nmj_mem *mem, enum nmj_pool_kind kind, u32 asked)
{
	const struct nmj_pool *pool = &mem->pool[kind];

	pr_info_ratelimited("region %u: %s pool: asked %u, had %u free of %u\n", mem->id,
			    nmj_pool_name[kind], asked, pool->objfree, pool->objtotal);
}

static void *object_alloc(struct nmj_mem *mem, enum nmj_pool_kind kind, size_t bytes)
{
	struct nmj_pool *pool = &mem->pool[kind];
	void *obj = NULL;
	int i;

	mutex_lock(&mem->lock);
	if (bytes > pool->objsize) {
		pr_info_ratelimited("region %u: %s pool: asked %zu bytes, objects have %u\n",
				    mem->id, nmj_pool_name[kind], bytes, pool->objsize);
	} else {
		i = nmj_pool_take(pool);
		if (i >= 0)
			obj = pool->lut[i];
		else
			tell_short(mem, kind, 1);
	}
	mutex_unlock(&mem->lock);
	return obj;
}

static void object_free(struct nmj_mem *mem, enum nmj_pool_kind kind, void *obj)
{
	struct nmj_pool *pool = &mem->pool[kind];

	mutex_lock(&mem->lock);
	WARN_ON_ONCE(!nmj_pool_give(pool, nmj_pool_index(pool, obj)));
	mutex_unlock(&mem->lock);
}

void *nmj_mem_if_alloc(struct nmj_mem *mem, size_t bytes)
{
	return object_alloc(mem, NMJ_POOL_IF, bytes);
}

void nmj_mem_if_free(struct nmj_mem *mem, void *obj)
{
	object_free(mem, NMJ_POOL_IF, obj);
}

void *nmj_mem_ring_alloc(struct nmj_mem *mem, size_t bytes)
{
	return object_alloc(mem, NMJ_POOL_RING, bytes);
}

void nmj_mem_ring_free(struct nmj_mem *mem, void *obj)
{
	object_free(mem, NMJ_POOL_RING, obj);
}

int nmj_mem_bufs_alloc(struct nmj_mem *mem, u32 *idx, u32 n)
{
	struct nmj_pool *pool = &mem->pool[NMJ_POOL_BUF];
	int ret = 0;
	u32 i;

	mutex_lock(&mem->lock);
	if (pool->objfree < n) {
		tell_short(mem, NMJ_POOL_BUF, n);
		ret = -ENOMEM;
	} else {
		for (i = 0; i < n; i++) {
			idx[i] = nmj_pool_take(pool);
			cond_resched();
		}
	}
	mutex_unlock(&mem->lock);
	return ret;
}

static void buf_free_locked(struct nmj_mem *mem, u32 idx)
{
	if (idx < NMJ_BUF_FIRST || nmj_pool_give(&mem->pool[NMJ_POOL_BUF], idx))
		return;
	if (!mem->complained)
		pr_info_ratelimited("region %u: buffer %u given back, but free or none\n",
				    mem->id, idx);
	mem->complained = true;
}

void nmj_mem_buf_free(struct nmj_mem *mem, u32 idx)
{
	mutex_lock(&mem->lock);
	buf_free_locked(mem, idx);
	mutex_unlock(&mem->lock);
}

u32 nmj_mem_extra_alloc(struct nmj_mem *mem, u32 want, u32 *head)
{
	struct nmj_pool *pool = &mem->pool[NMJ_POOL_BUF];
	u32 n, next = 0;
	int i;

	mutex_lock(&mem->lock);
	for (n = 0; n < want; n++) {
		i = nmj_pool_take(pool);
		if (i < 0) {
			tell_short(mem, NMJ_POOL_BUF, want - n);
			break;
		}
		*(u32 *)pool->lut[i] = next;
		next = i;
		cond_resched();
	}
	mutex_unlock(&mem->lock);
	*head = next;
	return n;
}

/* Ends: each step frees a buffer, and a free one ends it. */
void nmj_mem_extra_free(struct nmj_mem *mem, u32 head)
{
	struct nmj_pool *pool = &mem->pool[NMJ_POOL_BUF];

	mutex_lock(&mem->lock);
	while (head >= NMJ_BUF_FIRST && nmj_pool_give(pool, head)) {
		u32 *link = pool->lut[head];

		head = READ_ONCE(*link);
		WRITE_ONCE(*link, 0);
	}
	mutex_unlock(&mem->lock);
}

/* ---- what programs see ---- */

u64 nmj_mem_offset(const struct nmj_mem *mem, enum nmj_pool_kind kind, const void *obj)
{
	const struct nmj_pool *pool = &mem->pool[kind];

	return pool->offset + (u64)nmj_pool_index(pool, obj) * pool->objsize;
}

void nmj_mem_info(const struct nmj_mem *mem, struct nmreq_pools_info *info)
{
	const struct nmj_pool *pool = mem->pool;

	memset(info, 0, sizeof(*info));
	info->nr_memsize = mem->size;
	info->nr_mem_id = mem->id;
	info->nr_if_pool_objtotal = pool[NMJ_POOL_IF].objtotal;
	info->nr_if_pool_objsize = pool[NMJ_POOL_IF].objsize;
	info->nr_ring_pool_offset = pool[NMJ_POOL_RING].offset;
	info->nr_ring_pool_objtotal = pool[NMJ_POOL_RING].objtotal;
	info->nr_ring_pool_objsize = pool[NMJ_POOL_RING].objsize;
	info->nr_buf_pool_offset = pool[NMJ_POOL_BUF].offset;
	info->nr_buf_pool_objtotal = pool[NMJ_POOL_BUF].objtotal;
	info->nr_buf_pool_objsize = pool[NMJ_POOL_BUF].objsize;
}
