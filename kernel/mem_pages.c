// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * See mem_pages.h. Pages come in chunks while that is cheap, to
 * lie close together, and one by one when memory is in pieces. They are single
 * pages in the end, each with its own count: user space may have pinned one for
 * longer than the region lives.
 */
#include <linux/gfp.h>
#include <linux/mm.h>
#include <linux/pgtable.h>
#include <linux/sched.h>
#include <linux/sched/signal.h>
#include <linux/sizes.h>

#include "compat.h"
#include "mem_pages.h"

#define CHUNK_ORDER 4
#define MOST_MAPPED_AT_ONCE SZ_16M

static void release_pages_from(struct page **pages, unsigned long n)
{
	while (n--)
		put_page(pages[n]);
}

/* One chunk, split, to @pages; how many pages, 0: none. */
static unsigned int alloc_chunk(struct page **pages, unsigned long left, int nid, gfp_t gfp,
				unsigned int order)
{
	gfp_t how = order ? __GFP_NORETRY : __GFP_RETRY_MAYFAIL;
	struct page *page;
	unsigned int i;

	if (left < (1UL << order))
		return 0;
	page = alloc_pages_node(nid, gfp | how | __GFP_NOWARN | __GFP_ZERO, order);
	if (!page)
		return 0;
	if (order)
		split_page(page, order);
	for (i = 0; i < 1U << order; i++)
		pages[i] = page + i;
	return 1U << order;
}

static int alloc_all(struct nmj_mem *mem, unsigned long n, gfp_t gfp)
{
	unsigned int order = CHUNK_ORDER;
	unsigned long done = 0;

	while (done < n) {
		unsigned int got;

		got = alloc_chunk(mem->pages + done, n - done, mem->nid, gfp, order);
		if (!got && !order)
			goto err;
		if (!got)
			order = 0;
		done += got;
		if (fatal_signal_pending(current))
			goto err;
		cond_resched();
	}
	return 0;
err:
	release_pages_from(mem->pages, done);
	return -ENOMEM;
}

static int alloc_charged(struct nmj_mem *mem, unsigned long n)
{
	return alloc_all(mem, n, GFP_KERNEL_ACCOUNT);
}

static int alloc_uncharged(struct nmj_mem *mem, unsigned long n)
{
	return alloc_all(mem, n, GFP_KERNEL);
}

static void release_all(struct nmj_mem *mem, unsigned long n)
{
	release_pages_from(mem->pages, n);
}

/* ---- mapping ---- */

/* Pages [first, first + n) of the region; those that are mapped already stay. */
static int insert_pages(struct nmj_mem *mem, struct vm_area_struct *vma, unsigned long first,
			unsigned long n)
{
	unsigned long addr = vma->vm_start + ((first - vma->vm_pgoff) << PAGE_SHIFT);

	while (n) {
		unsigned long left = n;
		int ret = vm_insert_pages(vma, addr, mem->pages + first, &left);

		if (!ret)
			return 0;
		if (ret != -EBUSY)
			return ret;
		/* The first of those left is there. */
		addr += (n - left + 1) << PAGE_SHIFT;
		first += n - left + 1;
		n = left - 1;
	}
	return 0;
}

/* A first touch brings its neighbours along: all that one page table can hold. */
static vm_fault_t fault(struct vm_fault *vmf)
{
	struct vm_area_struct *vma = vmf->vma;
	unsigned long from = max(ALIGN_DOWN(vmf->address, PMD_SIZE), vma->vm_start);
	unsigned long to = min(ALIGN(vmf->address + 1, PMD_SIZE), vma->vm_end);
	unsigned long first = vma->vm_pgoff + ((from - vma->vm_start) >> PAGE_SHIFT);
	int ret;

	ret = insert_pages(vma->vm_private_data, vma, first, (to - from) >> PAGE_SHIFT);
	if (!ret)
		return VM_FAULT_NOPAGE;
	return ret == -ENOMEM ? VM_FAULT_OOM : VM_FAULT_SIGBUS;
}

static const struct vm_operations_struct vm_ops = {
	.fault = fault,
};

/*
 * Small regions are mapped at once and never fault. Large ones are mostly spare
 * buffers that nobody here will touch: mapping them would cost more than the
 * faults. Inserting from faults needs VM_MIXEDMAP set beforehand.
 */
static int mmap_pages(struct nmj_mem *mem, struct vm_area_struct *vma)
{
	vm_flags_set(vma, VM_MIXEDMAP);
	vma->vm_ops = &vm_ops;
	vma->vm_private_data = mem;
	if (mem->size > MOST_MAPPED_AT_ONCE)
		return 0;
	return insert_pages(mem, vma, vma->vm_pgoff, vma_pages(vma));
}

const struct nmj_mem_backing nmj_mem_pages = {
	.alloc = alloc_charged,
	.release = release_all,
	.mmap = mmap_pages,
};

const struct nmj_mem_backing nmj_mem_pages_uncharged = {
	.alloc = alloc_uncharged,
	.release = release_all,
	.mmap = mmap_pages,
};
