"""Source NAT for IPv4: hosts of INSIDE share the address PUBLIC; ports are given out, and some lead inside.

    nmjit load programs/nat44.py eth0 -D PUBLIC=198.51.100.1 -D FORWARD=tcp:80=10.0.0.2:8080

TCP and UDP from INSIDE to elsewhere leave with PUBLIC as their source and a port of its; what answers goes back to
who asked. A packet to a port of FORWARD opens a connection to the inside host that it names. Drops all else that comes
to PUBLIC or goes from INSIDE to elsewhere, fragments after the first too (which have no ports), and packets for which
TRIES ports were found taken. Passes the rest as it is. A mapping is for one remote address and port (RFC 4787 calls
that address and port-dependent); when the map is full, one of its set that was not used lately gives way. Checksums
stay right.
Cost: at most 329 operations a packet; touches no byte beyond 100.
"""

import re
from collections.abc import Iterator
from ipaddress import IPv4Address, ip_network

from nmjit import DROP, PASS, HashMap, LruHashMap, Packet, Verdict, filter, random, struct, u8, u16

INSIDE = "10.0.0.0/8"
PUBLIC = "198.51.100.1"
FORWARD = ""
FIRST_PORT = 1_024
TRIES = 8
CAPACITY = 262_144

NETWORK = ip_network(INSIDE)
ADDRESS = IPv4Address(PUBLIC)
PORTS = 65_536 - FIRST_PORT
PROTOCOLS = {"tcp": 6, "udp": 17}
FORM = re.compile(r"(tcp|udp):(\d+)=([\d.]+):(\d+)")


@struct
class Inner:
    """Whom a public port stands for."""

    address: IPv4Address
    port: u16


def forwards(text: str) -> Iterator[tuple[tuple[int, int], Inner]]:
    """Those of a list such as "tcp:80=10.0.0.2:8080,udp:53=10.0.0.3:53"; ValueError names the one that is none."""
    for item in text.split(","):
        words = FORM.fullmatch(item)
        if words is None:
            raise ValueError(f"{item!r} is not like tcp:80=10.0.0.2:8080")
        protocol, port, address, inner_port = words.groups()
        yield (int(port), PROTOCOLS[protocol]), Inner(IPv4Address(address), int(inner_port))


FORWARDS = HashMap(key=tuple[u16, u8], value=Inner, capacity=1_024)
"""By public port and protocol; may be changed from outside."""
OUTWARD = LruHashMap(key=tuple[IPv4Address, IPv4Address, u16, u16, u8], value=u16, capacity=CAPACITY)
"""Inside address, remote address, inside port, remote port, protocol; to the public port."""
INWARD = LruHashMap(key=tuple[IPv4Address, u16, u16, u8], value=Inner, capacity=CAPACITY)
"""Remote address, remote port, public port, protocol."""

if FORWARD:
    FORWARDS.update(forwards(FORWARD))


@filter
def nat44(pkt: Packet) -> Verdict:
    ip = pkt.ipv4
    if ip is None:
        return PASS
    outward = ip.src in NETWORK and ip.dst not in NETWORK
    if not outward and ip.dst != ADDRESS:
        return PASS
    l4 = pkt.tcp or pkt.udp
    if l4 is None or (outward and ip.dst == ADDRESS):
        return DROP
    if not outward:
        back = (ip.src, l4.sport, l4.dport, ip.proto)
        inner = INWARD.get(back)
        if inner is None:
            opened = FORWARDS.get((l4.dport, ip.proto))
            if opened is None:
                return DROP
            inner = INWARD.setdefault(back, Inner(opened.address, opened.port))
            OUTWARD[inner.address, ip.src, inner.port, l4.sport, ip.proto] = l4.dport
        ip.dst, l4.dport = inner.address, inner.port
        return PASS
    key = (ip.src, ip.dst, l4.sport, l4.dport, ip.proto)
    port = OUTWARD.get(key, 0)
    inner = INWARD.get((ip.dst, l4.dport, port, ip.proto))
    if inner is None or inner.address != ip.src or inner.port != l4.sport:
        for _ in range(TRIES):
            port = FIRST_PORT + random() % PORTS
            if (ip.dst, l4.dport, port, ip.proto) not in INWARD:
                break
        else:
            return DROP
        OUTWARD[key] = port
        INWARD[ip.dst, l4.dport, port, ip.proto] = Inner(ip.src, l4.sport)
    ip.src, l4.sport = ADDRESS, port
    return PASS
