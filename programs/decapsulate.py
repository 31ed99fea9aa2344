"""Takes the outer headers off tunnelled packets to this host: IP in IP, GUE and VXLAN.

    nmjit load programs/decapsulate.py eth0 -D ENDPOINT=192.0.2.1

IPv4 and IPv6 in IPv4, bare or in GUE (UDP port 6080, variant 0 without optional fields, or variant 1), get the Ethernet
header of what carried them; VXLAN (UDP port 4789) has one of its own inside. Drops tunnels to ENDPOINT that are cut
short, fragmented, have IP options, GUE fields or no network identifier, or carry anything else. Passes all else as it
is, frames with VLAN tags too. `TAKEN` counts the tunnels taken off: IP in IP, GUE, VXLAN.
Cost: at most 139 operations a packet; touches no byte beyond 83.
Source: RFC 2003, RFC 4213 section 3 (IP in IP), draft-ietf-intarea-gue-09 section 3, RFC 7348 section 5.
"""

from ipaddress import IPv4Address

from nmjit import DROP, PASS, Array, Packet, Verdict, filter, u64

ENDPOINT = "192.0.2.1"

ADDRESS = IPv4Address(ENDPOINT)
IPV4_INSIDE, IPV6_INSIDE = 4, 41
"""Protocol numbers of IPv4 and IPv6 in a tunnel."""
GUE_PORT, VXLAN_PORT = 6080, 4789
HAS_IDENTIFIER = 0x08
ETHERNET, IPV4, IPV6, UDP, GUE, VXLAN = 14, 20, 40, 8, 4, 8

IPIP_TAKEN, GUE_TAKEN, VXLAN_TAKEN = range(3)
TAKEN = Array(u64, 3)


def holds(pkt: Packet, start: int, end: int, protocol: int) -> bool:
    """Whether an IP header of the kind that `protocol` announces lies between `start` and `end`."""
    if protocol == IPV4_INSIDE:
        return start + IPV4 <= end and pkt[start] >> 4 == 4
    return protocol == IPV6_INSIDE and start + IPV6 <= end and pkt[start] >> 4 == 6


def strip(pkt: Packet, size: int, protocol: int) -> None:
    """Takes off `size` bytes behind the Ethernet header."""
    addresses = pkt[0:12]
    pkt.pull(size)
    pkt[0:12] = addresses
    pkt[12:14] = b"\x08\x00" if protocol == IPV4_INSIDE else b"\x86\xdd"


@filter
def decapsulate(pkt: Packet) -> Verdict:
    ip = pkt.ipv4
    if ip is None or ip.dst != ADDRESS or pkt.vlan is not None:
        return PASS
    udp, protocol = pkt.udp, ip.proto
    bare = protocol in (IPV4_INSIDE, IPV6_INSIDE)
    if not bare and (udp is None or udp.dport not in (GUE_PORT, VXLAN_PORT)):
        return PASS
    end = min(ETHERNET + ip.len, len(pkt))
    if ip.ihl != 5 or ip.frag != 0 or ip.flags & 1:
        return DROP
    if bare:
        if not holds(pkt, ETHERNET + IPV4, end, protocol):
            return DROP
        strip(pkt, IPV4, protocol)
        TAKEN[IPIP_TAKEN] += 1
        return PASS
    start = ETHERNET + IPV4 + UDP
    if udp is not None and udp.dport == VXLAN_PORT:
        vxlan = pkt.vxlan
        if vxlan is None or not vxlan.flags & HAS_IDENTIFIER or start + VXLAN + ETHERNET > end:
            return DROP
        pkt.pull(ETHERNET + IPV4 + UDP + VXLAN)
        TAKEN[VXLAN_TAKEN] += 1
        return PASS
    if start + GUE > end:
        return DROP
    if pkt[start] >> 6 == 1:
        protocol = IPV4_INSIDE if pkt[start] >> 4 == 4 else IPV6_INSIDE
        if not holds(pkt, start, end, protocol):
            return DROP
        strip(pkt, IPV4 + UDP, protocol)
    else:
        protocol = pkt[start + 1]
        if pkt[start] != 0 or pkt.u16(start + 2) != 0 or not holds(pkt, start + GUE, end, protocol):
            return DROP
        strip(pkt, IPV4 + UDP + GUE, protocol)
    TAKEN[GUE_TAKEN] += 1
    return PASS
