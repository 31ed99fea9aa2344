/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * A port is what a name means: something with rings. Here are what all
 * kinds have in common (struct nmj_port), what a kind must offer (nmj_kind,
 * nmj_port_ops), the registry of ports, and claims: which rings of a port
 * somebody holds. Must not know what a descriptor is, nor any kind's insides.
 *
 * nmj_global, a mutex, guards the registry, references, claims, and making and
 * freeing of krings. Order of locks: nmj_global, rtnl, mem->lock. Never take it
 * in poll, sync, softirq, or under rtnl (device notifiers).
 *
 * Adding a kind: one line in the table in port.c, one word in Kbuild.
 */
#ifndef NMJ_PORT_H
#define NMJ_PORT_H

#include <linux/bitops.h>
#include <linux/list.h>
#include <linux/mutex.h>
#include <linux/wait.h>

#include "mem.h"
#include "ring.h"

struct net;
struct net_device;

extern struct mutex nmj_global;

/* What a request asks for, with the name it was asked by. */
struct nmj_want {
	const char *name; /* with a NUL, at most NETMAP_REQ_IFNAMSIZ with it */
	struct net *net; /* of the caller */
	struct nmj_mem *mem; /* region asked for by id or as extmem; or NULL */
	u32 mode; /* NR_REG_* */
	u64 flags; /* NR_* */
	u16 ringid;
	u32 extra_bufs;
	/* Wishes, 0: none. Index NMJ_RX, NMJ_TX. */
	u32 slots[NMJ_DIRS];
	u16 rings[NMJ_DIRS];
	u16 host_rings[NMJ_DIRS];
	/*
	 * False: nothing that a name can bring into being is made (switch ports:
	 * -ENXIO, pipes: -ENODEV). The port of an existing device is no such thing.
	 */
	bool create;
};

/* nmj_port.flags */
enum {
	NMJ_PORT_HOST, /* has host rings */
	NMJ_PORT_OFFSETS, /* honours the offsets option */
	NMJ_PORT_DEAD, /* its device is gone: sync says -EIO, poll POLLERR */
	NMJ_PORT_SWITCHED, /* driven by a switch: programs get -EBUSY */
	NMJ_PORT_VNET, /* may have a virtio-net header: switch ports */
	NMJ_PORT_REGION, /* its first claim may choose another region */
};

struct nmj_port {
	char name[NETMAP_REQ_IFNAMSIZ];
	const struct nmj_kind *kind;
	const struct nmj_port_ops *ops;
	struct net *net; /* no reference: whoever uses it knows that it still lives */
	u64 net_cookie; /* its name for all time */
	struct nmj_mem *own_mem; /* a reference of the port's */
	struct nmj_mem *mem; /* in use; another than own_mem with NMJ_PORT_REGION only */
	unsigned long flags; /* NMJ_PORT_*: set_bit, test_bit */
	unsigned int refs; /* nmj_global */
	unsigned int claims; /* nmj_global; the krings exist while there are any */
	u32 hdr_len; /* virtio-net header: 0, 10, 12 */
	/* Fixed while there is a claim. Index NMJ_RX, NMJ_TX. */
	u32 slots[NMJ_DIRS];
	u16 rings[NMJ_DIRS]; /* not the host's */
	u16 host_rings[NMJ_DIRS]; /* real ones: 0 without NMJ_PORT_HOST */
	struct mutex kr_lock; /* kr[] comes and goes; after rtnl */
	struct nmj_kring *kr[NMJ_DIRS]; /* rings + max(host_rings, 1); or NULL */
	wait_queue_head_t wait[NMJ_DIRS]; /* those who wait for several rings */
	struct list_head node; /* in the registry; empty: not in it */
	struct list_head pipes; /* pipe.c: pipes whose parent this is */
	unsigned int npipes;
	struct net_device *dev; /* kinds with a device; NULL after its end */
};

struct nmj_port_ops {
	/*
	 * Arrays of krings. At the first claim, and after the last, with
	 * port->kr_lock, so without taking rtnl. NULL: nmj_krings_create/delete.
	 */
	int (*krings_create)(struct nmj_port *port);
	void (*krings_delete)(struct nmj_port *port);
	/* Rings and buffers for krings with users. NULL: nmj_rings_create/delete. */
	int (*rings_create)(struct nmj_port *port);
	void (*rings_delete)(struct nmj_port *port);
	/*
	 * Some kring's pending_on differs from on. Do what that takes and call
	 * nmj_krings_commit(). On failure nothing has changed. Off cannot fail.
	 * When a ring has been turned off no producer may touch it any more.
	 */
	int (*reg)(struct nmj_port *port, bool on);
	/* Of the krings. host_* NULL: placeholders that move nothing. */
	nmj_sync_fn txsync;
	nmj_sync_fn rxsync;
	nmj_sync_fn host_txsync;
	nmj_sync_fn host_rxsync;
	/*
	 * Geometry anew from the device (slots, rings), and the wishes of @want
	 * that a port without claims can honour (host rings). May be NULL.
	 */
	int (*config)(struct nmj_port *port, const struct nmj_want *want);
	/* Last objections before the rings are taken (MTU, header). May be NULL. */
	int (*check)(struct nmj_port *port, const struct nmj_want *want);
	/*
	 * NS_FORWARD: slots [first, end) of a receive ring are being released;
	 * move the marked ones to the other side of the stack (NIC ring: up;
	 * host ring: to tx rings of @claim). Busy bit held. Returns how many
	 * went to tx rings. May be NULL.
	 */
	u32 (*forward)(struct nmj_kring *kr, const struct nmj_claim *claim, u32 first, u32 end);
	/* The last reference is gone: free all, @port too. nmj_global. */
	void (*dtor)(struct nmj_port *port);
};

/* A kind of port. */
struct nmj_kind {
	const char *name;
	/* At load and unload; may be NULL. init may sleep, nothing is held. */
	int (*init)(void);
	void (*exit)(void);
	/*
	 * The port that @want names, found or (want->create) made, with a
	 * reference; ERR_PTR with the errno of the specification. nmj_global.
	 */
	struct nmj_port *(*get)(const struct nmj_want *want);
};

/* Which kind a name means. */
enum nmj_kind_id {
	NMJ_KIND_NULL, /* mode NR_REG_NULL */
	NMJ_KIND_MONITOR, /* flags NR_MONITOR_*, NR_ZCOPY_MON */
	NMJ_KIND_PIPE, /* { or } in the name */
	NMJ_KIND_VALE, /* vale<S>:<P> */
	NMJ_KIND_NETDEV, /* the rest; also persistent ports by bare name: nmj_port_find_dev */
	NMJ_KINDS,
};

/* A name is a switch's: "vale", anything without a colon, a colon. */
bool nmj_name_is_vale(const char *name);

/* ---- requests on switches: vale.c fills in one table (see port.c) ---- */

struct nmj_switch_ops {
	int (*attach)(const struct nmj_want *want, u32 *port_index);
	int (*detach)(const struct nmj_want *want, u32 *port_index);
	/* @name, NETMAP_REQ_IFNAMSIZ bytes: in and out; empty: scan. */
	int (*list)(struct net *net, char *name, struct nmreq_vale_list *req);
	/* @want->slots and rings: in and out, as struct nmreq_vale_newif. */
	int (*newif)(struct nmj_want *want, u16 *mem_id);
	int (*delif)(struct net *net, const char *name);
	int (*polling)(struct net *net, const char *name, const struct nmreq_vale_polling *req,
		       bool enable);
	/*
	 * A pipe's parent that does not exist: a persistent port of that name,
	 * gone with its last reference. Returned with a reference.
	 */
	struct nmj_port *(*newif_auto)(const struct nmj_want *want);
};

/* NULL when the module has no switches. All calls are under nmj_global. */
extern const struct nmj_switch_ops *const nmj_switch;

/* ---- registry (port.c; under nmj_global) ---- */

int nmj_kinds_init(void);
void nmj_kinds_exit(void);

/* As struct nmj_kind.get, of the kind that @want's mode, flags, name mean. */
struct nmj_port *nmj_port_get(const struct nmj_want *want);
void nmj_port_hold(struct nmj_port *port);
void nmj_port_put(struct nmj_port *port);
/* Sets up everything that is common: name, geometry from the wishes. refs is 1. */
void nmj_port_init(struct nmj_port *port, const struct nmj_kind *kind,
		   const struct nmj_port_ops *ops, const struct nmj_want *want);
/* For a kind's dtor, or when making one failed: region, registry. */
void nmj_port_fini(struct nmj_port *port);
/* Geometry anew, if the port has no claims. */
int nmj_port_configure(struct nmj_port *port, const struct nmj_want *want);
/* Into the registry: from now on it can be found. */
void nmj_port_publish(struct nmj_port *port);
/* No reference is taken. NULL: none. */
struct nmj_port *nmj_port_find(const struct net *net, const char *name);
struct nmj_port *nmj_port_find_dev(const struct net_device *dev);
/* Calls @fn for each port until it returns non-zero, which is returned. */
int nmj_port_each(int (*fn)(struct nmj_port *port, void *arg), void *arg);
/* Sets the port's own region, while it has no claims; takes over the reference. */
void nmj_port_set_mem(struct nmj_port *port, struct nmj_mem *mem);

/*
 * The device has gone: all syncs fail from now on, all waiters are woken, no
 * sync is running any more when it returns. May be called under rtnl; sleeps.
 * The krings stay until the claims have gone. The registry is not for device
 * notifiers (nmj_global): the device kind keeps a list of its own under rtnl.
 */
void nmj_port_kill(struct nmj_port *port);

/* Rings of a direction, with host rings and placeholders. */
static inline u32 nmj_port_all_rings(const struct nmj_port *port, int dir)
{
	return port->rings[dir] + max_t(u32, port->host_rings[dir], 1);
}

/* ---- claims (claim.c; under nmj_global) ---- */

/* Who holds rings [first, end) of a port. Embedded by descriptors and switches. */
struct nmj_claim {
	struct nmj_port *port; /* NULL: holds nothing */
	u32 first[NMJ_DIRS];
	u32 end[NMJ_DIRS];
	bool exclusive;
	bool kernel; /* a switch's: no program, wins against no exclusivity */
};

/*
 * Takes the rings that @want's mode, ring and flags select; makes krings, rings
 * and buffers as needed. Does not turn them on (nmj_claim_on does, last thing).
 * The region is in use from here on. On success the claim has a reference to
 * the port of its own.
 */
int nmj_claim_take(struct nmj_claim *claim, struct nmj_port *port, const struct nmj_want *want);
/* Puts the rings into netmap mode, through the port's reg(). */
int nmj_claim_on(struct nmj_claim *claim);
/* Undoes both, whichever were done. */
void nmj_claim_drop(struct nmj_claim *claim);

/* How much of a port's rings is held: rings of one direction, real ones. */
static inline u32 nmj_claim_rings(const struct nmj_claim *claim, int dir)
{
	return claim->end[dir] - claim->first[dir];
}

#endif
