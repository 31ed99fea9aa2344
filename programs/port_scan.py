"""Finds hosts that try one port after another, and shuts them out.

    nmjit load programs/port_scan.py eth0 -D PORTS=100 -D WINDOW=10 -D BLOCK=300

A source that tries more than PORTS different pairs of address and port within WINDOW seconds is told to `SCANS`; for
BLOCK seconds all its IPv4 packets are dropped. A try is a TCP packet without ACK and RST: SYN, FIN, null and Xmas scans
look so. Drops nothing else. In full maps, pairs and sources that were not tried or heard lately give way, so that the
count may be too high or begin anew.
Cost: at most 121 operations a packet; touches no byte beyond 96.
"""

from ipaddress import IPv4Address

from nmjit import DROP, PASS, Events, LruHashMap, Packet, Verdict, filter, i64, now, struct, u16, u32, u64

PORTS = 100
WINDOW = 10
BLOCK = 300
CAPACITY = 65_536
PAIRS = 1_048_576

WINDOW_NS, BLOCK_NS = WINDOW * 1_000_000_000, BLOCK * 1_000_000_000
RST, ACK = 0x04, 0x10


@struct
class Source:
    """What a source tried since `since`, and until when it is shut out; ns."""

    since: u64
    until: u64 = 0
    tried: u32 = 0


@struct
class Scan:
    """A source that was found out."""

    source: IPv4Address
    tried: u32
    time: u64


SOURCES = LruHashMap(key=IPv4Address, value=Source, capacity=CAPACITY)
TRIED = LruHashMap(key=tuple[IPv4Address, IPv4Address, u16], value=u64, capacity=PAIRS)
"""Source, address, port; to when the pair was last counted, in ns."""
SCANS = Events(Scan, capacity=1_024)


@filter
def port_scan(pkt: Packet) -> Verdict:
    ip = pkt.ipv4
    if ip is None:
        return PASS
    known = SOURCES.get(ip.src)
    if known is not None and now() < known.until:
        return DROP
    tcp = pkt.tcp
    if tcp is None or tcp.flags & (RST | ACK):
        return PASS
    source = SOURCES.setdefault(ip.src, Source(now()))
    if i64(now() - source.since) >= WINDOW_NS:
        source.since, source.tried = now(), 0
    pair = (ip.src, ip.dst, tcp.dport)
    counted = TRIED.get(pair)
    if counted is not None and i64(counted - source.since) >= 0:
        return PASS
    TRIED[pair] = now()
    source.tried += 1
    if source.tried <= PORTS:
        return PASS
    source.until = u64(now() + BLOCK_NS)
    SCANS.emit(Scan(ip.src, source.tried, now()))
    return DROP
