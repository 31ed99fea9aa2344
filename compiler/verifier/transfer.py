"""The state behind an op: the interval of its value, and how that value stands to its operands.

This file must not know: obligations, merges of control flow, the order of blocks.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from nmjit._histogram import log_bucket
from nmjit.compiler.ir import (
    Binary,
    BinaryKind,
    BloomAdd,
    BloomTest,
    Branch,
    Check,
    Compare,
    Const,
    Context,
    ContextField,
    EventEmit,
    Find,
    InSet,
    Item,
    Jump,
    KeyHash,
    Load,
    LoadBytes,
    LogBucket,
    Lookup,
    LpmFind,
    MapAdd,
    MapDelete,
    MapFind,
    MapInsert,
    MapLoad,
    MapStore,
    Mirror,
    MoveHead,
    Not,
    Op,
    PackKey,
    Phi,
    Prefetch,
    Raise,
    Random,
    RateTake,
    Return,
    Select,
    Store,
    StoreBytes,
    Value,
    Window,
    Wrap,
)
from nmjit.compiler.irtypes import BOOL, INT, MAX_PACKET
from nmjit.compiler.maplayout import index_count
from nmjit.compiler.verifier import interval as iv
from nmjit.compiler.verifier.interval import EITHER, FALSE, INFINITE, TRUE, Interval
from nmjit.compiler.verifier.merge import common_facts
from nmjit.compiler.verifier.refine import EXACT, assume, decide, scalar_interval
from nmjit.compiler.verifier.state import Arrival, State
from nmjit.compiler.verifier.terms import FIELDS, LENGTH, ROOM, ZERO

CONTEXT_RANGES: Final[dict[ContextField, Interval]] = {
    ContextField.LENGTH: Interval(0, MAX_PACKET),
    ContextField.ROOM: Interval(0, MAX_PACKET),
    ContextField.WIRE_LENGTH: scalar_interval(4, False),
    ContextField.TIMESTAMP: scalar_interval(8, False),
    ContextField.NOW: scalar_interval(8, False),
    ContextField.PORT: scalar_interval(2, False),
    ContextField.QUEUE: scalar_interval(2, False),
}


def entry_facts(state: State) -> None:
    """What holds before any op has run."""
    state.frame.ranges[ZERO] = FALSE
    for which, root in FIELDS.items():
        state.frame.ranges[root] = CONTEXT_RANGES[which]
    state.add_bound(LENGTH, 0, FIELDS[ContextField.WIRE_LENGTH])
    if state.frame.heads:  # else nothing asks for room
        state.add_bound(LENGTH, 0, ROOM)


def after(state: State, op: Op) -> None:
    """Add to `state` what is known of the value of `op`; its obligations are met. Phis are not for this function."""
    if state.frame.terms[op][0] is not op:
        return  # said of its root already
    transfer = TRANSFERS.get(type(op))
    if transfer is not None:
        transfer(state, op)


def _define(state: State, op: Op, interval: Interval) -> None:
    state.frame.ranges[op] = interval


def _const(state: State, op: Op) -> None:
    assert type(op) is Const
    if op.type is BOOL:
        _define(state, op, TRUE if op.value else FALSE)


def _binary(state: State, op: Op) -> None:
    assert type(op) is Binary
    if op.type is not INT:
        return
    a, b = state.interval(op.a), state.interval(op.b)
    result = EXACT[op.kind](a, b)
    if op.modulus is not None:
        exact = result
        result = iv.reduced(exact, op.modulus)
        if exact != result:
            _define(state, op, result)
            return
    if op.kind is BinaryKind.SUB:
        result = _difference_range(state, op, result)
    _define(state, op, result)
    relate = _RELATIONS.get(op.kind)
    if relate is not None:
        relate(state, op, a, b)


def _difference_range(state: State, op: Binary, result: Interval) -> Interval:
    """a − b, where the bounds between a and b may say more than their intervals."""
    floor = state.value_gap(op.b, op.a)
    ceiling = state.value_gap(op.a, op.b)
    lo = result.lo if floor is None else max(result.lo, floor)
    hi = result.hi if ceiling is None else min(result.hi, -ceiling)
    if lo > hi:
        state.feasible = False
        return result
    return Interval(lo, hi)


# How a result stands to its operands: bounds between roots, of operands that are not constants


def _bound(state: State, low: Value, gap: int, high: Value) -> None:
    terms = state.frame.terms
    if terms[low][0] is not ZERO and terms[high][0] is not ZERO and abs(gap) < INFINITE:
        state.add_value_bound(low, gap, high)


def _relate_sum(state: State, op: Binary, a: Interval, b: Interval) -> None:
    _bound(state, op.a, b.lo, op)
    _bound(state, op.b, a.lo, op)


def _relate_difference(state: State, op: Binary, a: Interval, b: Interval) -> None:
    known = state.interval(op)
    _bound(state, op.a, -b.hi, op)
    _bound(state, op.b, known.lo, op.a)


def _relate_minimum(state: State, op: Binary, a: Interval, b: Interval) -> None:
    """It is no further below either operand than that can be above the other."""
    for operand, own, other in ((op.a, a, b), (op.b, b, a)):
        _bound(state, op, 0, operand)
        _bound(state, operand, -max(0, own.hi - other.lo), op)


def _relate_maximum(state: State, op: Binary, a: Interval, b: Interval) -> None:
    for operand, own, other in ((op.a, a, b), (op.b, b, a)):
        _bound(state, operand, 0, op)
        _bound(state, op, -max(0, other.hi - own.lo), operand)


def _relate_product(state: State, op: Binary, a: Interval, b: Interval) -> None:
    for operand, own, factor in ((op.a, a, b), (op.b, b, a)):
        if own.lo >= 0 and factor.lo >= 1:
            _bound(state, operand, 0, op)


def _relate_quotient(state: State, op: Binary, a: Interval, b: Interval) -> None:
    """Also of right shifts: neither makes a number that is not negative larger."""
    if a.lo >= 0 and (b.lo >= 1 or op.kind is BinaryKind.SHR):
        _bound(state, op, 0, op.a)


def _relate_left_shift(state: State, op: Binary, a: Interval, b: Interval) -> None:
    if a.lo >= 0:
        _bound(state, op.a, 0, op)


def _relate_remainder(state: State, op: Binary, a: Interval, b: Interval) -> None:
    if b.lo >= 1:
        _bound(state, op, 1, op.b)
        if a.lo >= 0:
            _bound(state, op, 0, op.a)


def _relate_and(state: State, op: Binary, a: Interval, b: Interval) -> None:
    for operand, own in ((op.a, a), (op.b, b)):
        if own.lo >= 0:
            _bound(state, op, 0, operand)


def _relate_or(state: State, op: Binary, a: Interval, b: Interval) -> None:
    if a.lo >= 0 and b.lo >= 0:
        _bound(state, op.a, 0, op)
        _bound(state, op.b, 0, op)


_Relation = Callable[[State, Binary, Interval, Interval], None]
_RELATIONS: Final[dict[BinaryKind, _Relation]] = {
    BinaryKind.ADD: _relate_sum,
    BinaryKind.SUB: _relate_difference,
    BinaryKind.MUL: _relate_product,
    BinaryKind.FLOORDIV: _relate_quotient,
    BinaryKind.MOD: _relate_remainder,
    BinaryKind.AND: _relate_and,
    BinaryKind.OR: _relate_or,
    BinaryKind.SHL: _relate_left_shift,
    BinaryKind.SHR: _relate_quotient,
    BinaryKind.MIN: _relate_minimum,
    BinaryKind.MAX: _relate_maximum,
}


# Other ops


def _wrap(state: State, op: Op) -> None:
    assert type(op) is Wrap
    if op.a.type is BOOL:
        known = decide(state, op.a)
        _define(state, op, EITHER if known is None else (TRUE if known else FALSE))
        return
    before = state.interval(op.a)
    result = iv.wrapped(before, 8 * op.scalar.size, op.scalar.signed)
    _define(state, op, result)
    if before == result:
        _bound(state, op, 0, op.a)
        _bound(state, op.a, 0, op)


def _select(state: State, op: Op) -> None:
    """A Select is a small merge: its ways are the truth values of its condition."""
    assert type(op) is Select
    if op.type not in (INT, BOOL):
        return
    frame = state.frame
    arrivals = []
    for truth, value in ((True, op.a), (False, op.b)):
        if decide(state, op.condition) is not (not truth):
            way = state.fork()
            assume(way, op.condition, truth)
            if way.feasible:
                arrivals.append(Arrival(way, {op: value}))
    if not arrivals:
        state.feasible = False
        return
    frame.merged[op], frame.merge_of[op], frame.bases[op] = (op,), op, state
    frame.arrivals[op] = tuple(arrivals)
    facts = common_facts(frame, op, arrivals)
    _define(state, op, facts.intervals[op])
    for (low, high), gap in facts.bounds.items():
        state.add_bound(low, gap, high)
    for root, values in facts.excluded.items():
        for number in values:
            state.exclude(root, number)


def _find(state: State, op: Op) -> None:
    assert type(op) is Find
    room = iv.sub(state.interval(op.end), state.interval(op.start)).hi
    least = 0 if not op.needle else -1
    _define(state, op, Interval(least, max(least, room - len(op.needle))))


def _load(state: State, op: Op) -> None:
    assert type(op) is Load
    _define(state, op, scalar_interval(op.size, False))


def _lookup(state: State, op: Op) -> None:
    assert type(op) is Lookup
    index = state.interval(op.index)
    values = op.table.values
    if index.is_bounded:
        values = values[max(index.lo, 0) : index.hi + 1] or values
    _define(state, op, Interval(min(values), max(values)) if values else FALSE)


def _item(state: State, op: Op) -> None:
    _define(state, op, scalar_interval(1, False))


def _map_load(state: State, op: Op) -> None:
    assert type(op) is MapLoad
    scalar = op.map.layout.field(op.field).scalar
    _define(state, op, scalar_interval(scalar.size, scalar.signed))


def _entry(state: State, op: Op) -> None:
    assert isinstance(op, MapFind | MapInsert | LpmFind)
    _define(state, op, Interval(0 if op in state.frame.sure else -1, index_count(op.map) - 1))


def _hash(state: State, op: Op) -> None:
    _define(state, op, scalar_interval(8, False))


def _log_bucket(state: State, op: Op) -> None:
    """Buckets grow with what they count; outside what is counted there are none."""
    assert type(op) is LogBucket
    counted = state.interval(op.a).meet(scalar_interval(8, False))
    if counted is None:
        state.feasible = False
        return
    _define(state, op, Interval(log_bucket(counted.lo, op.precision), log_bucket(counted.hi, op.precision)))


def _random(state: State, op: Op) -> None:
    _define(state, op, scalar_interval(4, False))


TRANSFERS: Final[dict[type[Op], Callable[[State, Op], None]]] = {
    Binary: _binary,
    Const: _const,
    Find: _find,
    Item: _item,
    KeyHash: _hash,
    Load: _load,
    LogBucket: _log_bucket,
    Lookup: _lookup,
    LpmFind: _entry,
    MapFind: _entry,
    MapInsert: _entry,
    MapLoad: _map_load,
    Random: _random,
    Select: _select,
    Wrap: _wrap,
}
"""What is done for the value of an op that is its own root."""
SILENT: Final = (
    Compare, Not, InSet,  # BOOLs that `decide` looks at when it is asked
    MapDelete, BloomTest, BloomAdd, RateTake,  # BOOLs of which nothing is known
    LoadBytes, PackKey,  # of the bytes of a snapshot nothing is known
    Phi,  # merge.py
    Context, Window,  # values that have another root
    Store, StoreBytes, MapStore, MapAdd, EventEmit, MoveHead, Mirror, Prefetch,  # no value
    Check, Jump, Branch, Return, Raise,
)  # fmt: skip
"""Ops for which nothing is done here. That memory changes matters to nobody: nothing is known of what lies in it."""
