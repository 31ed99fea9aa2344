"""What follows from what is learnt at a branch, a check or an access: narrows a state, backwards through the values.

    assume(state, condition, truth)     a BOOL is known
    restrict(state, value, interval)    an INT is known to lie in an interval
    order(state, low, gap, high)        low + gap ≤ high is known
    decide(state, condition)            the other way round: whether the state already knows

A value that merges several ways (Phi, Select) tells more when it is known: only the ways on which it may have been so
can have been taken, and what held on all of those holds now. That is how `if pkt.tcp is not None` gives back the
bounds that were checked when the header was looked for, however far away and through however many merges.

A refinement is never needed for soundness: every shortcut here only keeps a state wider than it could be.

This file must not know: blocks' order, obligations.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from nmjit.compiler.ir import (
    Binary,
    BinaryKind,
    Compare,
    Const,
    Find,
    InSet,
    Not,
    Phi,
    Predicate,
    RangeTable,
    Select,
    Value,
    Wrap,
)
from nmjit.compiler.irtypes import BOOL, INT
from nmjit.compiler.verifier import interval as iv
from nmjit.compiler.verifier.interval import FALSE, INFINITE, TRUE, Interval
from nmjit.compiler.verifier.merge import common_facts
from nmjit.compiler.verifier.state import Arrival, Merge, Selection, State, is_difference
from nmjit.compiler.verifier.terms import ZERO

_FUEL: Final = 64
"""Narrowings that one new fact may set off; cycles of bounds would climb for ever."""


def assume(state: State, condition: Value, truth: bool) -> None:
    """Learn that `condition` is `truth`."""
    restrict(state, condition, TRUE if truth else FALSE)


def restrict(state: State, value: Value, wanted: Interval) -> None:
    """Learn that an INT or BOOL lies in `wanted`."""
    root, offset = state.frame.terms[value]
    state.fuel = _FUEL
    _narrow(state, root, wanted.shifted(-offset) if offset else wanted)


def order(state: State, low: Value, gap: int, high: Value) -> None:
    """Learn that low + gap ≤ high."""
    state.fuel = _FUEL
    _order(state, low, gap, high)


def exclude(state: State, value: Value, other: Value) -> None:
    """Learn that two INTs differ."""
    state.fuel = _FUEL
    _separate(state, value, other)


def _order(state: State, low: Value, gap: int, high: Value) -> None:
    terms = state.frame.terms
    (low_root, low_offset), (high_root, high_offset) = terms[low], terms[high]
    _order_roots(state, low_root, gap + low_offset - high_offset, high_root)


def _order_roots(state: State, low: Value, gap: int, high: Value) -> None:
    if low is high:
        if gap > 0:
            state.feasible = False
        return
    if low is ZERO:
        _narrow(state, high, Interval(gap, INFINITE))
        return
    if high is ZERO:
        _narrow(state, low, Interval(-INFINITE, -gap))
        return
    back = state.upper.get(high, {}).get(low)
    if back is not None and back + gap > 0:
        state.feasible = False
        return
    if state.add_bound(low, gap, high):
        _follow_bound(state, low, gap, high)


def _follow_bound(state: State, low: Value, gap: int, high: Value) -> None:
    """Carry low + gap ≤ high over to the intervals of both."""
    ceiling, floor = state.root_interval(high).hi, state.root_interval(low).lo
    if ceiling != INFINITE:
        _narrow(state, low, Interval(-INFINITE, ceiling - gap))
    if floor != -INFINITE and state.feasible:
        _narrow(state, high, Interval(floor + gap, INFINITE))


def _narrow(state: State, root: Value, wanted: Interval) -> None:
    known = state.root_interval(root)
    lo, hi = max(known.lo, wanted.lo), min(known.hi, wanted.hi)
    if lo > hi:
        state.feasible = False
        return
    if lo == known.lo and hi == known.hi:
        return
    now = Interval(lo, hi)
    state.set_interval(root, now)
    state.fuel -= 1
    if state.fuel < 0:
        return
    backward = _BACKWARD.get(type(root))
    if backward is not None:
        backward(state, root, now)
    if hi < known.hi:
        for low in state.below.get(root, ()):
            limit = hi - state.upper[low][root]
            if limit < state.root_interval(low).hi and state.feasible:
                _narrow(state, low, Interval(-INFINITE, limit))
    if lo > known.lo:
        for high, gap in state.upper.get(root, {}).items():
            if lo + gap > state.root_interval(high).lo and state.feasible:
                _narrow(state, high, Interval(lo + gap, INFINITE))


def _narrow_value(state: State, value: Value, wanted: Interval) -> None:
    """`restrict` on the fuel of the fact that it follows from."""
    root, offset = state.frame.terms[value]
    if state.feasible:
        _narrow(state, root, wanted.shifted(-offset) if offset else wanted)


# Backwards through an op: what its interval says of its operands


def _through_binary(state: State, op: Value, now: Interval) -> None:
    assert type(op) is Binary
    if op.type is BOOL:
        _through_logic(state, op, now.lo == 1) if now.is_constant else None
        return
    a, b = state.interval(op.a), state.interval(op.b)
    if op.modulus is not None and not wraps_nothing(op, a, b):
        return
    match op.kind:
        case BinaryKind.ADD:
            _narrow_value(state, op.a, iv.sub(now, b))
            _narrow_value(state, op.b, iv.sub(now, a))
        case BinaryKind.SUB:
            _through_difference(state, op, now)
        case BinaryKind.MIN:
            _narrow_value(state, op.a, Interval(now.lo, INFINITE))
            _narrow_value(state, op.b, Interval(now.lo, INFINITE))
        case BinaryKind.MAX:
            _narrow_value(state, op.a, Interval(-INFINITE, now.hi))
            _narrow_value(state, op.b, Interval(-INFINITE, now.hi))
        case BinaryKind.AND:
            for operand, known in ((op.a, a), (op.b, b)):
                if known.lo >= 0:
                    _narrow_value(state, operand, Interval(max(now.lo, 0), INFINITE))
        case _:
            _through_scaling(state, op, now, b)


def _through_difference(state: State, op: Binary, now: Interval) -> None:
    a, b = state.interval(op.a), state.interval(op.b)
    _narrow_value(state, op.a, iv.add(now, b))
    _narrow_value(state, op.b, iv.sub(a, now))
    if now.lo != -INFINITE and state.feasible:
        _order(state, op.b, now.lo, op.a)
    if now.hi != INFINITE and state.feasible:
        _order(state, op.a, -now.hi, op.b)


def _through_scaling(state: State, op: Binary, now: Interval, b: Interval) -> None:
    """Products, quotients and shifts by a positive constant grow with `a`."""
    if not b.is_constant or not now.is_bounded:
        return
    factor = b.lo
    if op.kind in (BinaryKind.SHL, BinaryKind.SHR):
        if not iv.SHIFTS.contains(factor):
            return
        factor = 1 << factor
    if factor <= 0:
        return
    if op.kind in (BinaryKind.MUL, BinaryKind.SHL):
        lo, hi = -(-now.lo // factor), now.hi // factor
        if lo > hi:
            state.feasible = False
        else:
            _narrow_value(state, op.a, Interval(lo, hi))
    elif op.kind in (BinaryKind.FLOORDIV, BinaryKind.SHR):
        _narrow_value(state, op.a, Interval(now.lo * factor, now.hi * factor + factor - 1))


def wraps_nothing(op: Binary, a: Interval, b: Interval) -> bool:
    """Whether the modulus of `op`, where it has one, changes no result of operands within `a` and `b`."""
    assert op.modulus is not None
    exact = EXACT[op.kind](a, b)
    return exact.lo >= 0 and exact.hi < 1 << op.modulus


def _through_wrap(state: State, op: Value, now: Interval) -> None:
    assert type(op) is Wrap
    if state.interval(op.a).within(scalar_interval(op.scalar.size, op.scalar.signed)):
        _narrow_value(state, op.a, now)


def scalar_interval(size: int, signed: bool) -> Interval:
    """All values of a stored integer of `size` bytes."""
    half = 1 << (8 * size - 1)
    return Interval(-half, half - 1) if signed else Interval(0, 2 * half - 1)


def _through_find(state: State, op: Value, now: Interval) -> None:
    assert type(op) is Find
    if now.lo >= 0:
        _order(state, op.start, now.lo + len(op.needle), op.end)


def _through_not(state: State, op: Value, now: Interval) -> None:
    assert type(op) is Not
    _narrow_value(state, op.a, FALSE if now.lo == 1 else TRUE)


def _through_logic(state: State, op: Binary, truth: bool) -> None:
    """AND, OR and XOR of two BOOLs."""
    if op.kind is BinaryKind.XOR:
        for known, other in ((op.a, op.b), (op.b, op.a)):
            value = decide(state, known)
            if value is not None:
                _narrow_value(state, other, TRUE if value is not truth else FALSE)
                return
        return
    binding = op.kind is BinaryKind.AND  # the truth value of the whole that binds both operands
    if truth is binding:
        _narrow_value(state, op.a, TRUE if truth else FALSE)
        _narrow_value(state, op.b, TRUE if truth else FALSE)
        return
    for known, other in ((op.a, op.b), (op.b, op.a)):
        if decide(state, known) is binding:
            _narrow_value(state, other, TRUE if truth else FALSE)
            return


def _through_set(state: State, op: Value, now: Interval) -> None:
    assert type(op) is InSet
    ranges = op.table.ranges
    if now.lo == 1:
        if not ranges:
            state.feasible = False
            return
        _narrow_value(state, op.a, Interval(ranges[0][0], ranges[-1][1]))
        known = state.interval(op.a)
        parts = [part for part in (known.meet(Interval(*bounds)) for bounds in ranges) if part is not None]
        if not parts:
            state.feasible = False
        else:
            _narrow_value(state, op.a, Interval(parts[0].lo, parts[-1].hi))
        return
    for lo, hi in ranges:
        _exclude(state, op.a, lo, hi)


def _exclude(state: State, value: Value, lo: int, hi: int) -> None:
    """Learn that `value` is not in lo … hi."""
    known = state.interval(value)
    if lo <= known.lo <= hi:
        _narrow_value(state, value, Interval(hi + 1, INFINITE))
    elif lo <= known.hi <= hi:
        _narrow_value(state, value, Interval(-INFINITE, lo - 1))
    elif lo == hi:
        root, offset = state.frame.terms[value]
        state.exclude(root, lo - offset)


def _through_compare(state: State, op: Value, now: Interval) -> None:
    assert type(op) is Compare
    predicate = op.predicate if now.lo == 1 else op.predicate.negated
    if op.a.type is not INT:
        if op.a.type is BOOL:
            _through_bool_equality(state, op, predicate is Predicate.EQ)
        return
    match predicate:
        case Predicate.LE:
            _order(state, op.a, 0, op.b)
        case Predicate.LT:
            _order(state, op.a, 1, op.b)
        case Predicate.GE:
            _order(state, op.b, 0, op.a)
        case Predicate.GT:
            _order(state, op.b, 1, op.a)
        case Predicate.EQ:
            _order(state, op.a, 0, op.b)
            if state.feasible:
                _order(state, op.b, 0, op.a)
        case Predicate.NE:
            _separate(state, op.a, op.b)


def _through_bool_equality(state: State, op: Compare, equal: bool) -> None:
    for known, other in ((op.a, op.b), (op.b, op.a)):
        value = decide(state, known)
        if value is not None:
            _narrow_value(state, other, TRUE if value is equal else FALSE)
            return


def _separate(state: State, a: Value, b: Value) -> None:
    """Learn that a ≠ b: it moves a bound by one where the two can only just meet."""
    for one, other in ((a, b), (b, a)):
        value = state.interval(other)
        if value.is_constant:
            _exclude(state, one, value.lo, value.lo)
        elif state.value_gap(one, other) == 0 and state.feasible:
            _order(state, one, 1, other)


# Through a merge


def _through_merge(state: State, op: Value, now: Interval) -> None:
    """Keep of the ways into the merge those on which `op` may lie in `now`, and learn what those have in common."""
    merge = state.frame.merge_of.get(op)
    if merge is None:
        return
    arrivals = state.arrivals.get(merge) or state.frame.arrivals.get(merge)
    if arrivals is None:
        return
    kept, facts = _selected(state, merge, arrivals, op, now)
    if not kept:
        state.feasible = False
        return
    if facts is None:
        return
    state.arrivals[merge] = kept
    for root, interval in facts.intervals.items():
        if state.feasible and root is not op:
            _narrow(state, root, interval)
    for root, values in facts.excluded.items():
        for value in values:
            state.exclude(root, value)
    for (low, high), gap in facts.bounds.items():
        if state.feasible:
            _order_roots(state, low, gap, high)


def _selected(state: State, merge: Merge, arrivals: tuple[Arrival, ...], op: Value, now: Interval) -> Selection:
    """The arrivals that remain, each narrowed to `op` within `now`, and what they have in common, None for no news."""
    key = (arrivals, op, now)
    found = state.frame.selections.get(key)
    if found is not None:
        return found
    possible = [arrival for arrival in arrivals if arrival.state.interval(arrival.incoming[op]).meet(now) is not None]
    result: Selection = (arrivals, None)
    if op.type is BOOL or len(possible) < len(arrivals):  # else an INT rules out no way, and is not worth a look
        narrowed = (_narrowed(arrival, op, now) for arrival in possible)
        kept = tuple(arrival for arrival in narrowed if arrival.state.feasible)
        result = (kept, common_facts(state.frame, merge, kept) if kept else None)
    state.frame.selections[key] = result
    return result


def _narrowed(arrival: Arrival, op: Value, now: Interval) -> Arrival:
    """The arrival where `op` lies in `now`."""
    incoming = arrival.incoming[op]
    if arrival.state.interval(incoming).within(now):
        return arrival
    there = arrival.state.fork()
    restrict(there, incoming, now)
    return Arrival(there, arrival.incoming)


_Backward = Callable[[State, Value, Interval], None]
_BACKWARD: Final[dict[type[Value], _Backward]] = {
    Binary: _through_binary,
    Compare: _through_compare,
    Find: _through_find,
    InSet: _through_set,
    Not: _through_not,
    Phi: _through_merge,
    Select: _through_merge,
    Wrap: _through_wrap,
}


# What a state knows of a condition


def decide(state: State, condition: Value) -> bool | None:
    """The value of a BOOL as far as `state` knows it."""
    known = state.interval(condition)
    if known.lo == known.hi:
        return known.lo == 1
    match condition:
        case Const():
            return bool(condition.value)
        case Compare():
            return _decide_compare(state, condition)
        case Not(a=a):
            value = decide(state, a)
            return None if value is None else not value
        case Binary():
            return _decide_logic(state, condition)
        case InSet(a=a, table=table):
            return _decide_membership(state.interval(a), table)
        case Select(condition=chosen, a=a, b=b):
            way = decide(state, chosen)
            if way is not None:
                return decide(state, a if way else b)
            first = decide(state, a)
            return first if first is not None and first is decide(state, b) else None
        case _:
            return None


def _decide_logic(state: State, op: Binary) -> bool | None:
    a, b = decide(state, op.a), decide(state, op.b)
    match op.kind:
        case BinaryKind.AND:
            return False if a is False or b is False else (True if a and b else None)
        case BinaryKind.OR:
            return True if a or b else (False if a is False and b is False else None)
        case _:
            return None if a is None or b is None else a is not b


def _decide_membership(value: Interval, table: RangeTable) -> bool | None:
    if any(value.within(Interval(*bounds)) for bounds in table.ranges):
        return True
    return False if all(hi < value.lo or value.hi < lo for lo, hi in table.ranges) else None


def _decide_compare(state: State, op: Compare) -> bool | None:
    if op.a.type is not INT:
        return _decide_equality(state, op) if op.a.type is BOOL else None
    predicate = op.predicate
    if predicate in (Predicate.EQ, Predicate.NE):
        if ordered(state, op.a, 1, op.b) or ordered(state, op.b, 1, op.a):
            return predicate is Predicate.NE
        if ordered(state, op.a, 0, op.b) and ordered(state, op.b, 0, op.a):
            return predicate is Predicate.EQ
        return predicate is Predicate.NE if _differ(state, op.a, op.b) else None
    low, high = (op.a, op.b) if predicate in (Predicate.LT, Predicate.LE) else (op.b, op.a)
    strict = 1 if predicate in (Predicate.LT, Predicate.GT) else 0
    if ordered(state, low, strict, high):
        return True
    return False if ordered(state, high, 1 - strict, low) else None


def _differ(state: State, a: Value, b: Value) -> bool:
    """Whether one is a constant that the other is known not to be."""
    for one, other in ((a, b), (b, a)):
        value = state.interval(other)
        if value.is_constant:
            return state.is_not(one, value.lo)
    return False


def _decide_equality(state: State, op: Compare) -> bool | None:
    a, b = decide(state, op.a), decide(state, op.b)
    if a is None or b is None:
        return None
    return (a is b) is (op.predicate is Predicate.EQ)


def ordered(state: State, low: Value, gap: int, high: Value) -> bool:
    """Whether low + gap ≤ high is known."""
    terms = state.frame.terms
    (low_root, low_offset), (high_root, high_offset) = terms[low], terms[high]
    gap += low_offset - high_offset
    if low_root is ZERO and is_difference(high_root):
        return state.root_interval(high_root).lo >= gap or _difference_at_least(state, high_root, gap)
    return state.implies(low_root, gap, high_root)


def _difference_at_least(state: State, root: Value, floor: int) -> bool:
    assert type(root) is Binary
    gap = state.value_gap(root.b, root.a)
    return gap is not None and gap >= floor


EXACT: Final[dict[BinaryKind, Callable[[Interval, Interval], Interval]]] = {
    BinaryKind.ADD: iv.add,
    BinaryKind.SUB: iv.sub,
    BinaryKind.MUL: iv.mul,
    BinaryKind.FLOORDIV: iv.floordiv,
    BinaryKind.MOD: iv.floormod,
    BinaryKind.AND: iv.bit_and,
    BinaryKind.OR: iv.bit_or,
    BinaryKind.XOR: iv.bit_xor,
    BinaryKind.SHL: iv.shl,
    BinaryKind.SHR: iv.shr,
    BinaryKind.MIN: iv.minimum,
    BinaryKind.MAX: iv.maximum,
}
"""Exact operators on intervals."""
