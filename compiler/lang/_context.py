"""What surrounds a packet while CPython runs a filter on it, and the two functions that read it: `random`, `now`.

A back end enters `packet_run` for each packet. A direct call of a filter stands outside: it then has a seed of this
process, and the monotonic clock. This file must not know: packets, back ends.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Final

from nmjit._random import packet_random


class PacketRun:
    """One packet's turn: the worker's `seed` and `packet_number`, its clock in ns, its calls of `random` so far."""

    __slots__ = ("calls", "now", "packet_number", "seed")

    def __init__(self, seed: int, packet_number: int, now: int) -> None:
        self.seed: Final = seed
        self.packet_number: Final = packet_number
        self.now: Final = now
        self.calls = 0

    def random(self) -> int:
        """The next u32 of this packet."""
        self.calls += 1
        return packet_random(self.seed, self.packet_number, self.calls - 1)


_current: Final[ContextVar[PacketRun | None]] = ContextVar("nmjit packet run", default=None)
_outside: Final = PacketRun(int.from_bytes(os.urandom(8), "big"), 0, 0)


@contextmanager
def packet_run(seed: int, packet_number: int, now: int) -> Iterator[PacketRun]:
    """Run one packet: `packet_number` counts the worker's packets from 0, `now` is what `now()` returns, in ns.

    The caller keeps `now` from decreasing between packets. Nests; other threads are not affected.
    """
    run = PacketRun(seed, packet_number, now)
    token = _current.set(run)
    try:
        yield run
    finally:
        _current.reset(token)


def random() -> int:
    """A random u32 (0 … 2**32-1), fixed by the run's seed, the packet's number and the number of calls before.

    In a direct call of a filter: of this process's own seed, another at each call.
    """
    return (_current.get() or _outside).random()


def now() -> int:
    """Nanoseconds that never decrease: live, CLOCK_MONOTONIC read once a batch; offline, the packet's timestamp.

    In a direct call of a filter: CLOCK_MONOTONIC at this instant.
    """
    run = _current.get()
    return time.monotonic_ns() if run is None else run.now
