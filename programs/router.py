"""One step of an IPv4 router: one hop less to live, new MAC addresses, and out again.

Drops IPv4 packets whose time to live is over (TTL 0 or 1; it sends no ICMP error), passes all that is not IPv4. Writing
the TTL keeps the header's checksum right. Other addresses: -D NEXT_HOP=02:… -D OWN=02:….
Cost: at most 68 operations a packet; touches no byte beyond 34.
"""

from nmjit import DROP, PASS, TX, Mac, Packet, Verdict, filter

NEXT_HOP = "02:00:00:00:00:02"
OWN = "02:00:00:00:00:01"

NEXT_HOP_MAC = Mac(NEXT_HOP)
OWN_MAC = Mac(OWN)


@filter
def router(pkt: Packet) -> Verdict:
    eth, ip = pkt.eth, pkt.ipv4
    if eth is None or ip is None:
        return PASS
    if ip.ttl <= 1:
        return DROP
    ip.ttl -= 1
    eth.dst, eth.src = NEXT_HOP_MAC, OWN_MAC
    return TX
