"""Numbers for the states that memory goes through: where two numbers are equal, nothing between can have changed it.

A map has parts that change apart: its keys (the bits of a Bloom filter), and each field of its entries. Insertions and
deletions leave the values of entries at hand alone, and stores leave the keys. The packet is one part: any store
changes all of it. What other workers and processes do counts for nothing: a filter may see it or not.

This file must not know: values at run time, which ops a pass would merge.
"""

from __future__ import annotations

from typing import Final

from nmjit.compiler.dominance import DominatorTree
from nmjit.compiler.ir import (
    BasicBlock,
    BloomAdd,
    BloomTest,
    Find,
    Function,
    Load,
    LoadBytes,
    MapAdd,
    MapDelete,
    MapFind,
    MapInsert,
    MapLoad,
    MapStore,
    MoveHead,
    Op,
    RateTake,
    Store,
    StoreBytes,
)

Part = tuple[str, str | None]
"""A map's name, and a field's or None for the keys."""
_PACKET: Final[Part] = ("", None)
"""The packet's bytes: no map is called so."""


class MemoryStates:
    """The states along a walk down the dominator tree: each block entered after its parent, its ops left in order."""

    def __init__(self, function: Function, tree: DominatorTree) -> None:
        self._tree = tree
        changed = {block: {part for op in block.ops for part in _changed_by(op)} for block in function.blocks}
        self._changed = {block: parts for block, parts in changed.items() if parts}
        self._predecessors = function.predecessors() if self._changed else {}
        self._at_end: dict[BasicBlock, dict[Part, int]] = {}
        self._now: dict[Part, int] = {}
        self._last = 0

    def enter(self, block: BasicBlock) -> None:
        """Go to the start of `block`."""
        if not self._changed:
            return
        parent = self._tree.parent.get(block)
        self._now = {} if parent is None else dict(self._at_end[parent])
        self._at_end[block] = self._now
        if parent is not None and self._predecessors[block] != [parent]:
            for between in self._between(parent, block):
                self._renew(self._changed.get(between, ()))

    def leave(self, op: Op) -> None:
        """Go past `op`, the next of the block."""
        if self._changed:
            self._renew(_changed_by(op))

    def read_by(self, op: Op) -> int:
        """The number of the state that `op` reads here; 0 where it reads none that changes."""
        if not self._changed:
            return 0
        match op:
            case MapLoad():
                return self._now.get((op.map.name, op.field), 0)
            case MapFind() | BloomTest():
                return self._now.get((op.map.name, None), 0)
            case Load() | LoadBytes() | Find():
                return self._now.get(_PACKET, 0)
        return 0

    def _renew(self, parts: set[Part] | tuple[Part, ...]) -> None:
        for part in parts:
            self._last += 1
            self._now[part] = self._last

    def _between(self, above: BasicBlock, below: BasicBlock) -> set[BasicBlock]:
        """The blocks on the ways from the end of `above` to the start of `below`; itself, where a loop leads back."""
        found: set[BasicBlock] = set()
        waiting = list(self._predecessors[below])
        while waiting:
            block = waiting.pop()
            if block is not above and block not in found:
                found.add(block)
                waiting += self._predecessors[block]
        return found


_CHANGING: Final = frozenset((MapInsert, MapDelete, BloomAdd, MapStore, MapAdd, RateTake, Store, StoreBytes, MoveHead))


def _changed_by(op: Op) -> tuple[Part, ...]:
    if type(op) not in _CHANGING:
        return ()
    match op:
        case Store() | StoreBytes() | MoveHead():
            return (_PACKET,)
        case MapInsert() | MapDelete() | BloomAdd():
            return ((op.map.name, None),)
        case MapStore() | MapAdd():
            return ((op.map.name, op.field),)
        case RateTake():
            return tuple((op.map.name, field.name) for field in op.map.layout.fields)
    return ()
