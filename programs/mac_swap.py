"""Reflector: sends every frame back to where it came from, its two MAC addresses swapped.

Drops what is too short for an Ethernet header. All else goes out, broadcast too: it is meant for a link to a traffic
generator, not for a switch.
Cost: at most 10 operations a packet; touches no byte beyond 12.
"""

from nmjit import DROP, TX, Packet, Verdict, filter


@filter
def mac_swap(pkt: Packet) -> Verdict:
    eth = pkt.eth
    if eth is None:
        return DROP
    eth.dst, eth.src = eth.src, eth.dst
    return TX
