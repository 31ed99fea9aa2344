"""The filter of the benchmark's flow cases: packets and octets of each IPv4 flow of TCP or UDP."""

from ipaddress import IPv4Address

from nmjit import PASS, HashMap, Packet, Verdict, filter, struct, u16, u64

FLOWS = 1_048_576


@struct
class Flow:
    """What is counted."""

    packets: u64 = 0
    octets: u64 = 0


TABLE = HashMap(key=tuple[IPv4Address, IPv4Address, u16, u16], value=Flow, capacity=FLOWS)


@filter
def count_flows(pkt: Packet) -> Verdict:
    ip = pkt.ipv4
    if ip is None:
        return PASS
    if l4 := pkt.udp or pkt.tcp:
        flow = TABLE.setdefault((ip.src, ip.dst, l4.sport, l4.dport), Flow())
        flow.packets += 1
        flow.octets += len(pkt)
    return PASS
