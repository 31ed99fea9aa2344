"""Traffic for the engines: packets with their surroundings, in stretches that compiled code runs as one batch each.

A capture's packets have clocks and lengths on the wire of their own, and all the room there is. A ring's share the
clock of their batch, are whole, and have the room of its buffers. This file must not know: engines, filters.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Final

from nmjit.compiler.irtypes import MAX_PACKET
from nmjit.compiler.outcome import PacketInfo

_STEPS: Final = (0, 0, 1, 1000, 10**6, 10**8, 3 * 10**8, 10**9, 10**10)
"""What clocks move by, in ns."""
_ROOMS: Final = (64, 128, 200, 2048, 2048, 4096)
"""Sizes of a ring's buffers; packets that are longer are cut."""
LONGEST_STRETCH: Final = 32


@dataclass(frozen=True)
class Traffic:
    """Packets and the surroundings of each."""

    number: int
    """For choices that go with this traffic."""
    packets: tuple[bytes, ...]
    infos: tuple[PacketInfo, ...]
    stretches: tuple[range, ...]
    ring: bool = False

    @property
    def room(self) -> int:
        """Bytes that a packet has room for."""
        return self.infos[0].room

    def of_one_length(self, stretch: range) -> Iterator[range]:
        """The parts of a stretch whose packets are of one length."""
        start = stretch.start
        for place in stretch:
            if len(self.packets[place]) != len(self.packets[start]):
                yield range(start, place)
                start = place
        yield range(start, stretch.stop)

    def clock_before(self, place: int) -> int:
        """What `now` was for the packet before."""
        return self.infos[place - 1].now if place else 0

    @staticmethod
    def of(seed: int, packets: Sequence[bytes], *, ring: bool = False) -> Traffic:
        """With surroundings drawn from `seed`."""
        rng = random.Random(f"traffic {seed} {ring}")
        stretches = tuple(_stretches(rng, len(packets)))
        first = PacketInfo(
            port=rng.choice((0, 1, 65535)), queue=rng.choice((0, 3)),
            seed=rng.choice((0, 1, 2, rng.getrandbits(64))), packet_number=rng.choice((0, 7, 2**64 - 3)),
        )  # fmt: skip
        if ring:
            first = replace(first, room=rng.choice(_ROOMS))
            packets = [packet[: first.room] for packet in packets]
            infos = _ring(rng, first, packets, stretches)
        else:
            infos = _capture(rng, first, packets)
        numbers = (first.packet_number + place for place in range(len(packets)))
        infos = [replace(info, packet_number=number % 2**64) for info, number in zip(infos, numbers, strict=True)]
        return Traffic(seed, tuple(packets), tuple(infos), stretches, ring)


def _stretches(rng: random.Random, count: int) -> Iterator[range]:
    """Most batches are full, some are of one packet."""
    start = 0
    while start < count:
        size = rng.choice((1, 2, 7, LONGEST_STRETCH, LONGEST_STRETCH, LONGEST_STRETCH))
        yield range(start, min(count, start + size))
        start += size


def _capture(rng: random.Random, first: PacketInfo, packets: Sequence[bytes]) -> list[PacketInfo]:
    """In half of all captures no packet was cut short; clocks of some run back, which `now` does not."""
    whole, steady = rng.random() < 0.5, rng.random() < 0.6
    time = now = 0
    infos = []
    for packet in packets:
        wire = len(packet) if whole else len(packet) + rng.choice((0, 0, 1, 1500, MAX_PACKET))
        if steady:
            time = min(2**64 - 1, time + rng.choice(_STEPS))
        else:
            time = rng.choice((0, 1, 10**18, 10**18 + rng.randrange(1000), 2**64 - 1 if rng.random() < 0.02 else 5))
        now = max(now, time)
        infos.append(replace(first, wire_len=wire, timestamp=time, now=now))
    return infos


def _ring(
    rng: random.Random, first: PacketInfo, packets: Sequence[bytes], stretches: Sequence[range]
) -> list[PacketInfo]:
    time, now = 10**18, rng.choice((0, 1, 10**15))
    infos = []
    for stretch in stretches:
        step = rng.choice(_STEPS)
        time, now = time + step, now + step
        infos += [replace(first, wire_len=len(packets[place]), timestamp=time, now=now) for place in stretch]
    return infos
