"""What surrounds a packet while CPython runs a filter on it, and the two functions that read it: `random`, `now`.

A back end enters `packet_run` for each packet, a direct call of a filter `direct_run`. Code outside both has a seed of
this process, and the monotonic clock. This file must not know: what a packet is, back ends.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from itertools import count
from typing import Final

from nmjit._random import packet_random


class PacketRun:
    """One packet's turn: the worker's `seed` and `packet_number`, its calls of `random` so far, the packet itself.

    `now` is the clock in ns, None where it is to be read at each call. Maps tell by the identity of the run whether the
    packet that met an entry is still the current one. `packet` is None where the back end did not say.
    """

    __slots__ = ("calls", "now", "packet", "packet_number", "seed")

    def __init__(self, seed: int, packet_number: int, now: int | None, packet: object = None) -> None:
        self.seed: Final = seed
        self.packet_number: Final = packet_number
        self.now: Final = now
        self.packet = packet
        self.calls = 0

    def random(self) -> int:
        """The next u32 of this packet."""
        self.calls += 1
        return packet_random(self.seed, self.packet_number, self.calls - 1)


_current: Final[ContextVar[PacketRun | None]] = ContextVar("nmjit packet run", default=None)
_PROCESS_SEED: Final = int.from_bytes(os.urandom(8), "big")
_direct_packets: Final = count(1)
_outside: Final = PacketRun(_PROCESS_SEED, 0, None)


def current_run() -> PacketRun | None:
    """The turn of the packet that a filter now runs on, None outside any."""
    return _current.get()


@contextmanager
def packet_run(seed: int, packet_number: int, now: int | None, packet: object = None) -> Iterator[PacketRun]:
    """Run one packet: `packet_number` counts the worker's packets from 0, `now` is what `now()` returns, in ns.

    `packet` is what `mirror` copies. The caller keeps `now` from decreasing between packets. Nests; other threads are
    not affected.
    """
    run = PacketRun(seed, packet_number, now, packet)
    token = _current.set(run)
    try:
        yield run
    finally:
        _current.reset(token)


@contextmanager
def direct_run(packet: object) -> Iterator[PacketRun]:
    """Run a filter that was called as a function: within the current packet's turn, else as a packet of its own."""
    run = _current.get()
    if run is None:
        with packet_run(_PROCESS_SEED, next(_direct_packets), None, packet) as own:
            yield own
        return
    outer, run.packet = run.packet, packet
    try:
        yield run
    finally:
        run.packet = outer


def random() -> int:
    """A random u32 (0 … 2**32-1), fixed by the run's seed, the packet's number and the number of calls before.

    In a direct call of a filter: of this process's own seed, another at each call.
    """
    return (_current.get() or _outside).random()


def now() -> int:
    """Nanoseconds that never decrease: live, CLOCK_MONOTONIC read once a batch; offline, the packet's timestamp.

    In a direct call of a filter: CLOCK_MONOTONIC at this instant.
    """
    run = _current.get() or _outside
    return time.monotonic_ns() if run.now is None else run.now
