"""The abstract domain of one integer: an interval of the integers, possibly unbounded.

Every function on intervals returns one that holds each result of the exact operator on members of its arguments.
Bounds are Python integers of any size; a bound beyond ±2**320 is kept as infinite, which loses nothing that a packet
filter could prove. BOOLs are the intervals within 0 … 1. The empty interval is None, given by `meet` alone.

This file must not know: ops, states. Source: P. and R. Cousot, POPL 1977; bit bounds: H. Warren, Hacker's Delight, 4-3.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterable, Sequence
from typing import Final, NamedTuple

_LIMIT: Final = 1 << 320
INFINITE: Final = 1 << 448
"""An upper bound of this size, or a lower bound of minus this size, is no bound."""


class Interval(NamedTuple):
    """The integers lo … hi, lo ≤ hi. A tuple, not a dataclass: the analysis makes several for each op."""

    lo: int
    hi: int

    @property
    def is_constant(self) -> bool:
        return self.lo == self.hi

    @property
    def is_bounded(self) -> bool:
        """Whether both ends are finite."""
        return self.lo != -INFINITE and self.hi != INFINITE

    def contains(self, value: int) -> bool:
        return self.lo <= value <= self.hi

    def within(self, other: Interval) -> bool:
        """Whether every member is one of `other`."""
        return other.lo <= self.lo and self.hi <= other.hi

    def join(self, other: Interval) -> Interval:
        """The least interval that holds both."""
        return Interval(min(self.lo, other.lo), max(self.hi, other.hi))

    def meet(self, other: Interval) -> Interval | None:
        """What both hold, None where that is nothing."""
        lo, hi = max(self.lo, other.lo), min(self.hi, other.hi)
        return Interval(lo, hi) if lo <= hi else None

    def widen(self, grown: Interval, thresholds: Sequence[int]) -> Interval:
        """An interval over both; a bound that `grown` exceeds moves on to the next of sorted `thresholds`."""
        lo, hi = self
        if grown.lo < lo:
            place = bisect_right(thresholds, grown.lo)
            lo = thresholds[place - 1] if place else -INFINITE
        if grown.hi > hi:
            place = bisect_left(thresholds, grown.hi)
            hi = thresholds[place] if place < len(thresholds) else INFINITE
        return Interval(lo, hi)

    def shifted(self, by: int) -> Interval:
        """Each member plus `by`."""
        return Interval(
            self.lo + by if self.lo != -INFINITE else self.lo, self.hi + by if self.hi != INFINITE else self.hi
        )


TOP: Final = Interval(-INFINITE, INFINITE)
TRUE: Final = Interval(1, 1)
FALSE: Final = Interval(0, 0)
EITHER: Final = Interval(0, 1)
"""A BOOL of which nothing is known."""
SHIFTS: Final = Interval(0, 63)
"""Amounts by which the language shifts."""


def constant(value: int) -> Interval:
    return Interval(value, value)


def bounded(lo: int, hi: int) -> Interval:
    """lo … hi, where bounds too large to keep become infinite."""
    if lo < -_LIMIT:
        lo = -INFINITE
    elif lo > _LIMIT:
        lo = _LIMIT
    if hi > _LIMIT:
        hi = INFINITE
    elif hi < -_LIMIT:
        hi = -_LIMIT
    return Interval(lo, hi)


def hull(intervals: Iterable[Interval]) -> Interval:
    """The least interval that holds all of `intervals`, of which there is at least one."""
    los, his = zip(*intervals, strict=True)
    return Interval(min(los), max(his))


def add(a: Interval, b: Interval) -> Interval:
    return bounded(a.lo + b.lo, a.hi + b.hi)


def sub(a: Interval, b: Interval) -> Interval:
    return bounded(a.lo - b.hi, a.hi - b.lo)


def mul(a: Interval, b: Interval) -> Interval:
    corners = (a.lo * b.lo, a.lo * b.hi, a.hi * b.lo, a.hi * b.hi)
    return bounded(min(corners), max(corners))


def floordiv(a: Interval, b: Interval) -> Interval:
    """Quotients by the members of `b` other than 0; TOP where there are none."""
    parts = [part for part in (b.meet(Interval(1, INFINITE)), b.meet(Interval(-INFINITE, -1))) if part is not None]
    if not parts or (not a.is_bounded and len(parts) > 1):
        return TOP
    corners = [_quotient(x, y) for part in parts for x in a for y in part]
    return bounded(min(corners), max(corners))


def _quotient(a: int, b: int) -> int:
    """a // b in which an infinite dividend stays infinite."""
    if abs(a) == INFINITE:
        return a if b > 0 else -a
    return a // b


def floormod(a: Interval, b: Interval) -> Interval:
    """Remainders by the members of `b` other than 0; TOP where there are none."""
    if b == FALSE:
        return TOP
    if b.is_constant and a.is_bounded and a.lo // b.lo == a.hi // b.lo:
        return Interval(*sorted((a.lo % b.lo, a.hi % b.lo)))
    if a.lo >= 0 and b.lo > a.hi:
        return a
    lo = b.lo + 1 if b.lo < 0 else 0
    hi = b.hi - 1 if b.hi > 0 else 0
    if a.lo >= 0 and b.lo >= 0:
        hi = min(hi, a.hi)
    return bounded(lo, hi)


def bit_and(a: Interval, b: Interval) -> Interval:
    if a.is_constant and b.is_constant and a.is_bounded and b.is_bounded:
        return constant(a.lo & b.lo)
    for mask, other in ((a, b), (b, a)):
        if mask.is_constant and mask.lo >= 0 and mask.lo & (mask.lo + 1) == 0 and other.is_bounded:
            return reduced(other, mask.lo.bit_length())
    if a.lo >= 0 or b.lo >= 0:
        return Interval(0, min(x.hi for x in (a, b) if x.lo >= 0))
    lo = -_power(a, b)
    if a.hi < 0 and b.hi < 0:
        return bounded(lo, min(a.hi, b.hi))
    return bounded(lo, max(a.hi, b.hi))


def bit_or(a: Interval, b: Interval) -> Interval:
    if a.is_constant and b.is_constant and a.is_bounded and b.is_bounded:
        return constant(a.lo | b.lo)
    if a.lo >= 0 and b.lo >= 0:
        return bounded(max(a.lo, b.lo), min(_power(a, b) - 1, a.hi + b.hi))
    if a.hi < 0 or b.hi < 0:
        return Interval(max((x.lo for x in (a, b) if x.hi < 0), default=0), -1)
    return bounded(min(a.lo, b.lo), _power(a, b) - 1)


def bit_xor(a: Interval, b: Interval) -> Interval:
    if a.is_constant and b.is_constant and a.is_bounded and b.is_bounded:
        return constant(a.lo ^ b.lo)
    top = _power(a, b)
    if a.lo >= 0 and b.lo >= 0:
        return bounded(0, min(top - 1, a.hi + b.hi))
    return bounded(-top, top - 1)


def _power(a: Interval, b: Interval) -> int:
    """The least power of two above every member of both and not below minus any."""
    return 1 << max((bound if bound >= 0 else ~bound).bit_length() for bound in (*a, *b))


def shl(a: Interval, b: Interval) -> Interval:
    """Left shifts by the members of `b` within 0 … 63; TOP where there are none."""
    amount = b.meet(SHIFTS)
    return TOP if amount is None else mul(a, Interval(1 << amount.lo, 1 << amount.hi))


def shr(a: Interval, b: Interval) -> Interval:
    """Arithmetic right shifts by the members of `b` within 0 … 63; TOP where there are none."""
    amount = b.meet(SHIFTS)
    return TOP if amount is None else floordiv(a, Interval(1 << amount.lo, 1 << amount.hi))


def minimum(a: Interval, b: Interval) -> Interval:
    return Interval(min(a.lo, b.lo), min(a.hi, b.hi))


def maximum(a: Interval, b: Interval) -> Interval:
    return Interval(max(a.lo, b.lo), max(a.hi, b.hi))


def reduced(a: Interval, bits: int) -> Interval:
    """Members of `a` modulo 2**bits."""
    if a.is_bounded and a.lo >> bits == a.hi >> bits:
        mask = (1 << bits) - 1
        return Interval(a.lo & mask, a.hi & mask)
    return Interval(0, (1 << bits) - 1)


def wrapped(a: Interval, bits: int, signed: bool) -> Interval:
    """Members of `a` reduced into `bits` bits, two's complement where `signed`."""
    if not signed:
        return reduced(a, bits)
    half = 1 << (bits - 1)
    return reduced(a.shifted(half), bits).shifted(-half)


Transfer = Callable[[Interval, Interval], Interval]
