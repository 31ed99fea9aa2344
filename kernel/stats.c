// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * See stats.h. One line a ring in use: port, direction, number,
 * positions, packets, bytes, and drops by reason where there were any.
 */
#include <linux/debugfs.h>
#include <linux/module.h>
#include <linux/seq_file.h>

#include "port.h"
#include "stats.h"

static const char *const drop_name[NMJ_DROPS] = {
	[NMJ_DROP_FULL] = "full",
	[NMJ_DROP_BUF] = "buffer",
	[NMJ_DROP_LEN] = "length",
	[NMJ_DROP_FRAGS] = "fragments",
	[NMJ_DROP_FAULT] = "fault",
	[NMJ_DROP_DRIVER] = "driver",
	[NMJ_DROP_DOWN] = "down",
	[NMJ_DROP_NOMEM] = "nomem",
	[NMJ_DROP_OFFLOAD] = "offload",
	[NMJ_DROP_DEST] = "destination",
};

static struct dentry *dir_dentry;

static void show_kring(struct seq_file *m, const struct nmj_kring *kr)
{
	const struct nmj_kring_stats *st = kr->dir == NMJ_TX ? &kr->tx_stats : &kr->rx_stats;
	int i;

	seq_printf(m, "%s %s%s%u hwcur %u hwtail %u packets %llu bytes %llu", kr->port->name,
		   kr->host ? "host-" : "", kr->dir == NMJ_TX ? "tx" : "rx", kr->id,
		   READ_ONCE(kr->hwcur), READ_ONCE(kr->hwtail), READ_ONCE(st->packets),
		   READ_ONCE(st->bytes));
	for (i = 0; i < NMJ_DROPS; i++)
		if (READ_ONCE(st->drops[i]))
			seq_printf(m, " drop-%s %llu", drop_name[i], READ_ONCE(st->drops[i]));
	seq_putc(m, '\n');
}

static int show_port(struct nmj_port *port, void *arg)
{
	u32 i;
	int dir;

	for (dir = NMJ_DIRS - 1; dir >= 0; dir--) {
		if (!port->kr[dir])
			continue;
		for (i = 0; i < nmj_port_all_rings(port, dir); i++)
			if (port->kr[dir][i].ring)
				show_kring(arg, &port->kr[dir][i]);
	}
	return 0;
}

static int rings_show(struct seq_file *m, void *unused)
{
	if (mutex_lock_killable(&nmj_global))
		return -EINTR;
	nmj_port_each(show_port, m);
	mutex_unlock(&nmj_global);
	return 0;
}
DEFINE_SHOW_ATTRIBUTE(rings);

/* Not being able to watch is no reason not to work. */
void nmj_stats_init(void)
{
	dir_dentry = debugfs_create_dir("nmjit", NULL);
	debugfs_create_file("rings", 0400, dir_dentry, NULL, &rings_fops);
}

void nmj_stats_exit(void)
{
	debugfs_remove_recursive(dir_dentry);
}
