/*
 * libpcap's classic-BPF interpreter behind the batch ABI: a packet is dropped or passed as the
 * expression says.
 *
 * BENCH_EXPRESSION and BENCH_MATCH (the verdict of a packet that matches) come from the command
 * line. pcap_open_dead() with Ethernet and a full snapshot gives the code that tcpdump -d prints.
 */
#include <pcap/pcap.h>

#include "accessor.h"

static struct bpf_program program;

/* Compiles the expression; NULL, or libpcap's complaint. Called once, before the first batch. */
const char *bench_prepare(void);

const char *bench_prepare(void)
{
	static char error[PCAP_ERRBUF_SIZE];
	pcap_t *dead = pcap_open_dead(DLT_EN10MB, 65535);

	if (!dead)
		return "pcap_open_dead failed";
	if (pcap_compile(dead, &program, BENCH_EXPRESSION, 1, PCAP_NETMASK_UNKNOWN))
		strncpy(error, pcap_geterr(dead), sizeof(error) - 1);
	pcap_close(dead);
	return error[0] ? error : NULL;
}

static inline uint8_t filter(const uint8_t *packet, uint32_t len)
{
	return bpf_filter(program.bf_insns, packet, len, len) ? BENCH_MATCH
							      : PASS + DROP - BENCH_MATCH;
}

#include "batch.h"
