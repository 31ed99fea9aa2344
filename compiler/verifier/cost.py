"""How many ops one packet can cost at most.

The worst case is the longest way through the function, each loop counting as its longest round times its rounds.

This file must not know: how states come about, how rounds are bounded, messages.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final, NamedTuple

from nmjit.compiler.ir import BasicBlock, Const, Find, Op, Phi
from nmjit.compiler.verifier.loops import Item, Loop
from nmjit.compiler.verifier.solution import Solution
from nmjit.compiler.verifier.trips import returns_of

_MAX_SEARCHED: Final = 65535
"""Bytes that a Find is taken to search where nothing smaller is known: the longest packet."""
_SEARCHED_PER_OP: Final = 16
_FIND_START: Final = 8


class Cost(NamedTuple):
    """`worst_case` ops for one packet; `unbounded` are the loops of which no bound is known, each counted once."""

    worst_case: int
    unbounded: tuple[Loop, ...]


def cost_of(solution: Solution) -> Cost:
    """The worst case of a solved function."""
    unbounded: list[Loop] = []
    weights = {block: _weight(solution, block) for block in solution.flow.order}
    worst = _longest(solution, solution.flow.items, weights, unbounded)
    return Cost(worst, tuple(unbounded))


def _weight(solution: Solution, block: BasicBlock) -> int:
    """Ops of the block that run; constants and phis are free."""
    ran = block.ops[: solution.reached[block]]
    return sum(_op_cost(solution, block, op) for op in ran)


def _op_cost(solution: Solution, block: BasicBlock, op: Op) -> int:
    if isinstance(op, Const | Phi):
        return 0
    if isinstance(op, Find):
        state = solution.out.get(block)
        room = _MAX_SEARCHED if state is None else state.interval(op.end).hi - state.interval(op.start).lo
        return _FIND_START + max(0, min(room, _MAX_SEARCHED)) // _SEARCHED_PER_OP
    return 1


def _longest(solution: Solution, items: Iterable[Item], weights: dict[BasicBlock, int], unbounded: list[Loop]) -> int:
    """Ops on the longest way that starts at the first of `items` and stays within them, its loops unrolled."""
    before: dict[BasicBlock, int] = {}  # ops run before a block, on the worst way to it
    worst = 0
    for place, item in enumerate(items):
        first = item.header if isinstance(item, Loop) else item
        start = before.get(first, 0 if place == 0 else None)
        if start is None or not solution.reached[first]:
            continue
        if isinstance(item, Loop):
            end = start + _loop_cost(solution, item, weights, unbounded)
            sources: Iterable[BasicBlock] = item.blocks
        else:
            end, sources = start + weights[item], (item,)
        worst = max(worst, end)
        for source in sources:
            for target in source.successors():
                if (source, target) in solution.edges and target not in sources:
                    before[target] = max(before.get(target, 0), end)
    return worst


def _loop_cost(solution: Solution, loop: Loop, weights: dict[BasicBlock, int], unbounded: list[Loop]) -> int:
    rounds = returns_of(solution, loop)
    if rounds is None:
        unbounded.append(loop)
        rounds = 0
    return (rounds + 1) * _longest(solution, loop.items, weights, unbounded)
