"""Exact integers in machine registers: choice of width, and every operator on them.

An IR integer has no width; its range chooses one. A value whose range holds no negative number is kept unsigned, any
other in two's complement, in the narrowest of `WIDTHS` bits. Operators that form a ring (+ - * & | ^ <<) are computed
in the width of their *result*, which is exact because the result's range fits there and arithmetic modulo 2**width
forgets only what the result does not have. Comparisons, min and max are computed in a width that holds both sides.

Nothing here makes LLVM call its run-time library (128-bit division, multiplication with overflow): division works on
64-bit magnitudes, as the language's window allows. Multiplication of 256 bits is open-coded by LLVM.

This file must not know: blocks, packets, maps, the optimiser. Source: LLVM Language Reference, integer instructions;
Python reference 6.7 for floor division.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Protocol

import llvmlite.ir as ll

from nmjit._random import GAMMA, MIX_1, MIX_2
from nmjit.compiler.ir import BinaryKind, Predicate
from nmjit.compiler.irtypes import WINDOW_MAX, WINDOW_MIN, Scalar

WIDTHS: Final = (64, 128, 256)
"""Register widths in bits. 64 costs one register, 128 two; 256 serves products of two 65-bit values only."""
I1: Final = ll.IntType(1)
I64: Final = ll.IntType(64)


class Bounds(Protocol):
    """Inclusive range of an integer; `verifier.interval.Interval` is one."""

    @property
    def lo(self) -> int: ...
    @property
    def hi(self) -> int: ...


@dataclass(frozen=True, slots=True)
class Range:
    """Inclusive range of an integer."""

    lo: int
    hi: int


WINDOW: Final = Range(WINDOW_MIN, WINDOW_MAX)


@dataclass(frozen=True, slots=True)
class Number:
    """An exact integer in a register: its bits, and the range that says how wide they are and how to read them."""

    bits: ll.Value
    range: Bounds

    @property
    def signed(self) -> bool:
        return self.range.lo < 0

    @property
    def known(self) -> int | None:
        """The value, where the register is a constant."""
        if not isinstance(self.bits, ll.Constant):
            return None
        width: int = self.bits.type.width
        unsigned: int = self.bits.constant % (1 << width)
        return unsigned - (1 << width) if self.signed and unsigned >> (width - 1) else unsigned


def fits(bounds: Bounds, width: int) -> bool:
    """Whether `width` bits hold every value of `bounds`: unsigned where none is negative, else two's complement."""
    if bounds.lo < 0:
        return -(1 << (width - 1)) <= bounds.lo and bounds.hi < 1 << (width - 1)
    return bounds.hi < 1 << width


def width_of(bounds: Bounds) -> int:
    """Bits of the narrowest register for `bounds`; OverflowError where none holds it."""
    for width in WIDTHS:
        if fits(bounds, width):
            return width
    raise OverflowError(f"no register holds {bounds.lo} … {bounds.hi}")


def constant(value: int) -> Number:
    """`value` as a number of the range that it alone makes up."""
    bounds = Range(value, value)
    return Number(ll.Constant(ll.IntType(width_of(bounds)), value), bounds)


def resize(builder: ll.IRBuilder, number: Number, width: int) -> ll.Value:
    """The bits of `number` modulo 2**width: its value, where that fits."""
    source: int = number.bits.type.width
    target = ll.IntType(width)
    if source == width:
        return number.bits
    known = number.known
    if known is not None:
        return ll.Constant(target, known % (1 << width))
    if source > width:
        return builder.trunc(number.bits, target)
    return builder.sext(number.bits, target) if number.signed else builder.zext(number.bits, target)


def refit(builder: ll.IRBuilder, number: Number, bounds: Bounds) -> Number:
    """The same value in the representation of `bounds`, which must contain it."""
    return Number(resize(builder, number, width_of(bounds)), bounds)


def from_bits(bits: ll.Value, signed: bool) -> Number:
    """A stored integer of any width as a number: the range is all that the bits can say."""
    width: int = bits.type.width
    return Number(bits, Range(-(1 << (width - 1)), (1 << (width - 1)) - 1) if signed else Range(0, (1 << width) - 1))


def _common(builder: ll.IRBuilder, a: Number, b: Number) -> tuple[ll.Value, ll.Value, bool]:
    """Both values in one width that holds either, and whether to compare them as signed."""
    both = Range(min(a.range.lo, b.range.lo), max(a.range.hi, b.range.hi))
    width = width_of(both)
    return resize(builder, a, width), resize(builder, b, width), both.lo < 0


def compare(builder: ll.IRBuilder, predicate: Predicate, a: Number, b: Number) -> ll.Value:
    """`a predicate b` as an i1, exact whatever the signs and widths."""
    left, right, signed = _common(builder, a, b)
    return icmp(builder, predicate, left, right, signed)


_SYMBOLS: Final = {
    Predicate.EQ: "==",
    Predicate.NE: "!=",
    Predicate.LT: "<",
    Predicate.LE: "<=",
    Predicate.GT: ">",
    Predicate.GE: ">=",
}


def icmp(builder: ll.IRBuilder, predicate: Predicate, a: ll.Value, b: ll.Value, signed: bool = False) -> ll.Value:
    """Compare two registers of one width."""
    emit = builder.icmp_signed if signed else builder.icmp_unsigned
    return emit(_SYMBOLS[predicate], a, b)


def within(builder: ll.IRBuilder, number: Number, bounds: Bounds) -> ll.Value:
    """Whether the value lies in `bounds`, as an i1; only the sides that its range leaves open are compared."""
    result: ll.Value = ll.Constant(I1, 1)
    if number.range.lo < bounds.lo:
        result = compare(builder, Predicate.GE, number, constant(bounds.lo))
    if number.range.hi > bounds.hi:
        result = builder.and_(result, compare(builder, Predicate.LE, number, constant(bounds.hi)))
    return result


def binary(builder: ll.IRBuilder, kind: BinaryKind, a: Number, b: Number, modulus: int | None, to: Bounds) -> Number:
    """`a kind b`, reduced modulo 2**modulus where that is given; the result lies in `to`."""
    match kind:
        case BinaryKind.MIN | BinaryKind.MAX:
            return _extremum(builder, kind, a, b, to)
        case BinaryKind.FLOORDIV | BinaryKind.MOD:
            return _divide(builder, kind, a, b, to)
        case BinaryKind.SHR:
            amount = resize(builder, b, a.bits.type.width)
            shifted = builder.ashr(a.bits, amount) if a.signed else builder.lshr(a.bits, amount)
            return refit(builder, Number(shifted, a.range), to)
        case _:
            return _ring(builder, kind, a, b, modulus, to)


_RING: Final = {
    BinaryKind.ADD: ll.IRBuilder.add,
    BinaryKind.SUB: ll.IRBuilder.sub,
    BinaryKind.MUL: ll.IRBuilder.mul,
    BinaryKind.AND: ll.IRBuilder.and_,
    BinaryKind.OR: ll.IRBuilder.or_,
    BinaryKind.XOR: ll.IRBuilder.xor,
    BinaryKind.SHL: ll.IRBuilder.shl,
}


def _ring(builder: ll.IRBuilder, kind: BinaryKind, a: Number, b: Number, modulus: int | None, to: Bounds) -> Number:
    width = 64 if modulus is not None else width_of(to)
    bits = _RING[kind](builder, resize(builder, a, width), resize(builder, b, width))
    if modulus is None:
        return Number(bits, to)
    if modulus < width:
        bits = builder.and_(bits, ll.Constant(ll.IntType(width), (1 << modulus) - 1))
    return refit(builder, Number(bits, Range(0, (1 << modulus) - 1)), to)


def _extremum(builder: ll.IRBuilder, kind: BinaryKind, a: Number, b: Number, to: Bounds) -> Number:
    left, right, signed = _common(builder, a, b)
    predicate = Predicate.LT if kind is BinaryKind.MIN else Predicate.GT
    chosen = builder.select(icmp(builder, predicate, left, right, signed), left, right)
    both = Range(min(a.range.lo, b.range.lo), max(a.range.hi, b.range.hi))
    return refit(builder, Number(chosen, both), to)


def _divide(builder: ll.IRBuilder, kind: BinaryKind, a: Number, b: Number, to: Bounds) -> Number:
    """Floor division or its remainder. Both operands lie in the window, whatever is known of them in dead code."""
    divisor = b.known
    if divisor is not None and divisor > 0 and divisor & (divisor - 1) == 0:
        return _divide_by_power(builder, kind, a, divisor, to)
    a, b = (refit(builder, operand, _within_window(operand.range)) for operand in (a, b))
    if not a.signed and not b.signed:
        left, right = resize(builder, a, 64), resize(builder, b, 64)
        bits = builder.udiv(left, right) if kind is BinaryKind.FLOORDIV else builder.urem(left, right)
        return refit(builder, Number(bits, Range(0, 2**64 - 1)), to)
    return _divide_magnitudes(builder, kind, a, b, to)


def _within_window(bounds: Bounds) -> Range:
    low, high = max(bounds.lo, WINDOW_MIN), min(bounds.hi, WINDOW_MAX)
    return Range(low, high) if low <= high else WINDOW


def _divide_by_power(builder: ll.IRBuilder, kind: BinaryKind, a: Number, divisor: int, to: Bounds) -> Number:
    """An arithmetic shift rounds towards minus infinity, and a mask leaves the remainder of that."""
    if kind is BinaryKind.FLOORDIV:
        return binary(builder, BinaryKind.SHR, a, constant(divisor.bit_length() - 1), None, to)
    masked = builder.and_(a.bits, ll.Constant(a.bits.type, divisor - 1))
    return refit(builder, Number(masked, Range(0, divisor - 1)), to)


def _magnitude(builder: ll.IRBuilder, number: Number) -> tuple[ll.Value, ll.Value]:
    """Whether the value is negative, and its absolute value as an i64."""
    bits = number.bits
    negative = builder.icmp_signed("<", bits, ll.Constant(bits.type, 0)) if number.signed else ll.Constant(I1, 0)
    absolute = builder.select(negative, builder.neg(bits), bits)
    return negative, absolute if bits.type.width == 64 else builder.trunc(absolute, I64)


def _divide_magnitudes(builder: ll.IRBuilder, kind: BinaryKind, a: Number, b: Number, to: Bounds) -> Number:
    """Divide absolute values, then put the signs right; 2**63 and −1 are no special case in this form."""
    a_negative, left = _magnitude(builder, a)
    b_negative, right = _magnitude(builder, b)
    opposite = builder.xor(a_negative, b_negative)
    remainder = builder.urem(left, right)
    inexact = builder.icmp_unsigned("!=", remainder, ll.Constant(I64, 0))
    wide = ll.IntType(128)
    if kind is BinaryKind.FLOORDIV:
        quotient = builder.zext(builder.udiv(left, right), wide)
        rounded = builder.neg(builder.add(quotient, builder.zext(inexact, wide)))
        bits = builder.select(opposite, rounded, quotient)
    else:
        up = builder.and_(opposite, inexact)
        size = builder.zext(builder.select(up, builder.sub(right, remainder), remainder), wide)
        bits = builder.select(b_negative, builder.neg(size), size)
    return refit(builder, Number(bits, Range(-(2**127), 2**127 - 1)), to)


def wrap(builder: ll.IRBuilder, number: Number, scalar: Scalar) -> Number:
    """The value modulo the scalar's range, two's complement where it is signed."""
    return from_bits(resize(builder, number, scalar.size * 8), scalar.signed)


def bitwise(builder: ll.IRBuilder, kind: BinaryKind, a: ll.Value, b: ll.Value) -> ll.Value:
    """AND, OR or XOR of two i1."""
    return _RING[kind](builder, a, b)


def packet_random(builder: ll.IRBuilder, seed: ll.Value, packet_number: ll.Value, call: ll.Value) -> ll.Value:
    """`lang/_random.py`'s function of the same name, on i64; the i32 result."""
    state = _splitmix64(builder, _splitmix64(builder, seed, packet_number), call)
    return builder.trunc(state, ll.IntType(32))


def _splitmix64(builder: ll.IRBuilder, seed: ll.Value, index: ll.Value) -> ll.Value:
    steps = builder.mul(builder.add(index, ll.Constant(I64, 1)), ll.Constant(I64, GAMMA))
    state = builder.add(seed, steps)
    for shift, factor in ((30, MIX_1), (27, MIX_2)):
        mixed = builder.xor(state, builder.lshr(state, ll.Constant(I64, shift)))
        state = builder.mul(mixed, ll.Constant(I64, factor))
    return builder.xor(state, builder.lshr(state, ll.Constant(I64, 31)))
