"""Keeps DNS amplification from hosts: an answer gets through only to who asked for it.

    nmjit load programs/dns_guard.py eth0 -D WAIT=10 -D ANY_RATE=5

Remembers each query (UDP to port 53) for WAIT seconds. Drops responses (UDP from port 53) that answer none, those that
answer one a second time, what is too short for a DNS header, and what goes from port 53 to that of VXLAN. Drops also
queries for any type of record (ANY), large answers' favourite, that come from one source more than ANY_RATE times a
second; only a query's first question is looked at, by its first LABELS labels. Passes the rest: fragments after the
first, too, which show no port.
Cost: at most 998 operations a packet; touches no byte beyond 18,013.
Source: RFC 1035, sections 4.1.1 and 4.1.2; RFC 8482 (ANY).
"""

from ipaddress import IPv4Address, IPv6Address

from nmjit import DROP, PASS, LruHashMap, Packet, RateLimit, Udp, Verdict, filter, i64, now, u16, u64

WAIT = 10
ANY_RATE = 5
LABELS = 24
CAPACITY = 65_536

WAIT_NS = WAIT * 1_000_000_000
PORT, VXLAN_PORT = 53, 4789
HEADER = 12
RESPONSE = 0x80
LONGEST_LABEL = 63
ANY = 255

QUERIES4 = LruHashMap(key=tuple[IPv4Address, IPv4Address, u16, u16], value=u64, capacity=CAPACITY)
QUERIES6 = LruHashMap(key=tuple[IPv6Address, IPv6Address, u16, u16], value=u64, capacity=CAPACITY)
"""Client, server, client's port, id; to the time of the query, in ns."""
ANY_SOURCES = LruHashMap(key=u64, value=RateLimit, capacity=CAPACITY)
"""By IPv4 address, or the upper half of an IPv6 address."""


def asks_any(pkt: Packet) -> bool:
    """Whether the first question is for records of any type."""
    message = pkt.payload
    at = HEADER
    for _ in range(LABELS):
        if at + 3 > len(message) or message[at] > LONGEST_LABEL:
            return False
        if message[at] == 0:
            return message.u16(at + 1) == ANY
        at += 1 + message[at]
    return False


def in_time(asked: int) -> bool:
    """Whether an answer to a query of that time is still waited for."""
    return i64(now() - asked) < WAIT_NS


def is_awaited(pkt: Packet, udp: Udp, number: int) -> bool:
    """Whether a response answers a query, which then waits no longer."""
    if ip := pkt.ipv4:
        key4 = (ip.dst, ip.src, udp.dport, number)
        asked = QUERIES4.get(key4)
        QUERIES4.pop(key4, None)
        return asked is not None and in_time(asked)
    if ip6 := pkt.ipv6:
        key6 = (ip6.dst, ip6.src, udp.dport, number)
        asked = QUERIES6.get(key6)
        QUERIES6.pop(key6, None)
        return asked is not None and in_time(asked)
    return False


def remember(pkt: Packet, udp: Udp, number: int) -> None:
    """Notes a query that waits for its answer."""
    if ip := pkt.ipv4:
        QUERIES4[ip.src, ip.dst, udp.sport, number] = now()
    elif ip6 := pkt.ipv6:
        QUERIES6[ip6.src, ip6.dst, udp.sport, number] = now()


def source(pkt: Packet) -> int:
    """By what sources are told apart."""
    if ip := pkt.ipv4:
        return int(ip.src)
    ip6 = pkt.ipv6
    return 0 if ip6 is None else int(ip6.src) >> 64


@filter
def dns_guard(pkt: Packet) -> Verdict:
    udp = pkt.udp
    if udp is None or (udp.sport != PORT and udp.dport != PORT):
        return PASS
    message = pkt.payload
    if len(message) < HEADER or udp.dport == VXLAN_PORT:  # whose payload begins behind a VXLAN header
        return DROP
    number, responds = message.u16(0), message[2] & RESPONSE != 0
    if responds:
        return PASS if udp.sport != PORT or is_awaited(pkt, udp, number) else DROP
    if udp.dport != PORT:
        return PASS
    if asks_any(pkt) and not ANY_SOURCES.setdefault(source(pkt), RateLimit(ANY_RATE)).allow():
        return DROP
    remember(pkt, udp, number)
    return PASS
