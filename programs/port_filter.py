"""'tcp dst port 80', as one would say to tcpdump: over IPv4 and IPv6, here behind up to two VLAN tags too.

Drops what matches, passes the rest. Another port: -D PORT=443.
Cost: at most 324 operations a packet; touches no byte beyond 18,507.
"""

from nmjit import DROP, PASS, Packet, Verdict, filter

PORT = 80


@filter
def port_filter(pkt: Packet) -> Verdict:
    tcp = pkt.tcp
    if tcp is not None and tcp.dport == PORT:
        return DROP
    return PASS
