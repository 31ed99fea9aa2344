"""'tcp dst port 80', as one would say to tcpdump: over IPv4 and IPv6, behind up to two VLAN tags.

Drops what matches, passes the rest. Another port: -D PORT=443. Cost: at most 3 operations a packet, headers within the
first 3 bytes.
"""

from nmjit import DROP, PASS, Packet, Verdict, filter

PORT = 80


@filter
def port_filter(pkt: Packet) -> Verdict:
    tcp = pkt.tcp
    if tcp is not None and tcp.dport == PORT:
        return DROP
    return PASS
