// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * See extmem.h. The pages are pinned for as long as the region
 * exists, and charged to the locked memory of the process that brought them.
 * Kernel addresses come from the direct map, page by page.
 */
#include <linux/err.h>
#include <linux/mm.h>
#include <linux/sched.h>
#include <linux/sched/mm.h>
#include <linux/slab.h>

#include "extmem.h"
#include "mem.h"

struct extmem {
	struct page **pages;
	unsigned long n;
	struct mm_struct *mm; /* whose locked memory it is */
};

#define MOST_PAGES (1UL << (36 - PAGE_SHIFT)) /* 64 GiB */

/* ---- pinned pages ---- */

static int pin_all(struct extmem *ext, unsigned long start)
{
	unsigned long done = 0;

	while (done < ext->n) {
		int chunk = min_t(unsigned long, ext->n - done, 1024);
		int got = pin_user_pages_fast(start + (done << PAGE_SHIFT), chunk,
					      FOLL_WRITE | FOLL_LONGTERM, ext->pages + done);

		if (got <= 0) {
			unpin_user_pages(ext->pages, done);
			return got == -ENOMEM ? -ENOMEM : -EFAULT;
		}
		done += got;
		cond_resched();
	}
	return 0;
}

static struct extmem *extmem_pin(u64 start, u64 size)
{
	struct extmem *ext;
	int ret = -ENOMEM;

	if (!PAGE_ALIGNED(start) || size >> PAGE_SHIFT > MOST_PAGES)
		return ERR_PTR(-EINVAL);
	if (size < PAGE_SIZE)
		return ERR_PTR(-ENOMEM);
	ext = kzalloc(sizeof(*ext), GFP_KERNEL_ACCOUNT);
	if (!ext)
		return ERR_PTR(-ENOMEM);
	ext->n = size >> PAGE_SHIFT;
	ext->pages = kvmalloc_array(ext->n, sizeof(*ext->pages), GFP_KERNEL_ACCOUNT);
	if (!ext->pages)
		goto err_ext;
	ret = account_locked_vm(current->mm, ext->n, true);
	if (ret)
		goto err_pages;
	ret = pin_all(ext, start);
	if (ret)
		goto err_account;
	ext->mm = current->mm;
	mmgrab(ext->mm);
	return ext;
err_account:
	account_locked_vm(current->mm, ext->n, false);
err_pages:
	kvfree(ext->pages);
err_ext:
	kfree(ext);
	return ERR_PTR(ret);
}

static void extmem_unpin(struct extmem *ext)
{
	unpin_user_pages_dirty_lock(ext->pages, ext->n, true);
	account_locked_vm(ext->mm, ext->n, false);
	mmdrop(ext->mm);
	kvfree(ext->pages);
	kfree(ext);
}

/* ---- as the backing of a region ---- */

static int ext_alloc(struct nmj_mem *mem, unsigned long n)
{
	const struct extmem *ext = mem->backing_priv;

	memcpy(mem->pages, ext->pages, n * sizeof(*mem->pages));
	return 0;
}

/* The pages stay pinned until the region's end. */
static void ext_release(struct nmj_mem *mem, unsigned long n)
{
}

/* By page frame: a program's anonymous pages cannot be mapped otherwise. */
static int ext_mmap(struct nmj_mem *mem, struct vm_area_struct *vma)
{
	unsigned long first = vma->vm_pgoff, i;
	int ret;

	for (i = 0; i < vma_pages(vma); i++) {
		ret = remap_pfn_range(vma, vma->vm_start + (i << PAGE_SHIFT),
				      page_to_pfn(mem->pages[first + i]), PAGE_SIZE,
				      vma->vm_page_prot);
		if (ret)
			return ret;
	}
	return 0;
}

static void ext_dtor(struct nmj_mem *mem)
{
	extmem_unpin(mem->backing_priv);
}

static const struct nmj_mem_backing ext_backing = {
	.alloc = ext_alloc,
	.release = ext_release,
	.mmap = ext_mmap,
	.dtor = ext_dtor,
};

/* ---- the option ---- */

static bool same_pages(struct nmj_mem *mem, void *arg)
{
	const struct extmem *ext = arg, *other = mem->backing_priv;

	return mem->backing == &ext_backing && other->n == ext->n &&
	       !memcmp(other->pages, ext->pages, ext->n * sizeof(*ext->pages));
}

static void want_of(struct nmj_mem_want *want, const struct nmreq_pools_info *info)
{
	want->pool[NMJ_POOL_IF].num = info->nr_if_pool_objtotal;
	want->pool[NMJ_POOL_IF].size = info->nr_if_pool_objsize;
	want->pool[NMJ_POOL_RING].num = info->nr_ring_pool_objtotal;
	want->pool[NMJ_POOL_RING].size = info->nr_ring_pool_objsize;
	want->pool[NMJ_POOL_BUF].num = info->nr_buf_pool_objtotal;
	want->pool[NMJ_POOL_BUF].size = info->nr_buf_pool_objsize;
	nmj_mem_want_defaults(want);
}

static u64 bytes_of(const struct nmj_mem_want *want)
{
	u64 bytes = 0;
	int k;

	for (k = 0; k < NMJ_POOLS; k++)
		bytes += (u64)want->pool[k].num * want->pool[k].size;
	return bytes;
}

static void write_back(struct nmreq_pools_info *info, const struct nmj_mem *mem)
{
	info->nr_if_pool_objtotal = mem->pool[NMJ_POOL_IF].objtotal;
	info->nr_if_pool_objsize = mem->pool[NMJ_POOL_IF].objsize;
	info->nr_ring_pool_objtotal = mem->pool[NMJ_POOL_RING].objtotal;
	info->nr_ring_pool_objsize = mem->pool[NMJ_POOL_RING].objsize;
	info->nr_buf_pool_objtotal = mem->pool[NMJ_POOL_BUF].objtotal;
	info->nr_buf_pool_objsize = mem->pool[NMJ_POOL_BUF].objsize;
}

struct nmj_mem *nmj_extmem_get(struct nmreq_opt_extmem *opt)
{
	struct nmj_mem_want want;
	struct extmem *ext;
	struct nmj_mem *mem;

	want_of(&want, &opt->nro_info);
	if (opt->nro_info.nr_memsize < bytes_of(&want))
		return ERR_PTR(-ENOMEM);
	ext = extmem_pin(opt->nro_usrptr, opt->nro_info.nr_memsize);
	if (IS_ERR(ext))
		return ERR_CAST(ext);
	mem = nmj_mem_match(same_pages, ext);
	if (mem) {
		extmem_unpin(ext);
	} else {
		mem = nmj_mem_make(&want, (u64)ext->n << PAGE_SHIFT, &ext_backing, ext);
		if (IS_ERR(mem)) {
			extmem_unpin(ext);
			return mem;
		}
	}
	write_back(&opt->nro_info, mem);
	return mem;
}
