"""Cuts a slice out of a function: the values that places are computed from, and the control flow that leads there.

Kept are the branches and checks whose conditions a slice can compute, each a way out where it leads to no place. Where
a condition is out of reach the slice goes the way behind which more places lie. A loop nothing depends on is passed by.
A Check or Window becomes a branch to the end, so a slice can't raise; an insertion becomes a look-up; every effect
is left out.

This file must not know: which places are worth it, what the verifier says of the result.
"""

from __future__ import annotations

import copy
from collections.abc import Iterable, Mapping
from typing import Final, TypeAlias

from nmjit.compiler.ir import (
    BasicBlock,
    Binary,
    BinaryKind,
    Branch,
    Check,
    Compare,
    Const,
    Function,
    Jump,
    MapFind,
    MapInsert,
    Op,
    Phi,
    Predicate,
    Prefetch,
    Return,
    Value,
    Window,
)
from nmjit.compiler.irtypes import WINDOW_MAX, WINDOW_MIN
from nmjit.compiler.slices.levels import peek_operands
from nmjit.compiler.slices.places import Place
from nmjit.compiler.verifier.loops import Flow, Item, Loop

_Ways: TypeAlias = dict[BasicBlock, tuple[BasicBlock, ...]]
_NO_VERDICT: Final = 0
_NO_PORT: Final = -1


def carve(
    function: Function, levels: Mapping[Op, int], level: int, places: Iterable[Place]
) -> tuple[Function, dict[Prefetch, Place]]:
    """The slice of `level` for those of `places`, which are of that level, that it comes to, each with its Prefetch.

    `levels` has the level of every op of the function, which is left as it is.
    """
    return _Carver(function, levels, level, {place.op: place for place in places}).carve()


class _Carver:
    """One slice in the making. `ways` are the successors followed, from blocks that come to a place; `idle` the headers
    of loops passed by."""

    def __init__(self, function: Function, levels: Mapping[Op, int], level: int, places: dict[Op, Place]) -> None:
        self.function = function
        self.levels = levels
        self.level = level
        self.places = places
        self.order = function.reverse_postorder()
        self.ways = self._ways()
        self.idle: set[BasicBlock] = set()
        self.needed = self._pass_by(self._idle_loops(Flow.of(function).items))
        self.values: dict[Value, Value] = {}
        self.first: dict[BasicBlock, BasicBlock] = {}
        self.last: dict[BasicBlock, BasicBlock] = {}
        self.blocks: list[BasicBlock] = []
        self.prefetches: dict[Prefetch, Place] = {}
        self.end = BasicBlock("end")

    def carve(self) -> tuple[Function, dict[Prefetch, Place]]:
        kept = [block for block in self.order if block in self.ways]
        for block in kept:
            self.first[block] = BasicBlock(block.label)
        for block in kept:
            self._copy(block)
        for block in kept:
            self._close(block)
        verdict, port = Const(_NO_VERDICT), Const(_NO_PORT)
        self.end.ops = [verdict, port, Return(verdict, port)]
        if not kept:
            self.blocks = []
        name = f"{self.function.name}_slice{self.level}"
        blocks = [*self.blocks, self.end]
        made = Function(name, blocks, [], list(self.function.maps), list(self.function.tables))
        return made, self.prefetches

    # Which way to go

    def _known(self, op: Op) -> bool:
        return self.levels[op] <= self.level

    def _ways(self) -> _Ways:
        """The edges followed, between blocks that the entry reaches by them and that come to a place by them."""
        behind = self._behind({block: block.successors() for block in self.order})
        chosen: _Ways = {}
        waiting = [self.function.entry]
        while waiting:
            block = waiting.pop()
            if block not in chosen:
                chosen[block] = self._chosen(block, behind)
                waiting.extend(chosen[block])
        leading = self._behind(chosen)
        return {
            block: tuple(target for target in targets if leading[target])
            for block, targets in chosen.items()
            if leading[block]
        }

    def _chosen(self, block: BasicBlock, behind: dict[BasicBlock, frozenset[Op]]) -> tuple[BasicBlock, ...]:
        last = block.terminator
        if not isinstance(last, Branch) or self._known(last):
            return block.successors()
        ways = [last.other, last.then] if last.expected is False else [last.then, last.other]
        return (max(ways, key=lambda way: (len(behind[way]), not self._leads_back(way, block))),)

    def _leads_back(self, way: BasicBlock, block: BasicBlock) -> bool:
        """Whether `block` can be come to again: a loop whose end is out of reach would never end."""
        seen = {way}
        waiting = [way]
        while waiting:
            for successor in waiting.pop().successors():
                if successor not in seen:
                    seen.add(successor)
                    waiting.append(successor)
        return block in seen

    def _behind(self, ways: _Ways) -> dict[BasicBlock, frozenset[Op]]:
        """The places in each block and behind it."""
        found = {block: frozenset(op for op in block.ops if op in self.places) for block in ways}
        changed = True
        while changed:
            changed = False
            for block in reversed(self.order):
                if block in ways:
                    more = found[block].union(*(found[target] for target in ways[block]))
                    if more != found[block]:
                        found[block], changed = more, True
        return found

    # Loops

    def _idle_loops(self, items: Iterable[Item]) -> list[Loop]:
        """The outermost loops without a place that are left in one direction only."""
        found = []
        for item in items:
            if isinstance(item, Loop) and item.header in self.ways:
                if len(_left(self.ways, item)) == 1 and not any(
                    op in self.places for each in item.blocks for op in each.ops
                ):
                    found.append(item)
                else:
                    found += self._idle_loops(item.items)
        return found

    def _pass_by(self, loops: list[Loop]) -> set[Op]:
        """Take those of `loops` out that nothing behind them depends on; what is needed then."""
        whole = self.ways
        while True:
            self.idle = {loop.header for loop in loops}
            inside = {block for loop in loops for block in loop.blocks}
            self.ways = {block: ways for block, ways in whole.items() if block not in inside}
            self.ways |= {loop.header: tuple(_left(whole, loop)) for loop in loops}
            needed = self._needed()
            missed = [loop for loop in loops if self._is_missed(loop, needed)]
            if not missed:
                return needed
            loops = [loop for loop in loops if loop not in missed]

    def _is_missed(self, loop: Loop, needed: set[Op]) -> bool:
        """Whether a value of the loop is needed, or what it merges where it is left."""
        behind = self.ways[loop.header][0]
        return not needed.isdisjoint(behind.phis) or any(op in needed for block in loop.blocks for op in block.ops)

    # What to keep

    def _ran(self, block: BasicBlock) -> list[Op]:
        """The ops of a kept block up to the last that matters."""
        if block in self.idle:
            return []
        if self.ways[block]:
            return block.ops
        place = max(number for number, op in enumerate(block.ops) if op in self.places)
        return block.ops[: place + 1]

    def _needed(self) -> set[Op]:
        """The ops that places and the conditions on the way to them are computed from."""
        waiting: list[Value] = []
        into: dict[BasicBlock, list[BasicBlock]] = {block: [] for block in self.ways}
        for block, targets in self.ways.items():
            for target in targets:
                into[target].append(block)
            for op in self._ran(block):
                if op in self.places:
                    waiting.append(self.places[op].value)
                elif isinstance(op, Check | Branch) and self._known(op):
                    waiting.append(op.condition)
        home = {phi: block for block in self.ways for phi in block.phis}
        needed: set[Op] = set()
        while waiting:
            value = waiting.pop()
            if value in needed:
                continue
            needed.add(value)
            if isinstance(value, Phi):
                waiting.extend(value.incoming[source] for source in into[home[value]] if source in value.incoming)
            else:
                waiting.extend(peek_operands(value))
        return needed

    # Writing it

    def _copy(self, block: BasicBlock) -> None:
        current = self.first[block]
        self.blocks.append(current)
        for op in self._ran(block):
            if op in self.places:
                place = self.places[op]
                prefetch = Prefetch(place.map, self.values[place.value], op.line)
                self.prefetches[prefetch] = place
                current.ops.append(prefetch)
            elif isinstance(op, Check) and self._known(op):
                current = self._leave_unless(self.values[op.condition], current, op.line)
            elif isinstance(op, Window) and op in self.needed:
                current = self._leave_unless(self._within_window(self.values[op.a], current), current, op.line)
                self.values[op] = self.values[op.a]
            elif op in self.needed:
                self.values[op] = self._copied(op)
                current.ops.append(self.values[op])
                if isinstance(op, MapInsert):
                    current = self._leave_unless(self._is_there(self.values[op], current), current, op.line)
        self.last[block] = current

    def _copied(self, op: Op) -> Op:
        match op:
            case Phi():
                return Phi(op.type, {}, op.line)
            case MapFind(map=map, key=key, hash=hash) | MapInsert(map=map, key=key, hash=hash):
                return MapFind(map, self.values[key], self.values[hash], False, op.line)
        made = copy.copy(op)
        for operand in op.operands():
            made.replace_operand(operand, self.values[operand])
        return made

    def _is_there(self, index: Value, current: BasicBlock) -> Value:
        """Whether a look-up in place of an insertion found the key: what is new leads nowhere yet."""
        zero = Const(0)
        found = Compare(Predicate.GE, index, zero)
        current.ops += [zero, found]
        return found

    def _within_window(self, value: Value, current: BasicBlock) -> Value:
        least, most = Const(WINDOW_MIN), Const(WINDOW_MAX)
        above, below = Compare(Predicate.GE, value, least), Compare(Predicate.LE, value, most)
        both = Binary(BinaryKind.AND, above, below)
        current.ops += [least, most, above, below, both]
        return both

    def _leave_unless(self, condition: Value, current: BasicBlock, line: int) -> BasicBlock:
        """End the block by going to the end unless `condition` holds; the block in which to go on."""
        following = BasicBlock(f"{current.label}_{len(self.blocks)}")
        self.blocks.append(following)
        current.ops.append(Branch(condition, following, self.end, True, line))
        return following

    def _close(self, block: BasicBlock) -> None:
        """The terminator of a copied block, and what comes in where its phis merge."""
        targets, old, line = self.ways[block], block.terminator, block.terminator.line
        last = self.last[block]
        forks = isinstance(old, Branch) and old.then is not old.other and block not in self.idle
        if isinstance(old, Branch) and forks and targets and self._known(old):
            then, other = (self.first[way] if way in targets else self.end for way in (old.then, old.other))
            last.ops.append(Branch(self.values[old.condition], then, other, old.expected, line))
        else:
            last.ops.append(Jump(self.first[targets[0]] if targets else self.end, line))
        for target in targets:
            for phi in target.phis:
                if phi in self.needed:
                    copied = self.values[phi]
                    assert isinstance(copied, Phi)
                    copied.incoming[last] = self.values[phi.incoming[block]]


def _left(ways: _Ways, loop: Loop) -> set[BasicBlock]:
    """Where the loop is left to."""
    return {target for block in loop.blocks for target in ways.get(block, ()) if target not in loop.blocks}
