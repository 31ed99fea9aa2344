"""What the benchmark of maps must find, in plain Python: which packets come out of a case, and what its table holds.

Packets are read as bytes, at the places where the benchmark's UDP packets have them.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from nmjit._rate import TOKEN, take
from nmjit.bench.state_cases import BURST, RATE, Routes, Translations

DROP, PASS, TX = 1, 2, 3
LENGTH = 60
IP, SRC, DST, PORTS, UDP = 14, 26, 30, 34, 34


@dataclass(slots=True)
class Flows:
    """Packets of each flow."""

    counts: Counter[bytes] = field(default_factory=Counter)

    def see(self, packet: bytes, now: int) -> tuple[int, bytes]:
        self.counts[packet[SRC : PORTS + 4]] += 1
        return PASS, packet

    def totals(self) -> tuple[int, int, int]:
        return len(self.counts), self.counts.total(), LENGTH * self.counts.total()


@dataclass(slots=True)
class Limit:
    """Credit and stamp of each source."""

    buckets: dict[bytes, tuple[int, int]] = field(default_factory=dict)

    def see(self, packet: bytes, now: int) -> tuple[int, bytes]:
        source = packet[SRC:DST]
        credit, stamp = self.buckets.get(source, (BURST * TOKEN, 0))
        allowed, credit, stamp = take(credit, stamp, RATE, BURST, now, 1)
        self.buckets[source] = credit, stamp
        return PASS if allowed else DROP, packet

    def totals(self) -> tuple[int, int, int]:
        credits, stamps = zip(*self.buckets.values(), strict=True)
        return len(self.buckets), sum(credits) % 2**64, sum(stamps) % 2**64


@dataclass(slots=True)
class Router:
    """Prefixes as text of bits."""

    hops: dict[str, int]

    def see(self, packet: bytes, now: int) -> tuple[int, bytes]:
        bits = f"{int.from_bytes(packet[DST:PORTS], 'big'):032b}"
        found = [self.hops[bits[:length]] for length in range(33) if bits[:length] in self.hops]
        if not found:
            return DROP, packet
        return TX if found[-1] % 2 else PASS, packet

    def totals(self) -> tuple[int, int, int]:
        return 0, 0, 0


@dataclass(slots=True)
class Nat:
    """The source, address and port as in a packet, that each flow's packets get."""

    sources: dict[bytes, tuple[bytes, bytes]]

    def see(self, packet: bytes, now: int) -> tuple[int, bytes]:
        flow = packet[SRC : PORTS + 4]
        if flow not in self.sources:
            return DROP, packet
        address, port = self.sources[flow]
        left = bytearray(packet)
        left[SRC:DST], left[PORTS : PORTS + 2] = address, port
        left[IP + 10 : IP + 12] = left[UDP + 6 : UDP + 8] = b"\0\0"
        left[IP + 10 : IP + 12] = checksum(left[IP:PORTS])
        left[UDP + 6 : UDP + 8] = checksum(left[SRC:] + b"\0\x11" + left[UDP + 4 : UDP + 6])
        return TX, bytes(left)

    def totals(self) -> tuple[int, int, int]:
        return 0, 0, 0


def checksum(data: bytes | bytearray) -> bytes:
    """RFC 1071, over whole words; 0 as UDP has it."""
    total = sum(int.from_bytes(data[at : at + 2], "big") for at in range(0, len(data), 2))
    return ((0xFFFF - total % 0xFFFF) or 0xFFFF).to_bytes(2, "big")


def router(routes: Routes) -> Router:
    columns = zip(routes.networks.tolist(), routes.lengths.tolist(), routes.hops.tolist(), strict=True)
    return Router({f"{network:032b}"[:length]: hop for network, length, hop in columns})


def nat(translations: Translations) -> Nat:
    columns = zip(translations.keys, translations.addresses.tolist(), translations.ports.tolist(), strict=True)
    pairs = ((key.tobytes()[:12], (a.to_bytes(4, "big"), p.to_bytes(2, "big"))) for key, a, p in columns)
    return Nat(dict(pairs))


Model = Flows | Limit | Router | Nat
