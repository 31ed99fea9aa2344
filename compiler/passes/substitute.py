"""Replace values by others throughout a function; what all passes that find equal values end with.

Before, with %2 to become %0:          After:
    %2 = add %0, %1                        %2 = add %0, %1
    store 2 be %2 + 0, %2                  store 2 be %0 + 0, %0

This file must not know: why two values are equal.
"""

from __future__ import annotations

from nmjit.compiler.ir import Function, Phi, Value


def resolve(value: Value, replacement: dict[Value, Value]) -> Value:
    """What `value` becomes when replacements of replacements are followed to the end."""
    while value in replacement:
        value = replacement[value]
    return value


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
                continue
            for name in op.operand_names:
                value = getattr(op, name)
                if value in replacement:
                    setattr(op, name, resolve(value, replacement))
