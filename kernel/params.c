// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * See params.h. Names and defaults are those that programs and
 * start scripts know.
 */
#include <linux/compiler.h>
#include <linux/module.h>

#include "params.h"

int nmj_verbose;
module_param_named(verbose, nmj_verbose, int, 0644);
MODULE_PARM_DESC(verbose, "log level: 1 tells what is bound and released");

int nmj_no_timestamp;
module_param_named(no_timestamp, nmj_no_timestamp, int, 0644);
MODULE_PARM_DESC(no_timestamp, "1: stamp receive rings only where NR_TIMESTAMP is set");

int nmj_no_pendintr = 1;
module_param_named(no_pendintr, nmj_no_pendintr, int, 0644);
MODULE_PARM_DESC(no_pendintr, "1: a receive sync always looks for packets");

int nmj_txsync_retry = 2;
module_param_named(txsync_retry, nmj_txsync_retry, int, 0644);
MODULE_PARM_DESC(txsync_retry, "how often a switch retries a device's full ring");

int nmj_fwd;
module_param_named(fwd, nmj_fwd, int, 0644);
MODULE_PARM_DESC(fwd, "1: forward released slots on all rings");

int nmj_admode;
module_param_named(admode, nmj_admode, int, 0644);
MODULE_PARM_DESC(admode, "0: best, 1: native support only, 2: emulated only");

int nmj_generic_hwcsum;
module_param_named(generic_hwcsum, nmj_generic_hwcsum, int, 0644);
MODULE_PARM_DESC(generic_hwcsum, "1: let devices fill in checksums of transmitted packets");

int nmj_generic_mit = 100000;
module_param_named(generic_mit, nmj_generic_mit, int, 0644);
MODULE_PARM_DESC(generic_mit, "ns in which receive notifications are taken together");

int nmj_generic_ringsize = 1024;
module_param_named(generic_ringsize, nmj_generic_ringsize, int, 0644);
MODULE_PARM_DESC(generic_ringsize, "slots of a device's rings where the driver does not say");

static int generic_rings = 1;
module_param(generic_rings, int, 0644);
MODULE_PARM_DESC(generic_rings, "not used: rings follow the device's queues");

static int generic_txqdisc = 1;
module_param(generic_txqdisc, int, 0644);
MODULE_PARM_DESC(generic_txqdisc, "not used: packets go to the driver directly");

static int default_pipes;
module_param(default_pipes, int, 0644);
MODULE_PARM_DESC(default_pipes, "not used");

int nmj_bridge_batch = 1024;
module_param_named(bridge_batch, nmj_bridge_batch, int, 0644);
MODULE_PARM_DESC(bridge_batch, "slots that a switch forwards at a time, at most 1024");

unsigned int nmj_max_bridges = 8;
module_param_named(max_bridges, nmj_max_bridges, uint, 0444);
MODULE_PARM_DESC(max_bridges, "switches in a network namespace");

static int ptnet_vnet_hdr = 1;
module_param(ptnet_vnet_hdr, int, 0444);
MODULE_PARM_DESC(ptnet_vnet_hdr, "not used");

static bool ptnet_gso = true;
module_param(ptnet_gso, bool, 0444);
MODULE_PARM_DESC(ptnet_gso, "not used");

int nmj_admode_get(void)
{
	int mode = READ_ONCE(nmj_admode);

	if (mode < NMJ_ADMODE_BEST || mode > NMJ_ADMODE_EMULATED) {
		mode = NMJ_ADMODE_BEST;
		WRITE_ONCE(nmj_admode, mode);
	}
	return mode;
}
