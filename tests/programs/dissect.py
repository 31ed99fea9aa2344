"""What a packet holds, read from its bytes by docs/semantics.md, "Parsing": the model that programs are held to.

It shares no code with nmjit, and covers what its filters look at: tags, IP addresses, TCP, UDP, ICMP and their
payload. test_dissect.py holds it to Scapy. This file must not know: filters.
"""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address

TAGS = (0x8100, 0x88A8)
EXTENSIONS = {0: 8, 43: 8, 60: 8, 135: 8, 139: 8, 140: 8, 51: 4}
"""Extension headers by the unit that their length byte counts; a fragment header has 8 bytes."""
FRAGMENT = 44


@dataclass(frozen=True, slots=True)
class Ip:
    """An IP header that fits. `end` is where its content stops; `protocol` the number that it gives itself."""

    src: IPv4Address | IPv6Address
    dst: IPv4Address | IPv6Address
    protocol: int
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Layer4:
    """A TCP, UDP or ICMP header that fits, `name` being tcp, udp or icmp; its ports are 0, `flags` 0 but for TCP."""

    name: str
    start: int
    payload: bytes
    sport: int = 0
    dport: int = 0
    flags: int = 0


@dataclass(frozen=True, slots=True)
class Dissection:
    """`types` are the EtherType and those of the tags that fit, `vlans` their ids; a runt has neither."""

    types: tuple[int, ...] = ()
    vlans: tuple[int, ...] = ()
    ip: Ip | None = None
    layer4: Layer4 | None = None


def dissect(data: bytes) -> Dissection:
    """Everything of `data`, a frame from its Ethernet header on."""
    if len(data) < 14:
        return Dissection()
    types, at = [_u16(data, 12)], 14
    vlans: list[int] = []
    while types[-1] in TAGS and len(vlans) < 2 and at + 4 <= len(data):
        vlans.append(_u16(data, at) & 0xFFF)
        types.append(_u16(data, at + 2))
        at += 4
    ip, layer4 = None, None
    if types[-1] == 0x0800 and (ip := _ipv4(data, at)):
        if _u16(data, at + 6) & 0x1FFF == 0:
            layer4 = _layer4(data[: ip.end], ip.protocol, at + (data[at] & 15) * 4, icmp=1, icmp_size=8)
    elif types[-1] == 0x86DD and (ip := _ipv6(data, at)):
        layer4 = _behind_extensions(data[: ip.end], ip.protocol, at + 40)
    return Dissection(tuple(types), tuple(vlans), ip, layer4)


def _u16(data: bytes, at: int) -> int:
    return int.from_bytes(data[at : at + 2], "big")


def _ipv4(data: bytes, at: int) -> Ip | None:
    if at + 20 > len(data):
        return None
    size = (data[at] & 15) * 4
    total = _u16(data, at + 2) or len(data) - at
    if data[at] >> 4 != 4 or size < 20 or at + size > len(data) or size > total:
        return None
    src, dst = (IPv4Address(data[at + i : at + i + 4]) for i in (12, 16))
    return Ip(src, dst, data[at + 9], at, min(at + total, len(data)))


def _ipv6(data: bytes, at: int) -> Ip | None:
    if at + 40 > len(data) or data[at] >> 4 != 6:
        return None
    length = _u16(data, at + 4) or len(data)
    src, dst = (IPv6Address(data[at + i : at + i + 16]) for i in (8, 24))
    return Ip(src, dst, data[at + 6], at, min(at + 40 + length, len(data)))


def _behind_extensions(content: bytes, protocol: int, at: int) -> Layer4 | None:
    """`content` ends where layer 3 does."""
    for _ in range(8):
        if protocol not in EXTENSIONS and protocol != FRAGMENT:
            break
        if at + 8 > len(content):
            return None
        if protocol == FRAGMENT:
            if _u16(content, at + 2) >> 3:
                return None
            size = 8
        else:
            size = EXTENSIONS[protocol] * content[at + 1] + 8
        if at + size > len(content):
            return None
        protocol, at = content[at], at + size
    return _layer4(content, protocol, at, icmp=58, icmp_size=4)


def _layer4(content: bytes, protocol: int, at: int, *, icmp: int, icmp_size: int) -> Layer4 | None:
    room = len(content) - at
    if protocol == 6 and room >= 20:
        size = (content[at + 12] >> 4) * 4
        if 20 <= size <= room:
            flags = _u16(content, at + 12) & 0x1FF
            return Layer4("tcp", at, content[at + size :], _u16(content, at), _u16(content, at + 2), flags)
    elif protocol == 17 and room >= 8:
        return Layer4("udp", at, content[at + 8 :], _u16(content, at), _u16(content, at + 2))
    elif protocol == icmp and room >= icmp_size:
        return Layer4("icmp", at, content[at + icmp_size :])
    return None
