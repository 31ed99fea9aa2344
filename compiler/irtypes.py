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
MAX_PUSH: Final = 128
"""Most bytes that one `push` adds."""
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
    """Kinds of map. What each is to a filter: lang/_maps.py; how its memory is laid out: maplayout.py."""

    ARRAY = "array"
    """Entries 0 … capacity−1 of a layout, always present."""
    COUNTER = "counter"
    """One u64 for each key of a small range, a copy for each worker, summed when read."""
    HISTOGRAM = "histogram"
    """As COUNTER; the index is a LogBucket."""
    HASH = "hash"
    """Keys to entries, at most `capacity` of them."""
    LRU = "lru"
    """As HASH, but a full set gives up an entry (second chance) instead of refusing."""
    LPM = "lpm"
    """Networks to entries; an address finds the longest that contains it."""
    BLOOM = "bloom"
    """A set of keys that forgets none and may take a stranger for a member; `capacity` counts blocks."""
    EVENTS = "events"
    """A ring of `capacity` records to user space, one for each worker."""

    def __str__(self) -> str:
        return self.value


_SIGNED: Final = frozenset(("i8", "i16", "i32", "i64"))


@dataclass(frozen=True, slots=True)
class MapDecl:
    """One map of a program: `capacity` entries of `layout`.

    COUNTER and HISTOGRAM have one copy for each worker; `key_base` is the key that lies at index 0 (ARRAY, COUNTER).
    `key` holds the size in bytes (1, 2, 4, 6, 8 or 16) of each part of a key of HASH, LRU and BLOOM; of an LPM, the
    size of an address. `detail` is the kind's own number: bits of precision of a HISTOGRAM, else 0. `key_types` names
    what each part is to a user (`IPv4Address`, `u16` …), and `field_types` what each field is (`int`, `bool`, or an
    address), for views from outside; the text form leaves the latter out.
    """

    name: str
    kind: MapKind
    layout: Layout
    capacity: int
    key_base: int = 0
    key: tuple[int, ...] = ()
    detail: int = 0
    key_types: tuple[str, ...] = ()
    field_types: tuple[str, ...] = ()

    @property
    def key_signs(self) -> tuple[bool, ...]:
        """Whether each part of a key is signed: `i8` … `i64` are."""
        return tuple(name in _SIGNED for name in self.key_types) or (False,) * len(self.key)

    @property
    def key_size(self) -> int:
        """Bytes of a packed key, a multiple of 8; 0 where the kind has none."""
        return -(-sum(self.key) // 8) * 8
