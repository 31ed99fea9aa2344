"""Whether a state implies an obligation, and what the state is once the obligation holds.

    holds(state, obligation)     True: it always does; False: it never does; None: not known
    suppose(state, obligation)   learn it: behind a check because the check passed, elsewhere so that one fault is
                                 told once

This file must not know: which op an obligation came from.
"""

from __future__ import annotations

import sys

from nmjit.compiler.ir import Value
from nmjit.compiler.verifier.interval import FALSE, INFINITE, SHIFTS, Interval
from nmjit.compiler.verifier.obligations import (
    ConditionHolds,
    EntryInMap,
    FindInside,
    InBounds,
    IndexInBytes,
    IndexInTable,
    InsideWindow,
    NonZero,
    Obligation,
    ShiftInRange,
)
from nmjit.compiler.verifier.refine import assume, decide, exclude, order, ordered, restrict
from nmjit.compiler.verifier.state import State
from nmjit.compiler.verifier.terms import LENGTH, ZERO

if sys.version_info >= (3, 11):
    from typing import assert_never
else:
    from typing_extensions import assert_never


def holds(state: State, obligation: Obligation) -> bool | None:
    """Whether `obligation` is met at this point."""
    match obligation:
        case ConditionHolds(condition=condition):
            return decide(state, condition)
        case InBounds(base=base, displacement=displacement, size=size):
            met = state.interval(base).lo + displacement >= 0 and ordered(state, base, displacement + size, LENGTH)
            return met or None
        case FindInside(start=start, end=end):
            met = state.interval(start).lo >= 0 and ordered(state, start, 0, end) and ordered(state, end, 0, LENGTH)
            return met or None
        case NonZero(divisor=divisor):
            return _of_range(state.is_not(divisor, 0), state.interval(divisor) == FALSE)
        case ShiftInRange(amount=amount):
            return _inside(state, amount, SHIFTS)
        case IndexInTable(index=index, size=size) | IndexInBytes(index=index, size=size):
            return _inside(state, index, Interval(0, size - 1))
        case EntryInMap(index=index, map=map):
            return _inside(state, index, Interval(0, map.capacity - 1))
        case InsideWindow(value=value, lo=lo, hi=hi):
            return _inside(state, value, Interval(lo, hi))
        case _:
            assert_never(obligation)


def suppose(state: State, obligation: Obligation) -> None:
    """Learn that `obligation` is met; where that is impossible, nothing is reached behind it."""
    match obligation:
        case ConditionHolds(condition=condition):
            assume(state, condition, True)
        case InBounds(base=base, displacement=displacement, size=size):
            restrict(state, base, Interval(-displacement, INFINITE))
            _order(state, base, displacement + size, LENGTH)
        case FindInside(start=start, end=end):
            restrict(state, start, Interval(0, INFINITE))
            _order(state, start, 0, end)
            _order(state, end, 0, LENGTH)
        case NonZero(divisor=divisor):
            exclude(state, divisor, ZERO)
        case ShiftInRange(amount=amount):
            restrict(state, amount, SHIFTS)
        case IndexInTable(index=index, size=size) | IndexInBytes(index=index, size=size):
            restrict(state, index, Interval(0, size - 1))
        case EntryInMap(index=index, map=map):
            restrict(state, index, Interval(0, map.capacity - 1))
        case InsideWindow(value=value, lo=lo, hi=hi):
            restrict(state, value, Interval(lo, hi))
        case _:
            assert_never(obligation)


def _order(state: State, low: Value, gap: int, high: Value) -> None:
    if state.feasible:
        order(state, low, gap, high)


def _inside(state: State, value: Value, wanted: Interval) -> bool | None:
    """Empty where `wanted` is: 0 … −1 holds nothing."""
    known = state.interval(value)
    return _of_range(known.within(wanted), max(known.lo, wanted.lo) > min(known.hi, wanted.hi))


def _of_range(always: bool, never: bool) -> bool | None:
    return True if always else (False if never else None)
