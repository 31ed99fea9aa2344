"""The Internet checksum: computed whole (RFC 1071) and updated for a change (RFC 1624, equation 3).

Plain functions on integers; words are 16 bits, big endian. Compiled code agrees with them bit for bit, zeros included.
This file must not know: packets, headers, which bytes a checksum covers.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final, TypeAlias

Bytes: TypeAlias = bytes | bytearray
WORD: Final = 0xFFFF
"""Largest 16-bit word."""


def words(data: Bytes) -> list[int]:
    """The 16-bit words of `data`; a last odd byte is the high half of a word (RFC 1071 section 1)."""
    even = len(data) & ~1
    result = [data[i] << 8 | data[i + 1] for i in range(0, even, 2)]
    return [*result, data[-1] << 8] if len(data) & 1 else result


def fold(total: int) -> int:
    """A sum of words reduced to 16 bits by adding the carries back, until none is left. 0 only where `total` is 0."""
    while total > WORD:
        total = (total & WORD) + (total >> 16)
    return total


def checksum(data: Bytes, initial: int = 0) -> int:
    """Complement of the one's complement sum of `data`'s words and `initial`, a sum of words before it."""
    return ~fold(initial + sum(words(data))) & WORD


def pseudo_header(source: Bytes, destination: Bytes, protocol: int, length: int) -> int:
    """Sum of a pseudo-header's words (RFC 768, RFC 9293 section 3.1, RFC 8200 section 8.1), not folded.

    Addresses are 4 or 16 bytes as sent; `length` in bytes of the upper-layer header and its data.
    """
    return sum(words(source)) + sum(words(destination)) + protocol + (length >> 16) + (length & WORD)


def update(old_sum: int, old_words: Iterable[int], new_words: Iterable[int]) -> int:
    """The checksum after `old_words` became `new_words`: HC' = ~(~HC + ~m + m'), all words in one sum.

    Equal words are no shortcut: the result is then `old_sum`, save that 0xFFFF comes out as 0.
    """
    total = (~old_sum & WORD) + sum(~word & WORD for word in old_words) + sum(new_words)
    return ~fold(total) & WORD
