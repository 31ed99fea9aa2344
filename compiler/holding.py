"""Which tables a packet must hold entries of, so that none it has met goes to another key before the packet ends.

Nobody can tell whether an entry is held unless the packet puts a key into the table after it found, made or deleted an
entry of another key. What may be held is followed along all ways through the function; a find that missed holds
nothing, so the find and the insertion that one assignment makes do not count against each other. Of a HASH only what
was deleted can go to another key: nothing else of it is ever given up.

This file must not know: how entries are held, workers, the layout of tables.
"""

from __future__ import annotations

from typing import NamedTuple, TypeAlias

from nmjit.compiler.ir import (
    BasicBlock,
    Binary,
    BinaryKind,
    Branch,
    Compare,
    Const,
    Function,
    MapDelete,
    MapFind,
    MapInsert,
    Not,
    Op,
    Phi,
    Predicate,
    Value,
)
from nmjit.compiler.irtypes import MapKind

Touch: TypeAlias = MapFind | MapInsert | MapDelete


class _Hold(NamedTuple):
    """What a touch may have left held; no longer `fresh` once its key or the touch itself may have run again."""

    touch: Touch
    fresh: bool


_Holds: TypeAlias = frozenset[_Hold]


def holding(function: Function) -> frozenset[str]:
    """Names of the maps whose entries a packet of `function` must hold while one worker alone uses them."""
    return frozenset(_Follower(function).held())


class _Follower:
    """One run over one function."""

    def __init__(self, function: Function) -> None:
        self.entry = function.entry
        self.keys = {op.key for op in function.ops() if isinstance(op, Touch)}
        self.predecessors = function.predecessors()
        self.home = {phi: block for block in function.blocks for phi in block.phis}

    def held(self) -> set[str]:
        found: set[str] = set()
        before: dict[BasicBlock, _Holds] = {self.entry: frozenset()}
        waiting = [self.entry] if self.keys else []
        while waiting:
            block = waiting.pop()
            holds = self._behind(block, before[block], found)
            for successor in block.successors():
                missed = self._missed_on(block, successor)
                along = frozenset(hold for hold in holds if not (hold.fresh and hold.touch in missed))
                known = before.get(successor)
                if known is None or not along <= known:
                    before[successor] = along if known is None else known | along
                    waiting.append(successor)
        return found

    def _behind(self, block: BasicBlock, holds: _Holds, found: set[str]) -> _Holds:
        """What may be held at the end of `block`; maps with an insertion that could take a held entry go to `found`."""
        for op in block.ops:
            if op in self.keys:
                holds = frozenset(hold._replace(fresh=False) if hold.touch.key is op else hold for hold in holds)
            if not isinstance(op, Touch):
                continue
            if isinstance(op, MapInsert) and any(_matters(hold, op) for hold in holds):
                found.add(op.map.name)
            if op.map.kind is MapKind.LRU or isinstance(op, MapDelete):
                again = frozenset(hold._replace(fresh=False) if hold.touch is op else hold for hold in holds)
                holds = again | {_Hold(op, True)}
        return holds

    # Misses

    def _missed_on(self, block: BasicBlock, successor: BasicBlock) -> set[Op]:
        """The touches that are known to have met no entry when the way from `block` to `successor` is taken."""
        match block.terminator:
            case Branch(condition=condition, then=then, other=other) if then is not other:
                return self._missed(condition, successor is then)
            case _:
                return set()

    def _missed(self, condition: Value, truth: bool) -> set[Op]:
        """The touches that are known to have met no entry where `condition` is `truth`."""
        match condition:
            case Not(a=a):
                return self._missed(a, not truth)
            case Binary(kind=BinaryKind.AND, a=a, b=b) if truth:
                return self._missed(a, True) | self._missed(b, True)
            case Binary(kind=BinaryKind.OR, a=a, b=b) if not truth:
                return self._missed(a, False) | self._missed(b, False)
            case MapDelete():
                return set() if truth else {condition}
            case Compare(predicate=predicate, a=MapFind() | MapInsert() as index, b=Const(value=limit)):
                return {index} if _excludes_entries(predicate if truth else predicate.negated, limit) else set()
            case Phi():
                return self._missed_through(condition, truth)
            case _:
                return set()

    def _missed_through(self, phi: Phi, truth: bool) -> set[Op]:
        """Of a merge of constants, what was missed on each way that brings `truth`."""
        block = self.home[phi]
        ways = [
            self._missed_before(source, block)
            for source, value in phi.incoming.items()
            if not isinstance(value, Const) or value.value is truth
        ]
        return set.intersection(*ways) if ways else set()

    def _missed_before(self, source: BasicBlock, block: BasicBlock) -> set[Op]:
        """As `_missed_on`, with the ways before that there is no other to."""
        missed = self._missed_on(source, block) if self._is_plain(source) else set()
        sources = self.predecessors[source]
        return (
            missed | self._missed_on(sources[0], source) if len(sources) == 1 and self._is_plain(sources[0]) else missed
        )

    @staticmethod
    def _is_plain(block: BasicBlock) -> bool:
        """Whether the block's way out is no merge of its own, which could go round."""
        last = block.terminator
        return not isinstance(last, Branch) or not isinstance(last.condition, Phi)


def _matters(hold: _Hold, insertion: MapInsert) -> bool:
    """Whether the insertion might want the entry held: not for the entry's own key, as long as that is in the map."""
    if hold.touch.map.name != insertion.map.name:
        return False
    return not hold.fresh or isinstance(hold.touch, MapDelete) or hold.touch.key is not insertion.key


def _excludes_entries(predicate: Predicate, limit: int | bool | bytes) -> bool:
    """Whether `index predicate limit` holds of −1 alone among the indices −1, 0, 1, …"""
    met = {Predicate.EQ: (-1,), Predicate.LT: (0,), Predicate.LE: (-1,)}
    return limit in met.get(predicate, ())
