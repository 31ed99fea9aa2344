/*
 * port.h - what a worker may ask of a port: one place where packets arrive, or one where they go.
 *
 * A port is one direction of one queue (an rx ring, a tx ring, a capture being read or written), is
 * used by one worker thread at a time, and is owned by who opened it. Operations that a direction
 * does not have are NULL. Errors are -errno. Must not know: workers, Python, what a filter does.
 */
#ifndef NMJIT_PORT_H
#define NMJIT_PORT_H

#include "abi.h"

/* The accessor with which a batch function reads what the port shows. */
enum port_accessor {
	PORT_NETMAP,	 /* netmap_slot[], buffers at a stride */
	PORT_DESCRIPTOR, /* nmjit_descriptor[] */
};

struct port;

struct port_ops {
	/*
	 * Arrival. Show the next packets, at most max, as *batch (all but port and queue). They
	 * stay as they are until commit has disposed of all of them; only then recv may be called
	 * again. Returns their number, 0: none now, -ENODATA: never again, or another error.
	 */
	int (*recv)(struct port *port, uint32_t max, struct nmjit_batch *batch);

	/*
	 * Arrival. From the next recv on, let `bytes` in front of each packet be its own. NULL
	 * where packets lie in buffers with room behind them.
	 */
	int (*reserve)(struct port *port, uint32_t bytes);

	/* Arrival. The next n packets shown are disposed of; the port may reuse what held them. */
	int (*commit)(struct port *port, uint32_t n);

	/* Departure. Whether packets that `from` shows can be sent here: 0, or -EXDEV. */
	int (*accepts)(const struct port *port, const struct port *from);

	/*
	 * Departure. Take packets first ... first + n - 1 (counted from batch->head), in order.
	 * Returns how many were taken; fewer than n where the port is full.
	 */
	int (*send)(struct port *port, const struct nmjit_batch *batch, uint32_t first, uint32_t n);

	/* Departure. Take a copy of one packet, whoever's. 1, 0 where the port is full, or an
	 * error. */
	int (*copy)(struct port *port, const uint8_t *packet, uint32_t len, uint64_t timestamp);

	/* Departure. Let go what was taken since the last flush. */
	int (*flush)(struct port *port);

	/*
	 * Sleep until recv (arrival) or send (departure) has a chance, at most timeout_ms. Returns
	 * 1, or 0 after the time. NULL where a port never makes one wait.
	 */
	int (*poll)(struct port *port, int timeout_ms);
};

struct port {
	const struct port_ops *ops;
	enum port_accessor accessor;
	uint64_t refused; /* arrival: slots that the port dropped because it cannot show them */
};

#endif
