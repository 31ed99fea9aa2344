/*
 * worker.h - the loop of a running filter: receive, filter, dispatch, commit.
 *
 * One worker serves one arrival port from one thread, without the GIL. A packet is filtered exactly
 * once: what a full destination holds up keeps its verdict and is disposed of later, in order. Must
 * not know: kinds of port, Python, where code and maps come from.
 */
#ifndef NMJIT_WORKER_H
#define NMJIT_WORKER_H

#include "gate.h"
#include "port.h"
#include "stats.h"

#include <stdbool.h>

#define WORKER_MAX_BATCH 4096u

/* What to do with a packet whose destination is full. */
enum worker_policy {
	WORKER_BACKPRESSURE, /* leave it, and all behind it, where it arrived */
	WORKER_DROP,	     /* drop and count it */
};

/* Why worker_run came back. */
enum worker_end {
	WORKER_STOPPED, /* worker_stop was called */
	WORKER_LIMIT,	/* as many packets as asked for are filtered and disposed of */
	WORKER_IDLE,	/* told not to wait, and nothing has arrived */
	WORKER_BLOCKED, /* told not to wait, and a destination is full */
	WORKER_INPUT_END,
};

/* A loaded filter: its function, and what belongs to it. Owned by who loads it. */
struct worker_program {
	nmjit_batch_fn fn;
	uint64_t *exceptions; /* a counter for each site */
	void **maps;
	uint32_t headroom; /* bytes that it may push in front of a packet */
	bool resizes;	   /* it pushes or pulls */
	bool mirrors;	   /* it makes copies */
};

struct worker_config {
	struct port *source;
	struct port *route[NMJIT_VERDICTS]; /* by verdict; NULL: the packet goes nowhere */
	struct port **outputs; /* REDIRECT without a route: by bound port; NULL: unbound */
	uint32_t num_outputs;
	bool forget_mirrors; /* count copies, and send none */
	struct gate *gate;   /* batches stay outside while it is raised; NULL: nobody does */
	uint32_t number;     /* of the worker, among those that share gate and maps */
	enum worker_policy policy;
	uint32_t batch; /* packets of a batch, at most */
	uint64_t seed;
	uint16_t port; /* what the filter sees as pkt.port and pkt.queue */
	uint16_t queue;
};

struct worker {
	struct worker_config config;
	struct port **departures; /* the ports that packets can go to, each once */
	uint32_t num_departures;
	struct worker_program *program; /* atomic: others change it, each batch reads it once */
	bool stop;			/* atomic */
	struct nmjit_batch batch;	/* the batch at hand */
	uint32_t done;			/* packets of it that are disposed of */
	struct port *blocked;		/* the full destination that the next one waits for */
	struct nmjit_ctx ctx;
	uint8_t *verdicts;
	int16_t *ports;
	uint32_t *lengths;
	struct worker_stats stats;
	struct published_stats published;
};

int worker_open(struct worker *w, const struct worker_config *config,
		struct worker_program *program);
void worker_close(struct worker *w);
void worker_replace(struct worker *w, struct worker_program *program);
void worker_stop(struct worker *w);
int worker_run(struct worker *w, int64_t max_packets, bool wait);

#endif
