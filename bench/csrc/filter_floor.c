/* The floor: what any engine pays that reads one byte of each packet and writes one verdict.
 * Decides nothing. */
#include "accessor.h"

static inline uint8_t filter(const uint8_t *packet, uint32_t len)
{
	(void)len;
	__asm__ volatile("" : : "r"(*packet)); /* the byte is loaded, its value used for nothing */
	return PASS;
}

#include "batch.h"
