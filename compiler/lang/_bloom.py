"""Bloom filters in blocks: a set of keys that forgets none and may take a stranger for a member.

A key sets one bit in each of the eight 32-bit words of one block, so that it costs one line of cache.
Source: F. Putze, P. Sanders, J. Singler, "Cache-, Hash- and Space-Efficient Bloom Filters", 2007 (blocks); the salts
are of this file.

This file must not know: packets, shared memory.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Final, Generic, TypeVar, cast, final

from nmjit._hash import group_of, key_hash
from nmjit._ints import Width, u32
from nmjit._keys import KeySpec
from nmjit._struct import StructField, StructSpec

WORDS: Final = 8
"""Words of a block, and bits that a key sets."""
WORD_BITS: Final = 32
SALTS: Final = (
    0x6A09E667, 0xBB67AE85, 0x3C6EF373, 0xA54FF53B, 0x510E527F, 0x9B05688D, 0x1F83D9AB, 0x5BE0CD19,
)  # fmt: skip
"""First 32 bits of the fractions of the square roots of 2, 3, 5 … 19, made odd."""
MIN_ERROR: Final = 1e-9
"""Smallest rate of strangers taken for members that may be asked for."""


def error_rate(load: float) -> float:
    """How often a stranger is taken for a member where a block has `load` keys on average."""
    # Keys fall on blocks by Poisson's law; of k keys, a word has each bit clear with probability (31/32)**k.
    clear = 1 - 1 / WORD_BITS
    return math.fsum((-1) ** j * math.comb(WORDS, j) * math.exp(-load * (1 - clear**j)) for j in range(WORDS + 1))


def block_count(capacity: int, error: float) -> int:
    """Fewest blocks with which `capacity` keys let through at most a share `error` of strangers.

    ValueError where there is no key, or `error` is not within 10**-9 … 1 (1 excluded).
    """
    if capacity < 1:
        raise ValueError(f"a Bloom filter is made for at least one key, not {capacity}")
    if not MIN_ERROR <= error < 1:
        raise ValueError(f"an error rate lies within {MIN_ERROR} … 1, not at {error}")
    enough = 1
    while error_rate(capacity / enough) > error:
        enough *= 2
    short = enough // 2
    while enough - short > 1:
        middle = (short + enough) // 2
        if error_rate(capacity / middle) > error:
            short = middle
        else:
            enough = middle
    return enough


def block_of(hashed: int, blocks: int) -> int:
    """The block of a key: the hash's upper half, scaled."""
    return group_of(hashed, blocks)


def masks(hashed: int) -> tuple[int, ...]:
    """The bit that a key sets in each of its block's eight words, by the hash's lower half."""
    low = hashed & 0xFFFF_FFFF
    return tuple(1 << ((low * salt & 0xFFFF_FFFF) >> 27) for salt in SALTS)


K = TypeVar("K")


@final
class Bloom(Generic[K]):
    """A set that forgets no key, and with up to `capacity` keys takes at most a share `error` of strangers for members.

    `key` is a type of key as of a HashMap. Nothing can be taken out but by `reset`. `keys` is the number of keys it is
    made for, the attribute `capacity` that of its blocks, each an entry of eight u32 words. TypeError where `key` is no
    type of a key, ValueError where `capacity` is less than 1 or `error` is not within 10**-9 … 1.
    """

    fields: StructSpec = tuple(StructField(f"word{n}", cast(Width, u32)) for n in range(WORDS))

    def __init__(self, key: type[K], capacity: int, error: float = 0.01) -> None:
        self.key_spec: Final = KeySpec(key)
        self.keys: Final = capacity
        self.error: Final = error
        self.capacity: Final = block_count(capacity, error)
        self._blocks = [[0] * WORDS for _ in range(self.capacity)]

    def add(self, key: K) -> bool:
        """Make `key` a member; whether it certainly was none before. TypeError and OverflowError as for a HashMap."""
        block, bits = self._find(key)
        new = any(not word & bit for word, bit in zip(block, bits, strict=True))
        block[:] = [word | bit for word, bit in zip(block, bits, strict=True)]
        return new

    def __contains__(self, key: K) -> bool:
        """Whether `key` may be a member; False only where it certainly is none."""
        block, bits = self._find(key)
        return all(word & bit for word, bit in zip(block, bits, strict=True))

    def _find(self, key: K) -> tuple[list[int], tuple[int, ...]]:
        hashed = key_hash(self.key_spec.packed(key))
        return self._blocks[block_of(hashed, self.capacity)], masks(hashed)

    def entries(self) -> list[tuple[int, ...]]:
        """The eight words of each block, in order."""
        return [tuple(block) for block in self._blocks]

    def load(self, entries: Iterable[tuple[int, ...]]) -> None:
        """Take over what `entries` returned. ValueError where the number of blocks or words is another."""
        taken = [[field.width(word) for field, word in zip(self.fields, entry, strict=True)] for entry in entries]
        if len(taken) != self.capacity:
            raise ValueError(f"needs {self.capacity} blocks, not {len(taken)}")
        self._blocks = taken

    def reset(self) -> None:
        """Forget every key."""
        self._blocks = [[0] * WORDS for _ in range(self.capacity)]

    def __repr__(self) -> str:
        return f"Bloom({self.key_spec}, {self.keys}, {self.error})"
