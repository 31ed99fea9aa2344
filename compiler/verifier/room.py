"""Which insertions into an LRU always find room: those of packets that hold fewer entries than a set has.

An LRU set passes over entries that the packet holds, and so runs out only where it holds sixteen, all in one set. What
other workers hold is passed over too, so nothing is certain where there are any.

This file must not know: intervals, states.
"""

from __future__ import annotations

from collections.abc import Iterator

from nmjit.compiler.ir import BasicBlock, MapDelete, MapFind, MapInsert, Op
from nmjit.compiler.irtypes import MapKind
from nmjit.compiler.maplayout import GROUP_SLOTS
from nmjit.compiler.verifier.loops import Flow, Loop

Touch = MapFind | MapInsert | MapDelete


def sure_insertions(flow: Flow) -> frozenset[Op]:
    """The MapInserts of `flow` that never give −1 while one worker runs."""
    touches: dict[str, list[Touch]] = {}
    for block in flow.order:
        for op in block.ops:
            if isinstance(op, Touch) and op.map.kind is MapKind.LRU:
                touches.setdefault(op.map.name, []).append(op)
    if not any(isinstance(op, MapInsert) for ops in touches.values() for op in ops):
        return frozenset()
    looped = {op for item in flow.items if isinstance(item, Loop) for block in _blocks(item) for op in block.ops}
    return frozenset(
        op
        for ops in touches.values()
        if looped.isdisjoint(ops) and _most(flow, frozenset(ops)) <= GROUP_SLOTS
        for op in ops
        if isinstance(op, MapInsert)
    )


def _blocks(loop: Loop) -> Iterator[BasicBlock]:
    for item in loop.items:
        if isinstance(item, Loop):
            yield from _blocks(item)
        else:
            yield item


def _most(flow: Flow, counted: frozenset[Op]) -> int:
    """Most ops of `counted`, which stand in no loop, on one way through the function. Each holds one entry at most."""
    most: dict[BasicBlock, int] = {}
    for block in flow.order:  # reverse postorder: only the ways back of loops come later
        before = max((most.get(previous, 0) for previous in flow.predecessors[block]), default=0)
        most[block] = before + sum(op in counted for op in block.ops)
    return max(most.values())
