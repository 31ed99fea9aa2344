"""What the benchmark of maps measures, as data: filters that keep state, how many keys, how they come.

This file must not know how an engine is built or timed.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Final

import numpy as np
import numpy.typing as npt

Keys = npt.NDArray[np.uint32]


class Kind(Enum):
    """What a case's filter looks up."""

    FLOWS = "flows"
    """addresses and ports, in a map of counters; a key is a flow's number"""
    ROUTES = "routes"
    """the destination, in a table of prefixes; a key is an address"""
    LIMIT = "limit"
    """the source, in a map of token buckets; a key is a source's number"""
    NAT = "nat"
    """a flow, for the source that its packets leave with; a key is a flow's number"""


@dataclass(frozen=True, slots=True)
class Case:
    """`size` flows, sources or prefixes. Flows come uniformly, or by Zipf's law where `zipf`.

    `kernel`: the kernel's own map is measured beside it.
    """

    name: str
    kind: Kind
    size: int
    zipf: bool = False
    kernel: bool = False

    @property
    def rewrites(self) -> bool:
        """Whether a packet that was seen is another packet afterwards, so that it cannot be seen again."""
        return self.kind is Kind.NAT

    def keys(self, count: int, generator: np.random.Generator) -> Keys:
        """Keys of `count` packets."""
        if self.kind is Kind.ROUTES:
            return generator.integers(0, 1 << 32, count, dtype=np.uint32)
        if not self.zipf:
            return generator.integers(0, self.size, count, dtype=np.uint32)
        # Inverse of the harmonic sum's approximation: P(rank) ~ 1/rank. Ranks are scattered over the numbers.
        ranks = np.exp(generator.random(count) * np.log(self.size)).astype(np.uint64)
        scattered: Keys = ((ranks * 2_654_435_761) % self.size).astype(np.uint32)
        return scattered


_LENGTHS: Final = (
    (8, 0.0003), (12, 0.0005), (14, 0.001), (16, 0.015), (17, 0.009), (18, 0.016), (19, 0.028), (20, 0.045),
    (21, 0.05), (22, 0.11), (23, 0.09), (24, 0.62), (25, 0.003), (26, 0.003), (28, 0.003), (30, 0.003), (32, 0.0032),
)  # fmt: skip
"""Shares of prefix lengths, about as in the Internet's routing table, with some longer ones."""


@dataclass(frozen=True, slots=True)
class Routes:
    """Prefixes without repeats, shorter ones first: network, length and next hop of each."""

    networks: Keys
    lengths: npt.NDArray[np.uint8]
    hops: Keys


def make_routes(size: int, seed: int) -> Routes:
    """About `size` random prefixes of the usual lengths."""
    generator = np.random.default_rng(seed)
    lengths, shares = np.array([n for n, _ in _LENGTHS]), np.array([share for _, share in _LENGTHS])
    chosen = generator.choice(lengths, size, p=shares / shares.sum()).astype(np.uint64)
    networks = generator.integers(0, 1 << 32, size, dtype=np.uint64)
    networks = networks >> (32 - chosen) << (32 - chosen)
    unique = np.unique(chosen << np.uint64(32) | networks)  # sorted by length, then network
    hops = generator.integers(0, 256, unique.size, dtype=np.uint32)
    return Routes((unique & np.uint64(0xFFFF_FFFF)).astype(np.uint32), (unique >> np.uint64(32)).astype(np.uint8), hops)


@dataclass(frozen=True, slots=True)
class Translations:
    """What a NAT holds: the key of each flow, and the source that its packets get.

    A key is two words as a packet's bytes are: both addresses; both ports, the protocol and three zeros.
    """

    keys: npt.NDArray[np.uint64]
    addresses: Keys
    ports: npt.NDArray[np.uint16]


_PUBLIC: Final = 0xC633_6401
_PORTS: Final = 64_512


def make_translations(keys: npt.NDArray[np.uint64]) -> Translations:
    """A public port of its own for each flow, and as many public addresses as that takes."""
    numbers = np.arange(len(keys), dtype=np.uint32)
    ports = (1_024 + numbers % _PORTS).astype(np.uint16)
    return Translations(keys, numbers // np.uint32(_PORTS) + np.uint32(_PUBLIC), ports)


Contents = Routes | Translations | None
"""What a table holds before the first packet; None where the packets fill it."""

RATE: Final = 10
BURST: Final = 4
"""Tokens a second and at once of the rate limiting case: small, so that some packets are dropped in every layout."""

CASES: Final = (
    Case("flows-64k", Kind.FLOWS, 1 << 16, kernel=True),
    Case("flows-1m", Kind.FLOWS, 1 << 20, kernel=True),
    Case("flows-1m-zipf", Kind.FLOWS, 1 << 20, zipf=True),
    Case("flows-16m", Kind.FLOWS, 1 << 24),
    Case("flows-16m-zipf", Kind.FLOWS, 1 << 24, zipf=True),
    Case("routes-100k", Kind.ROUTES, 100_000, kernel=True),
    Case("routes-900k", Kind.ROUTES, 900_000),
    Case("limit-64k", Kind.LIMIT, 1 << 16),
    Case("nat-64k", Kind.NAT, 1 << 16),
)
