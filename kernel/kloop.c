// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * See kloop.h. The loop runs in the thread that asked for it, so that
 * the program's memory is at hand, and ends by STOP or by a fatal signal.
 *
 * The barriers here pair with those in the program (see uapi/netmap.h): head is
 * read before cur; hwcur is written before hwtail; kern_need_kick is written
 * before the rings are looked at for the last time before sleeping, and
 * appl_need_kick is read after hwtail is written.
 */
#include <linux/eventfd.h>
#include <linux/file.h>
#include <linux/hrtimer.h>
#include <linux/mm.h>
#include <linux/overflow.h>
#include <linux/poll.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>
#include <linux/uaccess.h>

#include "compat.h"
#include "ctrl.h"
#include "file.h"
#include "kloop.h"

#define MOST_SLEEP_US 1000000

struct nmj_csb {
	struct nm_csb_atok __user *atok;
	struct nm_csb_ktoa __user *ktoa;
};

/* ---- setting CSB mode ---- */

static u32 rings_of(const struct nmj_file *f)
{
	return nmj_claim_rings(&f->claim, NMJ_TX) + nmj_claim_rings(&f->claim, NMJ_RX);
}

/* Ring @i of the arrays: transmit rings first. */
static struct nmj_kring *kring_of(const struct nmj_file *f, u32 i)
{
	const struct nmj_claim *claim = &f->claim;
	u32 ntx = nmj_claim_rings(claim, NMJ_TX);

	if (i < ntx)
		return &claim->port->kr[NMJ_TX][claim->first[NMJ_TX] + i];
	return &claim->port->kr[NMJ_RX][claim->first[NMJ_RX] + i - ntx];
}

static int init_entry(const struct nmj_csb *csb, u32 i, const struct nmj_kring *kr)
{
	struct nm_csb_ktoa ktoa = {
		.hwcur = kr->hwcur,
		.hwtail = READ_ONCE(kr->hwtail),
		.kern_need_kick = 1,
	};
	struct nm_csb_atok __user *atok = &csb->atok[i];

	if (copy_to_user(&csb->ktoa[i], &ktoa, sizeof(ktoa)) || put_user(kr->rhead, &atok->head) ||
	    put_user(kr->rcur, &atok->cur) || put_user(1, &atok->appl_need_kick) ||
	    put_user(1, &atok->sync_flags))
		return -EFAULT;
	return 0;
}

static bool aligned(u64 addr)
{
	return IS_ALIGNED(addr, sizeof(struct nm_csb_atok));
}

static int init_entries(const struct nmj_file *f, const struct nmj_csb *csb)
{
	int ret = 0;
	u32 i;

	pagefault_disable();
	for (i = 0; i < rings_of(f) && !ret; i++)
		ret = init_entry(csb, i, kring_of(f, i));
	pagefault_enable();
	return ret ? -EAGAIN : 0;
}

/* Zeroes are as good as what the program had there: it is about to be written. */
int nmj_csb_touch(const struct nmreq_opt_csb *opt, u32 rings)
{
	size_t bytes = (size_t)rings * sizeof(struct nm_csb_atok);

	if (clear_user(u64_to_user_ptr(opt->csb_atok), bytes) ||
	    clear_user(u64_to_user_ptr(opt->csb_ktoa), bytes))
		return -EFAULT;
	return 0;
}

int nmj_csb_set(struct nmj_file *f, const struct nmreq_opt_csb *opt, u32 *absent)
{
	struct nmj_csb *csb;
	int ret;

	if (f->loop_running)
		return -EBUSY;
	if (!f->claim.exclusive || !aligned(opt->csb_atok) || !aligned(opt->csb_ktoa))
		return -EINVAL;
	csb = f->csb ? f->csb : kmalloc(sizeof(*csb), GFP_KERNEL_ACCOUNT);
	if (!csb)
		return -ENOMEM;
	csb->atok = u64_to_user_ptr(opt->csb_atok);
	csb->ktoa = u64_to_user_ptr(opt->csb_ktoa);
	ret = init_entries(f, csb);
	*absent = ret ? rings_of(f) : 0;
	if (!ret)
		smp_store_release(&f->csb, csb); /* pairs with nmj_file_csb */
	else if (csb != f->csb)
		kfree(csb);
	return ret;
}

void nmj_csb_free(struct nmj_file *f)
{
	kfree(f->csb);
	f->csb = NULL;
}

/* ---- the loop's state ---- */

struct loop;

/* Something whose wake-up ends the loop's sleep. */
struct kick {
	struct loop *loop;
	wait_queue_entry_t entry;
	wait_queue_head_t *queue; /* NULL: not hooked */
	poll_table pt;
};

struct loop_ring {
	struct nmj_kring *kr;
	struct nm_csb_atok __user *atok;
	struct nm_csb_ktoa __user *ktoa;
	u32 seen_hwcur, seen_hwtail; /* what the program was told last */
	struct eventfd_ctx *irq; /* to tell it of news; or NULL */
	struct file *io; /* its way to wake the loop; or NULL */
	struct kick by_program, by_port;
};

struct loop {
	struct nmj_file *f;
	u32 sleep_us;
	bool by_events; /* sleep until kicked, not for some time */
	int kicked;
	u32 n;
	struct loop_ring ring[];
};

static bool stopping(const struct loop *l)
{
	return READ_ONCE(l->f->loop_stop) || fatal_signal_pending(current);
}

/* ---- one ring ---- */

static int publish(struct loop_ring *r)
{
	u32 hwcur = r->kr->hwcur, hwtail = r->kr->rtail;

	if (put_user(hwcur, &r->ktoa->hwcur))
		return -EFAULT;
	smp_wmb(); /* hwcur before hwtail */
	if (put_user(hwtail, &r->ktoa->hwtail))
		return -EFAULT;
	return 0;
}

/* The program wants to know, if it said so before it looked last. */
static int tell_program(struct loop_ring *r)
{
	u32 wanted;

	smp_mb(); /* hwtail written before the wish is read */
	if (get_user(wanted, &r->atok->appl_need_kick))
		return -EFAULT;
	if (wanted)
		nmj_eventfd_kick(r->irq);
	return 0;
}

/* 1: something moved. 0: nothing did. */
static int serve(struct loop *l, struct loop_ring *r)
{
	struct nmj_kring *kr = r->kr;
	u32 head, cur, flags;
	int ret;

	if (get_user(head, &r->atok->head))
		return -EFAULT;
	smp_rmb(); /* head before cur */
	if (get_user(cur, &r->atok->cur) || get_user(flags, &r->atok->sync_flags))
		return -EFAULT;
	ret = nmj_kring_enter(kr);
	if (ret)
		return ret == -EBUSY ? 0 : ret;
	ret = nmj_kring_sync_at(kr, &l->f->claim, head, cur,
				(flags & 1 ? NMJ_SYNC_READ : 0) |
				(flags & 2 ? NMJ_SYNC_RECLAIM : 0));
	if (ret == -ERANGE)
		nmj_kring_repair(kr);
	nmj_kring_leave(kr);
	ret = publish(r);
	if (ret || (kr->hwcur == r->seen_hwcur && kr->rtail == r->seen_hwtail))
		return ret;
	r->seen_hwcur = kr->hwcur;
	r->seen_hwtail = kr->rtail;
	if (r->irq)
		ret = tell_program(r);
	return ret ? ret : 1;
}

/* 1 if anything moved in any ring. */
static int serve_all(struct loop *l)
{
	int moved = 0;
	u32 i;

	for (i = 0; i < l->n; i++) {
		int ret = serve(l, &l->ring[i]);

		if (ret < 0)
			return ret;
		moved |= ret;
	}
	return moved;
}

/* ---- sleeping ---- */

static int ask_for_kicks(struct loop *l, u32 wanted)
{
	u32 i;

	for (i = 0; i < l->n; i++) {
		if (put_user(wanted, &l->ring[i].ktoa->kern_need_kick))
			return -EFAULT;
		if (wanted)
			nmj_kring_arm(l->ring[i].kr);
	}
	smp_mb(); /* the wish before the last look */
	return 0;
}

static int sleep_for_kick(struct loop *l)
{
	int ret;

	WRITE_ONCE(l->kicked, 0);
	ret = ask_for_kicks(l, 1);
	if (!ret)
		ret = serve_all(l);
	if (!ret)
		wait_event_killable(l->f->loop_wait, READ_ONCE(l->kicked) || stopping(l));
	return ret < 0 ? ret : ask_for_kicks(l, 0);
}

static int sleep_for_time(struct loop *l)
{
	ktime_t time = ns_to_ktime((u64)l->sleep_us * NSEC_PER_USEC);
	DEFINE_WAIT(wait);

	if (!l->sleep_us) {
		cond_resched();
		return 0;
	}
	prepare_to_wait(&l->f->loop_wait, &wait, TASK_KILLABLE);
	if (!stopping(l))
		schedule_hrtimeout_range(&time, l->sleep_us * 100UL, HRTIMER_MODE_REL);
	finish_wait(&l->f->loop_wait, &wait);
	return 0;
}

static int run(struct loop *l)
{
	int ret = l->by_events ? 0 : ask_for_kicks(l, 0);

	while (!ret && !stopping(l)) {
		ret = serve_all(l);
		if (ret > 0) {
			cond_resched();
			ret = 0;
		} else if (!ret) {
			ret = l->by_events ? sleep_for_kick(l) : sleep_for_time(l);
		}
	}
	return ret;
}

/* ---- who may wake it ---- */

static int on_kick(wait_queue_entry_t *entry, unsigned int mode, int sync, void *key)
{
	struct loop *l = container_of(entry, struct kick, entry)->loop;

	WRITE_ONCE(l->kicked, 1);
	wake_up(&l->f->loop_wait);
	return 0;
}

static void hook(struct kick *k, struct loop *l, wait_queue_head_t *queue)
{
	k->loop = l;
	k->queue = queue;
	init_waitqueue_func_entry(&k->entry, on_kick);
	add_wait_queue(queue, &k->entry);
}

static void unhook(struct kick *k)
{
	if (k->queue)
		remove_wait_queue(k->queue, &k->entry);
}

static void hook_file(struct file *file, wait_queue_head_t *queue, poll_table *pt)
{
	struct kick *k = container_of(pt, struct kick, pt);

	hook(k, k->loop, queue);
}

static int hook_ring(struct loop *l, struct loop_ring *r)
{
	struct kick *k = &r->by_program;

	hook(&r->by_port, l, &r->kr->wait);
	k->loop = l;
	init_poll_funcptr(&k->pt, hook_file);
	vfs_poll(r->io, &k->pt);
	return k->queue ? 0 : -EINVAL;
}

/* ---- options ---- */

static int open_eventfds(struct loop_ring *r, int io, int irq)
{
	if (io >= 0) {
		r->io = eventfd_fget(io);
		if (IS_ERR(r->io)) {
			r->io = NULL;
			return -EINVAL;
		}
	}
	if (irq >= 0) {
		r->irq = eventfd_ctx_fdget(irq);
		if (IS_ERR(r->irq)) {
			r->irq = NULL;
			return -EINVAL;
		}
	}
	return 0;
}

static int eventfds_option(struct loop *l, const struct nmj_opt *opt)
{
	const struct nmreq_opt_sync_kloop_eventfds *fds = opt->data;
	bool all = true;
	int ret;
	u32 i;

	if (opt->size != struct_size(fds, eventfds, l->n))
		return -EINVAL;
	for (i = 0; i < l->n; i++) {
		ret = open_eventfds(&l->ring[i], fds->eventfds[i].ioeventfd,
				    fds->eventfds[i].irqfd);
		if (ret)
			return ret;
		all &= !!l->ring[i].io;
	}
	l->by_events = all;
	for (i = 0; all && i < l->n; i++) {
		ret = hook_ring(l, &l->ring[i]);
		if (ret)
			return ret;
	}
	return 0;
}

/* Rings are served by the loop's thread in either mode: waking it is direct enough. */
static int mode_option(const struct loop *l, const struct nmj_opt *opt)
{
	const struct nmreq_opt_sync_kloop_mode *mode = opt->data;

	if (mode->mode & ~(NM_OPT_SYNC_KLOOP_DIRECT_TX | NM_OPT_SYNC_KLOOP_DIRECT_RX))
		return -EINVAL;
	return mode->mode && !l->by_events ? -EINVAL : 0;
}

static int read_options(struct loop *l, struct nmj_request *req)
{
	struct nmj_opt *fds = &req->opt[NETMAP_REQ_OPT_SYNC_KLOOP_EVENTFDS];
	struct nmj_opt *mode = &req->opt[NETMAP_REQ_OPT_SYNC_KLOOP_MODE];
	int ret = 0;

	if (fds->data) {
		ret = eventfds_option(l, fds);
		fds->status = -ret;
	}
	if (!ret && mode->data) {
		ret = mode_option(l, mode);
		mode->status = -ret;
	}
	return ret;
}

/* ---- start and stop ---- */

static struct loop *new_loop(struct nmj_file *f, u32 sleep_us)
{
	const struct nmj_csb *csb = f->csb;
	struct loop *l;
	u32 i;

	l = kvzalloc(struct_size(l, ring, rings_of(f)), GFP_KERNEL_ACCOUNT);
	if (!l)
		return NULL;
	l->f = f;
	l->sleep_us = sleep_us;
	l->n = rings_of(f);
	for (i = 0; i < l->n; i++) {
		struct loop_ring *r = &l->ring[i];

		r->kr = kring_of(f, i);
		r->atok = &csb->atok[i];
		r->ktoa = &csb->ktoa[i];
		r->seen_hwcur = r->kr->hwcur;
		r->seen_hwtail = r->kr->rtail;
	}
	return l;
}

static void free_loop(struct loop *l)
{
	u32 i;

	for (i = 0; i < l->n; i++) {
		struct loop_ring *r = &l->ring[i];

		unhook(&r->by_program);
		unhook(&r->by_port);
		if (r->io)
			fput(r->io);
		if (r->irq)
			eventfd_ctx_put(r->irq);
	}
	kvfree(l);
}

static int begin(struct nmj_file *f)
{
	int ret = 0;

	if (mutex_lock_killable(&nmj_global))
		return -EINTR;
	if (!f->bound)
		ret = -ENXIO;
	else if (!f->csb)
		ret = -EINVAL;
	else if (f->loop_running)
		ret = -EBUSY;
	else
		f->loop_running = true;
	mutex_unlock(&nmj_global);
	return ret;
}

static void end(struct nmj_file *f)
{
	mutex_lock(&nmj_global);
	f->loop_running = false;
	f->loop_stop = false;
	f->loop_runs++;
	mutex_unlock(&nmj_global);
	wake_up_all(&f->loop_wait);
}

int nmj_kloop_start(struct nmj_file *f, struct nmj_request *req)
{
	const struct nmreq_sync_kloop_start *start = req->body;
	struct loop *l;
	int ret;

	if (start->sleep_us > MOST_SLEEP_US)
		return -EINVAL;
	ret = begin(f);
	if (ret)
		return ret;
	l = new_loop(f, start->sleep_us);
	ret = l ? read_options(l, req) : -ENOMEM;
	if (!ret)
		ret = run(l);
	if (l)
		free_loop(l);
	end(f);
	return ret;
}

/* A STOP that finds no loop is kept for the next one, whose START may be under way. */
int nmj_kloop_stop(struct nmj_file *f, struct nmj_request *req)
{
	bool running;
	u32 run;

	if (mutex_lock_killable(&nmj_global))
		return -EINTR;
	if (!f->bound) {
		mutex_unlock(&nmj_global);
		return -ENXIO;
	}
	WRITE_ONCE(f->loop_stop, true);
	running = f->loop_running;
	run = f->loop_runs;
	mutex_unlock(&nmj_global);
	wake_up_all(&f->loop_wait);
	if (running && wait_event_killable(f->loop_wait, READ_ONCE(f->loop_runs) != run))
		return -EINTR;
	return 0;
}
