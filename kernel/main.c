// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * /dev/netmap: its file operations, and the start and end of all parts.
 */
#include <linux/fs.h>
#include <linux/miscdevice.h>
#include <linux/module.h>
#include <linux/poll.h>
#include <linux/slab.h>

#include "ctrl.h"
#include "file.h"
#include "legacy.h"
#include "mem.h"
#include "register.h"
#include "stats.h"
#include "sync.h"

#ifndef CONFIG_64BIT
#error "the layouts of the netmap API in uapi/netmap.h are those of 64-bit machines"
#endif

static int nmj_open(struct inode *inode, struct file *filp)
{
	struct nmj_file *f = kzalloc(sizeof(*f), GFP_KERNEL_ACCOUNT);

	if (!f)
		return -ENOMEM;
	init_waitqueue_head(&f->loop_wait);
	filp->private_data = f;
	return nonseekable_open(inode, filp);
}

static int nmj_release(struct inode *inode, struct file *filp)
{
	struct nmj_file *f = filp->private_data;

	mutex_lock(&nmj_global);
	nmj_unregister(f);
	mutex_unlock(&nmj_global);
	kfree(f);
	return 0;
}

static long nmj_ioctl(struct file *filp, unsigned int cmd, unsigned long arg)
{
	struct nmj_file *f = filp->private_data;

	switch (cmd) {
	case NIOCTXSYNC:
		return nmj_file_sync(f, NMJ_TX);
	case NIOCRXSYNC:
		return nmj_file_sync(f, NMJ_RX);
	case NIOCCTRL:
		return nmj_ctrl_ioctl(f, (void __user *)arg);
	case NIOCGINFO:
	case NIOCREGIF:
		return nmj_legacy_ioctl(f, cmd, (void __user *)arg);
	case NIOCCONFIG:
		return -EINVAL; /* for switches that others bring: there are none */
	default:
		return -EOPNOTSUPP;
	}
}

static int nmj_mmap(struct file *filp, struct vm_area_struct *vma)
{
	struct nmj_file *f = filp->private_data;

	return nmj_file_bound(f) ? nmj_mem_mmap(f->mem, vma) : -EINVAL;
}

static __poll_t nmj_poll(struct file *filp, poll_table *pt)
{
	return nmj_file_poll(filp->private_data, filp, pt);
}

static const struct file_operations nmj_fops = {
	.owner = THIS_MODULE,
	.open = nmj_open,
	.release = nmj_release,
	.unlocked_ioctl = nmj_ioctl,
	.compat_ioctl = compat_ptr_ioctl,
	.mmap = nmj_mmap,
	.poll = nmj_poll,
};

static struct miscdevice nmj_misc = {
	.minor = MISC_DYNAMIC_MINOR,
	.name = "netmap",
	.mode = 0600,
	.fops = &nmj_fops,
};

static int __init nmj_init(void)
{
	int ret;

	ret = nmj_rules_selftest();
	if (ret)
		return ret;
	ret = nmj_mem_init();
	if (ret)
		return ret;
	ret = nmj_kinds_init();
	if (ret)
		goto err_mem;
	nmj_stats_init();
	ret = misc_register(&nmj_misc);
	if (ret)
		goto err_stats;
	return 0;
err_stats:
	nmj_stats_exit();
	nmj_kinds_exit();
err_mem:
	nmj_mem_exit();
	return ret;
}

static void __exit nmj_exit(void)
{
	misc_deregister(&nmj_misc);
	nmj_stats_exit();
	nmj_kinds_exit();
	nmj_mem_exit();
}

module_init(nmj_init);
module_exit(nmj_exit);
MODULE_DESCRIPTION("netmap rings on any network device, and between programs");
MODULE_AUTHOR("the nmjit authors");
MODULE_VERSION("0.1.0");
MODULE_LICENSE("Dual BSD/GPL");
