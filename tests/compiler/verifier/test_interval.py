"""Intervals against the integers that they stand for."""

from __future__ import annotations

import itertools
import random
from collections.abc import Callable

import pytest

from nmjit.compiler.ir import BinaryKind
from nmjit.compiler.verifier import interval as iv
from nmjit.compiler.verifier.interval import INFINITE, Interval
from nmjit.compiler.verifier.refine import EXACT

CONCRETE: dict[BinaryKind, Callable[[int, int], int]] = {
    BinaryKind.ADD: lambda a, b: a + b,
    BinaryKind.SUB: lambda a, b: a - b,
    BinaryKind.MUL: lambda a, b: a * b,
    BinaryKind.FLOORDIV: lambda a, b: a // b,
    BinaryKind.MOD: lambda a, b: a % b,
    BinaryKind.AND: lambda a, b: a & b,
    BinaryKind.OR: lambda a, b: a | b,
    BinaryKind.XOR: lambda a, b: a ^ b,
    BinaryKind.SHL: lambda a, b: a << b,
    BinaryKind.SHR: lambda a, b: a >> b,
    BinaryKind.MIN: min,
    BinaryKind.MAX: max,
}
NEEDS_DIVISOR = (BinaryKind.FLOORDIV, BinaryKind.MOD)
NEEDS_AMOUNT = (BinaryKind.SHL, BinaryKind.SHR)
TIGHT = (BinaryKind.ADD, BinaryKind.SUB, BinaryKind.MUL, BinaryKind.FLOORDIV, BinaryKind.MIN, BinaryKind.MAX)
SMALL = [Interval(lo, hi) for lo in range(-5, 7) for hi in range(lo, 7)]


def admitted(kind: BinaryKind, b: int) -> bool:
    """Whether `b` meets the op's obligation."""
    return (kind not in NEEDS_DIVISOR or b != 0) and (kind not in NEEDS_AMOUNT or 0 <= b <= 63)


def results(kind: BinaryKind, a: Interval, b: Interval) -> set[int]:
    concrete = CONCRETE[kind]
    divisors = [y for y in range(b.lo, b.hi + 1) if admitted(kind, y)]
    return {concrete(x, y) for x in range(a.lo, a.hi + 1) for y in divisors}


@pytest.mark.parametrize("kind", list(BinaryKind))
def test_every_result_of_small_operands_is_held(kind: BinaryKind) -> None:
    for a, b in itertools.product(SMALL, SMALL):
        found, exact = EXACT[kind](a, b), results(kind, a, b)
        if exact:
            assert found.lo <= min(exact) <= max(exact) <= found.hi, (a, b, found)
            if kind in TIGHT:
                assert found == (min(exact), max(exact)), (a, b)


@pytest.mark.parametrize("kind", list(BinaryKind))
def test_every_result_of_bytes_is_held(kind: BinaryKind) -> None:
    generator = random.Random(kind.value)
    for _ in range(40):
        a, b = (Interval(*sorted((generator.randint(-128, 255), generator.randint(-128, 255)))) for _ in range(2))
        exact = results(kind, a, b)
        if exact:
            found = EXACT[kind](a, b)
            assert found.lo <= min(exact) <= max(exact) <= found.hi, (a, b, found)


@pytest.mark.parametrize("kind", list(BinaryKind))
def test_every_result_of_huge_operands_is_held(kind: BinaryKind) -> None:
    generator = random.Random(kind.value)

    def bound() -> int:
        return generator.choice((-1, 1)) * generator.getrandbits(generator.choice((3, 8, 63, 64, 128, 300, 350)))

    for _ in range(3000):
        x, y = bound(), bound()
        if kind in NEEDS_AMOUNT:
            y %= 64
        if not admitted(kind, y):
            continue
        a, b = (
            Interval(
                generator.choice((-INFINITE, iv.bounded(value - abs(bound()), value).lo)),
                generator.choice((INFINITE, iv.bounded(value, value + abs(bound())).hi)),
            )
            for value in (x, y)
        )
        found, result = EXACT[kind](a, b), CONCRETE[kind](x, y)
        assert all((found.lo == -INFINITE or found.lo <= result, found.hi == INFINITE or result <= found.hi)), (
            x,
            y,
            a,
            b,
        )


@pytest.mark.parametrize("signed", [False, True])
@pytest.mark.parametrize("bits", [1, 2, 3, 8])
def test_wrapping_holds_every_member_and_is_identity_where_nothing_wraps(bits: int, signed: bool) -> None:
    lowest = -(1 << (bits - 1)) if signed else 0
    period = 1 << bits
    for lo in range(-2 * period, 2 * period, max(1, period // 16)):
        for size in {0, 1, 2, period - 1, period, period + 1}:
            given = Interval(lo, lo + size)
            found = iv.wrapped(given, bits, signed)
            exact = {(value - lowest) % period + lowest for value in range(lo, lo + size + 1)}
            assert found.lo <= min(exact)
            assert max(exact) <= found.hi
            if lowest <= given.lo and given.hi < lowest + period:
                assert found == given
    assert iv.wrapped(iv.TOP, bits, signed) == (lowest, lowest + period - 1)


def test_join_and_meet() -> None:
    for a, b in itertools.product(SMALL, SMALL):
        members = set(range(a.lo, a.hi + 1)), set(range(b.lo, b.hi + 1))
        joined = a.join(b)
        assert joined == (min(a.lo, b.lo), max(a.hi, b.hi))
        met = a.meet(b)
        assert (set() if met is None else set(range(met.lo, met.hi + 1))) == members[0] & members[1]
        assert a.within(b) == (members[0] <= members[1])


def test_widening_stops_at_thresholds_and_then_nowhere() -> None:
    assert Interval(0, 3).widen(Interval(0, 4), [-1, 0, 10, 100]) == (0, 10)
    assert Interval(0, 3).widen(Interval(-5, 101), [-1, 0, 10, 100]) == (-INFINITE, INFINITE)
    assert Interval(0, 30).widen(Interval(2, 4), [10]) == (0, 30)
    assert Interval(0, 9).widen(Interval(-1, 10), [-1, 10]) == (-1, 10)


def test_what_is_infinite_stays_infinite() -> None:
    unbounded = Interval(0, INFINITE)
    assert unbounded.shifted(-5) == (-5, INFINITE)
    assert iv.add(unbounded, iv.constant(-(1 << 300))).hi == INFINITE
    assert iv.floordiv(unbounded, iv.constant(1 << 200)).hi == INFINITE
    assert iv.shr(unbounded, iv.constant(63)).hi == INFINITE
    assert iv.mul(unbounded, iv.constant(-1)) == (-INFINITE, 0)


def test_masks_of_packet_fields_are_tight() -> None:
    byte = Interval(0, 255)
    assert iv.bit_and(byte, iv.constant(15)) == (0, 15)
    assert iv.bit_and(iv.constant(0x45), iv.constant(15)) == (5, 5)
    assert iv.shr(byte, iv.constant(4)) == (0, 15)
    assert iv.bit_or(iv.shl(byte, iv.constant(8)), byte) == (0, 65535)
    assert iv.bit_xor(byte, iv.constant(255)) == (0, 255)
