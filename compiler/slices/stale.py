"""Which reads of packet bytes may see what the filter itself wrote: a slice, which writes nothing, cannot repeat them.

This file must not know: what is read for, slices.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeAlias

from nmjit.compiler.ir import (
    BasicBlock,
    Const,
    Find,
    Function,
    Load,
    LoadBytes,
    MoveHead,
    Op,
    Store,
    StoreBytes,
    Value,
)
from nmjit.compiler.irtypes import Bytes
from nmjit.compiler.verifier import Interval
from nmjit.compiler.verifier.interval import TOP

Ranges: TypeAlias = Mapping[Op, Interval]
_Writer: TypeAlias = Store | StoreBytes | MoveHead


def stale_reads(function: Function, ranges: Ranges) -> frozenset[Op]:
    """The Loads, LoadBytes and Finds whose bytes a store or a push may have changed before, whatever the way there."""
    before: dict[BasicBlock, frozenset[_Writer]] = {function.entry: frozenset()}
    waiting, stale = [function.entry], set[Op]()
    while waiting:
        block = waiting.pop()
        written = before[block]
        for op in block.ops:
            if isinstance(op, Load | LoadBytes | Find) and any(_may_meet(op, writer, ranges) for writer in written):
                stale.add(op)
            elif isinstance(op, Store | StoreBytes | MoveHead):
                written |= {op}
        for successor in block.successors():
            known = before.get(successor)
            if known is None or not written <= known:
                before[successor] = written if known is None else known | written
                waiting.append(successor)
    return frozenset(stale)


def _may_meet(read: Load | LoadBytes | Find, writer: _Writer, ranges: Ranges) -> bool:
    """Whether some byte may be both read and written: they lie apart from one base, or wherever their bases may be."""
    if not isinstance(read, Find) and not isinstance(writer, MoveHead) and read.base is writer.base:
        return _overlap(_span(read), _span(writer))
    return _overlap(_extent(read, ranges), _extent(writer, ranges))


def _overlap(a: tuple[int, int], b: tuple[int, int]) -> bool:
    return a[0] < b[1] and b[0] < a[1]


def _span(op: Load | LoadBytes | Store | StoreBytes) -> tuple[int, int]:
    """Start and end of the bytes accessed, from the base."""
    return op.displacement, op.displacement + _size(op)


def _size(op: Load | LoadBytes | Store | StoreBytes) -> int:
    if isinstance(op, StoreBytes):
        assert isinstance(op.value.type, Bytes)
        return op.value.type.size
    return op.size


def _extent(op: Load | LoadBytes | Find | _Writer, ranges: Ranges) -> tuple[int, int]:
    """The offsets between which the bytes lie at any rate."""
    match op:
        case Find(start=start, end=end):
            return _range(start, ranges).lo, _range(end, ranges).hi
        case MoveHead(old=old, head=head):
            return _range(head, ranges).lo, _range(old, ranges).hi
        case _:
            known, (first, behind) = _range(op.base, ranges), _span(op)
            return known.lo + first, known.hi + behind


def _range(value: Value, ranges: Ranges) -> Interval:
    """The passes make constants, and other values of which nothing need be known, after the verifier has run."""
    if isinstance(value, Const) and isinstance(value.value, int):
        return Interval(value.value, value.value)
    return ranges.get(value, TOP)
