"""What must hold for an op to run: obligations as values, made here and decided nowhere in this file.

`Binary` of FLOORDIV and MOD asks for a divisor other than 0, of SHL and SHR for an amount of 0 … 63; loads, stores,
finds, look-ups, items and map accesses ask for bounds; `Check` and `Window` ask for what they test at run time, so that
an obligation of theirs that is met removes the test.

This file must not know: states, intervals.
"""

from __future__ import annotations

from typing import Final, TypeAlias

from nmjit.compiler.ir import (
    Binary,
    BinaryKind,
    Branch,
    Check,
    Compare,
    Const,
    Context,
    Find,
    InSet,
    Item,
    Jump,
    Load,
    LoadBytes,
    Lookup,
    MapAdd,
    MapLoad,
    MapStore,
    Not,
    Op,
    Phi,
    Raise,
    Random,
    Return,
    Select,
    Store,
    StoreBytes,
    Value,
    Window,
    Wrap,
)
from nmjit.compiler.irtypes import WINDOW_MAX, WINDOW_MIN, Bytes, MapDecl
from nmjit.compiler.record import record


@record
class InBounds:
    """0 ≤ base + displacement and base + displacement + size ≤ packet length, in bytes."""

    base: Value
    displacement: int
    size: int

    def __str__(self) -> str:
        return f"{self.size} bytes at offset {self.displacement} of a variable base lie within the packet"


@record
class FindInside:
    """0 ≤ start ≤ end ≤ packet length, in bytes."""

    start: Value
    end: Value

    def __str__(self) -> str:
        return "the bytes searched lie within the packet"


@record
class NonZero:
    """divisor ≠ 0."""

    divisor: Value

    def __str__(self) -> str:
        return "the divisor is not 0"


@record
class ShiftInRange:
    """0 ≤ amount ≤ 63, in bits."""

    amount: Value

    def __str__(self) -> str:
        return "the shift amount is 0 to 63"


@record
class IndexInTable:
    """0 ≤ index < size, of a constant table of `size` integers."""

    index: Value
    size: int

    def __str__(self) -> str:
        return f"the index is within a table of {self.size}"


@record
class IndexInBytes:
    """0 ≤ index < size, of a snapshot of `size` bytes."""

    index: Value
    size: int

    def __str__(self) -> str:
        return f"the index is within {self.size} bytes"


@record
class EntryInMap:
    """0 ≤ index < capacity of the map."""

    index: Value
    map: MapDecl

    def __str__(self) -> str:
        return f"the entry is within the {self.map.capacity} of map {self.map.name}"


@record
class ConditionHolds:
    """The condition that a Check tests is true."""

    condition: Value


@record
class InsideWindow:
    """lo ≤ value ≤ hi: what a Window tests."""

    value: Value
    lo: int = WINDOW_MIN
    hi: int = WINDOW_MAX


MemoryObligation: TypeAlias = InBounds | FindInside | NonZero | ShiftInRange | IndexInTable | IndexInBytes | EntryInMap
"""Must be proved; there is no test of it at run time."""
Obligation: TypeAlias = MemoryObligation | ConditionHolds | InsideWindow


def obligation_of(op: Op) -> Obligation | None:
    """What must hold for `op`, None where nothing must."""
    match op:
        case Binary(kind=BinaryKind.FLOORDIV | BinaryKind.MOD, b=b):
            return NonZero(b)
        case Binary(kind=BinaryKind.SHL | BinaryKind.SHR, b=b):
            return ShiftInRange(b)
        case (
            Load(base=base, displacement=displacement, size=size)
            | LoadBytes(base=base, displacement=displacement, size=size)
        ):
            return InBounds(base, displacement, size)
        case Store(base=base, displacement=displacement, size=size):
            return InBounds(base, displacement, size)
        case StoreBytes(base=base, displacement=displacement, value=value):
            assert isinstance(value.type, Bytes)
            return InBounds(base, displacement, value.type.size)
        case Find(start=start, end=end):
            return FindInside(start, end)
        case Lookup(index=index, table=table):
            return IndexInTable(index, len(table.values))
        case Item(data=data, index=index):
            assert isinstance(data.type, Bytes)
            return IndexInBytes(index, data.type.size)
        case MapLoad(map=map, index=index) | MapStore(map=map, index=index) | MapAdd(map=map, index=index):
            return EntryInMap(index, map)
        case Check(condition=condition):
            return ConditionHolds(condition)
        case Window(a=a):
            return InsideWindow(a)
        case _:
            return None


BOUND_OPS: Final = (
    Binary, Load, LoadBytes, Store, StoreBytes, Find, Lookup, Item, MapLoad, MapStore, MapAdd, Check, Window,
)  # fmt: skip
"""Classes of the ops that can have an obligation."""
FREE_OPS: Final = (
    Const, Phi, Compare, Not, Select, Wrap, InSet, Context, Random, Jump, Branch, Return, Raise,
)  # fmt: skip
"""Classes of the ops that run whatever their operands are."""
