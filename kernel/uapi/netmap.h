/* SPDX-License-Identifier: (GPL-2.0 OR BSD-2-Clause) */
/*
 * netmap.h - the netmap API, version 14, as seen from both sides of /dev/netmap.
 *
 * Written for this project from the published behaviour of the API; layouts are those of 64-bit
 * Linux. The comments are the specification: what they promise, the module keeps and programs may
 * rely on. All integers are in the machine's byte order; all sizes and lengths are in bytes unless
 * they say slots, rings or buffers. Send 0 in reserved members and ignore what comes back in them.
 */
#ifndef NMJIT_UAPI_NETMAP_H
#define NMJIT_UAPI_NETMAP_H

#ifdef __KERNEL__
#include <linux/ioctl.h>
#include <linux/stddef.h>
#include <linux/types.h>
#else
#include <stddef.h>
#include <stdint.h>
#include <sys/ioctl.h>
#include <sys/time.h>
#endif

#define NETMAP_API	    14 /* what nr_version of a request should say */
#define NETMAP_MIN_API	    14 /* the module answers requests between these two, both included */
#define NETMAP_MAX_API	    15

#define NETMAP_REQ_IFNAMSIZ 64 /* a port's name with its NUL */
#define NETMAP_IFNAMSIZ	    16 /* the name in struct netmap_if and in legacy requests, with its NUL */
#define NETMAP_REQ_MAXSIZE  4096 /* a request's body and options together */
#define NM_CACHE_ALIGN	    128	 /* alignment of a ring */
#define NETMAP_MAX_FRAGS    64	 /* slots of one packet, at most */
#define NM_IFRDATA_LEN	    256

/*
 * Memory.
 *
 * A region is mapped whole, with mmap at offset 0, and holds three pools in this order: if-objects,
 * rings, buffers. Everything inside refers to everything else by distance, so a region may be
 * mapped anywhere and more than once. A region is one domain of trust: who maps it sees all of it.
 *
 *   interface of a descriptor   region + nmreq_register.nr_offset
 *   ring i of an interface      interface + ring_ofs[i]; 0 where the descriptor did not bind the
 * ring buffer b as seen by a ring  ring + buf_ofs + b * nr_buf_size
 *
 * Buffers 0 and 1 are never handed out. 0 ends lists and stands for "none". Buffers are a multiple
 * of 64 bytes long and aligned to 64. A buffer belongs in exactly one place: one slot, or one list.
 */

/* A place in a ring: one buffer, and what lies in it. */
struct netmap_slot {
	uint32_t buf_idx; /* the buffer */
	uint16_t len;	  /* bytes present: of the packet, or of this piece of it */
	uint16_t flags;	  /* NS_* */
	uint64_t ptr;	  /* NS_INDIRECT: user address; else offset of the packet (offset_mask) */
};

#define NS_BUF_CHANGED 0x0001 /* buf_idx is another than before: set by who changed it */
#define NS_REPORT      0x0002 /* tx: tell soon that this slot is done */
#define NS_FORWARD     0x0004 /* rx: on release, hand to the other side of the host stack */
#define NS_NO_LEARN    0x0008 /* switch: do not learn the source address (need not be honoured) */
#define NS_INDIRECT    0x0010 /* switch tx: the bytes are at ptr, in user memory */
#define NS_MOREFRAG    0x0020 /* the packet goes on in the next slot */
#define NS_TXMON       0x0040 /* monitor: the packet was seen leaving */
#define NS_PORT_SHIFT  8      /* switch rx: slots of the packet, the same in each of them */
#define NS_PORT_MASK   0xff00

#ifdef __KERNEL__
/* Two 64-bit words, as user space's struct timeval has them. */
struct netmap_timeval {
	int64_t tv_sec;
	int64_t tv_usec;
};
#else
#define netmap_timeval timeval
#endif

/*
 * A ring. Slots [head, tail), counted cyclically, and their buffers are the program's; the others
 * are the kernel's. head == tail: the program owns none. At most num_slots - 1 are ever the
 * program's. num_slots need not be a power of two.
 *
 * The program moves head over slots that it is done with (rx: read, tx: filled), and cur, which is
 * never behind head, to the place beyond which news should wake it. Both only go forward, and take
 * effect at the next sync or poll. The kernel moves tail, and within such a call only. New rings
 * have head = cur = 0 and tail = 0 (rx) or num_slots - 1 (tx).
 *
 * A sync is refused where an index is num_slots or more, or cur is not between head and tail: the
 * kernel then puts head and cur back to where it is itself, reports POLLERR from poll and moves
 * nothing in that call. tail is the kernel's: a program's change to it is overwritten.
 */
struct netmap_ring {
	int64_t buf_ofs; /* from this ring to buffer 0 */
	uint32_t num_slots;
	uint32_t nr_buf_size; /* of each buffer */
	uint16_t ringid;      /* number within its direction; host rings follow the others */
	uint16_t dir;	      /* NETMAP_RING_RX or NETMAP_RING_TX */
	uint32_t head;	      /* program: first slot that it owns */
	uint32_t cur;	      /* program: wake-up point */
	uint32_t tail;	      /* kernel: first slot that it owns */
	uint32_t flags;	      /* program: NR_TIMESTAMP, NR_FORWARD */
	uint32_t pad0;
	struct netmap_timeval ts; /* kernel, rx: wall clock of the last sync */
	uint64_t
		offset_mask; /* bits of slot.ptr that are the packet's offset; 0: offsets are off */
	uint64_t buf_align;  /* alignment of a packet's start that the port needs; 0: none */
	uint64_t pad1[7];
	uint8_t sem[128]; /* program: the kernel never looks */
	struct netmap_slot slot[];
} __attribute__((aligned(NM_CACHE_ALIGN)));

#define NETMAP_RING_RX 0
#define NETMAP_RING_TX 1

#define NR_TIMESTAMP   0x0002 /* set ts at each rx sync, whatever the module's default */
#define NR_FORWARD     0x0004 /* honour NS_FORWARD */

/*
 * What a descriptor has bound. ring_ofs lists, in this order: ni_tx_rings, ni_host_tx_rings,
 * ni_rx_rings, ni_host_rx_rings entries. Each direction has at least one host entry, also where
 * the port has no host rings.
 */
struct netmap_if {
	char ni_name[NETMAP_IFNAMSIZ]; /* cut to fit, always with a NUL */
	uint32_t ni_version;	       /* unused: 0 */
	uint32_t ni_flags;	       /* NI_* */
	uint32_t ni_tx_rings;
	uint32_t ni_rx_rings;
	uint32_t ni_bufs_head; /* program: list of spare buffers, linked by their first 32 bits */
	uint32_t ni_host_tx_rings;
	uint32_t ni_host_rx_rings;
	uint32_t ni_spare1[3];
	int64_t ring_ofs[];
};

#define NI_PRIV_MEM 0x1 /* the region serves this port alone */

/*
 * Control: ioctl(fd, NIOCCTRL, struct nmreq_header *). The header names the port and the request
 * and points to its body and to a list of options. A body must be given exactly when the request
 * has one. On success body and options are written back; on failure only headers are. An option
 * that the request did not understand comes back with status EOPNOTSUPP, and makes REGISTER fail.
 */
struct nmreq_header {
	uint16_t nr_version;		   /* NETMAP_API */
	uint16_t nr_reqtype;		   /* NETMAP_REQ_* */
	uint32_t nr_reserved;		   /* 0 */
	char nr_name[NETMAP_REQ_IFNAMSIZ]; /* the last byte is forced to NUL */
	uint64_t nr_options;		   /* user address of the first option, or 0 */
	uint64_t nr_body;		   /* user address of the body, or 0 */
};

enum {
	NETMAP_REQ_REGISTER = 1,	      /* nmreq_register: bind this descriptor, once */
	NETMAP_REQ_PORT_INFO_GET = 2,	      /* nmreq_port_info_get */
	NETMAP_REQ_VALE_ATTACH = 3,	      /* nmreq_vale_attach: put a device into a switch */
	NETMAP_REQ_VALE_DETACH = 4,	      /* nmreq_vale_detach */
	NETMAP_REQ_VALE_LIST = 5,	      /* nmreq_vale_list */
	NETMAP_REQ_PORT_HDR_SET = 6,	      /* nmreq_port_hdr */
	NETMAP_REQ_PORT_HDR_GET = 7,	      /* nmreq_port_hdr */
	NETMAP_REQ_VALE_NEWIF = 8,	      /* nmreq_vale_newif: a switch port that is a device */
	NETMAP_REQ_VALE_DELIF = 9,	      /* no body */
	NETMAP_REQ_VALE_POLLING_ENABLE = 10,  /* nmreq_vale_polling */
	NETMAP_REQ_VALE_POLLING_DISABLE = 11, /* nmreq_vale_polling */
	NETMAP_REQ_POOLS_INFO_GET = 12,	      /* nmreq_pools_info */
	NETMAP_REQ_SYNC_KLOOP_START = 13,     /* nmreq_sync_kloop_start: returns after STOP */
	NETMAP_REQ_SYNC_KLOOP_STOP = 14,      /* no body */
	NETMAP_REQ_CSB_ENABLE = 15,	      /* no body; option CSB */
};

/* An option's first bytes; its own members follow. */
struct nmreq_option {
	uint64_t nro_next;    /* user address of the next option, or 0 */
	uint32_t nro_reqtype; /* NETMAP_REQ_OPT_* */
	uint32_t nro_status;  /* out: 0, or an errno */
	uint64_t nro_size;    /* whole size, for options that vary; else 0 */
};

enum {
	NETMAP_REQ_OPT_EXTMEM = 1, /* REGISTER: nmreq_opt_extmem */
	NETMAP_REQ_OPT_SYNC_KLOOP_EVENTFDS =
		2,			    /* SYNC_KLOOP_START: nmreq_opt_sync_kloop_eventfds */
	NETMAP_REQ_OPT_CSB = 3,		    /* REGISTER, CSB_ENABLE: nmreq_opt_csb */
	NETMAP_REQ_OPT_SYNC_KLOOP_MODE = 4, /* SYNC_KLOOP_START: nmreq_opt_sync_kloop_mode */
	NETMAP_REQ_OPT_OFFSETS = 5,	    /* REGISTER: nmreq_opt_offsets */
	NETMAP_REQ_OPT_MAX = 6,		    /* how many numbers are taken */
};

/*
 * Bind rings of a port to this descriptor. Slots and rings are taken as wishes only where the
 * request makes the port; the reply says what there is. Too few spare buffers is no error.
 */
struct nmreq_register {
	uint64_t nr_offset;  /* out: of struct netmap_if in the region */
	uint64_t nr_memsize; /* out: of the region */
	uint32_t nr_tx_slots;
	uint32_t nr_rx_slots;
	uint16_t nr_tx_rings;
	uint16_t nr_rx_rings;
	uint16_t nr_host_tx_rings; /* out: 0 on a port without host rings */
	uint16_t nr_host_rx_rings;
	uint16_t nr_mem_id;	/* region; in: 0 lets the kernel choose */
	uint16_t nr_ringid;	/* the ring, for the ONE modes */
	uint32_t nr_mode;	/* NR_REG_* */
	uint32_t nr_extra_bufs; /* spare buffers wanted, and granted */
	uint32_t pad1;
	uint64_t nr_flags; /* NR_* */
};

enum {
	NR_REG_DEFAULT = 0,	/* legacy requests only */
	NR_REG_ALL_NIC = 1,	/* all rings but the host's */
	NR_REG_SW = 2,		/* the host's rings */
	NR_REG_NIC_SW = 3,	/* both */
	NR_REG_ONE_NIC = 4,	/* one pair, nr_ringid */
	NR_REG_PIPE_MASTER = 5, /* legacy requests only */
	NR_REG_PIPE_SLAVE = 6,	/* legacy requests only */
	NR_REG_NULL = 7,	/* a port that moves nothing */
	NR_REG_ONE_SW = 8,	/* one pair of the host's, nr_ringid */
};

#define NR_REG_MASK	   0xf /* the mode, in the legacy nr_flags */
#define NR_MONITOR_TX	   0x100
#define NR_MONITOR_RX	   0x200
#define NR_ZCOPY_MON	   0x400
#define NR_EXCLUSIVE	   0x800
#define NR_RX_RINGS_ONLY   0x2000
#define NR_TX_RINGS_ONLY   0x4000
#define NR_ACCEPT_VNET_HDR 0x8000
#define NR_DO_RX_POLL	   0x10000
#define NR_NO_TX_POLL	   0x20000 /* only a poll that asks for POLLOUT sends */

struct nmreq_port_info_get {
	uint64_t nr_memsize;
	uint32_t nr_tx_slots;
	uint32_t nr_rx_slots;
	uint16_t nr_tx_rings;
	uint16_t nr_rx_rings;
	uint16_t nr_host_tx_rings;
	uint16_t nr_host_rx_rings;
	uint16_t nr_mem_id;
	uint16_t pad1[3];
};

struct nmreq_vale_attach {
	struct nmreq_register reg; /* in: mode, ring and region */
	uint32_t port_index;	   /* out */
	uint32_t pad1;
};

struct nmreq_vale_detach {
	uint32_t port_index; /* out */
	uint32_t pad1;
};

/* With no name: the first port at or behind the two numbers. With a name: that port's numbers. */
struct nmreq_vale_list {
	uint16_t nr_bridge_idx;
	uint16_t pad1;
	uint32_t nr_port_idx;
};

struct nmreq_port_hdr {
	uint32_t nr_hdr_len; /* of the virtio-net header: 0, 10 or 12 */
	uint32_t pad1;
};

struct nmreq_vale_newif {
	uint32_t nr_tx_slots;
	uint32_t nr_rx_slots;
	uint16_t nr_tx_rings;
	uint16_t nr_rx_rings;
	uint16_t nr_mem_id;
	uint16_t pad1;
};

struct nmreq_vale_polling {
	uint32_t nr_mode; /* NETMAP_POLLING_MODE_* */
	uint32_t nr_first_cpu_id;
	uint32_t nr_num_polling_cpus;
	uint32_t pad1;
};

#define NETMAP_POLLING_MODE_SINGLE_CPU 1
#define NETMAP_POLLING_MODE_MULTI_CPU  2

struct nmreq_pools_info {
	uint64_t nr_memsize;
	uint16_t nr_mem_id;
	uint16_t pad1[3];
	uint64_t nr_if_pool_offset; /* 0 */
	uint32_t nr_if_pool_objtotal;
	uint32_t nr_if_pool_objsize;
	uint64_t nr_ring_pool_offset;
	uint32_t nr_ring_pool_objtotal;
	uint32_t nr_ring_pool_objsize;
	uint64_t nr_buf_pool_offset;
	uint32_t nr_buf_pool_objtotal;
	uint32_t nr_buf_pool_objsize;
};

struct nmreq_sync_kloop_start {
	uint32_t sleep_us; /* between rounds, at most 1000000 */
	uint32_t pad1;
};

/*
 * CSB: the indices of a ring, moved out of it into two 64-byte records, so that a kernel loop can
 * serve the ring without system calls. Records come tx rings first. The program writes cur, then
 * head; the kernel reads head, then cur. The kernel writes hwcur, then hwtail; the program reads
 * them in the opposite order. A barrier stands between the two accesses of each pair.
 */
struct nm_csb_atok {
	uint32_t head;
	uint32_t cur;
	uint32_t appl_need_kick; /* the program wants to be told of news */
	uint32_t sync_flags;	 /* bit 0: force a read, bit 1: force a reclaim */
	uint32_t pad[12];
};

struct nm_csb_ktoa {
	uint32_t hwcur;
	uint32_t hwtail;
	uint32_t kern_need_kick; /* the kernel wants to be told of news */
	uint32_t pad[13];
};

struct nmreq_opt_extmem {
	struct nmreq_option nro_opt;
	uint64_t nro_usrptr; /* memory of the program, to become the region */
	struct nmreq_pools_info nro_info;
};

struct nmreq_opt_csb {
	struct nmreq_option nro_opt;
	uint64_t csb_atok; /* user addresses of the two arrays, 64-byte aligned */
	uint64_t csb_ktoa;
};

struct nmreq_opt_sync_kloop_eventfds {
	struct nmreq_option nro_opt; /* nro_size: 24 + 8 for each ring */
	struct {
		int32_t ioeventfd; /* program to kernel; negative: none */
		int32_t irqfd;	   /* kernel to program; negative: none */
	} eventfds[];
};

struct nmreq_opt_sync_kloop_mode {
	struct nmreq_option nro_opt;
	uint32_t mode; /* NM_OPT_SYNC_KLOOP_DIRECT_* */
	uint32_t pad1;
};

#define NM_OPT_SYNC_KLOOP_DIRECT_TX 1
#define NM_OPT_SYNC_KLOOP_DIRECT_RX 2

/* Packets that do not start where their buffer starts: the offset is slot.ptr & offset_mask. */
struct nmreq_opt_offsets {
	struct nmreq_option nro_opt;
	uint64_t nro_max_offset;     /* in and out */
	uint64_t nro_initial_offset; /* written to every slot of a ring that is new */
	uint32_t nro_offset_bits;    /* low bits of ptr that are used; 0: all */
	uint32_t nro_tx_align;
	uint64_t nro_min_gap; /* distance between offsets that share a buffer */
};

/* Legacy requests, translated by the module into the ones above. */
struct nmreq {
	char nr_name[NETMAP_IFNAMSIZ];
	uint32_t nr_version; /* NETMAP_API or more */
	uint32_t nr_offset;
	uint32_t nr_memsize; /* cut to 32 bits */
	uint32_t nr_tx_slots;
	uint32_t nr_rx_slots;
	uint16_t nr_tx_rings;
	uint16_t nr_rx_rings;
	uint16_t nr_ringid; /* ring number, and the bits below */
	uint16_t nr_cmd;    /* NETMAP_BDG_*, or 0 to bind */
	uint16_t nr_arg1;
	uint16_t nr_arg2; /* region */
	uint32_t nr_arg3; /* spare buffers */
	uint32_t nr_flags;
	uint32_t spare2[1];
};

#define NETMAP_RING_MASK       0x0fff
#define NETMAP_NO_TX_POLL      0x1000
#define NETMAP_SW_RING	       0x2000
#define NETMAP_HW_RING	       0x4000
#define NETMAP_DO_RX_POLL      0x8000

#define NETMAP_BDG_ATTACH      1
#define NETMAP_BDG_DETACH      2
#define NETMAP_BDG_REGOPS      3
#define NETMAP_BDG_LIST	       4
#define NETMAP_BDG_VNET_HDR    5
#define NETMAP_BDG_NEWIF       6
#define NETMAP_BDG_DELIF       7
#define NETMAP_PT_HOST_CREATE  8
#define NETMAP_PT_HOST_DELETE  9
#define NETMAP_BDG_POLLING_ON  10
#define NETMAP_BDG_POLLING_OFF 11
#define NETMAP_VNET_HDR_GET    12
#define NETMAP_BDG_HOST	       1 /* nr_arg1 of ATTACH: the host rings too */

/* NIOCCONFIG: for switch modules that bring their own configuration. */
struct nm_ifreq {
	char nifr_name[NETMAP_IFNAMSIZ];
	char data[NM_IFRDATA_LEN];
};

#define NIOCGINFO		     _IOWR('i', 145, struct nmreq)
#define NIOCREGIF		     _IOWR('i', 146, struct nmreq)
#define NIOCTXSYNC		     _IO('i', 148) /* all bound tx rings; never blocks */
#define NIOCRXSYNC		     _IO('i', 149) /* all bound rx rings; never blocks */
#define NIOCCONFIG		     _IOWR('i', 150, struct nm_ifreq)
#define NIOCCTRL		     _IOWR('i', 151, struct nmreq_header)

#define NETMAP_ABI_SIZE(type, bytes) _Static_assert(sizeof(struct type) == (bytes), #type)
#define NETMAP_ABI_OFFSET(type, member, bytes) \
	_Static_assert(offsetof(struct type, member) == (bytes), #type "." #member)

NETMAP_ABI_SIZE(netmap_slot, 16);
NETMAP_ABI_OFFSET(netmap_slot, len, 4);
NETMAP_ABI_OFFSET(netmap_slot, flags, 6);
NETMAP_ABI_OFFSET(netmap_slot, ptr, 8);
NETMAP_ABI_SIZE(netmap_ring, 256);
NETMAP_ABI_OFFSET(netmap_ring, num_slots, 8);
NETMAP_ABI_OFFSET(netmap_ring, nr_buf_size, 12);
NETMAP_ABI_OFFSET(netmap_ring, ringid, 16);
NETMAP_ABI_OFFSET(netmap_ring, dir, 18);
NETMAP_ABI_OFFSET(netmap_ring, head, 20);
NETMAP_ABI_OFFSET(netmap_ring, cur, 24);
NETMAP_ABI_OFFSET(netmap_ring, tail, 28);
NETMAP_ABI_OFFSET(netmap_ring, flags, 32);
NETMAP_ABI_OFFSET(netmap_ring, ts, 40);
NETMAP_ABI_OFFSET(netmap_ring, offset_mask, 56);
NETMAP_ABI_OFFSET(netmap_ring, buf_align, 64);
NETMAP_ABI_OFFSET(netmap_ring, sem, 128);
NETMAP_ABI_OFFSET(netmap_ring, slot, 256);
NETMAP_ABI_SIZE(netmap_if, 56);
NETMAP_ABI_OFFSET(netmap_if, ni_tx_rings, 24);
NETMAP_ABI_OFFSET(netmap_if, ni_bufs_head, 32);
NETMAP_ABI_OFFSET(netmap_if, ni_host_rx_rings, 40);
NETMAP_ABI_OFFSET(netmap_if, ring_ofs, 56);
NETMAP_ABI_SIZE(nmreq_header, 88);
NETMAP_ABI_OFFSET(nmreq_header, nr_name, 8);
NETMAP_ABI_OFFSET(nmreq_header, nr_options, 72);
NETMAP_ABI_SIZE(nmreq_option, 24);
NETMAP_ABI_SIZE(nmreq_register, 56);
NETMAP_ABI_OFFSET(nmreq_register, nr_tx_rings, 24);
NETMAP_ABI_OFFSET(nmreq_register, nr_mem_id, 32);
NETMAP_ABI_OFFSET(nmreq_register, nr_mode, 36);
NETMAP_ABI_OFFSET(nmreq_register, nr_flags, 48);
NETMAP_ABI_SIZE(nmreq_port_info_get, 32);
NETMAP_ABI_SIZE(nmreq_vale_attach, 64);
NETMAP_ABI_SIZE(nmreq_vale_detach, 8);
NETMAP_ABI_SIZE(nmreq_vale_list, 8);
NETMAP_ABI_SIZE(nmreq_port_hdr, 8);
NETMAP_ABI_SIZE(nmreq_vale_newif, 16);
NETMAP_ABI_SIZE(nmreq_vale_polling, 16);
NETMAP_ABI_SIZE(nmreq_pools_info, 64);
NETMAP_ABI_OFFSET(nmreq_pools_info, nr_ring_pool_offset, 32);
NETMAP_ABI_OFFSET(nmreq_pools_info, nr_buf_pool_objsize, 60);
NETMAP_ABI_SIZE(nmreq_sync_kloop_start, 8);
NETMAP_ABI_SIZE(nm_csb_atok, 64);
NETMAP_ABI_SIZE(nm_csb_ktoa, 64);
NETMAP_ABI_SIZE(nmreq_opt_extmem, 96);
NETMAP_ABI_SIZE(nmreq_opt_csb, 40);
NETMAP_ABI_SIZE(nmreq_opt_sync_kloop_eventfds, 24);
NETMAP_ABI_SIZE(nmreq_opt_sync_kloop_mode, 32);
NETMAP_ABI_SIZE(nmreq_opt_offsets, 56);
NETMAP_ABI_OFFSET(nmreq_opt_offsets, nro_min_gap, 48);
NETMAP_ABI_SIZE(nmreq, 60);
NETMAP_ABI_OFFSET(nmreq, nr_ringid, 40);
NETMAP_ABI_OFFSET(nmreq, nr_flags, 52);
NETMAP_ABI_SIZE(nm_ifreq, 272);

#undef NETMAP_ABI_SIZE
#undef NETMAP_ABI_OFFSET

#endif
