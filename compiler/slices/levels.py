"""How early each value can be had by a slice: at level 0 from the packet alone, at level 1 by looking into maps too.

A slice of level 1 runs when what level 0 asked for has come, so it may look keys up itself to get at a second key.
Maps whose memory is in the cache anyway may be looked into at any level. What such a peek finds may have changed when
the filter runs; that costs a prefetch, nothing else.

This file must not know: control flow, how a slice is cut out.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Set
from typing import Final, TypeAlias

from nmjit.compiler.dominance import DominatorTree
from nmjit.compiler.ir import (
    BasicBlock,
    BloomAdd,
    BloomTest,
    Branch,
    Function,
    LpmFind,
    MapDelete,
    MapFind,
    MapInsert,
    MapLoad,
    Op,
    RateTake,
    Value,
)
from nmjit.compiler.slices.places import place_of

_Ends: TypeAlias = dict[BasicBlock, list[BasicBlock]]
LEVELS: Final = 2
NEVER: Final = 1 << 16
"""Level of what no slice can compute."""


def peek_operands(op: Op) -> tuple[Value, ...]:
    """What a slice needs for the value of `op`: an insertion becomes a look-up, so not the fields' values."""
    return (op.key, op.hash) if isinstance(op, MapInsert) else op.operands()


def levels_of(function: Function, stale: Set[Op], wait: Callable[[Op], int]) -> dict[Op, int]:
    """The level of every op, that of the condition for a Check or Branch.

    `stale` reads are never had. `wait` says how many levels later than its place the memory of a look-up is there.
    """
    levels: dict[Op, int] = {}
    order = function.reverse_postorder()
    deciding = _deciding(function)
    changed = True
    while changed:  # round loops a level can only rise
        changed = False
        for block in order:
            for op in block.ops:
                level = NEVER if op in stale else _level(op, levels, wait)
                if op in deciding:
                    level = max(level, _highest(deciding[op], levels))
                if levels.get(op) != level:
                    levels[op], changed = level, True
    return levels


def _deciding(function: Function) -> dict[Op, list[Op]]:
    """By each phi, the branches that decide which of its values comes in: those from which ways lead to several."""
    tree, predecessors = DominatorTree.of(function), function.predecessors()
    found: dict[Op, list[Op]] = {}
    for block in function.blocks:
        phis = [phi for phi in block.phis if len(set(phi.incoming.values())) > 1]
        if phis:
            ends = _ends_of_ways(block, tree.parent[block], predecessors)
            for phi in phis:
                found[phi] = [
                    source.terminator
                    for source, reached in ends.items()
                    if len({phi.incoming[end] for end in reached}) > 1 and isinstance(source.terminator, Branch)
                ]
    return found


def _ends_of_ways(block: BasicBlock, above: BasicBlock, predecessors: dict[BasicBlock, list[BasicBlock]]) -> _Ends:
    """By each block from `above` on, which dominates `block`, the predecessors of `block` that can be come to from it
    without passing `block`."""
    ends: _Ends = {}
    for end in predecessors[block]:
        waiting = [end]
        while waiting:
            source = waiting.pop()
            reached = ends.setdefault(source, [])
            if end not in reached:
                reached.append(end)
                waiting.extend(predecessors[source] if source is not block and source is not above else ())
    return ends


def _level(op: Op, levels: dict[Op, int], wait: Callable[[Op], int]) -> int:
    highest = _highest(peek_operands(op), levels)
    match op:
        case MapDelete() | BloomAdd() | RateTake():
            return NEVER  # there is no looking without touching
        case MapFind() | MapInsert() | LpmFind() | BloomTest() | MapLoad():
            highest += wait(op) if place_of(op) is not None else 0
    return highest if highest < LEVELS else NEVER


def _highest(values: Iterable[Value], levels: dict[Op, int]) -> int:
    return max((levels.get(value, 0) for value in values), default=0)
