"""The filter of the benchmark's NAT case: packets of established flows leave with a public address and port."""

from ipaddress import IPv4Address

from nmjit import DROP, PASS, TX, HashMap, Packet, Verdict, filter, struct, u8, u16

FLOWS = 65_536


@struct
class Outer:
    """The source that a flow's packets leave with."""

    address: IPv4Address
    port: u16


TABLE = HashMap(key=tuple[IPv4Address, IPv4Address, u16, u16, u8], value=Outer, capacity=FLOWS)
"""Source, destination, their ports and the protocol. Filled from outside."""


@filter
def translate(pkt: Packet) -> Verdict:
    ip = pkt.ipv4
    if ip is None:
        return PASS
    l4 = pkt.udp or pkt.tcp
    if l4 is None:
        return DROP
    outer = TABLE.get((ip.src, ip.dst, l4.sport, l4.dport, ip.proto))
    if outer is None:
        return DROP
    ip.src, l4.sport = outer.address, outer.port
    return TX
