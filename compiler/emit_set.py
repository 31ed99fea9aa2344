"""Membership in a constant set of integers: the structure that suits the set's size and spread.

    few ranges                  compares: one subtraction and one unsigned compare a range
    all values within 64        one shift of a constant mask
    all values within 65536     a bitmap in the object's read-only data
    else                        branch-free binary search, its start looked up by the key's leading bits

All work on the key's distance from the set's smallest member, in 32, 64 or 128 bits.

This file must not know: ops, blocks, packets.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import Final

import llvmlite.ir as ll

from nmjit.compiler.emit_int import I1, Bounds, Number, Range, constant, resize, within

Ranges = tuple[tuple[int, int], ...]

MASK_SPAN: Final = 64
BITMAP_SPAN: Final = 65536
FEW_IN_SPAN: Final = 3
"""Ranges up to which compares beat a bitmap's load."""
FEW: Final = 8
"""Ranges up to which compares beat a search."""
INDEX_BITS: Final = 14
"""Most leading bits that the search's index uses: 2**14 entries of 32 bits stay in L2."""

_I32: Final = ll.IntType(32)
_I64: Final = ll.IntType(64)


def contains(builder: ll.IRBuilder, key: Number, ranges: Ranges, name: str) -> ll.Value:
    """Whether `key` lies in one of `ranges` (sorted, disjoint), as an i1. Constants are named after `name`."""
    reachable = _clip(ranges, key.range)
    if not reachable:
        return ll.Constant(I1, 0)
    first, last = reachable[0][0], reachable[-1][1]
    if len(reachable) == 1:
        return _in_range(builder, key, first, last)
    span = last - first
    if span < MASK_SPAN:
        return _in_mask(builder, key, reachable)
    if len(reachable) <= (FEW_IN_SPAN if span < BITMAP_SPAN else FEW):
        tests = [_in_range(builder, key, lo, hi) for lo, hi in reachable]
        result = tests[0]
        for test in tests[1:]:
            result = builder.or_(result, test)
        return result
    if span < BITMAP_SPAN:
        return _in_bitmap(builder, key, reachable, name)
    return _Search.over(reachable).emit(builder, key, name)


def _clip(ranges: Ranges, bounds: Bounds) -> Ranges:
    """What of `ranges` a key within `bounds` can meet."""
    cut = ((max(lo, bounds.lo), min(hi, bounds.hi)) for lo, hi in ranges)
    return tuple((lo, hi) for lo, hi in cut if lo <= hi)


def _distance(builder: ll.IRBuilder, key: Number, origin: int) -> ll.Value:
    """key − origin modulo the key's width: below `span` exactly where origin ≤ key ≤ origin + span."""
    if origin == 0:
        return key.bits
    width: int = key.bits.type.width
    return builder.sub(key.bits, ll.Constant(key.bits.type, origin % (1 << width)))


def _in_range(builder: ll.IRBuilder, key: Number, lo: int, hi: int) -> ll.Value:
    if lo == hi:
        width: int = key.bits.type.width
        return builder.icmp_unsigned("==", key.bits, resize(builder, constant(lo), width))
    if lo <= key.range.lo or key.range.hi <= hi:
        return within(builder, key, Range(lo, hi))
    return builder.icmp_unsigned("<=", _distance(builder, key, lo), ll.Constant(key.bits.type, hi - lo))


def _in_mask(builder: ll.IRBuilder, key: Number, ranges: Ranges) -> ll.Value:
    origin, last = ranges[0][0], ranges[-1][1]
    mask = sum(((1 << (hi - lo + 1)) - 1) << (lo - origin) for lo, hi in ranges)
    distance = _distance(builder, key, origin)
    inside = builder.icmp_unsigned("<=", distance, ll.Constant(distance.type, last - origin))
    amount = _narrow(builder, distance, 64)
    # The shift is taken modulo 64: a larger one would make poison of a key that `inside` turns away.
    bit = builder.lshr(ll.Constant(_I64, mask), builder.and_(amount, ll.Constant(_I64, 63)))
    return builder.and_(inside, builder.trunc(bit, I1))


def _in_bitmap(builder: ll.IRBuilder, key: Number, ranges: Ranges, name: str) -> ll.Value:
    origin, last = ranges[0][0], ranges[-1][1]
    bitmap = bytearray((last - origin) // 8 + 1)
    for lo, hi in ranges:
        for value in range(lo - origin, hi - origin + 1):
            bitmap[value >> 3] |= 1 << (value & 7)
    table = constant_array(builder.module, f"{name}.bitmap", 8, list(bitmap))
    distance = _distance(builder, key, origin)
    inside = builder.icmp_unsigned("<=", distance, ll.Constant(distance.type, last - origin))
    place = builder.select(inside, _narrow(builder, distance, 32), ll.Constant(_I32, 0))
    byte = load_element(builder, table, builder.lshr(place, ll.Constant(_I32, 3)), 8)
    amount = builder.trunc(builder.and_(place, ll.Constant(_I32, 7)), ll.IntType(8))
    return builder.and_(inside, builder.trunc(builder.lshr(byte, amount), I1))


@dataclass(frozen=True, slots=True)
class _Search:
    """Arrays of the search. `starts` and `ends` count from `origin`, in `width` bits.

    `index[j]` is the last range that starts at or before j << shift; the range wanted for a key with leading bits j is
    among the 2**steps ranges from there on.
    """

    origin: int
    width: int
    starts: tuple[int, ...]
    ends: tuple[int, ...]
    shift: int
    index: tuple[int, ...]
    steps: int

    @classmethod
    def over(cls, ranges: Ranges) -> _Search:
        origin, last = ranges[0][0], ranges[-1][1]
        span = last - origin
        width = next(width for width in (32, 64, 128) if span < 1 << width)
        starts = tuple(lo - origin for lo, _ in ranges)
        bits = min(INDEX_BITS, len(ranges).bit_length() + 1)
        shift = max(span.bit_length() - bits, 0)
        index: list[int] = []
        place = 0
        for leading in range((span >> shift) + 1):
            while place + 1 < len(starts) and starts[place + 1] <= leading << shift:
                place += 1
            index.append(place)
        following = [*index[1:], len(starts) - 1]
        widest = max(after - before for before, after in zip(index, following, strict=True))
        ends = tuple(hi - origin for _, hi in ranges)
        assert all(a < b for a, b in pairwise(starts)), "ranges are sorted and disjoint"
        return cls(origin, width, starts, ends, shift, tuple(index), widest.bit_length())

    def emit(self, builder: ll.IRBuilder, key: Number, name: str) -> ll.Value:
        module = builder.module
        starts = constant_array(module, f"{name}.starts", self.width, self.starts)
        ends = constant_array(module, f"{name}.ends", self.width, self.ends)
        index = constant_array(module, f"{name}.index", 32, self.index)
        distance = _distance(builder, key, self.origin)
        inside = builder.icmp_unsigned("<=", distance, ll.Constant(distance.type, self.ends[-1]))
        wanted = builder.select(inside, distance, ll.Constant(distance.type, 0))
        wanted = _narrow(builder, wanted, self.width)
        leading = builder.lshr(wanted, ll.Constant(wanted.type, self.shift))
        place = load_element(builder, index, _narrow(builder, leading, 32), 32)
        last = ll.Constant(_I32, len(self.starts) - 1)
        for step in reversed(range(self.steps)):
            further = builder.add(place, ll.Constant(_I32, 1 << step))
            further = builder.select(builder.icmp_unsigned("<", further, last), further, last)
            start = load_element(builder, starts, further, self.width)
            place = builder.select(builder.icmp_unsigned("<=", start, wanted), further, place)
        end = load_element(builder, ends, place, self.width)
        return builder.and_(inside, builder.icmp_unsigned("<=", wanted, end))


def _narrow(builder: ll.IRBuilder, value: ll.Value, width: int) -> ll.Value:
    """The low `width` bits, or all where there are fewer."""
    source: int = value.type.width
    if source == width:
        return value
    target = ll.IntType(width)
    return builder.trunc(value, target) if source > width else builder.zext(value, target)


def constant_array(module: ll.Module, name: str, width: int, values: tuple[int, ...] | list[int]) -> ll.GlobalVariable:
    """Read-only array of `width`-bit integers, private to the module; one for each name."""
    existing = module.globals.get(name)
    if existing is not None:
        return existing
    kind = ll.ArrayType(ll.IntType(width), len(values))
    array = ll.GlobalVariable(module, kind, name)
    array.linkage = "internal"
    array.global_constant = True
    array.unnamed_addr = True
    array.align = max(width // 8, 1)
    array.initializer = ll.Constant(kind, list(values))
    return array


def load_element(builder: ll.IRBuilder, array: ll.GlobalVariable, index: ll.Value, width: int) -> ll.Value:
    """Element `index` (unsigned, any width) of an array that `constant_array` made."""
    element = ll.IntType(width)
    wide = _narrow(builder, index, 64)
    pointer = builder.gep(array, [wide], inbounds=True, source_etype=element)
    return builder.load(pointer, typ=element, align=max(width // 8, 1))
