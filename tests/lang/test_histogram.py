"""Log-linear buckets and Histogram, against lists of the values themselves."""

from __future__ import annotations

from fractions import Fraction
from math import ceil
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from nmjit import Histogram
from nmjit._histogram import bucket_bounds, bucket_count, log_bucket

VALUES = st.one_of(st.integers(0, 2**64 - 1), st.integers(0, 600), st.integers(0, 63).map(lambda bit: (1 << bit) - 1))


def bounds(value: int, precision: int) -> tuple[int, int]:
    """The bucket of `value` by its digits: those behind the first `precision` + 1 binary ones do not count."""
    digits = f"{value:b}"
    kept = digits[: precision + 1]
    return int(kept.ljust(len(digits), "0"), 2), int(kept.ljust(len(digits), "1"), 2)


@given(VALUES, st.integers(1, 12))
def test_a_value_lies_in_its_bucket(value: int, precision: int) -> None:
    assert bucket_bounds(log_bucket(value, precision), precision) == bounds(value, precision)


@pytest.mark.parametrize("precision", [1, 2, 7])
def test_buckets_follow_on_each_other(precision: int) -> None:
    end = 0
    for index in range(bucket_count(precision)):
        first, last = bucket_bounds(index, precision)
        assert first == end
        assert log_bucket(first, precision) == log_bucket(last, precision) == index
        assert (last - first + 1) * 2**precision <= max(first, 2**precision)
        end = last + 1
    assert end == 2**64


def test_pinned_indices() -> None:
    values = [0, 127, 128, 255, 256, 257, 258, 2**32, 2**64 - 1]
    assert [log_bucket(value, 7) for value in values] == [0, 127, 128, 255, 256, 256, 257, 3328, 7423]


def test_is_a_mapping_of_buckets() -> None:
    histogram = Histogram(3)
    for value in (5, 16, 17, 1000):
        histogram.add(value)
    assert dict(histogram) == {(5, 5): 1, (16, 17): 2, (960, 1023): 1}
    assert (histogram.count, len(histogram), histogram[6, 6], (5, 5) in histogram, (6, 6) in histogram) == (
        4, 3, 0, True, False,
    )  # fmt: skip
    for wrong in ((16, 16), (17, 17), (-1, -1), (2**64, 2**64)):
        with pytest.raises(KeyError):
            histogram[wrong]


@pytest.mark.parametrize("value", [-1, 2**64])
def test_refuses_values_that_it_has_no_bucket_for(value: int) -> None:
    with pytest.raises(OverflowError):
        Histogram().add(value)


@pytest.mark.parametrize("precision", [0, 13, -1])
def test_refuses_other_precisions(precision: int) -> None:
    with pytest.raises(ValueError, match="1 … 12"):
        Histogram(precision)


def test_percentiles_are_ranks_in_decimal() -> None:
    histogram = Histogram(12)
    for value in range(1, 1001):
        histogram.add(value)
    shares = {0: 1, 0.1: 1, 0.11: 2, 50: 500, 99: 990, 99.9: 999, 99.95: 1000, 100: 1000}
    assert {share: histogram.percentile(share) for share in shares} == shares


def test_an_empty_one_has_neither_percentiles_nor_mean() -> None:
    with pytest.raises(ValueError, match="nothing was counted"):
        Histogram().percentile(50)
    with pytest.raises(ValueError, match="nothing was counted"):
        Histogram().mean_bounds()
    for share in (-0.1, 100.1, float("nan")):
        with pytest.raises(ValueError, match="0 … 100"):
            Histogram().percentile(share)


def test_tells_its_shape() -> None:
    histogram = Histogram()
    assert (histogram.detail, histogram.capacity, histogram.key_base) == (7, 7424, 0)
    assert [(field.name, field.width.name) for field in histogram.fields] == [("", "u64")]
    assert repr(Histogram(5)) == "Histogram(5)"
    assert Histogram() != Histogram()


class HistogramMachine(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.histogram = Histogram(2)
        self.values: list[int] = []

    @rule(values=st.lists(VALUES, max_size=5))
    def add(self, values: list[int]) -> None:
        for value in values:
            self.histogram.add(value)
        self.values += values

    @rule()
    def move(self) -> None:
        contents = self.histogram.entries()
        self.histogram.reset()
        assert dict(self.histogram) == {}
        self.histogram.load(contents)

    @precondition(lambda self: self.values)
    @rule(thousandths=st.integers(0, 100_000))
    def percentile(self, thousandths: int) -> None:
        rank = max(1, ceil(Fraction(thousandths, 100_000) * len(self.values)))
        value = sorted(self.values)[rank - 1]
        assert self.histogram.percentile(thousandths / 1000) == bounds(value, 2)[1]

    @precondition(lambda self: self.values)
    @rule()
    def mean(self) -> None:
        low, high = self.histogram.mean_bounds()
        mean = sum(self.values) / len(self.values)
        assert low <= mean * (1 + 1e-15)
        assert mean <= high * (1 + 1e-15)
        assert high <= 1.25 * low * (1 + 1e-15)

    @invariant()
    def same(self) -> None:
        chosen = [bounds(value, 2) for value in sorted(self.values)]
        assert list(self.histogram.items()) == [(bucket, chosen.count(bucket)) for bucket in dict.fromkeys(chosen)]
        assert self.histogram.count == len(self.values)


TestHistogramMachine: Any = HistogramMachine.TestCase
TestHistogramMachine.settings = settings(max_examples=40, stateful_step_count=20, deadline=None)
