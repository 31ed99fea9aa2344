"""Drop the checks that the verifier proved: the only pass that needs to be told a fact.

Before, with both proven:                                After:
    check %2 site #0                                         store 1 be %3 + 0, %3
    %4 = window %3 site #1
    store 1 be %4 + 0, %4

This file must not know: how a check was proved.
"""

from __future__ import annotations

from collections.abc import Set

from nmjit.compiler.ir import Check, Function, Op, Value, Window
from nmjit.compiler.passes.substitute import substitute


def run(function: Function, proven: Set[Op]) -> bool:
    """Delete each Check and Window in `proven`, a Window in favour of its operand. Whether there were any.

    Other ops in `proven` stay.
    """
    replacement: dict[Value, Value] = {}
    changed = False
    for block in function.blocks:
        kept: list[Op] = []
        for op in block.ops:
            if op not in proven or not isinstance(op, (Check, Window)):
                kept.append(op)
            elif isinstance(op, Window):
                replacement[op] = op.a
        if len(kept) != len(block.ops):
            block.ops, changed = kept, True
    substitute(function, replacement)
    return changed
