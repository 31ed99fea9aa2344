"""Whether a state implies an obligation, and what the state is once the obligation holds.

    holds(state, obligation)     True: it always does; False: it never does; None: not known
    suppose(state, obligation)   learn it: behind a check because the check passed, elsewhere so that one fault is
                                 told once

This file must not know: which op an obligation came from.
"""

from __future__ import annotations

import sys

from nmjit.compiler.ir import Value
from nmjit.compiler.irtypes import MAX_PUSH
from nmjit.compiler.maplayout import index_count
from nmjit.compiler.verifier.interval import FALSE, INFINITE, SHIFTS, Interval
from nmjit.compiler.verifier.obligations import (
    All,
    ConditionHolds,
    EntryInMap,
    FindInside,
    HeadFits,
    InBounds,
    IndexInBytes,
    IndexInTable,
    InsideWindow,
    NonZero,
    Obligation,
    ShiftInRange,
)
from nmjit.compiler.verifier.refine import assume, decide, exclude, order, ordered, restrict
from nmjit.compiler.verifier.state import State, is_difference
from nmjit.compiler.verifier.terms import LENGTH, ROOM, ZERO

if sys.version_info >= (3, 11):
    from typing import assert_never
else:
    from typing_extensions import assert_never


def holds(state: State, obligation: Obligation) -> bool | None:
    """Whether `obligation` is met at this point."""
    match obligation:
        case ConditionHolds(condition=condition):
            return decide(state, condition)
        case InBounds(base=base, displacement=displacement, size=size, heads=heads):
            met = _begun(state, base, displacement, heads) and ordered(state, base, displacement + size, LENGTH)
            return met or None
        case FindInside(start=start, end=end, heads=heads):
            met = _begun(state, start, 0, heads) and ordered(state, start, 0, end) and ordered(state, end, 0, LENGTH)
            return met or None
        case HeadFits(old=old, head=head, heads=heads):
            met = ordered(state, head, 0, LENGTH) and ordered(state, old, -MAX_PUSH, head)
            return (met and _has_room(state, head, heads)) or None
        case All(parts=parts):
            verdicts = [holds(state, part) for part in parts]
            return False if False in verdicts else (None if None in verdicts else True)
        case NonZero(divisor=divisor):
            return _of_range(state.is_not(divisor, 0), state.interval(divisor) == FALSE)
        case ShiftInRange(amount=amount):
            return _inside(state, amount, SHIFTS)
        case IndexInTable(index=index, size=size) | IndexInBytes(index=index, size=size):
            return _inside(state, index, Interval(0, size - 1))
        case EntryInMap(index=index, map=map):
            return _inside(state, index, Interval(0, index_count(map) - 1))
        case InsideWindow(value=value, lo=lo, hi=hi):
            return _inside(state, value, Interval(lo, hi))
        case _:
            assert_never(obligation)


def suppose(state: State, obligation: Obligation) -> None:
    """Learn that `obligation` is met; where that is impossible, nothing is reached behind it."""
    match obligation:
        case ConditionHolds(condition=condition):
            assume(state, condition, True)
        case InBounds(base=base, displacement=displacement, size=size, heads=heads):
            _begin(state, base, displacement, heads)
            _order(state, base, displacement + size, LENGTH)
        case HeadFits(old=old, head=head):
            order(state, head, 0, LENGTH)
            _order(state, old, -MAX_PUSH, head)
        case All(parts=parts):
            for part in parts:
                if state.feasible:
                    suppose(state, part)
        case FindInside(start=start, end=end, heads=heads):
            _begin(state, start, 0, heads)
            _order(state, start, 0, end)
            _order(state, end, 0, LENGTH)
        case NonZero(divisor=divisor):
            exclude(state, divisor, ZERO)
        case ShiftInRange(amount=amount):
            restrict(state, amount, SHIFTS)
        case IndexInTable(index=index, size=size) | IndexInBytes(index=index, size=size):
            restrict(state, index, Interval(0, size - 1))
        case EntryInMap(index=index, map=map):
            restrict(state, index, Interval(0, index_count(map) - 1))
        case InsideWindow(value=value, lo=lo, hi=hi):
            restrict(state, value, Interval(lo, hi))
        case _:
            assert_never(obligation)


def _begun(state: State, base: Value, displacement: int, heads: tuple[Value, ...]) -> bool:
    """Whether base + displacement is not in front of the packet."""
    if state.interval(base).lo + displacement >= 0:
        return True
    return any(ordered(state, head, -displacement, base) for head in heads)


def _begin(state: State, base: Value, displacement: int, heads: tuple[Value, ...]) -> None:
    """Learn that it is not; where the head has moved, nothing that a state could hold."""
    if not heads:
        restrict(state, base, Interval(-displacement, INFINITE))


def _has_room(state: State, head: Value, heads: tuple[Value, ...]) -> bool:
    """Whether LENGTH − head ≤ ROOM: as it was of every head before, and is of any behind one of those."""
    if ordered(state, ZERO, 0, head) or any(ordered(state, earlier, 0, head) for earlier in heads):
        return True
    if ordered(state, LENGTH, -state.interval(head).lo, ROOM):
        return True
    terms = state.frame.terms
    root, offset = terms[head]
    for size, gap in state.under(ROOM).items():
        if is_difference(size):  # size = LENGTH + more − (root + less), and size + gap ≤ ROOM
            (end, more), (start, less) = terms[size.a], terms[size.b]
            if end is LENGTH and start is root and gap >= less - offset - more:
                return True
    return False


def _order(state: State, low: Value, gap: int, high: Value) -> None:
    if state.feasible:
        order(state, low, gap, high)


def _inside(state: State, value: Value, wanted: Interval) -> bool | None:
    """Empty where `wanted` is: 0 … −1 holds nothing."""
    known = state.interval(value)
    return _of_range(known.within(wanted), max(known.lo, wanted.lo) > min(known.hi, wanted.hi))


def _of_range(always: bool, never: bool) -> bool | None:
    return True if always else (False if never else None)
