"""Delete ops whose value nobody reads and that have no effect; loads count as such, checks and windows do not.

Before:                                After:
    %0 = const int 0                       %0 = const int 0
    %1 = const int 7                       return %0, %0
    %2 = load 2 be %1 + 0
    return %0, %0

This file must not know: values at run time.
"""

from __future__ import annotations

from typing import Final

from nmjit.compiler.ir import (
    Branch,
    Check,
    Function,
    Jump,
    MapAdd,
    MapStore,
    Op,
    Raise,
    Return,
    Store,
    StoreBytes,
    Window,
)

_ROOTS: Final = frozenset((Store, StoreBytes, MapStore, MapAdd, Check, Window, Jump, Branch, Return, Raise))


def run(function: Function) -> bool:
    """Delete them, also where they only feed one another round a loop. Whether there were any."""
    waiting = [op for block in function.blocks for op in block.ops if type(op) in _ROOTS]
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
