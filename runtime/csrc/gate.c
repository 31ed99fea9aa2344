/*
 * gate.c - see gate.h.
 */
#define _GNU_SOURCE
#include "gate.h"

#include "relax.h"

#include <string.h>

/* Make a gate that is down. 0 or -errno; the caller closes it where 0. */
int gate_open(struct gate *gate)
{
	pthread_mutexattr_t attributes;
	int err;

	memset(gate, 0, sizeof(*gate));
	err = pthread_mutexattr_init(&attributes);
	if (err)
		return -err;
	err = pthread_mutexattr_settype(&attributes, PTHREAD_MUTEX_RECURSIVE);
	if (!err)
		err = pthread_mutex_init(&gate->writers, &attributes);
	pthread_mutexattr_destroy(&attributes);
	return -err;
}

/* Thread: any, when nobody uses the gate any more. */
void gate_close(struct gate *gate)
{
	pthread_mutex_destroy(&gate->writers);
}

/* A batch begins: wait for the writer to be done, if there is one. Thread: the worker's. */
void gate_enter(struct gate *gate, uint32_t worker)
{
	uint32_t *inside = &gate->workers[worker].inside, spins = 0;

	while (__atomic_exchange_n(inside, 1, __ATOMIC_SEQ_CST),
	       __atomic_load_n(&gate->raised, __ATOMIC_SEQ_CST)) {
		gate_leave(gate, worker);
		while (__atomic_load_n(&gate->raised, __ATOMIC_ACQUIRE))
			relax_or_yield(&spins);
	}
}

/* The batch is over. Thread: the worker's. */
void gate_leave(struct gate *gate, uint32_t worker)
{
	__atomic_store_n(&gate->workers[worker].inside, 0, __ATOMIC_RELEASE);
}

/* Keep batches from beginning, and wait for those that run. Thread: any but a worker's. */
void gate_raise(struct gate *gate)
{
	uint32_t spins = 0;

	pthread_mutex_lock(&gate->writers);
	if (gate->depth++)
		return;
	__atomic_store_n(&gate->raised, 1, __ATOMIC_SEQ_CST);
	for (uint32_t worker = 0; worker < GATE_WORKERS; worker++)
		while (__atomic_load_n(&gate->workers[worker].inside, __ATOMIC_SEQ_CST))
			relax_or_yield(&spins);
}

/* Thread: the one that raised it, once for each time. */
void gate_lower(struct gate *gate)
{
	if (--gate->depth == 0)
		__atomic_store_n(&gate->raised, 0, __ATOMIC_RELEASE);
	pthread_mutex_unlock(&gate->writers);
}
