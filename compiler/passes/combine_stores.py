"""Write neighbouring bytes of the packet by one store: a store's cost is its number, not its width.

Before:                                    After:
    store 2 be %0 + 8, %1                      %2 = load 2 be %0 + 10
    %2 = load 2 be %0 + 10                     %4 = shl mod 64 %1, 16  (constants left out)
    store 2 be %0 + 10, %3                     …
                                               store 4 be %0 + 8, %7

A store moves down to its neighbour where nothing between can raise, end the block, or touch its bytes, as no op about
maps does. Two constants become one bytes constant of up to 64. This file must not know: what the bytes mean.
Source: the idea is LLVM's DAGCombiner::mergeConsecutiveStores, which can't move a store over a load.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from nmjit.compiler.ir import (
    Binary,
    BinaryKind,
    BloomAdd,
    BloomTest,
    ByteOrder,
    Const,
    EventEmit,
    Function,
    Load,
    LoadBytes,
    LpmFind,
    MapAdd,
    MapDelete,
    MapFind,
    MapInsert,
    MapLoad,
    MapStore,
    Op,
    RateTake,
    Store,
    StoreBytes,
    Value,
    is_pure,
)
from nmjit.compiler.irtypes import MAX_SNAPSHOT

MAX_INTEGER: Final = 8
"""Most bytes of an integer store."""
_OF_MAPS: Final = (
    MapLoad, MapStore, MapAdd, MapFind, MapInsert, MapDelete, LpmFind, BloomTest, BloomAdd, RateTake, EventEmit,
)  # fmt: skip


@dataclass(slots=True)
class _Pending:
    """A store that may still move down: its place in the list of kept ops, and the bytes that it writes."""

    place: int
    store: Store | StoreBytes


def run(function: Function) -> bool:
    """Combine in place; whether anything was."""
    return any([_combine(block.ops) for block in function.blocks])


def _combine(ops: list[Op]) -> bool:
    kept: list[Op | None] = []
    pending: list[_Pending] = []
    changed = False
    for op in ops:
        if isinstance(op, Store | StoreBytes):
            merged = _absorb(op, pending, kept)
            changed |= merged is not op
            pending = [each for each in pending if _disjoint(each, merged.base, merged.displacement, _size(merged))]
            kept.append(merged)
            pending.append(_Pending(len(kept) - 1, merged))
            continue
        if isinstance(op, Load | LoadBytes):
            pending = [each for each in pending if _disjoint(each, op.base, op.displacement, op.size)]
        elif not is_pure(op) and not isinstance(op, _OF_MAPS):
            pending = []
        kept.append(op)
    ops[:] = [op for op in kept if op is not None]
    return changed


def _extent(base: Value, displacement: int, size: int) -> tuple[Value | None, int, int]:
    """Start and end of an access from `base`, from the packet's start where `base` is a constant."""
    if isinstance(base, Const):
        assert isinstance(base.value, int)
        return None, base.value + displacement, base.value + displacement + size
    return base, displacement, displacement + size


def _disjoint(pending: _Pending, base: Value, displacement: int, size: int) -> bool:
    """Whether an access surely touches none of the pending store's bytes."""
    from_base, start, end = _extent(base, displacement, size)
    store_base, store_start, store_end = _extent(pending.store.base, pending.store.displacement, _size(pending.store))
    return store_base is from_base and (start >= store_end or end <= store_start)


def _absorb(store: Store | StoreBytes, pending: list[_Pending], kept: list[Op | None]) -> Store | StoreBytes:
    """`store` together with pending neighbours, which leave their places; what it takes is appended to `kept`."""
    again = True
    while again:
        again = False
        for each in pending:
            base, start, end = _extent(store.base, store.displacement, _size(store))
            each_base, each_start, each_end = _extent(each.store.base, each.store.displacement, _size(each.store))
            if each_base is not base:
                continue
            if each_end == start:
                joined = _join(each.store, store, kept)
            elif each_start == end:
                joined = _join(store, each.store, kept)
            else:
                continue
            if joined is not None:
                kept[each.place] = None
                pending.remove(each)
                joined.line = store.line
                store, again = joined, True
                break
    return store


def _join(low: Store | StoreBytes, high: Store | StoreBytes, kept: list[Op | None]) -> Store | StoreBytes | None:
    """One store of the bytes of `low` and those of `high` right behind them; None where there is no such store."""
    size = _size(low) + _size(high)
    first, second = _constant_bytes(low), _constant_bytes(high)
    if first is not None and second is not None and size <= MAX_SNAPSHOT:
        data = Const(first + second)
        kept.append(data)
        return StoreBytes(low.base, low.displacement, data)
    if size > MAX_INTEGER or not isinstance(low, Store) or not isinstance(high, Store):
        return None
    if low.order is not ByteOrder.BIG or high.order is not ByteOrder.BIG or size not in (2, 4, 8):
        return None
    width, mask = Const(8 * high.size), Const((1 << 8 * high.size) - 1)
    shifted = Binary(BinaryKind.SHL, low.value, width, 64)
    kept_low = Binary(BinaryKind.AND, high.value, mask, 64)
    value = Binary(BinaryKind.OR, shifted, kept_low, 64)
    kept.extend((width, mask, shifted, kept_low, value))
    return Store(low.base, low.displacement, size, value, ByteOrder.BIG)


def _constant_bytes(store: Store | StoreBytes) -> bytes | None:
    if not isinstance(store.value, Const):
        return None
    if isinstance(store, StoreBytes):
        assert isinstance(store.value.value, bytes)
        return store.value.value
    assert isinstance(store.value.value, int)
    value = store.value.value & (1 << 8 * store.size) - 1
    return value.to_bytes(store.size, "big" if store.order is ByteOrder.BIG else "little")


def _size(store: Store | StoreBytes) -> int:
    if isinstance(store, Store):
        return store.size
    kind = store.value.type
    size: int = kind.size  # type: ignore[union-attr]  # well-formed: the value is Bytes
    return size
