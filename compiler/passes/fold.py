"""Compute what is constant, and replace ops by simpler ones that are equal for all operands.

Before:                                After:
    %0 = length                            %0 = length
    %1 = const int 8                       %1 = const int 8
    %2 = const int 0                       %2 = const int 0
    %3 = add %0, %2                        %3 = const int 3
    %4 = floordiv %3, %1                   %4 = shr %0, %3
    %5 = cmp lt %1, %4                     %5 = cmp gt %4, %1

A constant operand of a commutative op or a comparison moves to the right. An op whose obligation a constant breaks is
left alone, for the verifier to tell of. What becomes unused stays, for dead_code.py.

This file must not know: ranges, beyond the width in which an op by its nature stays.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable
from typing import Any, Final, TypeVar

from nmjit._hash import pack_key
from nmjit._histogram import log_bucket
from nmjit.compiler.builder import MAX_SHIFT, fold_binary, fold_compare
from nmjit.compiler.ir import (
    Binary,
    BinaryKind,
    Check,
    Compare,
    Const,
    Context,
    ContextField,
    Function,
    InSet,
    Item,
    KeyHash,
    Load,
    LogBucket,
    Lookup,
    Not,
    Op,
    PackKey,
    Phi,
    Predicate,
    Random,
    Select,
    Value,
    Window,
    Wrap,
)
from nmjit.compiler.irtypes import BOOL, WINDOW_MAX, WINDOW_MIN, Scalar
from nmjit.compiler.passes.substitute import follow, substitute

_COMMUTATIVE: Final = frozenset(
    (BinaryKind.ADD, BinaryKind.MUL, BinaryKind.AND, BinaryKind.OR, BinaryKind.XOR, BinaryKind.MIN, BinaryKind.MAX)
)
_CONTEXT_BITS: Final = {
    ContextField.LENGTH: 32,
    ContextField.ROOM: 32,
    ContextField.WIRE_LENGTH: 32,
    ContextField.TIMESTAMP: 64,
    ContextField.NOW: 64,
    ContextField.PORT: 16,
    ContextField.QUEUE: 16,
}


_OpT = TypeVar("_OpT", bound=Op)


def run(function: Function) -> bool:
    """Fold each op, operands before their users. Whether any changed."""
    replacement: dict[Value, Value] = {}
    changed = False
    for block in function.reverse_postorder():
        ops: list[Op] = []
        for op in block.ops:
            if replacement and type(op) is not Phi:
                follow(op, replacement)
            if type(op) is Check and type(op.condition) is Const and op.condition.value:
                changed = True
                continue
            fresh = _Fresh(op.line)
            value = _reduced(op, fresh)
            ops += fresh.ops
            if value is op:
                ops.append(op)
            else:
                replacement[op] = value
                changed = True
        block.ops = ops
    substitute(function, replacement)
    return changed


class _Fresh:
    """The new ops that stand in for one op, in order."""

    __slots__ = ("line", "ops")

    def __init__(self, line: int) -> None:
        self.line = line
        self.ops: list[Op] = []

    def add(self, op: _OpT) -> _OpT:
        op.line = self.line
        self.ops.append(op)
        return op

    def const(self, value: int | bool | bytes) -> Const:
        return self.add(Const(value))


def _reduced(op: Op, fresh: _Fresh) -> Value:
    """What `op` is equal to after all rules: itself, one of `fresh`, or an older value, which has been reduced."""
    value = op
    while (rule := _RULES.get(type(value))) is not None:
        result = rule(value, fresh)
        if result is None:
            break
        value = result
        if value not in fresh.ops:
            break
    return value


# Rules: an equal value for the op, which may be an older one or be added to `fresh`; None where none is known.


def _binary(op: Binary, fresh: _Fresh) -> Value | None:
    a, b = op.a, op.b
    if type(a) is Const and type(b) is Const:
        assert isinstance(a.value, int)
        assert isinstance(b.value, int)
        value = fold_binary(op.kind, a.value, b.value, op.modulus)
        return None if value is None else fresh.const(value)
    if type(a) is Const and op.kind in _COMMUTATIVE:
        return fresh.add(Binary(op.kind, b, a, op.modulus))
    if a is b:
        return _binary_same(op, fresh)
    if type(b) is Const:
        return _logical_const(op, b, fresh) if a.type is BOOL else _binary_const(op, b, fresh)
    return None


def _binary_same(op: Binary, fresh: _Fresh) -> Value | None:
    """`a kind a`."""
    match op.kind:
        case BinaryKind.SUB:
            return fresh.const(0)
        case BinaryKind.XOR:
            return fresh.const(False if op.a.type is BOOL else 0)
        case BinaryKind.AND | BinaryKind.OR:
            return _modular(op.a, op.modulus, fresh)
        case BinaryKind.MIN | BinaryKind.MAX:
            return op.a
    return None


def _logical_const(op: Binary, b: Const, fresh: _Fresh) -> Value | None:
    """`a kind b` of two BOOLs."""
    if op.kind is BinaryKind.XOR:
        return fresh.add(Not(op.a)) if b.value else op.a
    return b if b.value is (op.kind is BinaryKind.OR) else op.a


def _binary_const(op: Binary, b: Const, fresh: _Fresh) -> Value | None:
    """`a kind b` of two INTs, of which `b` is known."""
    assert isinstance(b.value, int)
    match op.kind, b.value:
        case (BinaryKind.ADD | BinaryKind.SUB | BinaryKind.OR | BinaryKind.XOR | BinaryKind.SHL | BinaryKind.SHR, 0):
            return _modular(op.a, op.modulus, fresh)
        case (BinaryKind.MUL | BinaryKind.FLOORDIV, 1):
            return _modular(op.a, op.modulus, fresh)
        case (BinaryKind.MUL | BinaryKind.AND, 0) | (BinaryKind.MOD, 1 | -1):
            return fresh.const(0)
        case (BinaryKind.AND, mask) if mask >= 0 and mask & (mask + 1) == 0 and _fits(op.a, mask.bit_length()):
            return _modular(op.a, op.modulus, fresh)
        case (BinaryKind.FLOORDIV, divisor) if divisor.bit_count() == 1 and 0 < divisor <= 1 << MAX_SHIFT:
            return fresh.add(Binary(BinaryKind.SHR, op.a, fresh.const(divisor.bit_length() - 1)))
        case (BinaryKind.MOD, divisor) if divisor.bit_count() == 1 and divisor > 0:
            return fresh.add(Binary(BinaryKind.AND, op.a, fresh.const(divisor - 1)))
    return None


def _modular(value: Value, modulus: int | None, fresh: _Fresh) -> Value:
    """`value` modulo 2**modulus."""
    if modulus is None or _fits(value, modulus):
        return value
    return fresh.add(Wrap(value, Scalar(modulus // 8)))


def _compare(op: Compare, fresh: _Fresh) -> Value | None:
    a, b = op.a, op.b
    if type(a) is Const and type(b) is Const:
        return fresh.const(fold_compare(op.predicate, a.value, b.value))
    if type(a) is Const:
        return fresh.add(Compare(op.predicate.swapped, b, a))
    if a is b:
        return fresh.const(op.predicate in (Predicate.EQ, Predicate.LE, Predicate.GE))
    if type(b) is Const and a.type is BOOL:
        return a if b.value is (op.predicate is Predicate.EQ) else fresh.add(Not(a))
    return None


def _not(op: Not, fresh: _Fresh) -> Value | None:
    match op.a:
        case Const(value=value):
            return fresh.const(not value)
        case Not(a=a):
            return a
        case Compare(predicate=predicate, a=a, b=b):
            return fresh.add(Compare(predicate.negated, a, b))
    return None


def _select(op: Select, fresh: _Fresh) -> Value | None:
    if op.a is op.b:
        return op.a
    match op.condition, op.a, op.b:
        case Const(value=value), a, b:
            return a if value else b
        case Not(a=condition), a, b:
            return fresh.add(Select(condition, b, a))
        case condition, Const(value=True) as a, Const(value=False) if a.type is BOOL:
            return condition
        case condition, Const(value=False) as a, Const(value=True) if a.type is BOOL:
            return fresh.add(Not(condition))
    return None


def _wrap(op: Wrap, fresh: _Fresh) -> Value | None:
    a, bits = op.a, 8 * op.scalar.size
    if type(a) is Const:
        assert isinstance(a.value, int)
        value = a.value & ((1 << bits) - 1)
        return fresh.const(value - (1 << bits) if op.scalar.signed and value >> (bits - 1) else value)
    if type(a) is Wrap and (a.scalar == op.scalar or 8 * a.scalar.size > bits):
        return a if a.scalar == op.scalar else fresh.add(Wrap(a.a, op.scalar))
    return a if a.type is not BOOL and _fits(a, bits - op.scalar.signed) else None


def _window(op: Window, fresh: _Fresh) -> Value | None:
    a = op.a
    if type(a) is Const:
        assert isinstance(a.value, int)
        return a if WINDOW_MIN <= a.value <= WINDOW_MAX else None
    return a if type(a) is Window else None


def _in_set(op: InSet, fresh: _Fresh) -> Value | None:
    if type(op.a) is not Const:
        return None
    value, ranges = op.a.value, op.table.ranges
    assert isinstance(value, int)
    at = bisect_right(ranges, value, key=lambda bounds: bounds[0]) - 1
    return fresh.const(at >= 0 and value <= ranges[at][1])


def _lookup(op: Lookup, fresh: _Fresh) -> Value | None:
    index = op.index.value if type(op.index) is Const else -1
    assert isinstance(index, int)
    return fresh.const(op.table.values[index]) if 0 <= index < len(op.table.values) else None


def _item(op: Item, fresh: _Fresh) -> Value | None:
    if type(op.data) is not Const or type(op.index) is not Const:
        return None
    data, index = op.data.value, op.index.value
    assert isinstance(data, bytes)
    assert isinstance(index, int)
    return fresh.const(data[index]) if 0 <= index < len(data) else None


def _pack_key(op: PackKey, fresh: _Fresh) -> Value | None:
    parts = [part.value for part in op.parts if type(part) is Const]
    return fresh.const(pack_key(parts, op.sizes)) if len(parts) == len(op.parts) else None  # type: ignore[arg-type]


def _log_bucket(op: LogBucket, fresh: _Fresh) -> Value | None:
    value = op.a.value if type(op.a) is Const else -1
    assert isinstance(value, int)
    return fresh.const(log_bucket(value, op.precision)) if 0 <= value <= WINDOW_MAX else None


_RULES: Final[dict[type[Op], Callable[[Any, _Fresh], Value | None]]] = {
    Binary: _binary,
    Compare: _compare,
    Not: _not,
    Select: _select,
    Wrap: _wrap,
    InSet: _in_set,
    Lookup: _lookup,
    Item: _item,
    Window: _window,
    PackKey: _pack_key,
    LogBucket: _log_bucket,
}


def _fits(value: Value, bits: int) -> bool:
    """Whether `value`, by nature of its op, lies in 0 … 2**bits−1."""
    width: int | None = None
    match value:
        case Const(value=int() as number) if number >= 0:
            width = number.bit_length()
        case Load(size=size):
            width = 8 * size
        case Wrap(scalar=scalar) if not scalar.signed:
            width = 8 * scalar.size
        case Item():
            width = 8
        case Random():
            width = 32
        case KeyHash():
            width = 64
        case Binary(modulus=int() as modulus):
            width = modulus
        case Binary(kind=BinaryKind.AND, b=Const(value=int() as mask)) if mask >= 0:
            width = mask.bit_length()
        case Context(which=which):
            width = _CONTEXT_BITS[which]
    return width is not None and width <= bits
