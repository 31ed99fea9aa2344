"""Delete ops whose value nobody reads and that have no effect; loads count as such, checks and windows do not.

A look-up has an effect where an entry of an LRU may stay for its sake.

Before:                                After:
    %0 = const int 0                       %0 = const int 0
    %1 = const int 7                       return %0, %0
    %2 = load 2 be %1 + 0
    return %0, %0

This file must not know: values at run time.
"""

from __future__ import annotations

from collections.abc import Set
from typing import Final

from nmjit.compiler.ir import (
    BloomAdd,
    Branch,
    Check,
    EventEmit,
    Function,
    Jump,
    MapAdd,
    MapDelete,
    MapFind,
    MapInsert,
    MapStore,
    Mirror,
    MoveHead,
    Op,
    Prefetch,
    Raise,
    RateTake,
    Return,
    Store,
    StoreBytes,
    Window,
)
from nmjit.compiler.irtypes import MapDecl, MapKind

_ROOTS: Final = frozenset((
    Store, StoreBytes, MapStore, MapAdd, MapInsert, MapDelete, BloomAdd, RateTake, EventEmit, MoveHead, Mirror,
    Prefetch, Check, Window, Jump, Branch, Return, Raise,
))  # fmt: skip


def run(function: Function) -> bool:
    """Delete them, also where they only feed one another round a loop. Whether there were any."""
    roots = [op for op in function.ops() if type(op) in _ROOTS]
    filled = {op.map for op in roots if type(op) is MapInsert}
    waiting = roots + [op for op in function.ops() if type(op) is MapFind and _spares(op, filled)]
    live: set[Op] = set(waiting)
    while waiting:
        for operand in waiting.pop().operands():
            if operand not in live:
                live.add(operand)
                waiting.append(operand)
    changed = False
    for block in function.blocks:
        kept = [op for op in block.ops if op in live]
        if len(kept) != len(block.ops):
            block.ops, changed = kept, True
    return changed


def _spares(op: MapFind, filled: Set[MapDecl]) -> bool:
    """Whether an entry may stay for the look-up's sake: it is marked as used, or held where the filter inserts."""
    return op.map.kind is MapKind.LRU and (op.touch or op.map in filled)
