"""Ranges for the emitter that follow from each op alone, written apart from the verifier's.

Values that the verifier knows from branches count as the whole window here, and so does every phi.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import product

from nmjit.compiler.emit_int import WINDOW, Range
from nmjit.compiler.ir import (
    Binary,
    BinaryKind,
    Const,
    Context,
    ContextField,
    Find,
    Function,
    Item,
    Load,
    Lookup,
    MapLoad,
    Op,
    Random,
    Select,
    Value,
    Window,
    Wrap,
)
from nmjit.compiler.irtypes import INT, Scalar

_CONTEXT_BITS = {
    ContextField.LENGTH: 32,
    ContextField.ROOM: 16,
    ContextField.WIRE_LENGTH: 32,
    ContextField.TIMESTAMP: 64,
    ContextField.NOW: 64,
    ContextField.PORT: 16,
    ContextField.QUEUE: 16,
}


def natural_ranges(function: Function) -> dict[Op, Range]:
    """A range for every INT but phis."""
    ranges: dict[Op, Range] = {}

    def known(value: Value) -> Range:
        return ranges.get(value, WINDOW)

    for block in function.reverse_postorder():
        for op in block.ops:
            if op.type is INT:
                found = _range_of(op, known)
                if found is not None:
                    ranges[op] = found
    return ranges


def _range_of(op: Op, known: Callable[[Value], Range]) -> Range | None:
    match op:
        case Const(value=value):
            return Range(int(value), int(value))
        case Binary(kind=kind, a=a, b=b, modulus=modulus):
            return result_range(kind, known(a), known(b)) if modulus is None else unsigned(modulus)
        case Select(a=a, b=b):
            return Range(min(known(a).lo, known(b).lo), max(known(a).hi, known(b).hi))
        case Wrap(scalar=scalar):
            return stored(scalar)
        case Window():
            return WINDOW
        case Load(size=size):
            return unsigned(8 * size)
        case Item():
            return unsigned(8)
        case Random():
            return unsigned(32)
        case Context(which=which):
            return unsigned(_CONTEXT_BITS[which])
        case Lookup(table=table):
            return Range(min(table.values), max(table.values))
        case Find():
            return Range(-1, 2**32 - 1)
        case MapLoad(map=declaration, field=field):
            return stored(declaration.layout.field(field).scalar)
        case _:
            return None


def unsigned(bits: int) -> Range:
    return Range(0, (1 << bits) - 1)


def stored(scalar: Scalar) -> Range:
    low = -(1 << (8 * scalar.size - 1)) if scalar.signed else 0
    return Range(low, low + (1 << 8 * scalar.size) - 1)


def result_range(kind: BinaryKind, a: Range, b: Range) -> Range:
    """A range that holds each exact result of the operator."""
    corners = list(product((a.lo, a.hi), (b.lo, b.hi)))
    match kind:
        case BinaryKind.ADD:
            found = [x + y for x, y in corners]
        case BinaryKind.SUB:
            found = [x - y for x, y in corners]
        case BinaryKind.MUL:
            found = [x * y for x, y in corners]
        case BinaryKind.FLOORDIV:
            largest = max(abs(a.lo), abs(a.hi))
            found = [-largest if a.lo < 0 or b.lo < 0 else 0, largest]
        case BinaryKind.MOD:
            found = [min(b.lo + 1, 0), max(b.hi - 1, 0)]
        case BinaryKind.AND if b.lo >= 0:
            found = [0, b.hi]
        case BinaryKind.AND | BinaryKind.OR | BinaryKind.XOR:
            bits = max(value.bit_length() for value in (a.lo, a.hi, b.lo, b.hi))
            found = [-(1 << bits) if a.lo < 0 or b.lo < 0 else 0, (1 << bits) - 1]
        case BinaryKind.SHL:
            found = [x << y for x, y in product((a.lo, a.hi), (max(b.lo, 0), min(b.hi, 63)))]
        case BinaryKind.SHR:
            found = [a.lo, a.hi, min(a.hi, 0), max(a.lo, 0)]
        case BinaryKind.MIN | BinaryKind.MAX:
            choose = min if kind is BinaryKind.MIN else max
            found = [choose(x, y) for x, y in corners]
    return Range(min(found), max(found))
