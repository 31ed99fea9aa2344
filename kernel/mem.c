// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * See mem.h. The global region takes its sizes from parameters, each
 * time that it comes into use; private ones are made to measure.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/idr.h>
#include <linux/limits.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/nodemask.h>
#include <linux/numa.h>
#include <linux/ratelimit.h>
#include <linux/slab.h>

#include "compat.h"
#include "mem.h"
#include "mem_pages.h"

#define GLOBAL_ID 1
#define LAST_ID U16_MAX

const char *const nmj_pool_name[NMJ_POOLS] = { "interface", "ring", "buffer" };

struct pool_limits {
	u32 num_min, num_max, priv_num_min, priv_num_max;
	u32 size_min, size_max;
};

static const struct pool_limits limits[NMJ_POOLS] = {
	[NMJ_POOL_IF] = { 10, 10000, 1, 100, 56, 4096 },
	[NMJ_POOL_RING] = { 2, 1024, 2, 1024, 256, 131072 },
	[NMJ_POOL_BUF] = { 4, 1000000, 4, 1000000, 64, 65536 },
};

static struct nmj_pool_want global_want[NMJ_POOLS] = {
	[NMJ_POOL_IF] = { 100, 1024 },
	[NMJ_POOL_RING] = { 200, 36864 },
	[NMJ_POOL_BUF] = { 163840, 2048 },
};

static struct nmj_pool_want priv_want[NMJ_POOLS] = {
	[NMJ_POOL_IF] = { 2, 1024 },
	[NMJ_POOL_RING] = { 4, 20480 },
	[NMJ_POOL_BUF] = { 4098, 2048 },
};

static struct nmj_pool_want global_curr[NMJ_POOLS];

#define POOL_PARAMS(prefix, index)                                                              \
	module_param_named(prefix##_num, global_want[index].num, uint, 0644);                   \
	MODULE_PARM_DESC(prefix##_num, "global region: number of " #prefix " objects");         \
	module_param_named(prefix##_size, global_want[index].size, uint, 0644);                 \
	MODULE_PARM_DESC(prefix##_size, "global region: bytes of a " #prefix " object");        \
	module_param_named(prefix##_curr_num, global_curr[index].num, uint, 0444);              \
	MODULE_PARM_DESC(prefix##_curr_num, "number of " #prefix " objects there are");         \
	module_param_named(prefix##_curr_size, global_curr[index].size, uint, 0444);            \
	MODULE_PARM_DESC(prefix##_curr_size, "bytes of a " #prefix " object there are");        \
	module_param_named(priv_##prefix##_num, priv_want[index].num, uint, 0644);              \
	MODULE_PARM_DESC(priv_##prefix##_num, "private regions: least number of " #prefix       \
					      " objects");                                      \
	module_param_named(priv_##prefix##_size, priv_want[index].size, uint, 0644);            \
	MODULE_PARM_DESC(priv_##prefix##_size, "private regions: least bytes of a " #prefix     \
					       " object")
POOL_PARAMS(if, NMJ_POOL_IF);
POOL_PARAMS(ring, NMJ_POOL_RING);
POOL_PARAMS(buf, NMJ_POOL_BUF);

static DEFINE_MUTEX(table_lock); /* regions, and their reference counts going to 0 */
static DEFINE_IDR(regions);
static struct nmj_mem *global_mem;

/* ---- sizes ---- */

static bool want_in_limits(const struct nmj_mem_want *want, bool priv)
{
	int k;

	for (k = 0; k < NMJ_POOLS; k++) {
		const struct pool_limits *l = &limits[k];
		const struct nmj_pool_want *w = &want->pool[k];

		if (w->size < l->size_min || w->size > l->size_max ||
		    w->num < (priv ? l->priv_num_min : l->num_min) ||
		    w->num > (priv ? l->priv_num_max : l->num_max)) {
			pr_info_ratelimited("%s pool of %u x %u bytes: out of range\n",
					    nmj_pool_name[k], w->num, w->size);
			return false;
		}
	}
	return true;
}

/* Buffers that fit into @room bytes. */
static int fit_buffers(struct nmj_pool *pool, u64 room)
{
	u64 cluster = (u64)pool->cluster * pool->objsize;
	u64 n = min_t(u64, div64_u64(room, cluster), limits[NMJ_POOL_BUF].num_max / pool->cluster);

	if (n * pool->cluster <= NMJ_BUF_FIRST)
		return -ENOMEM;
	pool->objtotal = n * pool->cluster;
	pool->bytes = n * cluster;
	return 0;
}

/*
 * Pools behind one another, the last one cut or stretched to @limit if that is
 * not 0. Bytes of all, or -errno.
 */
static s64 layout(struct nmj_pool *pools, const struct nmj_mem_want *want, u64 limit)
{
	u64 at = 0;
	int k, ret;

	for (k = 0; k < NMJ_POOLS; k++) {
		ret = nmj_pool_layout(&pools[k], &want->pool[k]);
		if (ret)
			return ret;
		if (limit && limit <= at)
			return -ENOMEM;
		if (limit && k == NMJ_POOL_BUF) {
			ret = fit_buffers(&pools[k], limit - at);
			if (ret)
				return ret;
		}
		pools[k].offset = at;
		at += pools[k].bytes;
	}
	return at;
}

static int layout_region(struct nmj_mem *mem, const struct nmj_mem_want *want, u64 limit)
{
	s64 size = layout(mem->pool, want, limit);

	if (size < 0)
		return size;
	mem->size = size;
	return 0;
}

static void read_want(struct nmj_mem_want *want, const struct nmj_pool_want *from)
{
	int k;

	for (k = 0; k < NMJ_POOLS; k++) {
		want->pool[k].num = READ_ONCE(from[k].num);
		want->pool[k].size = READ_ONCE(from[k].size);
	}
}

void nmj_mem_want_defaults(struct nmj_mem_want *want)
{
	struct nmj_mem_want least;
	int k;

	read_want(&least, priv_want);
	for (k = 0; k < NMJ_POOLS; k++) {
		if (!want->pool[k].num)
			want->pool[k].num = least.pool[k].num;
		if (!want->pool[k].size)
			want->pool[k].size = least.pool[k].size;
	}
}

void nmj_mem_want_for(struct nmj_mem_want *want, const u16 rings[2], const u32 slots[2], u32 extra,
		      u32 pipes)
{
	/* One more in each direction: the host's, real or placeholder. */
	u32 rxr = rings[NETMAP_RING_RX] + 1, txr = rings[NETMAP_RING_TX] + 1;
	u32 rxd = slots[NETMAP_RING_RX], txd = slots[NETMAP_RING_TX];

	want->pool[NMJ_POOL_IF].size = sizeof(struct netmap_if) + 8 * (txr + rxr);
	want->pool[NMJ_POOL_IF].num = 2 + 4 * pipes;
	want->pool[NMJ_POOL_RING].size = sizeof(struct netmap_ring) +
					 sizeof(struct netmap_slot) * max(txd, rxd);
	want->pool[NMJ_POOL_RING].num = txr + rxr + 8 * pipes;
	want->pool[NMJ_POOL_BUF].size = 0;
	want->pool[NMJ_POOL_BUF].num = (4 * pipes + rxr) * rxd + (4 * pipes + txr) * txd +
				       NMJ_BUF_FIRST + extra;
}

/* ---- pages ---- */

static unsigned long npages(const struct nmj_mem *mem)
{
	return mem->size >> PAGE_SHIFT;
}

static void publish_sizes(const struct nmj_mem *mem)
{
	int k;

	if (mem != global_mem)
		return;
	for (k = 0; k < NMJ_POOLS; k++) {
		WRITE_ONCE(global_curr[k].num, mem->pages ? mem->pool[k].objtotal : 0);
		WRITE_ONCE(global_curr[k].size, mem->pages ? mem->pool[k].objsize : 0);
	}
}

static void reserve_buffers(struct nmj_mem *mem)
{
	u32 i;

	for (i = 0; i < NMJ_BUF_FIRST; i++)
		nmj_pool_reserve(&mem->pool[NMJ_POOL_BUF], i);
}

static void drop_pages(struct nmj_mem *mem)
{
	int k;

	if (!mem->pages)
		return;
	for (k = 0; k < NMJ_POOLS; k++)
		nmj_pool_close(&mem->pool[k]);
	mem->backing->release(mem, npages(mem));
	kvfree(mem->pages);
	mem->pages = NULL;
	publish_sizes(mem);
}

static int make_pages(struct nmj_mem *mem)
{
	unsigned long n = npages(mem);
	int k, ret;

	mem->pages = kvmalloc_array(n, sizeof(*mem->pages), GFP_KERNEL_ACCOUNT);
	if (!mem->pages)
		return -ENOMEM;
	ret = mem->backing->alloc(mem, n);
	if (ret)
		goto err_array;
	for (k = 0; k < NMJ_POOLS; k++) {
		struct nmj_pool *pool = &mem->pool[k];

		ret = nmj_pool_open(pool, mem->pages + (pool->offset >> PAGE_SHIFT));
		if (ret)
			goto err_pools;
	}
	reserve_buffers(mem);
	publish_sizes(mem);
	return 0;
err_pools:
	while (k--)
		nmj_pool_close(&mem->pool[k]);
	mem->backing->release(mem, n);
err_array:
	kvfree(mem->pages);
	mem->pages = NULL;
	return ret;
}

/*
 * The global region serves everybody, so that less of it is better than none: it
 * is halved until it fits.
 */
static int make_global_pages(struct nmj_mem *mem, const struct nmj_mem_want *want)
{
	struct nmj_mem_want have = *want;
	u32 *num = &have.pool[NMJ_POOL_BUF].num;
	int ret;

	for (;;) {
		ret = layout_region(mem, &have, 0);
		if (!ret)
			ret = make_pages(mem);
		if (ret != -ENOMEM || *num < 2 * limits[NMJ_POOL_BUF].num_min ||
		    *num < want->pool[NMJ_POOL_BUF].num / 16)
			break;
		*num /= 2;
	}
	mem->want = *want;
	if (!ret && *num < want->pool[NMJ_POOL_BUF].num)
		pr_warn("region %u: buffer pool: asked %u, had memory for %u\n", mem->id,
			want->pool[NMJ_POOL_BUF].num, mem->pool[NMJ_POOL_BUF].objtotal);
	return ret;
}

static int use_global(struct nmj_mem *mem)
{
	struct nmj_mem_want want;

	read_want(&want, global_want);
	if (!want_in_limits(&want, false))
		return -EINVAL;
	if (mem->pages && !memcmp(&want, &mem->want, sizeof(want)))
		return 0;
	drop_pages(mem);
	return make_global_pages(mem, &want);
}

s64 nmj_mem_size(struct nmj_mem *mem)
{
	struct nmj_pool pools[NMJ_POOLS] = {};
	struct nmj_mem_want want;
	s64 size;

	mutex_lock(&mem->lock);
	if (mem != global_mem || mem->users) {
		size = mem->size;
	} else {
		read_want(&want, global_want);
		size = want_in_limits(&want, false) ? layout(pools, &want, 0) : -EINVAL;
	}
	mutex_unlock(&mem->lock);
	return size;
}

int nmj_mem_use(struct nmj_mem *mem)
{
	int ret = 0;

	mutex_lock(&mem->lock);
	if (!mem->users) {
		if (mem == global_mem)
			ret = use_global(mem);
		else if (!mem->pages)
			ret = make_pages(mem);
	}
	if (!ret)
		mem->users++;
	mutex_unlock(&mem->lock);
	if (ret == -ENOMEM)
		pr_info_ratelimited("region %u: no memory for %llu bytes\n", mem->id, mem->size);
	return ret;
}

void nmj_mem_unuse(struct nmj_mem *mem)
{
	int k;

	mutex_lock(&mem->lock);
	if (!--mem->users) {
		for (k = 0; k < NMJ_POOLS; k++)
			nmj_pool_reset(&mem->pool[k]);
		reserve_buffers(mem);
		mem->complained = false;
	}
	mutex_unlock(&mem->lock);
}

/* ---- regions and their ids ---- */

static struct nmj_mem *new_region(const struct nmj_mem_backing *backing, int nid)
{
	struct nmj_mem *mem = kzalloc(sizeof(*mem), GFP_KERNEL_ACCOUNT);

	if (!mem)
		return ERR_PTR(-ENOMEM);
	kref_init(&mem->ref);
	mutex_init(&mem->lock);
	mem->backing = backing;
	mem->nid = nid;
	return mem;
}

static int take_id(struct nmj_mem *mem, int first)
{
	int id;

	mutex_lock(&table_lock);
	id = idr_alloc_cyclic(&regions, mem, first, LAST_ID + 1, GFP_KERNEL);
	if (id > 0)
		mem->id = id;
	mutex_unlock(&table_lock);
	return id < 0 ? -ENOMEM : 0;
}

struct nmj_mem *nmj_mem_make(const struct nmj_mem_want *want, u64 limit,
			     const struct nmj_mem_backing *backing, void *backing_priv)
{
	struct nmj_mem *mem;
	int ret = -EINVAL;

	mem = new_region(backing, NUMA_NO_NODE);
	if (IS_ERR(mem))
		return mem;
	mem->priv = true;
	mem->backing_priv = backing_priv;
	if (!want_in_limits(want, true))
		goto err;
	ret = layout_region(mem, want, limit);
	if (ret)
		goto err;
	ret = take_id(mem, GLOBAL_ID + 1);
	if (ret)
		goto err;
	return mem;
err:
	kfree(mem);
	return ERR_PTR(ret);
}

struct nmj_mem *nmj_mem_private(const struct nmj_mem_want *want, int nid)
{
	struct nmj_mem_want use;
	struct nmj_mem *mem;
	int k;

	read_want(&use, priv_want);
	for (k = 0; k < NMJ_POOLS; k++) {
		use.pool[k].num = max(use.pool[k].num, want->pool[k].num);
		use.pool[k].size = max(use.pool[k].size, want->pool[k].size);
	}
	mem = nmj_mem_make(&use, 0, &nmj_mem_pages, NULL);
	if (!IS_ERR(mem))
		mem->nid = nid;
	return mem;
}

struct nmj_mem *nmj_mem_get(struct nmj_mem *mem)
{
	kref_get(&mem->ref);
	return mem;
}

static void free_region(struct nmj_mem *mem)
{
	drop_pages(mem);
	if (mem->backing->dtor)
		mem->backing->dtor(mem);
	mutex_destroy(&mem->lock);
	kfree(mem);
}

static void last_put(struct kref *ref)
{
	struct nmj_mem *mem = container_of(ref, struct nmj_mem, ref);

	idr_remove(&regions, mem->id);
	mutex_unlock(&table_lock);
	free_region(mem);
}

void nmj_mem_put(struct nmj_mem *mem)
{
	kref_put_mutex(&mem->ref, last_put, &table_lock);
}

struct nmj_mem *nmj_mem_find(u16 id)
{
	struct nmj_mem *mem;

	mutex_lock(&table_lock);
	mem = idr_find(&regions, id);
	if (mem)
		kref_get(&mem->ref);
	mutex_unlock(&table_lock);
	return mem;
}

struct nmj_mem *nmj_mem_match(bool (*fn)(struct nmj_mem *mem, void *arg), void *arg)
{
	struct nmj_mem *mem;
	int id;

	mutex_lock(&table_lock);
	idr_for_each_entry(&regions, mem, id) {
		if (fn(mem, arg)) {
			kref_get(&mem->ref);
			break;
		}
	}
	mutex_unlock(&table_lock);
	return mem;
}

struct nmj_mem *nmj_mem_global_get(void)
{
	return nmj_mem_get(global_mem);
}

int nmj_mem_init(void)
{
	int ret;

	global_mem = new_region(&nmj_mem_pages_uncharged, NUMA_NO_NODE);
	if (IS_ERR(global_mem))
		return PTR_ERR(global_mem);
	ret = take_id(global_mem, GLOBAL_ID);
	if (ret)
		kfree(global_mem);
	return ret;
}

void nmj_mem_exit(void)
{
	nmj_mem_put(global_mem);
	idr_destroy(&regions);
}

/* ---- mapping ---- */

int nmj_mem_mmap(struct nmj_mem *mem, struct vm_area_struct *vma)
{
	unsigned long n = vma_pages(vma);

	if (vma->vm_pgoff > npages(mem) || n > npages(mem) - vma->vm_pgoff)
		return -EINVAL;
	vm_flags_set(vma, VM_DONTEXPAND | VM_DONTDUMP);
	return mem->backing->mmap(mem, vma);
}
