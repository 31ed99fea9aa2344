"""Packets for the C peers: built with Scapy, cut short, and broken at random.

Every address is stated. Scapy asks the network for a MAC address that is not (ARP, neighbour solicitation), and tests
send nothing.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import Any

from scapy.layers.inet import ICMP, IP, TCP, UDP, IPOption_NOP
from scapy.layers.inet6 import (
    HBHOptUnknown,
    ICMPv6EchoRequest,
    IPv6,
    IPv6ExtHdrDestOpt,
    IPv6ExtHdrFragment,
    IPv6ExtHdrHopByHop,
    IPv6ExtHdrRouting,
)
from scapy.layers.ipsec import AH, ESP
from scapy.layers.l2 import ARP, Dot1AD, Dot1Q, Ether
from scapy.packet import Packet, Raw

WEB = TCP(sport=40000, dport=80)
MAC = "02:00:00:00:00:09"


def _ether() -> Packet:
    return Ether(dst=MAC, src=MAC)


def _ip(**fields: Any) -> Packet:
    return IP(**{"src": "198.51.100.1", "dst": "198.51.100.2", **fields})


def _ip6(**fields: Any) -> Packet:
    return IPv6(**{"src": "2a00::1", "dst": "2a00::2", **fields})


def _well_formed() -> Iterator[Packet]:
    tagged = [_ether(), _ether() / Dot1Q(vlan=5), _ether() / Dot1AD(vlan=6) / Dot1Q(vlan=7)]
    layer3 = [
        _ip(src="10.1.2.3", dst="10.9.9.9"),
        _ip(src="203.0.113.9", dst="10.9.9.9", ttl=1),
        _ip(src="172.16.1.1", dst="192.168.3.4", ttl=0),
        _ip(dst="192.168.10.1", options=[IPOption_NOP()] * 8),
        _ip(dst="192.168.10.1", flags="MF"),
        _ip(dst="192.168.10.1", frag=3),
        _ip6(src="2001:db8:bad::1", dst="2001:db8:20::5"),
        _ip6(src="2001:db8:10::1", dst="2001:db8:20::5"),
        _ip6(src="2a00::1", dst="2001:db8:20:1::5"),
        _ip6(dst="2001:db8:20::5") / IPv6ExtHdrHopByHop(options=[HBHOptUnknown(optdata=b"x" * 20)]),
        _ip6(dst="2001:db8::5") / IPv6ExtHdrHopByHop() / IPv6ExtHdrRouting() / IPv6ExtHdrDestOpt(),
        _ip6(dst="2001:db8::5") / IPv6ExtHdrFragment(offset=0, m=1),
        _ip6(dst="2001:db8::5") / IPv6ExtHdrFragment(offset=5),
    ]
    layer4 = [
        WEB,
        TCP(dport=443, options=[("NOP", None)] * 12),
        *(TCP(dport=port) for port in (22, 23, 134, 135, 139, 140, 1023, 1024)),
        *(UDP(dport=port) for port in (53, 1023, 1024, 1900, 5000, 65535)),
    ]
    for frame in tagged:
        for network in layer3:
            for transport in layer4:
                yield frame / network / transport / Raw(b"GET / HTTP/1.1\r\n")
            yield frame / network / (ICMPv6EchoRequest() if IPv6 in network else ICMP())
            yield frame / network


def _corners() -> Iterator[Packet]:
    yield _ether() / Dot1Q() / Dot1Q() / Dot1Q() / _ip() / WEB  # a third tag
    yield _ether() / ARP(hwsrc=MAC, hwdst=MAC, psrc="10.0.0.1", pdst="10.0.0.2")
    for count in (7, 8, 9):
        packet = _ip6()
        for _ in range(count):
            packet /= IPv6ExtHdrDestOpt()
        yield _ether() / packet / WEB
    yield _ether() / _ip6() / AH(nh=6, payloadlen=4, icv=b"x" * 12) / Raw(bytes(WEB))
    yield _ether() / _ip6() / ESP(data=bytes(WEB))
    yield _ether() / _ip6(nh=59) / Raw(bytes(WEB))
    for proto in (135, 139, 140):
        yield _ether() / _ip6(nh=proto) / Raw(b"\x06\0" + bytes(6) + bytes(WEB))
    yield _ether() / _ip(len=0) / WEB
    yield _ether() / _ip(len=19) / WEB
    yield _ether() / _ip(len=39) / WEB
    yield _ether() / _ip(len=40) / TCP(dport=80, dataofs=6) / Raw(bytes(4))
    yield _ether() / _ip(version=6) / WEB
    yield _ether() / _ip(ihl=4) / WEB
    yield _ether() / _ip(ihl=15) / WEB
    yield _ether() / _ip() / TCP(dport=80, dataofs=4)
    yield _ether() / _ip6(plen=0) / WEB
    yield _ether() / _ip6(plen=19) / WEB
    yield _ether() / _ip6(plen=9000) / WEB
    yield _ether() / _ip6(version=4) / WEB
    yield _ether() / _ip(dst="192.168.0.1", len=27) / ICMP()
    yield _ether() / _ip(dst="10.0.0.1", proto=58) / ICMPv6EchoRequest()


def built() -> list[bytes]:
    """Every built packet."""
    return [bytes(packet) for packet in (*_well_formed(), *_corners())]


def cut_short(packets: list[bytes]) -> Iterator[bytes]:
    """Some packets at every length from none to their own."""
    for packet in packets:
        for length in range(len(packet) + 1):
            yield packet[:length]


def broken(packets: list[bytes], count: int, seed: int) -> Iterator[bytes]:
    """`count` packets with up to three bytes changed where headers are, at times cut short."""
    rng = random.Random(seed)
    for _ in range(count):
        packet = bytearray(rng.choice(packets))
        for _ in range(rng.randint(1, 3)):
            at = rng.randrange(12, min(len(packet), 90))
            packet[at] = rng.choice((0, 1, 4, 5, 6, 17, 44, 51, 60, 0x45, 0x81, 0x88, 255, rng.randrange(256)))
        if rng.random() < 0.3:
            del packet[rng.randrange(len(packet)) :]
        yield bytes(packet)
