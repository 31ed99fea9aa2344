"""Token buckets against exact fractions of tokens."""

from __future__ import annotations

import time
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from nmjit import RateLimit
from nmjit._context import packet_run
from nmjit._rate import take

SECOND = 10**9


def allowed_at(bucket: RateLimit, instants: list[int], n: int = 1) -> list[bool]:
    found = []
    for instant in instants:
        with packet_run(0, 0, instant):
            found.append(bucket.allow(n))
    return found


def test_begins_full_and_refills_at_its_rate() -> None:
    bucket = RateLimit(rate=10, burst=2)
    start = 5 * SECOND
    assert allowed_at(bucket, [start] * 3) == [True, True, False]
    assert allowed_at(bucket, [start + 99_999_999, start + 100_000_000, start + 100_000_000]) == [False, True, False]
    assert allowed_at(bucket, [start + 60 * SECOND] * 3) == [True, True, False]


def test_what_is_refused_takes_nothing() -> None:
    bucket = RateLimit(5)
    assert allowed_at(bucket, [0], 6) == [False]
    assert allowed_at(bucket, [0], 5) == [True]
    assert allowed_at(bucket, [0], 0) == [True]


def test_a_clock_behind_adds_nothing() -> None:
    bucket = RateLimit(1)
    assert allowed_at(bucket, [10 * SECOND, 5 * SECOND, 10 * SECOND, 11 * SECOND]) == [True, False, False, True]


def test_nothing_is_rounded() -> None:
    credit, stamp, taken = 0, 0, 0
    for now in range(1, 21_000, 7):  # 3 tokens a second, looked at every 7 ns
        allowed, credit, stamp = take(credit, stamp, 3, 1, now, 1)
        taken += allowed
    assert (taken, credit, stamp) == (0, 3 * 20_994, 20_994)


def test_numbers_stay_within_64_bits() -> None:
    largest = 2**32 - 1
    bucket = RateLimit(largest)
    assert bucket._values == [largest * SECOND, 0, largest, largest]
    assert allowed_at(bucket, [2**64 - 1], largest) == [True]
    assert allowed_at(bucket, [2**64 - 1]) == [False]
    assert max(bucket._values) < 2**64


def test_outside_a_run_the_clock_is_monotonic() -> None:
    bucket = RateLimit(1)
    before = time.monotonic_ns()
    assert bucket.allow()
    assert before <= bucket._values[1] <= time.monotonic_ns()


@pytest.mark.parametrize("wrong", [0, -1, 2**32])
def test_refuses_rates_and_bursts_out_of_range(wrong: int) -> None:
    with pytest.raises(OverflowError, match="rate"):
        RateLimit(wrong)
    with pytest.raises(OverflowError, match="burst"):
        RateLimit(1, wrong)


@pytest.mark.parametrize("wrong", [-1, 2**32])
def test_refuses_amounts_out_of_range(wrong: int) -> None:
    with pytest.raises(OverflowError, match="tokens"):
        RateLimit(1).allow(wrong)


def test_tells_its_shape() -> None:
    bucket = RateLimit(3, 5)
    assert (bucket.rate, bucket.burst, repr(bucket)) == (3, 5, "RateLimit(rate=3, burst=5)")
    assert [(field.name, field.width.name) for field in RateLimit.__struct__] == [
        ("credit", "u64"), ("stamp", "u64"), ("rate", "u64"), ("burst", "u64"),
    ]  # fmt: skip
    assert RateLimit(3) == RateLimit(3, 3) != RateLimit(3, 4)


class RateMachine(RuleBasedStateMachine):
    """Against tokens as fractions."""

    @initialize(rate=st.integers(1, 2**32 - 1), burst=st.integers(1, 50))
    def begin(self, rate: int, burst: int) -> None:
        self.bucket = RateLimit(rate, burst)
        self.rate, self.burst = rate, burst
        self.tokens, self.latest = Fraction(burst), 0

    @rule(
        instant=st.one_of(st.integers(0, 2**40), st.integers(0, 100)),
        n=st.integers(0, 60),
        forward=st.booleans(),
        scale=st.sampled_from([1, 10**9]),
    )
    def allow(self, instant: int, n: int, forward: bool, scale: int) -> None:
        now = self.latest + instant * scale // self.rate if forward else instant
        if now > self.latest:
            self.tokens = min(Fraction(self.burst), self.tokens + Fraction((now - self.latest) * self.rate, SECOND))
            self.latest = now
        expected = self.tokens >= n
        self.tokens -= n if expected else 0
        assert allowed_at(self.bucket, [now], n) == [expected]

    @invariant()
    def same(self) -> None:
        if hasattr(self, "bucket"):
            assert self.bucket._values == [self.tokens * SECOND, self.latest, self.rate, self.burst]


TestRateMachine: Any = RateMachine.TestCase
TestRateMachine.settings = settings(max_examples=60, stateful_step_count=30, deadline=None)
