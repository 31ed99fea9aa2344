"""Packets for the programs: built with Scapy to meet each of their rules, generated, cut short, broken.

Every address is stated: Scapy asks the network for one that is not. This file must not know: filters.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache

from scapy.layers.inet import ICMP, IP, TCP, UDP
from scapy.layers.inet6 import ICMPv6EchoRequest, IPv6
from scapy.layers.l2 import ARP, LLC, Dot1AD, Dot1Q, Dot3, Ether
from scapy.packet import Packet, Raw

from tests.bench import packets as bench_packets
from tests.generators.packets import packets_of

HERE, THERE = "02:00:00:00:00:0a", "02:00:00:00:00:0b"
VLANS = (0, 1, 2, 9, 10, 11, 20, 99, 100, 150, 199, 200, 4094, 4095)
BLOCKED = ("192.0.2.0", "192.0.2.255", "198.51.100.9", "203.0.113.66", "2001:db8:bad::1", "100::ffff")
NOT_BLOCKED = ("192.0.1.255", "192.0.3.0", "203.0.113.65", "203.0.113.67", "2001:db8:bae::", "100:0:0:1::")
SITES = (
    ("172.16.0.0", "10.0.0.0"),
    ("172.31.255.255", "10.255.255.255"),
    ("172.32.0.0", "10.0.0.1"),
    ("172.15.255.255", "11.0.0.0"),
    ("172.16.9.9", "192.168.0.0"),
    ("203.0.113.255", "192.168.255.255"),
    ("203.0.114.0", "192.169.0.0"),
    ("9.255.255.255", "192.168.10.255"),
    ("10.0.0.0", "192.168.11.0"),
    ("2001:db8:bad:ffff:ffff:ffff:ffff:ffff", "2001:db8::"),
    ("2001:db8:bac:ffff::", "2001:db8:20:0:ffff:ffff:ffff:ffff"),
    ("2001:db8:10::", "2001:db8:20:1::"),
    ("2001:db8:11::", "2001:db7:ffff::"),
)
PORTS = (0, 1, 22, 23, 24, 53, 79, 80, 81, 134, 135, 139, 140, 443, 1023, 1024, 1900, 4999, 5000, 5999, 6000, 65535)
REQUESTS = (
    b"GET / HTTP/1.1\r\nHost: blocked.example\r\n\r\n",
    b"GET / HTTP/1.1\r\nUser-Agent: x\r\nHost: blocked.example\r\nAccept: */*\r\n\r\n",
    b"POST /track/7 HTTP/1.1\r\nHost: blocked.example\r\nContent-Length: 1\r\n\r\nx",
    b"PATCH /a HTTP/1.1\r\nHost: blocked.example\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: blocked.example.org\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: www.blocked.example\r\n\r\n",
    b"GET / HTTP/1.1\r\nX: \r\nHost: other.example\r\n\r\nHost: blocked.example",
    b"GET /" + b"a" * 1300 + b" HTTP/1.1\r\nHost: blocked.example\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: blocked.exa",
    b"get / HTTP/1.1\r\nHost: blocked.example\r\n\r\n",
    b" GET / HTTP/1.1\r\nHost: blocked.example\r\n\r\n",
    b"OPTIONS * HTTP/1.1\r\nHost: blocked.example\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nHost: blocked.example\r\n\r\n",
    b"GET ",
    b"G",
    b"",
)


def ether() -> Packet:
    """An Ethernet header with both addresses."""
    return Ether(src=HERE, dst=THERE)


def ip(src: str = "198.18.0.1", dst: str = "198.18.0.2") -> Packet:
    """An IPv4 or IPv6 header, whichever the addresses are of."""
    return (IPv6 if ":" in src else IP)(src=src, dst=dst)


def _tagged() -> Iterator[Packet]:
    for vlan in VLANS:
        for tag in (Dot1Q, Dot1AD):
            yield ether() / tag(vlan=vlan, prio=5) / ip() / UDP(sport=1, dport=2)
        yield ether() / Dot1AD(vlan=vlan) / Dot1Q(vlan=10) / ip() / TCP(dport=80)
        yield ether() / Dot1Q(vlan=vlan)


def _from_networks() -> Iterator[Packet]:
    for source in (*BLOCKED, *NOT_BLOCKED):
        for target in ("2001:db8::1",) if ":" in source else ("198.18.0.2", "192.0.2.1"):
            yield ether() / ip(source, target) / UDP(sport=1, dport=2)
            yield ether() / Dot1Q(vlan=10) / ip(source, target)
            yield ether() / ip(target, source) / TCP(dport=443)


def _requests() -> Iterator[Packet]:
    for request in REQUESTS:
        yield ether() / ip() / TCP(sport=9, dport=80) / Raw(request)
        yield ether() / ip("2001:db8::1", "2001:db8::2") / TCP(dport=8080, options=[("NOP", None)] * 8) / Raw(request)
        yield ether() / ip() / UDP(sport=9, dport=80) / Raw(request)


def _between_sites() -> Iterator[Packet]:
    for source, target in SITES:
        yield ether() / ip(source, target) / (ICMPv6EchoRequest() if ":" in source else ICMP())
        for port in PORTS:
            yield ether() / ip(source, target) / TCP(sport=9, dport=port)
            yield ether() / ip(source, target) / UDP(sport=9, dport=port)


def _others() -> Iterator[Packet]:
    yield ether() / ARP(hwsrc=HERE, hwdst=THERE, psrc="10.0.0.1", pdst="10.0.0.2")
    yield Dot3(src=HERE, dst=THERE) / LLC() / Raw(b"x" * 40)
    yield Ether(src=HERE, dst="ff:ff:ff:ff:ff:ff", type=0x88CC) / Raw(b"lldp")


def built() -> list[bytes]:
    """Well-formed packets, each with something that a program looks at."""
    return [
        bytes(packet) for part in (_tagged, _from_networks, _between_sites, _requests, _others) for packet in part()
    ]


@cache
def traffic() -> tuple[bytes, ...]:
    """Every packet: about 5,000, odd ones and broken ones too."""
    well_formed = built()
    acl = bench_packets.built()
    return (
        *well_formed,
        *acl,
        *bench_packets.broken([*acl, *well_formed], 1500, seed=11),
        *bench_packets.cut_short(acl[:: len(acl) // 6]),
        *bench_packets.cut_short([well_formed[2], well_formed[-12]]),
        *packets_of(seed=5, count=1500),
    )
