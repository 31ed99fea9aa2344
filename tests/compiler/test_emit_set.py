"""Membership in constant sets: each structure against Python's own comparison, at and beside every boundary."""

from __future__ import annotations

from random import Random

import pytest

from nmjit.compiler.builder import Builder
from nmjit.compiler.emit import emit_module
from nmjit.compiler.emit_int import Range
from nmjit.compiler.ir import ByteOrder, Function, InSet, Load, Op, RangeTable, Store, Wrap
from nmjit.compiler.irtypes import Scalar
from tests.compiler.batch_runner import DESCRIPTORS, compile_function, run_batch

KEY = 16
MAX_KEYS = 1500
Ranges = tuple[tuple[int, int], ...]


def membership(ranges: Ranges, scalar: Scalar) -> tuple[Function, dict[Op, Range]]:
    """Stores whether the packet's first 16 bytes, wrapped to `scalar`, lie in `ranges`."""
    function = Function("membership")
    builder = Builder(function)
    builder.position(builder.block("entry"))
    zero, verdict, port = builder.const(0), builder.const(1), builder.const(-1)
    key = builder.emit(Load(zero, 0, KEY, ByteOrder.LITTLE))
    wrapped = builder.emit(Wrap(key, scalar))
    table = RangeTable("set", ranges)
    function.tables.append(table)
    builder.emit(Store(zero, KEY, 1, builder.emit(Wrap(builder.emit(InSet(wrapped, table)), Scalar(1)))))
    builder.ret(verdict, port)
    return function, {}


def keys_near(ranges: Ranges, scalar: Scalar) -> list[int]:
    low = -(1 << (8 * scalar.size - 1)) if scalar.signed else 0
    high = low + (1 << (8 * scalar.size)) - 1
    generator = Random(len(ranges))
    near = {bound + step for pair in ranges for bound in pair for step in (-1, 0, 1)}
    near |= {low, high, 0, low + 1, high - 1} | {generator.randint(low, high) for _ in range(50)}
    possible = sorted(key for key in near if low <= key <= high)
    return generator.sample(possible, min(len(possible), MAX_KEYS))


def scattered(count: int, bits: int, widest: int, seed: int) -> Ranges:
    generator = Random(seed)
    starts = sorted({generator.randrange(2**bits) for _ in range(count)})
    found: list[tuple[int, int]] = []
    for start, following in zip(starts, [*starts[1:], 2**bits + 1], strict=True):
        end = min(start + generator.randrange(widest), following - 2)
        if end >= start:
            found.append((start, end))
    return tuple(found)


U16, U32, U64, U128, I64 = Scalar(2), Scalar(4), Scalar(8), Scalar(16), Scalar(8, signed=True)
CASES = {
    "one value": (((80, 80),), U16),
    "one range": (((1024, 49151),), U16),
    "up to the top": (((1024, 65535),), U16),
    "everything": (((0, 65535),), U16),
    "three values": (((22, 22), (80, 80), (443, 443)), U16),
    "mask": (((1, 1), (6, 6), (17, 17), (47, 47), (58, 60)), Scalar(1)),
    "mask of 64": (((3, 3), (66, 66)), U64),
    "mask below zero": (((-5, -5), (-3, 1), (50, 50)), I64),
    "bitmap": (scattered(300, 16, 40, 1), U16),
    "bitmap of a wide key": (scattered(300, 15, 40, 2), U64),
    "bitmap below zero": (tuple((lo - 9000, hi - 9000) for lo, hi in scattered(50, 15, 9, 3)), I64),
    "few far apart": (((1, 5), (2**20, 2**21), (2**30, 2**32 - 1)), U32),
    "search 32": (scattered(500, 32, 70000, 4), U32),
    "search 64": (scattered(500, 64, 2**40, 5), U64),
    "search 128": (scattered(300, 128, 2**100, 6), U128),
    "search below zero": (tuple((lo - 2**63, hi - 2**63) for lo, hi in scattered(200, 64, 2**50, 7)), I64),
    "search, crowded": ((*((2**31 + 4 * n, 2**31 + 4 * n + 1) for n in range(3000)), (2**32 - 2, 2**32 - 1)), U32),
    "search, two clusters": (tuple((n, n) for base in (0, 2**127) for n in range(base, base + 40, 2)), U128),
    "beyond the key": (((0, 3), (300, 400), (2**40, 2**41)), Scalar(1)),
    "out of reach": (((300, 400),), Scalar(1)),
    "below and above": (((-(2**63), -1), (1, 2**64 - 1)), U64),
    "window": (((-(2**63), -(2**62)), (-7, -7), (5, 5), (2**63, 2**64 - 1)), I64),
}


@pytest.mark.parametrize("name", CASES)
def test_membership(name: str) -> None:
    ranges, scalar = CASES[name]
    function, known = membership(ranges, scalar)
    keys = keys_near(ranges, scalar)
    packets = [(key % 2**128).to_bytes(KEY, "little") + b"\xff" for key in keys]
    result = run_batch(compile_function(function, known), packets)
    expected = [any(lo <= key <= hi for lo, hi in ranges) for key in keys]
    assert [bool(packet[KEY]) for packet in result.packets] == expected


@pytest.mark.parametrize(
    ("name", "constants"),
    [
        ("one range", []),
        ("mask", []),
        ("bitmap", ["set.bitmap"]),
        ("few far apart", []),
        ("search 32", ["set.starts", "set.ends", "set.index"]),
        ("out of reach", []),
    ],
)
def test_structure_suits_the_set(name: str, constants: list[str]) -> None:
    text = emit_module(*membership(*CASES[name]), DESCRIPTORS)
    found = [line.split('"')[1] for line in text.splitlines() if "constant" in line and line.startswith("@")]
    assert sorted(found) == sorted(constants)
