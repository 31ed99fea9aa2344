"""Token buckets, exact in integers: the rule, and RateLimit, the value that maps hold.

Credit counts in 10**-9 tokens, so a rate in tokens a second adds `rate` for each nanosecond and nothing is rounded.
This file must not know: maps, packets.
"""

from __future__ import annotations

from typing import ClassVar, Final, cast, final

from nmjit._context import now
from nmjit._ints import Width, u64
from nmjit._struct import Record, StoredKind, StructField, StructSpec

TOKEN: Final = 10**9
"""Credit of one token."""
LIMIT: Final = 2**32
"""Rates, bursts and the amounts taken at once are below it."""


def take(credit: int, stamp: int, rate: int, burst: int, now: int, amount: int) -> tuple[bool, int, int]:
    """Take `amount` tokens at time `now` (ns): whether there were so many, then the new credit and stamp.

    `stamp` is the latest time at which the bucket was looked at; a clock that stands behind it adds nothing.
    """
    if now > stamp:
        credit = min(burst * TOKEN, credit + (now - stamp) * rate)
        stamp = now
    allowed = credit >= amount * TOKEN
    return allowed, credit - amount * TOKEN if allowed else credit, stamp


_U64: Final = cast(Width, u64)


@final
class RateLimit(Record):
    """A token bucket: `rate` tokens a second, at most `burst` at once; full when new.

    `burst` is `rate` where not given. Both are integers of 1 … 2**32−1, else OverflowError. It is made for maps
    (`value=RateLimit`), which keep a copy for each key; an entry of an Array is empty, of rate 0, until one is stored.
    """

    __slots__ = ()
    __struct__: ClassVar[StructSpec] = tuple(
        StructField(name, _U64, StoredKind.INT) for name in ("credit", "stamp", "rate", "burst")
    )
    __defaults__: ClassVar[tuple[int | None, ...]] = (None, None, None, None)

    def __init__(self, rate: int, burst: int | None = None) -> None:
        burst = rate if burst is None else burst
        for name, value in (("rate", rate), ("burst", burst)):
            if not 1 <= value.__index__() < LIMIT:
                raise OverflowError(f"a {name} of {value} is not within 1 … 2**32-1")
        self._values = [burst * TOKEN, 0, rate, burst]

    @property
    def rate(self) -> int:
        """Tokens that come in each second."""
        return self._values[2]

    @property
    def burst(self) -> int:
        """Most tokens that the bucket holds."""
        return self._values[3]

    def allow(self, n: int = 1) -> bool:
        """Take `n` tokens at the time that `now()` tells; False, and nothing is taken, where there are fewer.

        OverflowError unless 0 ≤ n < 2**32.
        """
        if not 0 <= n.__index__() < LIMIT:
            raise OverflowError(f"{n} tokens are not within 0 … 2**32-1")
        credit, stamp, rate, burst = self._values
        allowed, self._values[0], self._values[1] = take(credit, stamp, rate, burst, now(), n)
        return allowed

    def __repr__(self) -> str:
        return f"RateLimit(rate={self.rate}, burst={self.burst})"
