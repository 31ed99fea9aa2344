"""The filter of the benchmark's routing cases: the longest prefix of the destination gives the verdict."""

from ipaddress import IPv4Address

from nmjit import DROP, PASS, TX, LpmTrie, Packet, Verdict, filter, u32

ROUTES = 1_000_000
TABLE = LpmTrie(key=IPv4Address, value=u32, capacity=ROUTES)


@filter
def route(pkt: Packet) -> Verdict:
    ip = pkt.ipv4
    if ip is None:
        return PASS
    hop = TABLE.get(ip.dst)
    if hop is None:
        return DROP
    return TX if hop & 1 else PASS
