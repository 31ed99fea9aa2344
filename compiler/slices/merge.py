"""Merges what a slice does twice: reads of the same packet bytes, and prefetches of the same place.

In a filter a store may lie between two reads; a slice has none, so equal reads are equal wherever one is sure to have
run before the other. This file must not know: functions with effects, why a slice is as it is.
"""

from __future__ import annotations

from collections.abc import Hashable

from nmjit.compiler.dominance import DominatorTree
from nmjit.compiler.ir import BasicBlock, Find, Function, Load, LoadBytes, Op, Prefetch, Value
from nmjit.compiler.passes.substitute import substitute


def merge_repeats(function: Function) -> dict[Prefetch, Prefetch]:
    """Delete reads and prefetches that repeat one of before. Of the prefetches deleted, the one that each repeats."""
    tree = DominatorTree.of(function)
    known: dict[Hashable, list[tuple[BasicBlock, Op]]] = {}
    values: dict[Value, Value] = {}
    prefetches: dict[Prefetch, Prefetch] = {}
    for block in function.reverse_postorder():  # what dominates comes first
        kept: list[Op] = []
        for op in block.ops:
            key = _key(op)
            earlier = [] if key is None else known.setdefault(key, [])
            first = next((other for above, other in earlier if tree.dominates(above, block)), None)
            if first is None:
                earlier.append((block, op))
                kept.append(op)
            elif isinstance(op, Prefetch):
                assert isinstance(first, Prefetch)
                prefetches[op] = first
            else:
                values[op] = first
        block.ops = kept
    substitute(function, values)
    return prefetches


def _key(op: Op) -> Hashable:
    """What equal reads and prefetches have in common; None for other ops."""
    match op:
        case Load(base=base, displacement=displacement, size=size, order=order):
            return Load, base, displacement, size, order
        case LoadBytes(base=base, displacement=displacement, size=size):
            return LoadBytes, base, displacement, size
        case Find(start=start, end=end, needle=needle):
            return Find, start, end, needle
        case Prefetch(map=map, place=place):
            return Prefetch, map.name, place
        case _:
            return None
