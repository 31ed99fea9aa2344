"""Packed keys and their hash: the definition that every engine and every other process on a map's memory keeps to.

A key's parts, each an integer of a declared size, stand one behind the other in little-endian order, without gaps, and
zeros fill the last 64-bit word. This file must not know: map kinds, addresses.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

MAX_KEY: Final = 64
"""Most bytes of a packed key."""
MASK: Final = 2**64 - 1
FIRST: Final = 0x9E37_79B9_7F4A_7C15
"""Multiplier of even words: 2**64 over the golden ratio, which spreads neighbouring keys evenly."""
SECOND: Final = 0xD6E8_FEB8_6659_FD93
"""Multiplier of odd words, any odd number with its bits well mixed."""


def pack_key(parts: Iterable[int], sizes: Iterable[int]) -> bytes:
    """The key whose parts take `sizes` bytes; each part modulo its size."""
    integers = zip(parts, sizes, strict=True)
    packed = b"".join((part % (1 << 8 * size)).to_bytes(size, "little") for part, size in integers)
    return packed + bytes(-len(packed) % 8)


def unpack_key(packed: bytes, sizes: Sequence[int], signs: Sequence[bool] | None = None) -> tuple[int, ...]:
    """The parts of a packed key; those that `signs` calls signed with their sign."""
    parts, start = [], 0
    for size, signed in zip(sizes, signs or (False,) * len(sizes), strict=True):
        parts.append(int.from_bytes(packed[start : start + size], "little", signed=signed))
        start += size
    return tuple(parts)


def fold(a: int, b: int) -> int:
    """Both halves of the 128-bit product of two 64-bit words, by exclusive or."""
    product = a * b
    return (product >> 64) ^ (product & MASK)


def key_hash(packed: bytes, seed: int = 0) -> int:
    """The u64 hash of a packed key: its words in pairs, the last alone where their number is odd."""
    words = [int.from_bytes(packed[start : start + 8], "little") for start in range(0, len(packed), 8)]
    value = seed
    for start in range(0, len(words), 2):
        odd = words[start + 1] if start + 1 < len(words) else 0
        value = fold(words[start] ^ FIRST ^ value, odd ^ SECOND)
    return fold(value ^ SECOND, FIRST)


def group_of(hashed: int, groups: int) -> int:
    """Which of `groups` groups of entries a key belongs to: the hash's upper half, scaled."""
    return ((hashed >> 32) * groups) >> 32


def tag_of(hashed: int) -> int:
    """The byte that stands for a key in its group's tags: 0x80 and the hash's lowest seven bits."""
    return 0x80 | (hashed & 0x7F)
