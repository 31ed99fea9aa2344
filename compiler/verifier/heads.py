"""Which values are offsets at which the packet has begun: 0, what a MoveHead made its head, and merges of such.

Offsets count from where the packet arrived, so an access behind a `push` is at a negative one, and in bounds because
it is not in front of such a head. Every head was shown to be no further than the packet's end and to leave it room
(obligations.HeadFits), and bytes that a `pull` takes off stay memory of the packet, so any head of before will do.

This file must not know: states, intervals, what is accessed.
"""

from __future__ import annotations

from typing import TypeAlias

from nmjit.compiler.ir import (
    BasicBlock,
    Find,
    Load,
    LoadBytes,
    Mirror,
    MoveHead,
    Op,
    Phi,
    Store,
    StoreBytes,
    Value,
)
from nmjit.compiler.irtypes import INT
from nmjit.compiler.verifier.loops import Flow
from nmjit.compiler.verifier.terms import ZERO, Term

_ASKING = (Load, LoadBytes, Store, StoreBytes, Find, MoveHead, Mirror)

_Heads: TypeAlias = tuple[Value, ...]


def heads_before(flow: Flow, terms: dict[Value, Term]) -> dict[Op, _Heads]:
    """Of each op that touches the packet, the heads that the packet has had there whatever way it came, the last first.

    0 is not among them. Empty for a function that moves no head.
    """
    if not any(isinstance(op, MoveHead) for block in flow.order for op in block.ops):
        return {}
    merged = {phi for block in flow.order for phi in block.phis if phi.type is INT}
    while True:
        behind = _behind_blocks(flow, merged)
        wrong = {phi for phi in merged if not _merges_heads(flow, terms, phi, behind)}
        if not wrong:
            break
        merged -= wrong
    found: dict[Op, _Heads] = {}
    for block in flow.order:
        heads = _above(flow, block, behind)
        for op in block.ops:
            if isinstance(op, _ASKING):
                found[op] = heads
            heads = _with_head(heads, op, merged)
    return found


def _behind_blocks(flow: Flow, merged: set[Phi]) -> dict[BasicBlock, _Heads]:
    """The heads at the end of each block, supposing that all of `merged` are heads."""
    behind: dict[BasicBlock, _Heads] = {}
    for block in flow.order:
        heads = _above(flow, block, behind)
        for op in block.ops:
            heads = _with_head(heads, op, merged)
        behind[block] = heads
    return behind


def _above(flow: Flow, block: BasicBlock, behind: dict[BasicBlock, _Heads]) -> _Heads:
    """The heads at the end of the block that every way here has come through last."""
    return behind[flow.tree.parent[block]] if block in flow.tree.parent else ()


def _with_head(heads: _Heads, op: Op, merged: set[Phi]) -> _Heads:
    if isinstance(op, MoveHead):
        return (op.head, *heads)
    return (op, *heads) if isinstance(op, Phi) and op in merged else heads


def _merges_heads(flow: Flow, terms: dict[Value, Term], phi: Phi, behind: dict[BasicBlock, _Heads]) -> bool:
    """Whether all that comes in is a head where it comes from.

    A Phi that is right as long as it was right the round before is right, so all are supposed to be until refuted.
    """
    return all(
        terms[value] == (ZERO, 0) or any(terms[value] == terms[head] for head in behind[source])
        for source, value in phi.incoming.items()
        if source in behind
    )
