"""Whether engines agree: on every verdict, and on every byte that packets have afterwards.

The first engine of the list is the reference. A difference ends the benchmark: a fast wrong engine has no time.

This file must not know how engines are timed or built.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from nmjit.bench.arena import STRIDE, Arena

_WRAP = 100
"""Slots before the ring's end at which the check starts, so that a batch wraps."""


class Disagreement(Exception):
    """Two engines differ; the message names them and the first packet on which they do."""


@dataclass(frozen=True, slots=True)
class Runnable:
    """An engine that has been loaded: the name that messages show, the address of its batch function."""

    name: str
    address: int


def check_agreement(arena: Arena, engines: Sequence[Runnable], filter_name: str) -> int:
    """Runs every engine over the whole ring; the hash of the verdicts. Raises Disagreement.

    Leaves the header bytes as they were made.
    """
    expected: tuple[int, int] | None = None
    for engine in engines:
        outcome = _outcome(arena, engine)
        if expected is None:
            expected = outcome
        elif outcome != expected:
            raise Disagreement(f"{filter_name}, {arena.layout.name}: " + _first_difference(arena, engines[0], engine))
    arena.restore()
    if expected is None:
        raise ValueError("no engine to run")
    return expected[0]


def check_round(arena: Arena, first: int, reference: tuple[str, bytes], other: tuple[str, bytes]) -> None:
    """Compares (engine name, verdicts) of two runs from slot `first` on; raises Disagreement."""
    if reference[1] != other[1]:
        raise Disagreement(_verdict_difference(arena, first, reference, other))


def _outcome(arena: Arena, engine: Runnable) -> tuple[int, int]:
    arena.restore()
    slots = arena.layout.slots
    arena.run(engine.address, slots - _WRAP, slots)
    return arena.verdict_hash(slots), arena.bytes_hash(whole=True)


def _first_difference(arena: Arena, reference: Runnable, other: Runnable) -> str:
    runs = []
    for engine in (reference, other):
        _outcome(arena, engine)
        runs.append((arena.verdicts(arena.layout.slots), arena.contents()))
    (verdicts, contents), (other_verdicts, other_contents) = runs
    arena.restore()
    if verdicts != other_verdicts:
        start = arena.layout.slots - _WRAP
        return _verdict_difference(arena, start, (reference.name, verdicts), (other.name, other_verdicts))
    byte = _first_unequal(contents, other_contents)
    buffer, offset = divmod(byte, STRIDE)
    return (
        f"{reference.name} and {other.name} leave other bytes in buffer {buffer}, at offset {offset} "
        f"({contents[byte]:#04x} and {other_contents[byte]:#04x}): packet {arena.packet(buffer)[:64].hex()}"
    )


def _verdict_difference(arena: Arena, first: int, reference: tuple[str, bytes], other: tuple[str, bytes]) -> str:
    position = _first_unequal(reference[1], other[1])
    buffer = arena.buffer_of(first + position)
    return (
        f"{reference[0]} says {reference[1][position]} and {other[0]} says {other[1][position]} for packet {position} "
        f"(buffer {buffer}): {arena.packet(buffer)[:96].hex()}"
    )


def _first_unequal(left: bytes, right: bytes) -> int:
    return next(i for i, (a, b) in enumerate(zip(left, right, strict=True)) if a != b)
