"""What ops carry besides operands: operators, byte orders, fields of the surroundings, places in the source, tables.

This file must not know: ops, values.
"""

from __future__ import annotations

from enum import Enum
from typing import NamedTuple, TypeAlias


class BinaryKind(Enum):
    """Exact integer operators; AND, OR and XOR also take two BOOLs. Their text form is the member's value."""

    ADD = "add"
    SUB = "sub"
    MUL = "mul"
    FLOORDIV = "floordiv"
    MOD = "floormod"
    AND = "and"
    OR = "or"
    XOR = "xor"
    SHL = "shl"
    SHR = "shr"
    MIN = "min"
    MAX = "max"


class Predicate(Enum):
    """Comparisons of two INTs; EQ and NE also of two BOOLs or two Bytes of one size."""

    EQ = "eq"
    NE = "ne"
    LT = "lt"
    LE = "le"
    GT = "gt"
    GE = "ge"

    @property
    def negated(self) -> Predicate:
        return _NEGATED[self]

    @property
    def swapped(self) -> Predicate:
        """The predicate that holds of (b, a) where this one holds of (a, b)."""
        return _SWAPPED[self]


_NEGATED = {
    Predicate.EQ: Predicate.NE,
    Predicate.NE: Predicate.EQ,
    Predicate.LT: Predicate.GE,
    Predicate.GE: Predicate.LT,
    Predicate.GT: Predicate.LE,
    Predicate.LE: Predicate.GT,
}
_SWAPPED = {
    Predicate.EQ: Predicate.EQ,
    Predicate.NE: Predicate.NE,
    Predicate.LT: Predicate.GT,
    Predicate.GT: Predicate.LT,
    Predicate.LE: Predicate.GE,
    Predicate.GE: Predicate.LE,
}


class ByteOrder(Enum):
    """Order of the bytes of an integer in the packet."""

    BIG = "be"
    LITTLE = "le"


class ContextField(Enum):
    """What a packet's surroundings say, all of type INT."""

    LENGTH = "length"
    """Bytes present, 0 … MAX_PACKET: the bound of every packet access."""
    ROOM = "room"
    """Most bytes that the packet may have after a push, LENGTH … MAX_PACKET."""
    WIRE_LENGTH = "wirelength"
    """Bytes on the wire, at least LENGTH, 0 … 2**32−1."""
    TIMESTAMP = "timestamp"
    """CLOCK_REALTIME nanoseconds, 0 … 2**64−1."""
    NOW = "now"
    """Monotonic nanoseconds, 0 … 2**64−1: the batch's clock when live, the packet's time offline."""
    PORT = "port"
    """Index of the port of arrival, 0 … 65535."""
    QUEUE = "queue"
    """Index of the receive queue, 0 … 65535."""


class Site(NamedTuple):
    """A place in the source that may raise: the line and column (1-based) at which CPython would.

    `guard` is the condition that, tested before it, would close the check; shown by `nmjit check`.
    """

    exception: str
    line: int
    column: int
    guard: str
    file: str = ""


class RangeTable(NamedTuple):
    """A set of integers as sorted, disjoint, non-adjacent inclusive ranges."""

    name: str
    ranges: tuple[tuple[int, int], ...]


class ValueTable(NamedTuple):
    """A constant array of integers, indexed from 0."""

    name: str
    values: tuple[int, ...]


Table: TypeAlias = RangeTable | ValueTable
