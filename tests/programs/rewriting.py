"""What each program that changes packets and needs no luck for it must make of them, as its docstring says it.

Simulations as in simulations.py. Changed checksums follow RFC 1624, equation 3, reckoned here for itself.
This file must not know: nmjit.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from ipaddress import IPv4Address, IPv4Network, ip_network

from scapy.layers.inet import IP, TCP, UDP
from scapy.layers.l2 import Ether

from tests.programs.dissect import Dissection, Ip, Layer4, dissect
from tests.programs.simulations import SECOND, Row, Rows

MASK = 2**64 - 1
VIP, OWN = IPv4Address("192.0.2.10"), IPv4Address("192.0.2.1")
"""The load balancer's service and itself; tunnels end at the latter, too."""


def ones_sum(data: bytes) -> int:
    """The Internet checksum's sum of 16-bit words, RFC 1071, not inverted."""
    padded = data + bytes(len(data) % 2)
    total = sum(int.from_bytes(padded[at : at + 2], "big") for at in range(0, len(padded), 2))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return total


def patched(data: bytes, packet: Dissection, changes: Mapping[int, bytes]) -> bytes:
    """`data` with new bytes at some places of the IPv4 and the TCP or UDP header, and checksums that follow."""
    ip, l4 = packet.ip, packet.layer4
    assert ip is not None
    changed = bytearray(data)
    for at, new in changes.items():
        changed[at : at + len(new)] = new
    ip_area = (ip.start, ip.start + 20)
    _follow(changed, data, ip.start + 10, ip_area)
    if l4 is not None and l4.name != "icmp":
        place, size = (l4.start + 16, 20) if l4.name == "tcp" else (l4.start + 6, 8)
        if l4.name == "tcp" or changed[place : place + 2] != b"\0\0":
            _follow(changed, data, place, (ip.start + 12, ip.start + 20), (l4.start, l4.start + size))
            if l4.name == "udp" and changed[place : place + 2] == b"\0\0":
                changed[place : place + 2] = b"\xff\xff"
    return bytes(changed)


def _follow(changed: bytearray, data: bytes, place: int, *areas: tuple[int, int]) -> None:
    """Adjust the checksum at `place` to the words of `areas` that differ."""
    total = ones_sum(bytes(byte ^ 0xFF for byte in data[place : place + 2]))
    differs = False
    for start, end in areas:
        for at in range(start, end, 2):
            old, new = data[at : at + 2], bytes(changed[at : at + 2])
            if old != new:
                differs = True
                total += (int.from_bytes(old, "big") ^ 0xFFFF) + int.from_bytes(new, "big")
    if differs:
        total = ones_sum(total.to_bytes(8, "big"))
        changed[place : place + 2] = (total ^ 0xFFFF).to_bytes(2, "big")


def sums_hold(data: bytes) -> bool:
    """Whether Scapy, computing each checksum anew, writes the same bytes."""
    if len(data) < 14:
        return False
    packet = Ether(data)
    for layer in (IP, TCP, UDP):
        if packet.haslayer(layer) and not (layer is UDP and packet[UDP].chksum == 0):
            del packet[layer].chksum
    return bytes(packet) == data


def ipv4_of(packet: Dissection) -> Ip | None:
    """The IP header where it is IPv4's."""
    return packet.ip if packet.ip is not None and packet.ip.src.version == 4 else None


def ports_of(packet: Dissection) -> Layer4 | None:
    """The layer-4 header where it has ports."""
    return packet.layer4 if packet.layer4 is not None and packet.layer4.name != "icmp" else None


@dataclass
class RouteTable:
    """Routes by prefix, each with a MAC address and how often it was taken."""

    routes: dict[IPv4Network, bytes]
    own: bytes = bytes.fromhex("020000000001")
    taken: dict[IPv4Network, int] = field(default_factory=dict)

    def step(self, data: bytes, now: int, wire_len: int) -> tuple[str, bytes]:
        packet = dissect(data)
        ip = ipv4_of(packet)
        if ip is None:
            return "PASS", data
        matching = [network for network in self.routes if ip.dst in network]
        ttl = data[ip.start + 8]
        if not matching or ttl < 2:
            return "DROP", data
        best = max(matching, key=lambda network: network.prefixlen)
        self.taken[best] = self.taken.get(best, 0) + 1
        routed = patched(data, packet, {ip.start + 8: bytes([ttl - 1])})
        return "TX", self.routes[best] + self.own + routed[12:]

    def maps(self) -> Rows:
        return {
            "TABLE": [
                (int(network[0]), network.prefixlen, int.from_bytes(hop, "big"), self.taken.get(network, 0))
                for network, hop in self.routes.items()
            ]
        }


def maglev(backends: list[str], size: int) -> list[str]:
    """The look-up table of NSDI 2016, figure "Populate", with offsets and skips out of SHA-256."""
    digests = [sha256(name.encode()).digest() for name in backends]
    offsets = [int.from_bytes(digest[:8], "big") % size for digest in digests]
    skips = [int.from_bytes(digest[8:16], "big") % (size - 1) + 1 for digest in digests]
    turns, entry = [0] * len(backends), [""] * size
    filled = 0
    while True:
        for i, name in enumerate(backends):
            place = (offsets[i] + turns[i] * skips[i]) % size
            while entry[place]:
                turns[i] += 1
                place = (offsets[i] + turns[i] * skips[i]) % size
            entry[place] = name
            turns[i] += 1
            filled += 1
            if filled == size:
                return entry


@dataclass
class LoadBalancer:
    """Which backend each connection went to."""

    backends: list[str]
    gateway: bytes = bytes.fromhex("020000000002")
    known: dict[Row, str] = field(default_factory=dict)
    table: list[str] = field(init=False)

    def __post_init__(self) -> None:
        self.table = maglev(self.backends, 4099)

    def step(self, data: bytes, now: int, wire_len: int) -> tuple[str, bytes]:
        packet = dissect(data)
        ip, l4 = ipv4_of(packet), ports_of(packet)
        if ip is None or ip.dst != VIP or packet.vlans:
            return "PASS", data
        length = int.from_bytes(data[16:18], "big")
        if l4 is None or length == 0 or length + 20 > 65535 or len(data) + 20 > 65535:
            return "DROP", data
        chosen = self.table[self._hash(int(ip.src) << 32 | l4.sport << 16 | l4.dport) % 4099]
        backend = self.known.setdefault((int(ip.src), l4.sport, l4.dport, ip.protocol), chosen)
        outer = bytearray(bytes([0x45, data[15]]) + (length + 20).to_bytes(2, "big") + bytes.fromhex("000040004004"))
        outer += bytes(2) + OWN.packed + IPv4Address(backend).packed
        outer[10:12] = (ones_sum(bytes(outer)) ^ 0xFFFF).to_bytes(2, "big")
        return "TX", self.gateway + data[:6] + data[12:14] + bytes(outer) + data[14:]

    def _hash(self, word: int) -> int:
        """MurmurHash3's fmix64."""
        for factor in (0xFF51AFD7ED558CCD, 0xC4CEB9FE1A85EC53):
            word = ((word ^ (word >> 33)) * factor) & MASK
        return word ^ (word >> 33)

    def maps(self) -> Rows:
        return {"CONNECTIONS": [(*key, int(IPv4Address(backend))) for key, backend in self.known.items()]}


@dataclass
class Decapsulate:
    """Counts by kind of tunnel."""

    taken: list[int] = field(default_factory=lambda: [0, 0, 0])

    def step(self, data: bytes, now: int, wire_len: int) -> tuple[str, bytes]:
        packet = dissect(data)
        ip, l4 = ipv4_of(packet), packet.layer4
        if ip is None or ip.dst != OWN or packet.vlans:
            return "PASS", data
        tunnel = l4 is not None and l4.name == "udp" and l4.dport in (6080, 4789)
        if not tunnel and ip.protocol not in (4, 41):
            return "PASS", data
        declared = int.from_bytes(data[16:18], "big")
        broken = data[14] != 0x45 or declared == 0 or int.from_bytes(data[20:22], "big") & 0x3FFF
        inner = None if broken else self._inner(data, data[34 : ip.end], l4 if tunnel else None, ip.protocol)
        return ("DROP", data) if inner is None else ("PASS", inner)

    def _inner(self, data: bytes, content: bytes, udp: Layer4 | None, protocol: int) -> bytes | None:
        """What the tunnel carried, with the Ethernet padding that came behind it."""
        rest = data[34:]
        if udp is None:
            return self._framed(data, rest, content, protocol, 0)
        rest, content = rest[8:], content[8:]
        if udp.dport == 4789:
            if len(content) < 8 + 14 or not content[0] & 8:
                return None
            self.taken[2] += 1
            return rest[8:]
        if len(content) >= 4 and content[0] >> 6 == 1:
            return self._framed(data, rest, content, {4: 4, 6: 41}.get(content[0] >> 4, 0), 1)
        if len(content) < 4 or content[0] != 0 or content[2:4] != b"\0\0":
            return None
        return self._framed(data, rest[4:], content[4:], content[1], 1)

    def _framed(self, data: bytes, rest: bytes, content: bytes, protocol: int, kind: int) -> bytes | None:
        version, size, ethertype = {4: (4, 20, b"\x08\x00"), 41: (6, 40, b"\x86\xdd")}.get(protocol, (0, 0, b""))
        if not version or len(content) < size or content[0] >> 4 != version:
            return None
        self.taken[kind] += 1
        return data[:12] + ethertype + rest

    def maps(self) -> Rows:
        return {"TAKEN": [(count,) for count in self.taken]}


@dataclass
class VlanRewrite:
    """Tags on and off."""

    native: int = 10
    stripped: int = 20
    service: int = 100

    def step(self, data: bytes, now: int, wire_len: int) -> tuple[str, bytes]:
        packet = dissect(data)
        if not packet.types or (packet.types[-1] in (0x8100, 0x88A8) and len(packet.vlans) < 2):
            return "DROP", data
        match packet.types[0], packet.vlans:
            case _, ():
                return "PASS", data[:12] + b"\x81\x00" + self.native.to_bytes(2, "big") + data[12:]
            case 0x88A8, (vlan, _) if vlan == self.service:
                return "PASS", data[:12] + data[16:]
            case 0x88A8, _:
                return "DROP", data
            case _, (_, _):
                return "DROP", data
            case _, (0,):
                control = int.from_bytes(data[14:16], "big") | self.native
                return "PASS", data[:14] + control.to_bytes(2, "big") + data[16:]
            case _, (vlan,) if vlan == self.stripped:
                return "PASS", data[:12] + data[16:]
        control = int.from_bytes(data[14:16], "big") & 0xF000 | self.service
        return "PASS", data[:12] + b"\x88\xa8" + control.to_bytes(2, "big") + data[12:]

    def maps(self) -> Rows:
        return {}


def siphash(key: bytes, message: bytes) -> int:
    """SipHash-2-4, as the paper's section 2 has it."""
    k0, k1 = (int.from_bytes(key[at : at + 8], "little") for at in (0, 8))
    v = [k0 ^ 0x736F6D6570736575, k1 ^ 0x646F72616E646F6D, k0 ^ 0x6C7967656E657261, k1 ^ 0x7465646279746573]
    blocks = message + bytes(7 - len(message) % 8) + bytes([len(message) % 256])
    for at in range(0, len(blocks), 8):
        word = int.from_bytes(blocks[at : at + 8], "little")
        v[3] ^= word
        _sip_rounds(v, 2)
        v[0] ^= word
    v[2] ^= 0xFF
    _sip_rounds(v, 4)
    return v[0] ^ v[1] ^ v[2] ^ v[3]


def _sip_rounds(v: list[int], count: int) -> None:
    def turn(index: int, bits: int) -> None:
        v[index] = (v[index] << bits | v[index] >> (64 - bits)) & MASK

    for _ in range(count):
        for a, b, bits, half in ((0, 1, 13, 0), (2, 3, 16, None), (2, 1, 17, 2), (0, 3, 21, None)):
            v[a] = (v[a] + v[b]) & MASK
            turn(b, bits)
            v[b] ^= v[a]
            if half is not None:
                turn(half, 32)


@dataclass
class SynGuard:
    """When each client proved itself."""

    secret: int
    known_for: int
    proved: dict[IPv4Address, int] = field(default_factory=dict)

    def step(self, data: bytes, now: int, wire_len: int) -> tuple[str, bytes]:
        packet = dissect(data)
        ip, l4 = ipv4_of(packet), packet.layer4
        if ip is None or ip.dst not in ip_network("192.0.2.0/24") or ip.protocol != 6:
            return "PASS", data
        assert isinstance(ip.src, IPv4Address)
        if ip.src in self.proved and now - self.proved[ip.src] < self.known_for * SECOND:
            return "PASS", data
        if l4 is None or data[ip.start + 6] & 0x20:
            return "DROP", data
        seq, ack = (int.from_bytes(data[l4.start + at : l4.start + at + 4], "big") for at in (4, 8))
        period, kind = now >> 36, l4.flags & (2 | 4 | 16)
        if kind == 2:
            return "TX", self._answer(data, ip, l4, 0x12, self.cookie(ip, l4, period), (seq + 1) % 2**32)
        sent = (ack - 1) % 2**32
        if kind == 16 and any(sent == self.cookie(ip, l4, each) for each in (period, period - 1)):
            self.proved[ip.src] = now
            return "TX", self._answer(data, ip, l4, 4, ack, 0)
        return "DROP", data

    def cookie(self, ip: Ip, l4: Layer4, period: int) -> int:
        """31 bits of SipHash, and the period's last."""
        first = int(ip.src) << 32 | int(ip.dst)
        second = (period << 32) % 2**64 | l4.sport << 16 | l4.dport
        message = first.to_bytes(8, "little") + second.to_bytes(8, "little")
        return siphash(self.secret.to_bytes(16, "little"), message) & 0xFFFFFFFE | period & 1

    def _answer(self, data: bytes, ip: Ip, l4: Layer4, flags: int, seq: int, ack: int) -> bytes:
        header = bytearray(data[ip.start : l4.start])
        header[2:4] = (len(header) + 20).to_bytes(2, "big")
        header[8], header[10:12] = 64, b"\0\0"
        header[12:20] = ip.dst.packed + ip.src.packed
        header[10:12] = (ones_sum(bytes(header)) ^ 0xFFFF).to_bytes(2, "big")
        tcp = bytearray(l4.dport.to_bytes(2, "big") + l4.sport.to_bytes(2, "big"))
        tcp += seq.to_bytes(4, "big") + ack.to_bytes(4, "big")
        tcp += bytes([0x50, flags]) + bytes(6)
        pseudo = ip.dst.packed + ip.src.packed + bytes([0, 6, 0, 20])
        tcp[16:18] = (ones_sum(pseudo + bytes(tcp)) ^ 0xFFFF).to_bytes(2, "big")
        link = data[6:12] + data[:6] + data[12 : ip.start]
        return link + bytes(header + tcp) + data[l4.start + 20 :]

    def maps(self) -> Rows:
        return {"CLIENTS": [(int(client), when) for client, when in self.proved.items()]}
