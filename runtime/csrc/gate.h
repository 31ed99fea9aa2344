/*
 * gate.h - keeps the workers' batches and writers from outside apart.
 *
 * A worker says that it is inside, then looks whether the gate is raised; a writer raises the gate,
 * then waits until nobody is inside (Dekker). Inside lasts a batch, raised lasts as long as the
 * writer says. Must not know: maps, what a batch is.
 */
#ifndef NMJIT_GATE_H
#define NMJIT_GATE_H

#include <pthread.h>
#include <stdint.h>

#define GATE_WORKERS 64u

struct gate {
	pthread_mutex_t writers; /* recursive: a writer may write while it writes */
	uint32_t depth;		 /* how often its holder has raised it */
	uint32_t raised;
	struct {
		uint32_t inside;
	} __attribute__((aligned(64))) workers[GATE_WORKERS];
};

int gate_open(struct gate *gate);
void gate_close(struct gate *gate);
void gate_enter(struct gate *gate, uint32_t worker);
void gate_leave(struct gate *gate, uint32_t worker);
void gate_raise(struct gate *gate);
void gate_lower(struct gate *gate);

#endif
