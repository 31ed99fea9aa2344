"""Counts frames by EtherType and IP packets by protocol: what does this link carry?

Drops nothing. A frame's type is the innermost that is not a VLAN tag's; frames with a length in its place (IEEE 802.3)
count as type 0. The protocol of IPv6 is its first next header, which may be the number of an extension header.
Cost: at most 84 operations a packet; touches no byte beyond 32.
"""

from nmjit import PASS, Counter, Packet, Verdict, filter, u8, u16

LEAST_TYPE = 0x600
"""Below it the field is a length."""

ETHERTYPES = Counter(u16)
PROTOCOLS = Counter(u8)


@filter
def protocol_counter(pkt: Packet) -> Verdict:
    if link := pkt.vlan2 or pkt.vlan or pkt.eth:
        ETHERTYPES[link.type if link.type >= LEAST_TYPE else 0] += 1
    if ip := pkt.ipv4:
        PROTOCOLS[ip.proto] += 1
    elif ip6 := pkt.ipv6:
        PROTOCOLS[ip6.nh] += 1
    return PASS
