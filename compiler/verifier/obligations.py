"""What must hold for an op to run: obligations as values, made here and decided nowhere in this file.

`Binary` of FLOORDIV and MOD asks for a divisor other than 0, of SHL and SHR for an amount of 0 … 63; loads, stores,
finds, look-ups, items, mirrors and map accesses ask for bounds, a MoveHead for those of ir.py; `Check` and `Window` ask
for what they test at run time, so that an obligation of theirs that is met removes the test.

This file must not know: states, intervals.
"""

from __future__ import annotations

from typing import Final, TypeAlias

from nmjit.compiler.ir import (
    Binary,
    BinaryKind,
    BloomAdd,
    BloomTest,
    Branch,
    Check,
    Compare,
    Const,
    Context,
    EventEmit,
    Find,
    InSet,
    Item,
    Jump,
    KeyHash,
    Load,
    LoadBytes,
    LogBucket,
    Lookup,
    LpmFind,
    MapAdd,
    MapDelete,
    MapFind,
    MapInsert,
    MapLoad,
    MapStore,
    Mirror,
    MoveHead,
    Not,
    Op,
    PackKey,
    Phi,
    Prefetch,
    Raise,
    Random,
    RateTake,
    Return,
    Select,
    Store,
    StoreBytes,
    Value,
    Window,
    Wrap,
)
from nmjit.compiler.irtypes import MAX_PUSH, WINDOW_MAX, WINDOW_MIN, Bytes, MapDecl
from nmjit.compiler.maplayout import index_count
from nmjit.compiler.record import record


@record
class InBounds:
    """0 ≤ base + displacement and base + displacement + size ≤ packet length, in bytes.

    Where the packet's head has moved, a lower bound by one of `heads` (heads.py) will do as well as 0.
    """

    base: Value
    displacement: int
    size: int
    heads: tuple[Value, ...] = ()

    def __str__(self) -> str:
        return f"{self.size} bytes at offset {self.displacement} of a variable base lie within the packet"


@record
class FindInside:
    """0 ≤ start ≤ end ≤ packet length, in bytes; `heads` as for InBounds."""

    start: Value
    end: Value
    heads: tuple[Value, ...] = ()

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
    """0 ≤ index < number of the map's indices."""

    index: Value
    map: MapDecl

    @property
    def count(self) -> int:
        return index_count(self.map)

    def __str__(self) -> str:
        return f"the entry is within the {self.count} of map {self.map.name}"


@record
class HeadFits:
    """head ≤ LENGTH, LENGTH − head ≤ ROOM and old − head ≤ MAX_PUSH, in bytes; `heads` as for InBounds."""

    old: Value
    head: Value
    heads: tuple[Value, ...] = ()

    def __str__(self) -> str:
        return f"the packet moved has its end behind it, room, and at most {MAX_PUSH} bytes more"


@record
class ConditionHolds:
    """The condition that a Check tests is true."""

    condition: Value


@record
class InsideWindow:
    """lo ≤ value ≤ hi: what a Window tests, and what others ask for."""

    value: Value
    lo: int = WINDOW_MIN
    hi: int = WINDOW_MAX

    def __str__(self) -> str:
        return f"the number is {self.lo} to {self.hi}"


@record
class All:
    """Every one of `parts`."""

    parts: tuple[Obligation, ...]

    def __str__(self) -> str:
        return "; ".join(str(part) for part in self.parts)


MemoryObligation: TypeAlias = (
    InBounds | FindInside | NonZero | ShiftInRange | IndexInTable | IndexInBytes | EntryInMap | HeadFits | All
)
"""Must be proved; there is no test of it at run time."""
Obligation: TypeAlias = MemoryObligation | ConditionHolds | InsideWindow
_TOKENS: Final = 2**32 - 1
"""Most tokens that a bucket gives at once."""
_U64: Final = 2**64 - 1


def obligation_of(op: Op, heads: tuple[Value, ...] = ()) -> Obligation | None:
    """What must hold for `op`, None where nothing must. `heads`: where the packet has begun (heads.py)."""
    match op:
        case Binary(kind=BinaryKind.FLOORDIV | BinaryKind.MOD, b=b):
            return NonZero(b)
        case Binary(kind=BinaryKind.SHL | BinaryKind.SHR, b=b):
            return ShiftInRange(b)
        case (
            Load(base=base, displacement=displacement, size=size)
            | LoadBytes(base=base, displacement=displacement, size=size)
        ):
            return InBounds(base, displacement, size, heads)
        case Store(base=base, displacement=displacement, size=size):
            return InBounds(base, displacement, size, heads)
        case StoreBytes(base=base, displacement=displacement, value=value):
            assert isinstance(value.type, Bytes)
            return InBounds(base, displacement, value.type.size, heads)
        case Find(start=start, end=end):
            return FindInside(start, end, heads)
        case Lookup(index=index, table=table):
            return IndexInTable(index, len(table.values))
        case Item(data=data, index=index):
            assert isinstance(data.type, Bytes)
            return IndexInBytes(index, data.type.size)
        case MapLoad(map=map, index=index) | MapStore(map=map, index=index) | MapAdd(map=map, index=index):
            return EntryInMap(index, map)
        case RateTake(map=map, index=index, amount=amount, now=now):
            return All((EntryInMap(index, map), InsideWindow(amount, 0, _TOKENS), InsideWindow(now, 0, _U64)))
        case LpmFind(map=map, address=address):
            return InsideWindow(address, 0, (1 << 8 * map.key[0]) - 1)
        case LogBucket(a=a):
            return InsideWindow(a, 0, _U64)
        case MoveHead(old=old, head=head):
            return HeadFits(old, head, heads)
        case Mirror(head=head):
            return InBounds(head, 0, 0, heads)
        case Check(condition=condition):
            return ConditionHolds(condition)
        case Window(a=a):
            return InsideWindow(a)
        case _:
            return None


BOUND_OPS: Final = (
    Binary, Load, LoadBytes, Store, StoreBytes, Find, Lookup, Item, MapLoad, MapStore, MapAdd, LpmFind, RateTake,
    LogBucket, MoveHead, Mirror, Check, Window,
)  # fmt: skip
"""Classes of the ops that can have an obligation."""
FREE_OPS: Final = (
    Const, Phi, Compare, Not, Select, Wrap, InSet, Context, Random, PackKey, KeyHash, MapFind, MapInsert, MapDelete,
    BloomTest, BloomAdd, EventEmit, Prefetch, Jump, Branch, Return, Raise,
)  # fmt: skip
"""Classes of the ops that run whatever their operands are."""
