"""Packets for property tests: well-formed stacks of every header, then damaged where parsers look.

`packet_of` draws one packet from a `random.Random`; nothing here touches a network or asks the host for an address.
Values come from small pools, so that comparisons in generated filters hold now and then. This file must not know:
filters.
"""

from __future__ import annotations

import random
import struct
from collections.abc import Callable
from ipaddress import IPv4Address, IPv6Address
from typing import Final

MAX_LENGTH: Final = 1600
"""Longest packet in bytes."""
PORTS: Final = (0, 22, 53, 80, 443, 1024, 4789, 8080, 65535)
"""Layer-4 ports."""
ADDRESSES4: Final = tuple(map(IPv4Address, ("10.0.0.1", "10.0.0.2", "10.1.2.3", "192.168.1.77", "8.8.8.8", "0.0.0.0")))
"""IPv4 addresses; the last six of any packet come from here or are random."""
ADDRESSES6: Final = tuple(map(IPv6Address, ("2001:db8::1", "2001:db8::2", "fe80::1", "2001:db8:ffff::53", "::")))
"""IPv6 addresses."""
MACS: Final = (0x020000000001, 0x020000000002, 0xFFFFFFFFFFFF, 0x01005E000001)
"""Ethernet addresses."""
NEEDLES: Final = (b"GET ", b"HTTP/1.1\r\n", b"Host", b"\x00\x00", b"a", b"ab", b"SSH-2.0-", b"")
"""Texts in payloads."""
VLAN_TYPES: Final = (0x8100, 0x88A8)
_EXTENSIONS: Final = (0, 43, 44, 51, 60, 135, 139, 140)
_STEERING: Final = (12, 13, 14, 16, 17, 18, 20, 21, 22, 23, 24, 26, 27, 38, 46, 47, 48, 54, 55, 56, 57)
"""Offsets of bytes that parsers steer by, in common stacks."""

Rng = random.Random


def packet_of(rng: Rng) -> bytes:
    """One packet of 0 … MAX_LENGTH bytes."""
    if rng.random() < 0.04:
        return rng.randbytes(rng.choice((0, 1, 13, 14, 15, 33, 60, 400)))
    packet, boundaries = _stack(rng)
    for _ in range(rng.choice((0, 0, 0, 1, 2))):
        packet = rng.choice(_MUTATIONS)(rng, packet, boundaries)
    return packet[:MAX_LENGTH]


def packets_of(seed: int, count: int) -> list[bytes]:
    """`count` packets, the same for the same seed."""
    rng = Rng(seed)
    return [packet_of(rng) for _ in range(count)]


def flows_of(seed: int, count: int) -> list[bytes]:
    """`count` packets of few flows: most are seen again and again, some differ in a byte."""
    rng = Rng(f"flows {seed}")
    # Short packets make most filters raise, before they keep any state.
    drawn = sorted((packet_of(rng) for _ in range(30)), key=lambda packet: len(packet) < 34)
    pool = [packet[: rng.choice((80, 200, MAX_LENGTH))] for packet in drawn[: rng.choice((3, 8, 20))]]
    weights = [1 / (place + 1) for place in range(len(pool))]
    packets = rng.choices(pool, weights, k=count)
    for place in rng.sample(range(count), count // 6):
        packets[place] = _set_early_byte(rng, packets[place], []) if rng.random() < 0.8 else packet_of(rng)
    return packets


# Well-formed stacks


def _stack(rng: Rng) -> tuple[bytes, list[int]]:
    """A packet, and the offsets at which its headers start."""
    tags = rng.choice((0, 0, 0, 0, 0, 0, 0, 1, 1, 2, 3))
    ethertype, layer3 = rng.choice(_LAYER3)(rng)
    head = _mac(rng) + _mac(rng)
    boundaries = [0, 12]
    for _ in range(tags):
        head += struct.pack("!HH", rng.choice(VLAN_TYPES), rng.choice((0, 1, 100, 0x6064, 0xFFFF)))
        boundaries.append(len(head))
    head += struct.pack("!H", ethertype)
    boundaries.append(len(head))
    packet = head + layer3
    boundaries += [len(head) + size for size in (8, 20, 28, 40, 48, 60) if size < len(layer3)]
    if rng.random() < 0.2:
        packet += bytes(max(0, 60 - len(packet)))  # Ethernet padding, behind layer 3's end
    return packet, boundaries


def _mac(rng: Rng) -> bytes:
    return rng.choice(MACS).to_bytes(6, "big")


def _ipv4(rng: Rng) -> tuple[int, bytes]:
    options = rng.choice((b"", b"", b"", bytes((1, 1, 1, 0)), bytes((7, 7, 4, 0, 0, 0, 0, 0)), bytes(40)))
    protocol, body = rng.choice(_LAYER4)(rng, 4)
    total = 20 + len(options) + len(body)
    flags = rng.choice((0, 0, 0, 0x4000, 0x4000, 0x2000, 0x2001, 0x00B9))
    ttl = rng.choice((0, 1, 2, 64, 128, 255))
    source, destination = (_address4(rng) for _ in range(2))
    head = struct.pack(
        "!BBHHHBBH4s4s", 0x45 + len(options) // 4, rng.choice((0, 0x2E, 0xFF)), rng.choice((total, total, total, 0)),
        rng.randrange(65536), flags, ttl, protocol, 0, source, destination,
    )  # fmt: skip
    head += options
    checksum = _checksum(head)
    pseudo = source + destination + struct.pack("!BBH", 0, protocol, len(body))
    return 0x0800, head[:10] + struct.pack("!H", checksum) + head[12:] + _summed(rng, protocol, body, pseudo)


def _ipv6(rng: Rng) -> tuple[int, bytes]:
    protocol, body = rng.choice(_LAYER4)(rng, 6)
    source, destination = (_address6(rng) for _ in range(2))
    pseudo = source + destination + struct.pack("!IHBB", len(body), 0, 0, protocol)
    content = _summed(rng, protocol, body, pseudo)
    for kind in rng.choices(_EXTENSIONS, k=rng.choice((0, 0, 0, 1, 1, 2, 4, 8, 9))):
        content, protocol = _extension(rng, kind, protocol) + content, kind
    length = rng.choice((len(content), len(content), len(content), 0))
    first = 0x60000000 | rng.choice((0, 0x0FF00000, 0x000ABCDE))
    hops = rng.choice((0, 1, 64, 255))
    return 0x86DD, struct.pack("!IHBB", first, length, protocol, hops) + source + destination + content


def _extension(rng: Rng, kind: int, following: int) -> bytes:
    if kind == 44:
        return struct.pack("!BBHI", following, 0, rng.choice((0, 0, 1, 8, 0x100)), 7)
    count = rng.choice((0, 0, 1, 2))
    size = 4 * (count + 2) if kind == 51 else 8 * (count + 1)
    return bytes((following, count, rng.choice((0, 2)), rng.choice((0, 0, 1)))) + bytes(size - 4)


def _arp(rng: Rng) -> tuple[int, bytes]:
    head = struct.pack("!HHBBH", 1, 0x0800, 6, 4, rng.choice((1, 2)))
    return 0x0806, head + _mac(rng) + _address4(rng) + _mac(rng) + _address4(rng)


def _mpls(rng: Rng) -> tuple[int, bytes]:
    return rng.choice((0x8847, 0x8848)), struct.pack("!I", rng.randrange(1 << 32)) + _payload(rng)


def _unknown(rng: Rng) -> tuple[int, bytes]:
    return rng.choice((0x88CC, 0x0600, 0x05DC, 0)), _payload(rng)


_LAYER3: Final = (_ipv4, _ipv4, _ipv4, _ipv4, _ipv6, _ipv6, _arp, _mpls, _unknown)


def _address4(rng: Rng) -> bytes:
    return rng.randbytes(4) if rng.random() < 0.2 else rng.choice(ADDRESSES4).packed


def _address6(rng: Rng) -> bytes:
    return rng.randbytes(16) if rng.random() < 0.2 else rng.choice(ADDRESSES6).packed


def _tcp(rng: Rng, _: int) -> tuple[int, bytes]:
    options = b"".join(rng.choices(_TCP_OPTIONS, k=rng.choice((0, 0, 1, 2, 3, 5))))[:40]
    options += bytes(-len(options) % 4)
    numbers = (rng.choice(PORTS), rng.choice(PORTS), rng.randrange(1 << 32), rng.choice((0, 1, (1 << 32) - 1)))
    steer = (20 + len(options)) // 4 << 12 | rng.choice((0x002, 0x012, 0x018, 0x1FF, 0x004))
    head = struct.pack("!HHIIHHHH", *numbers, steer, rng.choice((0, 1024, 65535)), 0, rng.choice((0, 7)))
    return 6, head + options + _payload(rng)


_TCP_OPTIONS: Final = (
    b"\x01",
    b"\x02\x04\x05\xb4",
    b"\x03\x03\x07",
    b"\x04\x02",
    b"\x08\x0a" + bytes(range(8)),
    b"\x05\x0a" + bytes(8),
    b"\x00",
    b"\xfd\x01",
    b"\xfd\x00",
    b"\xfe\x30",
)


def _udp(rng: Rng, version: int) -> tuple[int, bytes]:
    port = rng.choice(PORTS)
    body = struct.pack("!BBHI", 8, 0, 0, rng.choice((1, 77, 0xABCDEF)) << 8) if port == 4789 else b""
    body += _payload(rng)
    del version
    return 17, struct.pack("!HHHH", rng.choice(PORTS), port, 8 + len(body), 0) + body


def _icmp(rng: Rng, version: int) -> tuple[int, bytes]:
    kind = rng.choice((0, 3, 8, 11) if version == 4 else (1, 128, 129, 135))
    protocol = 1 if version == 4 else 58
    head = struct.pack("!BBHHH", kind, rng.choice((0, 1)), 0, rng.choice((1, 77, 65535)), rng.choice((0, 1)))
    return rng.choice((protocol, protocol, 1, 58)), head + _payload(rng)


def _gre(rng: Rng, _: int) -> tuple[int, bytes]:
    flags = rng.choice((0, 0, 0x8000, 0x2000, 0x1000, 0xB000, 0x4000, 0x0001, 0x0F80))
    return 47, struct.pack("!HH", flags, 0x0800) + rng.randbytes(4 * rng.choice((0, 1, 3, 3))) + _payload(rng)


def _other(rng: Rng, _: int) -> tuple[int, bytes]:
    return rng.choice((50, 59, 2, 4, 41, 132, 255)), _payload(rng)


_LAYER4: Final = (_tcp, _tcp, _tcp, _udp, _udp, _udp, _icmp, _icmp, _gre, _other)


def _payload(rng: Rng) -> bytes:
    match rng.randrange(6):
        case 0:
            return b""
        case 1 | 2:
            return rng.randbytes(rng.choice((0, 1, 2, 3, 5, 18, 40, 100)))
        case 3:
            return rng.choice(NEEDLES) + rng.randbytes(rng.randrange(20))
        case 4:
            return bytes(rng.choice(b"ab\x00") for _ in range(rng.randrange(50))) + rng.choice(NEEDLES)
        case _:
            return rng.randbytes(rng.choice((64, 300, 1200, 1500))) + rng.choice(NEEDLES)


def _checksum(data: bytes) -> int:
    data += bytes(len(data) % 2)
    total: int = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return total ^ 0xFFFF


_CHECKSUM_PLACES: Final = {6: 16, 17: 6, 1: 2, 58: 2}


def _summed(rng: Rng, protocol: int, body: bytes, pseudo: bytes) -> bytes:
    """`body` with its checksum: the right one, none, or one that makes carries happen."""
    place = _CHECKSUM_PLACES.get(protocol)
    if place is None or len(body) < place + 2:
        return body
    right = _checksum((b"" if protocol == 1 else pseudo) + body)
    chosen = rng.choice((right, right, right, 0, 0, 0xFFFF, 1, 0xFFFE, rng.randrange(65536)))
    return body[:place] + struct.pack("!H", chosen) + body[place + 2 :]


# Damage


def _flip_steering_bit(rng: Rng, packet: bytes, _: list[int]) -> bytes:
    offset = rng.choice(_STEERING)
    if offset >= len(packet):
        return packet
    return packet[:offset] + bytes((packet[offset] ^ 1 << rng.randrange(8),)) + packet[offset + 1 :]


def _set_early_byte(rng: Rng, packet: bytes, _: list[int]) -> bytes:
    offset = rng.randrange(min(len(packet), 100)) if packet else 0
    return packet[:offset] + bytes((rng.choice((0, 1, 5, 6, 17, 44, 58, 0x45, 0x60, 255)),)) + packet[offset + 1 :]


def _cut_at_boundary(rng: Rng, packet: bytes, boundaries: list[int]) -> bytes:
    return packet[: max(0, rng.choice(boundaries) + rng.choice((-1, 0, 0, 1, 2, 4)))]


def _cut_anywhere(rng: Rng, packet: bytes, _: list[int]) -> bytes:
    return packet[: rng.randrange(len(packet) + 1)]


def _change_length(rng: Rng, packet: bytes, boundaries: list[int]) -> bytes:
    """Set the length that layer 3 declares to nearly what it was, or to an extreme."""
    start = next((b for b in boundaries if b >= 14), 14)
    for version, offset in ((4, start + 2), (6, start + 4)):
        if offset + 2 <= len(packet) and packet[start] >> 4 == version:
            old = int.from_bytes(packet[offset : offset + 2], "big")
            new = rng.choice((old + 1, old - 1, old + 4, old - 4, 0, 1, 19, 20, 21, 65535)) & 0xFFFF
            return packet[:offset] + new.to_bytes(2, "big") + packet[offset + 2 :]
    return packet


def _append(rng: Rng, packet: bytes, _: list[int]) -> bytes:
    return packet + rng.randbytes(rng.choice((1, 2, 3, 6, 64)))


_MUTATIONS: Final[tuple[Callable[[Rng, bytes, list[int]], bytes], ...]] = (
    _flip_steering_bit,
    _flip_steering_bit,
    _set_early_byte,
    _cut_at_boundary,
    _cut_at_boundary,
    _cut_anywhere,
    _change_length,
    _change_length,
    _append,
)
