/*
 * worker.c - see worker.h; design: receive, filter, dispatch, commit, and publish once a batch.
 */
#define _GNU_SOURCE
#include "worker.h"

#include "effects.h"
#include "ops.h"
#include "relax.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define SPINS	     200 /* looks at an idle port before sleeping: some µs */
#define SLEEP_MS     20	 /* longest sleep: how late a stop may be seen */
#define NS_IN_SECOND 1000000000ull

static uint64_t clock_ns(clockid_t clock)
{
	struct timespec ts;

	clock_gettime(clock, &ts);
	return (uint64_t)ts.tv_sec * NS_IN_SECOND + (uint64_t)ts.tv_nsec;
}

static int add_departure(struct worker *w, struct port *port)
{
	if (!port)
		return 0;
	for (uint32_t i = 0; i < w->num_departures; i++)
		if (w->departures[i] == port)
			return 0;
	if (!port->ops->accepts)
		return -EINVAL;
	w->departures[w->num_departures++] = port;
	return port->ops->accepts(port, w->config.source);
}

static int add_departures(struct worker *w)
{
	const struct worker_config *c = &w->config;
	int err = 0;

	w->departures = calloc(NMJIT_VERDICTS + c->num_outputs, sizeof(*w->departures));
	if (!w->departures)
		return -ENOMEM;
	for (int v = 0; v < NMJIT_VERDICTS && !err; v++)
		err = add_departure(w, c->route[v]);
	for (uint32_t i = 0; i < c->num_outputs && !err; i++)
		err = add_departure(w, c->outputs[i]);
	return err;
}

/*
 * Make a worker. Ports, the outputs array and program stay the caller's and must outlive it. The
 * caller closes *w, also after an error. Thread: any. -EINVAL: a port in the wrong direction, or a
 * batch size out of range; -EXDEV: packets of the source cannot be sent to one of the ports.
 */
int worker_open(struct worker *w, const struct worker_config *config,
		struct worker_program *program)
{
	int err;

	*w = (struct worker){.config = *config, .program = program};
	if (!config->source->ops->recv || config->batch == 0 || config->batch > WORKER_MAX_BATCH ||
	    config->number >= GATE_WORKERS)
		return -EINVAL;
	w->verdicts = calloc(config->batch, sizeof(*w->verdicts));
	w->ports = calloc(config->batch, sizeof(*w->ports));
	w->lengths = calloc(config->batch, sizeof(*w->lengths));
	if (!w->verdicts || !w->ports || !w->lengths)
		return -ENOMEM;
	w->ctx = (struct nmjit_ctx){
		.verdicts = w->verdicts,
		.ports = w->ports,
		.seed = config->seed,
		.ops = &nmjit_ops,
		.worker = config->number,
	};
	err = effects_open(&w->ctx, config->batch);
	return err ? err : add_departures(w);
}

/* Thread: any, after worker_run has returned for the last time. */
void worker_close(struct worker *w)
{
	effects_close(&w->ctx);
	free(w->departures);
	free(w->verdicts);
	free(w->ports);
	free(w->lengths);
	*w = (struct worker){0};
}

/* Thread: any. The next batch runs under program; the old one may be in use until then. */
void worker_replace(struct worker *w, struct worker_program *program)
{
	__atomic_store_n(&w->program, program, __ATOMIC_RELEASE);
}

/* Thread: any, signal handlers too. Ends the run at hand, or the next one, after its batch. */
void worker_stop(struct worker *w)
{
	__atomic_store_n(&w->stop, true, __ATOMIC_RELEASE);
}

/* Copy the packets' lengths out of their slots, so that counting works on plain arrays. */
static void collect_lengths(struct worker *w)
{
	const struct nmjit_batch *b = &w->batch;
	const struct nmjit_descriptor *descriptors = b->slots;
	const struct netmap_slot *slots = b->slots;
	uint32_t at = b->head;

	for (uint32_t i = 0; i < b->count; i++) {
		w->lengths[i] = w->config.source->accessor == PORT_NETMAP ? slots[at].len
									  : descriptors[at].len;
		at = at + 1 == b->num_slots ? 0 : at + 1;
	}
}

/* A verdict that is none drops its packet, as an exception does. */
static void normalise_verdicts(uint8_t *verdicts, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++)
		verdicts[i] = verdicts[i] < NMJIT_VERDICTS ? verdicts[i] : NMJIT_ABORTED;
}

static struct port *destination(const struct worker *w, uint32_t i)
{
	const struct worker_config *c = &w->config;
	uint8_t verdict = w->verdicts[i];
	int32_t port = w->ports[i];

	if (verdict != NMJIT_REDIRECT || c->route[NMJIT_REDIRECT])
		return c->route[verdict];
	return port >= 0 && (uint32_t)port < c->num_outputs ? c->outputs[port] : NULL;
}

static uint32_t count_unbound(const struct worker *w)
{
	uint32_t unbound = 0;

	for (uint32_t i = 0; i < w->batch.count; i++)
		unbound += w->verdicts[i] == NMJIT_REDIRECT && !destination(w, i);
	return unbound;
}

/* One pass over two small arrays for each verdict: loops without branches, for the vectoriser. */
static void count_batch(struct worker *w)
{
	const uint32_t n = w->batch.count;

	collect_lengths(w);
	for (uint32_t v = 0; v < NMJIT_VERDICTS; v++) {
		uint32_t packets = 0, bytes = 0; /* 4096 packets of 256 KiB fit */

		for (uint32_t i = 0; i < n; i++) {
			uint32_t hit = w->verdicts[i] == v;

			packets += hit;
			bytes += -hit & w->lengths[i];
		}
		w->stats.verdict_packets[v] += packets;
		w->stats.verdict_bytes[v] += bytes;
		w->stats.rx_bytes += bytes;
		if (v == NMJIT_REDIRECT && packets)
			w->stats.redirect_unbound += count_unbound(w);
	}
	w->stats.rx_packets += n;
	w->stats.rx_refused = w->config.source->refused;
	w->stats.batches++;
}

/* Without a clock of their own, captures move the filter's clock on by their packets' times. */
static void advance_clock(struct worker *w)
{
	const struct nmjit_descriptor *d = w->batch.slots;

	for (uint32_t i = 0; i < w->batch.count; i++)
		if (d[w->batch.head + i].timestamp > w->ctx.now)
			w->ctx.now = d[w->batch.head + i].timestamp;
}

/* Have what the program needs besides packets: room in front of them, room for copies. */
static int provide(struct worker *w, const struct worker_program *program)
{
	struct port *source = w->config.source;
	int err = 0;

	if (program->mirrors)
		err = effects_want_mirrors(&w->ctx);
	if (!err && program->resizes && source->ops->reserve)
		err = source->ops->reserve(source, program->headroom ? program->headroom : 1);
	return err;
}

/* Run the filter over the batch at hand. */
static void filter_batch(struct worker *w, const struct worker_program *program)
{
	bool live = w->config.source->accessor == PORT_NETMAP;

	w->batch.port = w->config.port;
	w->batch.queue = w->config.queue;
	w->ctx.exceptions = program->exceptions;
	w->ctx.maps = program->maps;
	w->ctx.packet_number = w->stats.rx_packets;
	if (live) {
		w->ctx.now = clock_ns(CLOCK_MONOTONIC);
		w->ctx.timestamp = clock_ns(CLOCK_REALTIME);
	}
	if (w->config.gate)
		gate_enter(w->config.gate, w->config.number);
	program->fn(&w->batch, &w->ctx);
	if (w->config.gate)
		gate_leave(w->config.gate, w->config.number);
	if (!live)
		advance_clock(w);
	normalise_verdicts(w->verdicts, w->batch.count);
	count_batch(w);
	if (program->resizes)
		effects_resize(w->config.source, &w->batch, &w->ctx);
}

/* Copies go out before their packets do. */
static int send_mirrors(struct worker *w)
{
	const struct worker_config *c = &w->config;
	const uint32_t made = w->ctx.mirror_count;
	uint32_t outputs = c->forget_mirrors ? 0 : c->num_outputs, lost;
	int err = 0;

	if (made == 0 && w->ctx.mirror_lost == 0)
		return 0;
	lost = effects_mirror(&w->ctx, c->outputs, outputs, &w->batch, c->source->accessor, &err);
	w->stats.mirrored += made - lost;
	w->stats.mirror_dropped += lost + w->ctx.mirror_lost;
	w->ctx.mirror_lost = 0;
	return err;
}

/* How many packets from the next one on go to the same place. */
static uint32_t run_length(const struct worker *w, const struct port *to)
{
	uint32_t i = w->done + 1;

	while (i < w->batch.count && destination(w, i) == to)
		i++;
	return i - w->done;
}

/* Send runs of packets until the batch is disposed of or a destination is full. 0 or an error. */
static int send_runs(struct worker *w)
{
	struct port *was_blocked = w->blocked;

	w->blocked = NULL;
	while (w->done < w->batch.count) {
		struct port *to = destination(w, w->done);
		uint32_t n = run_length(w, to);
		int sent = to ? to->ops->send(to, &w->batch, w->done, n) : (int)n;

		if (sent < 0)
			return sent;
		w->stats.tx_packets += to ? (uint32_t)sent : 0;
		w->done += (uint32_t)sent;
		if ((uint32_t)sent == n)
			continue;
		if (w->config.policy == WORKER_BACKPRESSURE) {
			w->blocked = to;
			w->stats.backpressure += was_blocked != to || sent > 0;
			break;
		}
		w->stats.full_dropped += n - (uint32_t)sent;
		w->done += n - (uint32_t)sent;
	}
	return 0;
}

/* Dispose of as much of the batch as destinations take, and let both sides know. */
static int dispatch_and_commit(struct worker *w)
{
	struct port *source = w->config.source;
	uint32_t before = w->done;
	int err = send_runs(w);

	for (uint32_t i = 0; i < w->num_departures; i++) {
		int flushed = w->departures[i]->ops->flush(w->departures[i]);

		err = err ? err : flushed;
	}
	if (w->done > before) {
		int committed = source->ops->commit(source, w->done - before);

		err = err ? err : committed;
	}
	w->stats.pending = w->batch.count - w->done;
	stats_publish(&w->published, &w->stats);
	return err;
}

/* Receive and filter the next batch, at most max packets. As port_ops.recv, which never is -EAGAIN.
 */
static int next_batch(struct worker *w, uint64_t max)
{
	struct port *source = w->config.source;
	uint32_t want = max < w->config.batch ? (uint32_t)max : w->config.batch;
	/* Read once, so that the batch runs wholly under one program. */
	const struct worker_program *program = __atomic_load_n(&w->program, __ATOMIC_ACQUIRE);
	int n, err = provide(w, program);

	if (err)
		return err;
	n = source->ops->recv(source, want, &w->batch);
	w->done = 0;
	if (n > 0) {
		filter_batch(w, program);
		err = send_mirrors(w);
		return err ? err : n;
	}
	w->batch.count = 0;
	if (w->stats.rx_refused != source->refused) {
		w->stats.rx_refused = source->refused;
		stats_publish(&w->published, &w->stats);
	}
	return n;
}

/* Look again soon, later sleep. idle counts the looks since the last packet. */
static int wait_for(const struct port_ops *ops, struct port *port, uint32_t *idle)
{
	int err;

	if (++*idle < SPINS || !ops->poll) {
		relax();
		return 0;
	}
	err = ops->poll(port, SLEEP_MS);
	return err < 0 ? err : 0;
}

static bool stop_asked(struct worker *w)
{
	return __atomic_load_n(&w->stop, __ATOMIC_ACQUIRE) &&
	       __atomic_exchange_n(&w->stop, false, __ATOMIC_ACQ_REL);
}

/*
 * Filter until something ends it: at most max_packets new packets (negative: no limit), not waiting
 * for packets or for room unless `wait`. Packets that a full destination holds up stay pending and
 * come first in the next run. Thread: the worker's. Returns enum worker_end or -errno.
 */
int worker_run(struct worker *w, int64_t max_packets, bool wait)
{
	uint64_t left = max_packets < 0 ? UINT64_MAX : (uint64_t)max_packets;
	uint32_t idle = 0;
	int n, err = 0;

	while (!err) {
		if (stop_asked(w))
			return WORKER_STOPPED;
		if (w->done < w->batch.count) {
			err = dispatch_and_commit(w);
			if (err || !w->blocked)
				continue;
			if (!wait)
				return WORKER_BLOCKED;
			err = wait_for(w->blocked->ops, w->blocked, &idle);
			continue;
		}
		if (left == 0)
			return WORKER_LIMIT;
		n = next_batch(w, left);
		if (n == -ENODATA)
			return WORKER_INPUT_END;
		if (n > 0) {
			left -= (uint32_t)n;
			idle = 0;
		} else if (n < 0) {
			err = n;
		} else if (!wait) {
			return WORKER_IDLE;
		} else {
			err = wait_for(w->config.source->ops, w->config.source, &idle);
		}
	}
	return err;
}
