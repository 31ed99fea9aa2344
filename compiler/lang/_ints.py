"""Integers of declared width: u8 … u64, i8 … i64.

To a type checker they are `int`. At run time each is a `Width`: something to annotate a field with, and a callable
that wraps any integer into its range, two's complement where signed. The result is a plain `int`, so arithmetic on it
is exact again.

This file must not know: packets, maps, which operators of a filter are modular (that is the compiler's to decide).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, SupportsIndex, TypeAlias, final


@final
class Width:
    """A range of integers, -2**(bits-1) … 2**(bits-1)-1 where `signed`, else 0 … 2**bits-1."""

    __slots__ = ("_mask", "_sign", "bits", "name", "signed")

    def __init__(self, bits: int, signed: bool) -> None:
        self.bits: Final = bits
        self.signed: Final = signed
        self.name: Final = f"{'i' if signed else 'u'}{bits}"
        self._mask: Final = (1 << bits) - 1
        self._sign: Final = 1 << (bits - 1) if signed else 0

    @property
    def minimum(self) -> int:
        """Smallest member."""
        return -self._sign

    @property
    def maximum(self) -> int:
        """Largest member."""
        return self._mask - self._sign

    def __call__(self, value: SupportsIndex = 0, /) -> int:
        """`value` reduced modulo 2**bits into the range. TypeError where it is no integer."""
        return ((value.__index__() + self._sign) & self._mask) - self._sign

    def __contains__(self, value: int) -> bool:
        """Whether `value` needs no wrapping."""
        return self.minimum <= value <= self.maximum

    def __repr__(self) -> str:
        return self.name


if TYPE_CHECKING:
    u8: TypeAlias = int
    u16: TypeAlias = int
    u32: TypeAlias = int
    u64: TypeAlias = int
    i8: TypeAlias = int
    i16: TypeAlias = int
    i32: TypeAlias = int
    i64: TypeAlias = int
else:
    u8, u16, u32, u64 = (Width(bits, signed=False) for bits in (8, 16, 32, 64))
    i8, i16, i32, i64 = (Width(bits, signed=True) for bits in (8, 16, 32, 64))
