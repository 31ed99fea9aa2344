"""How many ops one packet can cost at most, and how many entries of a table it can meet.

The worst case is the longest way through the function, each loop counting as its longest round times its rounds.

This file must not know: how states come about, how rounds are bounded, messages.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final, NamedTuple

from nmjit.compiler.ir import BasicBlock, Const, Find, MapDelete, MapFind, MapInsert, Op, Phi, Value
from nmjit.compiler.verifier.loops import Item, Loop
from nmjit.compiler.verifier.solution import Solution
from nmjit.compiler.verifier.trips import returns_of

_MAX_SEARCHED: Final = 65535
"""Bytes that a Find is taken to search where nothing smaller is known: the longest packet."""
_SEARCHED_PER_OP: Final = 16
_FIND_START: Final = 8


class Cost(NamedTuple):
    """`worst_case` ops for one packet; `returns` is how often each loop that is reached goes back to its header at most
    each time it is entered, None where no bound is known: then it counts once."""

    worst_case: int
    returns: dict[Loop, int | None]


def cost_of(solution: Solution) -> Cost:
    """The worst case of a solved function."""
    returns: dict[Loop, int | None] = {}
    weights = {block: _weight(solution, block) for block in solution.flow.order}
    worst = _longest(solution, solution.flow.items, weights, returns)
    return Cost(worst, returns)


class Meetings(NamedTuple):
    """One packet can find, make or delete `most` entries of the table `map`; `first` is the first op that does."""

    map: str
    most: int
    first: Op


def meetings_of(solution: Solution) -> list[Meetings]:
    """Of every table that the function puts keys into or takes keys from. Loops without bound count once."""
    touches: dict[str, list[MapFind | MapInsert | MapDelete]] = {}
    for op in solution.ops():
        if isinstance(op, MapFind | MapInsert | MapDelete):
            touches.setdefault(op.map.name, []).append(op)
    return [
        Meetings(name, _most(solution, frozenset(_distinct(solution, ops))), ops[0])
        for name, ops in touches.items()
        if any(isinstance(op, MapInsert | MapDelete) for op in ops)
    ]


def _distinct(solution: Solution, touches: list[MapFind | MapInsert | MapDelete]) -> Iterator[Op]:
    """`touches` less the insertions of keys found just before: unless keys are taken out, both meet one entry."""
    home, tree = solution.frame.home, solution.flow.tree
    deletes = any(isinstance(op, MapDelete) for op in touches)
    found: dict[Value, list[BasicBlock]] = {}  # in reverse postorder, so what dominates comes first
    for op in touches:
        above = found.setdefault(op.key, [])
        if not isinstance(op, MapInsert) or deletes or not any(tree.dominates(block, home[op]) for block in above):
            yield op
        if isinstance(op, MapFind):
            above.append(home[op])


def _most(solution: Solution, counted: frozenset[Op]) -> int:
    weights = {
        block: sum(op in counted for op in block.ops[: solution.reached[block]]) for block in solution.flow.order
    }
    return _longest(solution, solution.flow.items, weights, {})


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


def _longest(
    solution: Solution, items: Iterable[Item], weights: dict[BasicBlock, int], returns: dict[Loop, int | None]
) -> int:
    """Ops on the longest way that starts at the first of `items` and stays within them, its loops unrolled."""
    before: dict[BasicBlock, int] = {}  # ops run before a block, on the worst way to it
    worst = 0
    for place, item in enumerate(items):
        first = item.header if isinstance(item, Loop) else item
        start = before.get(first, 0 if place == 0 else None)
        if start is None or not solution.reached[first]:
            continue
        if isinstance(item, Loop):
            end = start + _loop_cost(solution, item, weights, returns)
            sources: Iterable[BasicBlock] = item.blocks
        else:
            end, sources = start + weights[item], (item,)
        worst = max(worst, end)
        for source in sources:
            for target in source.successors():
                if (source, target) in solution.edges and target not in sources:
                    before[target] = max(before.get(target, 0), end)
    return worst


def _loop_cost(solution: Solution, loop: Loop, weights: dict[BasicBlock, int], returns: dict[Loop, int | None]) -> int:
    if loop not in returns:
        returns[loop] = returns_of(solution, loop)
    return ((returns[loop] or 0) + 1) * _longest(solution, loop.items, weights, returns)
