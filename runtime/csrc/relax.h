/*
 * relax.h - waiting for another thread, briefly.
 */
#ifndef NMJIT_RELAX_H
#define NMJIT_RELAX_H

#include <sched.h>
#include <stdint.h>

#define RELAX_SPINS 200u /* looks before the processor is given up: some µs */

static inline void relax(void)
{
#if defined(__x86_64__) || defined(__i386__)
	__builtin_ia32_pause();
#elif defined(__aarch64__)
	__asm__ volatile("yield");
#endif
}

/* For a wait that another thread ends soon: if it has no processor, give it this one. */
static inline void relax_or_yield(uint32_t *spins)
{
	if (++*spins % RELAX_SPINS)
		relax();
	else
		sched_yield();
}

#endif
