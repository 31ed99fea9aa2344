"""What each program that remembers and leaves packets alone must do, as its docstring says it, in plain Python.

A simulation takes packets one by one with the time (ns, never decreasing) and gives the verdict's name and the bytes
that are left; `maps` are the rows, as integers, that the program's maps must then hold. This file must not know: nmjit.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass, field
from fractions import Fraction
from ipaddress import IPv4Address, IPv6Address, ip_network
from typing import Protocol

from tests.programs.dissect import Dissection, Ip, Layer4, dissect

SECOND = 10**9
Row = tuple[int, ...]
Rows = dict[str, list[Row]]
Key = tuple[int, ...]


class Simulation(Protocol):
    """The model of one program."""

    def step(self, data: bytes, now: int, wire_len: int) -> tuple[str, bytes]: ...

    def maps(self) -> Rows: ...


def _ipv4(packet: Dissection) -> Ip | None:
    return packet.ip if packet.ip is not None and packet.ip.src.version == 4 else None


def _u16(data: bytes, at: int) -> int:
    return int.from_bytes(data[at : at + 2], "big")


@dataclass
class FlowExport:
    """Flows as lists of the packets that make them up."""

    active: int
    idle: int
    flows: dict[Key, list[tuple[int, int, int]]] = field(default_factory=dict)
    exports: list[Row] = field(default_factory=list)

    def step(self, data: bytes, now: int, wire_len: int) -> tuple[str, bytes]:
        packet = dissect(data)
        if (ip := _ipv4(packet)) is None:
            return "PASS", data
        l4 = packet.layer4 if packet.layer4 and packet.layer4.name != "icmp" else Layer4("", 0, b"")
        key = (int(ip.src), int(ip.dst), l4.sport, l4.dport, ip.protocol)
        known = self.flows.get(key, [])
        if known and now - known[-1][0] >= self.idle * SECOND:
            self._export(key)
        flow = self.flows.setdefault(key, [])
        flow.append((now, wire_len, l4.flags))
        if l4.flags & 5 or now - flow[0][0] >= self.active * SECOND:
            self._export(key)
        return "PASS", data

    def _export(self, key: Key) -> None:
        first, last, packets, octets, flags = self._totals(key)
        self.exports.append((*key, flags, first, last, packets, octets))
        del self.flows[key]

    def _totals(self, key: Key) -> Row:
        times, lengths, flags = zip(*self.flows[key], strict=True)
        seen = 0
        for each in flags:
            seen |= each
        return times[0], times[-1], len(times), sum(lengths), seen & 0xFF

    def maps(self) -> Rows:
        return {"FLOWS": [(*key, *self._totals(key)) for key in self.flows], "EXPORTS": self.exports}


@dataclass
class RateLimit:
    """Buckets of fractions of tokens, and when each was last looked at."""

    rate: int
    burst: int
    buckets: dict[tuple[int, int], tuple[Fraction, int]] = field(default_factory=dict)

    def step(self, data: bytes, now: int, wire_len: int) -> tuple[str, bytes]:
        ip = dissect(data).ip
        if ip is None:
            return "PASS", data
        return ("PASS" if self.allows(_source(ip), now) else "DROP"), data

    def allows(self, source: tuple[int, int], now: int) -> bool:
        """Take a token of the bucket, which is full at first."""
        tokens, then = self.buckets.get(source, (Fraction(self.burst), now))
        tokens = min(Fraction(self.burst), tokens + Fraction(self.rate * (now - then), SECOND))
        allowed = tokens >= 1
        self.buckets[source] = tokens - allowed, now
        return allowed

    def maps(self) -> Rows:
        return {f"SOURCES{version}": self.rows(version) for version in (4, 6)}

    def rows(self, *versions: int) -> list[Row]:
        """Buckets as they are stored."""
        return [
            (source, int(tokens * SECOND), then, self.rate, self.burst)
            for (version, source), (tokens, then) in self.buckets.items()
            if version in versions
        ]


def _source(ip: Ip) -> tuple[int, int]:
    """IP version, and the address or the upper half of it."""
    return ip.src.version, int(ip.src) >> (64 if ip.src.version == 6 else 0)


@dataclass
class Connection:
    """One of Conntrack's."""

    last: int
    answered: bool = False
    closed_by: frozenset[str] = frozenset()


@dataclass
class Conntrack:
    """Connections by inside end, outside end and protocol."""

    opening: int
    idle: int
    closing: int
    known: dict[Key, Connection] = field(default_factory=dict)

    def step(self, data: bytes, now: int, wire_len: int) -> tuple[str, bytes]:
        packet = dissect(data)
        ip = _ipv4(packet)
        if ip is None:
            return "PASS", data
        inside = ip_network("10.0.0.0/8")
        if (ip.src in inside) is (ip.dst in inside):
            return "PASS", data
        admitted = self._admits(data, packet.layer4, ip, "out" if ip.src in inside else "in", now)
        return ("PASS" if admitted else "DROP"), data

    def _admits(self, data: bytes, l4: Layer4 | None, ip: Ip, way: str, now: int) -> bool:
        if l4 is None:
            return way == "out"
        sport, dport, opens = l4.sport, l4.dport, True
        if l4.name == "tcp":
            opens = bool(l4.flags & 2) and not l4.flags & (4 | 16)
        elif l4.name == "icmp":
            kind = data[l4.start]
            if kind not in (0, 8):
                return way == "out" or (kind in (3, 11, 12) and self._is_quoted(l4.payload, ip))
            sport = dport = _u16(data, l4.start + 4)
            opens = kind == 8
        if way == "in" and l4.name == "tcp" and opens:
            return False
        ends = (int(ip.src), int(ip.dst), sport, dport) if way == "out" else (int(ip.dst), int(ip.src), dport, sport)
        return self._continues((*ends, ip.protocol), l4, way, opens, now)

    def _continues(self, key: Key, l4: Layer4, way: str, opens: bool, now: int) -> bool:
        connection = self.known.get(key)
        closed = connection is not None and len(connection.closed_by) == 2
        if connection is None or self._is_over(connection, now) or (l4.name == "tcp" and opens and closed):
            if way == "out" and opens:
                self.known[key] = Connection(now)
                return True
            return False
        connection.last = now
        connection.answered |= way == "in"
        if l4.flags & 4:
            connection.closed_by = frozenset({"in", "out"})
        elif l4.flags & 1:
            connection.closed_by |= {way}
        return True

    def _is_over(self, connection: Connection, now: int) -> bool:
        limit = self.idle if connection.answered else self.opening
        if len(connection.closed_by) == 2:
            limit = self.closing
        return now - connection.last >= limit * SECOND

    def _is_quoted(self, message: bytes, ip: Ip) -> bool:
        if len(message) < 24 or message[12:16] != ip.dst.packed or message[9] not in (6, 17):
            return False
        size = (message[0] & 15) * 4
        if size < 20 or len(message) < size + 4 or _u16(message, 6) & 0x1FFF:
            return False
        src, dst = (int.from_bytes(message[at : at + 4], "big") for at in (12, 16))
        return (src, dst, _u16(message, size), _u16(message, size + 2), message[9]) in self.known

    def maps(self) -> Rows:
        bits = {"out": 2, "in": 4}
        return {
            "CONNECTIONS": [
                (*key, each.last, each.answered + sum(bits[way] for way in each.closed_by))
                for key, each in self.known.items()
            ]
        }


@dataclass
class DnsGuard:
    """Queries that wait, by client, server, port and id."""

    wait: int
    any_rate: int
    labels: int
    waiting: dict[tuple[int, int, int, int, int], int] = field(default_factory=dict)
    sources: RateLimit = field(init=False)

    def __post_init__(self) -> None:
        self.sources = RateLimit(self.any_rate, self.any_rate)

    def step(self, data: bytes, now: int, wire_len: int) -> tuple[str, bytes]:
        packet = dissect(data)
        if packet.ip is None or packet.layer4 is None or packet.layer4.name != "udp":
            return "PASS", data
        return ("PASS" if self._admits(packet.ip, packet.layer4, now) else "DROP"), data

    def _admits(self, ip: Ip, udp: Layer4, now: int) -> bool:
        message = udp.payload
        if 53 not in (udp.sport, udp.dport):
            return True
        if len(message) < 12 or udp.dport == 4789:
            return False
        number, version = _u16(message, 0), ip.src.version
        if message[2] >= 128:
            if udp.sport != 53:
                return True
            asked = self.waiting.pop((version, int(ip.dst), int(ip.src), udp.dport, number), None)
            return asked is not None and now - asked < self.wait * SECOND
        if udp.dport != 53:
            return True
        if self._type_asked(message) == 255 and not self.sources.allows((0, _source(ip)[1]), now):
            return False
        self.waiting[version, int(ip.src), int(ip.dst), udp.sport, number] = now
        return True

    def _type_asked(self, message: bytes) -> int | None:
        """Of the first question; None where that can't be found."""
        rest = message[12:]
        for _ in range(self.labels):
            if len(rest) < 3 or rest[0] > 63:
                return None
            if rest[0] == 0:
                return _u16(rest, 1)
            rest = rest[1 + rest[0] :]
        return None

    def maps(self) -> Rows:
        held = {f"QUERIES{v}": [(*key, asked) for (n, *key), asked in self.waiting.items() if n == v] for v in (4, 6)}
        return {**held, "ANY_SOURCES": self.sources.rows(0)}


@dataclass
class TopTalkers:
    """What each source sent, by when its window began."""

    window: int
    octets: int
    talkers: dict[IPv4Address | IPv6Address, tuple[int, list[int], bool]] = field(default_factory=dict)
    alerts: dict[int, list[Row]] = field(default_factory=lambda: {4: [], 6: []})
    lengths: Counter[int] = field(default_factory=Counter)

    def step(self, data: bytes, now: int, wire_len: int) -> tuple[str, bytes]:
        self.lengths[wire_len] += 1
        ip = dissect(data).ip
        if ip is not None:
            since, sent, told = self.talkers.get(ip.src, (now, [], False))
            if now - since >= self.window * SECOND:
                since, sent, told = now, [], False
            sent.append(wire_len)
            if sum(sent) > self.octets and not told:
                told = True
                self.alerts[ip.src.version].append((int(ip.src), since, sum(sent), len(sent)))
            self.talkers[ip.src] = since, sent, told
        return "PASS", data

    def maps(self) -> Rows:
        rows: Rows = {"ALERTS4": self.alerts[4], "ALERTS6": self.alerts[6], "TALKERS4": [], "TALKERS6": []}
        rows["SIZES"] = self._histogram()
        for source, (since, sent, told) in self.talkers.items():
            rows[f"TALKERS{source.version}"].append((int(source), since, sum(sent), len(sent), told))
        return rows

    def _histogram(self) -> list[Row]:
        """Counts by bucket: 128 of width 1, then 128 for each doubling."""
        counts = [0] * (58 * 128)
        for length, count in self.lengths.items():
            doublings = max(length.bit_length() - 8, 0)
            counts[128 * doublings + (length >> doublings)] += count
        return [(count,) for count in counts]


@dataclass
class PortScan:
    """The pairs that each source tried within its window."""

    ports: int
    window: int
    block: int
    since: dict[IPv4Address | IPv6Address, int] = field(default_factory=dict)
    tried: defaultdict[IPv4Address | IPv6Address, set[tuple[int, int]]] = field(
        default_factory=lambda: defaultdict(set)
    )
    until: Counter[IPv4Address | IPv6Address] = field(default_factory=Counter)
    scans: list[Row] = field(default_factory=list)

    def step(self, data: bytes, now: int, wire_len: int) -> tuple[str, bytes]:
        packet = dissect(data)
        ip, l4 = _ipv4(packet), packet.layer4
        if ip is None:
            return "PASS", data
        if now < self.until[ip.src]:
            return "DROP", data
        if l4 is None or l4.name != "tcp" or l4.flags & (4 | 16):
            return "PASS", data
        if now - self.since.setdefault(ip.src, now) >= self.window * SECOND:
            self.since[ip.src] = now
            self.tried[ip.src].clear()
        pair = int(ip.dst), l4.dport
        if pair in self.tried[ip.src]:
            return "PASS", data
        self.tried[ip.src].add(pair)
        count = len(self.tried[ip.src])
        if count <= self.ports:
            return "PASS", data
        self.until[ip.src] = now + self.block * SECOND
        self.scans.append((int(ip.src), count, now))
        return "DROP", data

    def maps(self) -> Rows:
        rows: list[Row] = [(int(s), since, self.until[s], len(self.tried[s])) for s, since in self.since.items()]
        return {"SCANS": self.scans, "SOURCES": rows}
