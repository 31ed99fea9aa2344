"""The filter of the benchmark's rate limiting case: a token bucket for each source address."""

from ipaddress import IPv4Address

from nmjit import DROP, PASS, LruHashMap, Packet, RateLimit, Verdict, filter

SOURCES = 65_536
RATE = 10
BURST = 4

TABLE = LruHashMap(key=IPv4Address, value=RateLimit, capacity=4 * SOURCES)
"""So much room that no set of ways overflows: engines that give up other buckets would not agree."""


@filter
def limit(pkt: Packet) -> Verdict:
    ip = pkt.ipv4
    if ip is None:
        return PASS
    return PASS if TABLE.setdefault(ip.src, RateLimit(RATE, BURST)).allow() else DROP
