"""What a run of a filter over one packet is given, besides bytes and maps, and what it comes to.

Every engine (CPython, the IR interpreter, compiled code) takes a `PacketInfo` and yields an `Outcome`; with the bytes
and the maps that it leaves, the outcome is all that they must agree on. Source: language.md, first promise.

This file must not know: any engine.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from nmjit.compiler.irtypes import MAX_PACKET

REDIRECT: Final = 4
"""The one verdict that has a port; lang/_verdict.py has them all."""
LAST_VERDICT: Final = 4
"""The largest verdict."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """The end of one packet.

    `port` is the index of the bound port where the verdict is REDIRECT, else −1. Where the filter raised, the verdict
    is ABORTED and `exception` and `line` (1-based) say what and where; else they are None and 0. `mirrors` are the
    copies that were made, in order: the port's index, and the bytes.
    """

    verdict: int
    port: int = -1
    exception: str | None = None
    line: int = 0
    mirrors: tuple[tuple[int, bytes], ...] = ()


@dataclass(frozen=True, slots=True)
class PacketInfo:
    """A packet's surroundings. `timestamp` and `now` in ns, `wire_len` in bytes (at least those present count).

    `seed` and `packet_number` (the worker's) are what `random()` draws from. `room` is the most bytes that the packet
    may have after a push.
    """

    wire_len: int = 0
    timestamp: int = 0
    now: int = 0
    port: int = 0
    queue: int = 0
    seed: int = 0
    packet_number: int = 0
    room: int = MAX_PACKET
