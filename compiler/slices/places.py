"""Where in a function keys are looked up, and what determines the memory that a look-up touches.

This file must not know: what a slice is made of, which look-ups get one.
"""

from __future__ import annotations

from nmjit.compiler.dominance import DominatorTree
from nmjit.compiler.ir import (
    BasicBlock,
    BloomAdd,
    BloomTest,
    Const,
    Function,
    LpmFind,
    MapAdd,
    MapDelete,
    MapFind,
    MapInsert,
    MapLoad,
    MapStore,
    Op,
    RateTake,
    Value,
)
from nmjit.compiler.irtypes import MapDecl, MapKind
from nmjit.compiler.record import record


@record
class Place:
    """The first of the ops that look `value` up in `map`: a hash, an address or an index, as in ir.Prefetch."""

    op: Op
    map: MapDecl
    value: Value


def place_of(op: Op) -> tuple[MapDecl, Value] | None:
    """The map and the place that `op` looks up; None for an op that looks nothing up whose place can vary."""
    match op:
        case (
            MapFind(map=map, hash=value)
            | MapInsert(map=map, hash=value)
            | MapDelete(map=map, hash=value)
            | BloomTest(map=map, hash=value)
            | BloomAdd(map=map, hash=value)
            | LpmFind(map=map, address=value)
        ):
            return map, value
        case (
            MapLoad(map=map, index=value)
            | MapStore(map=map, index=value)
            | MapAdd(map=map, index=value)
            | RateTake(map=map, index=value)
        ) if map.kind is MapKind.ARRAY and not isinstance(value, Const):
            return map, value
        case _:
            return None


def places_of(function: Function) -> list[Place]:
    """The function's look-ups in reverse postorder; of those at one place, each that no other comes before."""
    tree = DominatorTree.of(function)
    known: dict[tuple[str, Value], list[BasicBlock]] = {}
    places = []
    for block in function.reverse_postorder():
        for op in block.ops:
            found = place_of(op)
            if found is None:
                continue
            map, value = found
            earlier = known.setdefault((map.name, value), [])
            if not any(tree.dominates(above, block) for above in earlier):
                places.append(Place(op, map, value))
                earlier.append(block)
    return places
