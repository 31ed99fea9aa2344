/*
 * stats.h - the counters of one worker, and how others read them while it runs.
 *
 * The worker counts in plain memory of its own and publishes a copy once a batch; readers get a
 * copy in which all counters belong to one moment. Must not know: ports, programs.
 */
#ifndef NMJIT_STATS_H
#define NMJIT_STATS_H

#include "abi.h"

/* Packets and bytes since the worker was made. Members are uint64_t only. */
struct worker_stats {
	uint64_t rx_packets;
	uint64_t rx_bytes;
	uint64_t rx_refused; /* slots that the arrival port dropped: it cannot show them */
	uint64_t batches;
	uint64_t verdict_packets[NMJIT_VERDICTS];
	uint64_t verdict_bytes[NMJIT_VERDICTS];
	uint64_t tx_packets;	   /* given to a port by any verdict */
	uint64_t redirect_unbound; /* dropped: REDIRECT to a port that is not bound */
	uint64_t mirrored;	   /* copies made and sent */
	uint64_t mirror_dropped;   /* copies for which there was no room */
	uint64_t full_dropped;	   /* dropped: the destination was full, and policy says drop */
	uint64_t backpressure;	   /* times that a full destination stopped the worker */
	uint64_t pending;	   /* packets filtered, and still waiting for a full destination */
};

#define STATS_WORDS (sizeof(struct worker_stats) / sizeof(uint64_t))

/* A sequence lock with one writer: odd while it writes. Zero is a valid start. */
struct published_stats {
	uint32_t sequence;
	uint64_t words[STATS_WORDS];
};

void stats_publish(struct published_stats *to, const struct worker_stats *from);
void stats_read(const struct published_stats *from, struct worker_stats *to);

#endif
