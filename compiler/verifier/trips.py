"""How often a loop can go round, and how far that lets the values go that it moves a little each time.

A loop is bounded by a value that is merged at its header and moves one way: where each way back finds it no higher than
`top`, and it starts no lower than `start` and grows by `step` or more, the loop goes back at most
(top − start) // step + 1 times. So any shape of condition will do, as long as the states at the latches know of it.
The same holds downwards, and for a value that is divided or shifted right each time and is above 0.

In turn a value that moves by `least` to `most` each round, whichever way the round goes, is never further from its
start than that times the rounds. That bounds sums, of which no condition says how high they get.

This file must not know: how states come about, costs, messages.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from nmjit.compiler.ir import BasicBlock, Binary, BinaryKind, Phi, Value, Window, Wrap
from nmjit.compiler.irtypes import INT
from nmjit.compiler.verifier import interval as iv
from nmjit.compiler.verifier.interval import INFINITE, Interval, hull
from nmjit.compiler.verifier.loops import Loop
from nmjit.compiler.verifier.solution import Solution
from nmjit.compiler.verifier.state import Facts, State
from nmjit.compiler.verifier.terms import ZERO

_STILL: Final = Interval(0, 0)


def returns_of(solution: Solution, loop: Loop) -> int | None:
    """How often the loop can go back to its header each time it is entered; None where no bound is known."""
    entries, latches = _ways(solution, loop)
    if not latches:
        return 0
    merged = _moving(solution, loop)
    found = [bound_by(phi, entries, latches) for phi in merged for bound_by in (_climbing, _falling, _halving)]
    return min((bound for bound in found if bound is not None), default=None)


_States = dict[BasicBlock, State]


def _ways(solution: Solution, loop: Loop) -> tuple[_States, _States]:
    """The states on the ways into the loop, and on those back to its header."""
    header = loop.header
    before = [block for block in solution.flow.predecessors[header] if block not in loop.latches]
    return solution.ways_into(header, before), solution.ways_into(header, loop.latches)


def _moving(solution: Solution, loop: Loop) -> list[Phi]:
    """The INTs merged at the header that are not the same value on every way."""
    return [phi for phi in loop.header.phis if phi.type is INT and solution.frame.terms[phi][0] is phi]


def _climbing(phi: Phi, entries: _States, latches: _States) -> int | None:
    """Bound of a value that grows each time."""
    steps = [state.value_gap(phi, phi.incoming[latch]) for latch, state in latches.items()]
    step = _least(steps)
    if step is None or step < 1:
        return None
    start = min(state.interval(phi.incoming[block]).lo for block, state in entries.items())
    top = max(state.interval(phi).hi for state in latches.values())
    found = [] if start == -INFINITE or top == INFINITE else [top - start]
    found.extend(_room(phi, entries, latches))
    return max(-1, min(found)) // step + 1 if found else None


def _room(phi: Phi, entries: _States, latches: _States) -> Iterable[int]:
    """How far above its start the value can be at a latch, by a value from before the loop that it stays under."""
    some = next(iter(latches.values()))
    for high in some.above(phi):
        room = []
        for block, state in entries.items():
            root, offset = state.frame.terms[phi.incoming[block]]
            gap = state.gap(high, root) if _is_older(state, high, phi) else None
            room.append(None if gap is None else gap + offset)  # high + gap ≤ start
        below = [state.gap(phi, high) for state in latches.values()]  # value + below ≤ high
        furthest, nearest = _least(room), _least(below)
        if furthest is not None and nearest is not None:
            yield -furthest - nearest


def _is_older(state: State, root: Value, phi: Phi) -> bool:
    """Whether `root` is set before the loop that has `phi` at its header."""
    home, header = state.frame.home.get(root), state.frame.home[phi]
    return home is None or (home is not header and state.frame.tree.dominates(home, header))


def _falling(phi: Phi, entries: _States, latches: _States) -> int | None:
    """Bound of a value that shrinks each time."""
    step = _least([state.value_gap(phi.incoming[latch], phi) for latch, state in latches.items()])
    if step is None or step < 1:
        return None
    start = max(state.interval(phi.incoming[block]).hi for block, state in entries.items())
    bottom = min(state.interval(phi).lo for state in latches.values())
    return None if start == INFINITE or bottom == -INFINITE else max(-1, start - bottom) // step + 1


def _halving(phi: Phi, entries: _States, latches: _States) -> int | None:
    """Bound of a value above 0 that is divided by 2 or more each time: it lasts as many rounds as it has bits."""
    for latch, state in latches.items():
        if state.interval(phi).lo < 1 or not _is_halved(state, phi, phi.incoming[latch]):
            return None
    start = max(state.interval(phi.incoming[block]).hi for block, state in entries.items())
    return None if start == INFINITE else max(start, 0).bit_length()


def _is_halved(state: State, phi: Phi, value: Value) -> bool:
    """Whether `value` is at most half of `phi`, which is above 0."""
    while isinstance(value, Window | Wrap) and (
        isinstance(value, Window) or state.interval(value) == state.interval(value.a)
    ):
        value = value.a
    if not isinstance(value, Binary) or state.frame.terms[value.a] != (phi, 0):
        return False
    divisor = state.interval(value.b).lo
    return (value.kind is BinaryKind.SHR and divisor >= 1) or (value.kind is BinaryKind.FLOORDIV and divisor >= 2)


def _least(gaps: list[int | None]) -> int | None:
    """The least of `gaps`, None where one is not known or there is none."""
    known = [gap for gap in gaps if gap is not None]
    return min(known) if known and len(known) == len(gaps) else None


def within_rounds(solution: Solution, loop: Loop, facts: Facts) -> Facts:
    """`facts` at the header, less what cannot be reached in as many rounds as the loop can have.

    The rounds are counted in states that hold without what is concluded here, so that nothing leans on itself.
    """
    rounds = returns_of(solution, loop)
    if not rounds:
        return facts
    entries, latches = _ways(solution, loop)
    intervals, bounds = facts.intervals.copy(), facts.bounds.copy()
    for phi in _moving(solution, loop):
        drift = iv.mul(_change(phi, latches).join(_STILL), Interval(0, rounds))
        start = hull(state.interval(phi.incoming[block]) for block, state in entries.items())
        near = intervals[phi].meet(iv.add(start, drift))
        if near is not None:
            intervals[phi] = near
        origins = {solution.frame.terms[phi.incoming[block]] for block in entries}
        if len(origins) == 1:
            _stay_near(bounds, phi, *origins.pop(), drift)
    return Facts(intervals, bounds, facts.excluded, facts.arrivals)


def _change(phi: Phi, latches: _States) -> Interval:
    """By how much one round can move a value."""
    least = _least([state.value_gap(phi, phi.incoming[latch]) for latch, state in latches.items()])
    most = _least([state.value_gap(phi.incoming[latch], phi) for latch, state in latches.items()])
    return Interval(-INFINITE if least is None else least, INFINITE if most is None else -most)


def _stay_near(bounds: dict[tuple[Value, Value], int], phi: Phi, root: Value, offset: int, drift: Interval) -> None:
    """Note that `phi` is root + offset + a number within `drift`: what an enclosing loop needs to know of it."""
    if root is ZERO:
        return
    if drift.lo != -INFINITE:
        bounds[root, phi] = max(bounds.get((root, phi), -INFINITE), drift.lo + offset)
    if drift.hi != INFINITE:
        bounds[phi, root] = max(bounds.get((phi, root), -INFINITE), -drift.hi - offset)
