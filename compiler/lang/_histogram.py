"""Histograms whose buckets grow with the values: as wide as one value in 2**precision of those that they hold.

Values below 2**precision have a bucket each; from there on, each doubling of the value is cut into 2**precision equal
buckets. Source: G. Tene, HdrHistogram (the log-linear layout), reckoned anew for powers of two.

This file must not know: packets, shared memory, workers.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final, final

from nmjit._dense import COUNT, DenseMap
from nmjit._struct import StructField

VALUE_BITS: Final = 64
"""Values are below 2**64."""
MAX_PRECISION: Final = 12
_MILLIONTHS: Final = 1_000_000


def log_bucket(value: int, precision: int) -> int:
    """Index of the bucket that `value`, 0 … 2**64−1, falls into."""
    if value < 1 << precision:
        return value
    exponent = value.bit_length() - 1 - precision
    return ((exponent + 1) << precision) + (value >> exponent) - (1 << precision)


def bucket_count(precision: int) -> int:
    """Number of buckets for all values."""
    return (VALUE_BITS + 1 - precision) << precision


def bucket_bounds(index: int, precision: int) -> tuple[int, int]:
    """The smallest and the largest value that fall into bucket `index`."""
    if index < 1 << precision:
        return index, index
    exponent = (index >> precision) - 1
    first = ((index & (1 << precision) - 1) + (1 << precision)) << exponent
    return first, first + (1 << exponent) - 1


@final
class Histogram(DenseMap[tuple[int, int], int]):
    """How often values of 0 … 2**64−1 came, in buckets: a mapping of (smallest, largest value) to a u64 count.

    A bucket spans at most a share of 2**-precision of its values; `precision`, 1 … 12, is kept as `detail`. Iteration,
    length and `in` see the buckets that are not empty, from the smallest value on; an empty one reads as 0, and what is
    no bucket is a KeyError. ValueError for any other precision.
    """

    def __init__(self, precision: int = 7) -> None:
        if not 1 <= precision <= MAX_PRECISION:
            raise ValueError(f"a Histogram's precision is 1 … {MAX_PRECISION} bits, not {precision}")
        self.detail: Final = precision
        self.fields = (StructField("", COUNT),)
        self.capacity = bucket_count(precision)
        self.key_base: Final = 0
        self._counts: dict[int, int] = {}

    def add(self, value: int) -> None:
        """Count `value`. OverflowError unless 0 ≤ value < 2**64."""
        if not 0 <= value.__index__() < 1 << VALUE_BITS:
            raise OverflowError(f"{value} is not within 0 … 2**64-1")
        index = log_bucket(value, self.detail)
        self._load_entry(index, (self._counts.get(index, 0) + 1,))

    @property
    def count(self) -> int:
        """Number of values counted."""
        return sum(self._counts.values())

    def percentile(self, share: float) -> int:
        """The value which at least `share` percent of all values do not exceed, taken as its bucket's largest.

        `share` counts to a millionth of a percent; 0 gives the bucket of the smallest value. ValueError unless it is
        within 0 … 100, or where nothing was counted.
        """
        if not 0 <= share <= 100:
            raise ValueError(f"a percentile is within 0 … 100, not {share}")
        rank = -(-round(share * _MILLIONTHS) * self.count // (100 * _MILLIONTHS))
        for index in sorted(self._counts):
            rank -= self._counts[index]
            if rank <= 0:
                return bucket_bounds(index, self.detail)[1]
        raise ValueError("nothing was counted")

    def mean_bounds(self) -> tuple[float, float]:
        """The smallest and the largest mean that the values may have. ValueError where nothing was counted."""
        if not (total := self.count):
            raise ValueError("nothing was counted")
        low = sum(first * count for (first, _), count in self.items())
        high = sum(last * count for (_, last), count in self.items())
        return low / total, high / total

    def _index(self, bucket: tuple[int, int]) -> int:
        first = bucket[0]
        if 0 <= first < 1 << VALUE_BITS:
            index = log_bucket(first, self.detail)
            if bucket_bounds(index, self.detail) == bucket:
                return index
        raise KeyError(bucket)

    def __getitem__(self, bucket: tuple[int, int]) -> int:
        return self._counts.get(self._index(bucket), 0)

    def _load_entry(self, index: int, entry: tuple[int, ...]) -> None:
        if count := COUNT(entry[0]):
            self._counts[index] = count
        else:
            self._counts.pop(index, None)

    def __iter__(self) -> Iterator[tuple[int, int]]:
        return (bucket_bounds(index, self.detail) for index in sorted(self._counts))

    def __len__(self) -> int:
        return len(self._counts)

    def __contains__(self, bucket: object) -> bool:
        return any(bucket == bucket_bounds(index, self.detail) for index in self._counts)

    def reset(self) -> None:
        """Set every count to 0."""
        self._counts.clear()

    def entries(self) -> list[tuple[int, ...]]:
        return [(self._counts.get(index, 0),) for index in range(self.capacity)]

    def __repr__(self) -> str:
        return f"Histogram({self.detail})"
