"""Replace values by others throughout a function; what all passes that find equal values end with.

Before, with %2 to become %0:          After:
    %2 = add %0, %1                        %2 = add %0, %1
    store 2 be %2 + 0, %2                  store 2 be %0 + 0, %0

This file must not know: why two values are equal.
"""

from __future__ import annotations

from typing import Final

from nmjit.compiler.ir import EventEmit, Function, MapInsert, Op, PackKey, Phi, Value

_LISTING: Final = frozenset((PackKey, MapInsert, EventEmit))
"""Ops whose operands are not all attributes of their own. (Phis are apart: they read what may not be there yet.)"""


def resolve(value: Value, replacement: dict[Value, Value]) -> Value:
    """What `value` becomes when replacements of replacements are followed to the end."""
    while value in replacement:
        value = replacement[value]
    return value


def follow(op: Op, replacement: dict[Value, Value]) -> None:
    """Make one op, which is no phi, read what its operands become."""
    for name in op.operand_names:
        value = getattr(op, name)
        if value in replacement:
            setattr(op, name, resolve(value, replacement))
    if type(op) in _LISTING:
        for value in op.operands():
            if value in replacement:
                op.replace_operand(value, resolve(value, replacement))


def substitute(function: Function, replacement: dict[Value, Value]) -> None:
    """Make every op read `resolve(v, replacement)` where it read `v`. The ops replaced stay where they are."""
    if not replacement:
        return
    for block in function.blocks:
        for op in block.ops:
            if type(op) is Phi:
                for source, value in op.incoming.items():
                    if value in replacement:
                        op.incoming[source] = resolve(value, replacement)
            else:
                follow(op, replacement)
