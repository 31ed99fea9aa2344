"""Types of the IR: what a value is, and how stored state is laid out in bytes.

`Int` is an exact Python integer. The machine width of an integer is no part of its type: it follows from the range
that the verifier attaches to the value. Layouts (`Scalar`, `Layout`) describe bytes shared with C, so they do have
widths; they use the machine's own byte order.

This file must not know: ops, Python objects of the filter, LLVM.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Final, TypeAlias

WINDOW_MIN: Final = -(2**63)
"""Smallest integer that an operator of the language may yield (language.md, Values)."""
WINDOW_MAX: Final = 2**64 - 1
"""Largest integer that an operator of the language may yield."""
MAX_PACKET: Final = 65_535
"""Most bytes of one packet that a filter sees, netmap's limit for a slot; accessors cut longer ones to it."""
MAX_SNAPSHOT: Final = 64
"""Longest `Bytes` value, in bytes."""


class Basic(Enum):
    """The types that take no parameter."""

    INT = "int"
    BOOL = "bool"
    VOID = "void"

    def __str__(self) -> str:
        return self.value


@dataclass(frozen=True, slots=True)
class Bytes:
    """A snapshot of `size` bytes, 1 to 64, in the order in which they lay in the packet."""

    size: int

    def __str__(self) -> str:
        return f"bytes{self.size}"


Type: TypeAlias = Basic | Bytes

INT: Final = Basic.INT
BOOL: Final = Basic.BOOL
VOID: Final = Basic.VOID


@dataclass(frozen=True, slots=True)
class Scalar:
    """A stored integer of `size` bytes (1, 2, 4, 8 or 16)."""

    size: int
    signed: bool = False

    def __str__(self) -> str:
        return f"{'i' if self.signed else 'u'}{self.size * 8}"


@dataclass(frozen=True, slots=True)
class StoredField:
    """A named scalar `offset` bytes into its layout."""

    name: str
    offset: int
    scalar: Scalar


@dataclass(frozen=True, slots=True)
class Layout:
    """A stored record: fields in order, its size and alignment in bytes. A bare scalar is one field named ''."""

    fields: tuple[StoredField, ...]
    size: int
    align: int

    @classmethod
    def of(cls, members: tuple[tuple[str, Scalar], ...]) -> Layout:
        """Lay `members` out in order, each at its natural alignment, as a C compiler does for x86-64 and AArch64."""
        fields: list[StoredField] = []
        end, align = 0, 1
        for name, scalar in members:
            natural = min(scalar.size, 8)
            end = -(-end // natural) * natural
            fields.append(StoredField(name, end, scalar))
            end += scalar.size
            align = max(align, natural)
        return cls(tuple(fields), -(-end // align) * align, align)

    def field(self, name: str) -> StoredField:
        """The field called `name`; KeyError where there is none."""
        for field in self.fields:
            if field.name == name:
                return field
        raise KeyError(name)


class MapKind(Enum):
    """Kinds of map that the IR can address by entry index."""

    ARRAY = "array"
    COUNTER = "counter"

    def __str__(self) -> str:
        return self.value


@dataclass(frozen=True, slots=True)
class MapDecl:
    """One map of a program: `capacity` entries of `layout`, addressed by index 0 … capacity−1.

    A COUNTER has one copy for each worker; its `key_base` is the key that lies at index 0.
    """

    name: str
    kind: MapKind
    layout: Layout
    capacity: int
    key_base: int = 0

    @property
    def nbytes(self) -> int:
        """Bytes of one copy."""
        return self.layout.size * self.capacity
