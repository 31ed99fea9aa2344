"""Values of maps: from what a filter stores to the integers of an entry's fields, and back as a reference.

This file must not know: map kinds, keys.
"""

from __future__ import annotations

from collections.abc import Iterable

from nmjit._ints import Width
from nmjit._struct import Record, StructField, StructSpec, place_record


class ValueSpec:
    """How values of type `declared` are held: as `fields`, one of them named '' where the value is a bare integer.

    `record` is the class of a value that is a struct, else None; `initial` what an entry that nobody stored holds.
    TypeError where `declared` is none of u8 … i64, a class made by `@struct`, or RateLimit; `owner` then says whose.
    """

    __slots__ = ("fields", "initial", "record")

    def __init__(self, declared: object, owner: str) -> None:
        if isinstance(declared, Width):
            self.record: type[Record] | None = None
            self.fields: StructSpec = (StructField("", declared),)
            self.initial: tuple[int, ...] = (0,)
        elif isinstance(declared, type) and issubclass(declared, Record):
            self.record = declared
            self.fields = declared.__struct__
            self.initial = tuple(default or 0 for default in declared.__defaults__)
        else:
            raise TypeError(f"{owner} holds u8 … i64, a @struct class or RateLimit, not {declared!r}")

    def stored(self, value: object) -> list[int]:
        """The integers to be stored for `value`, in a list of their own. TypeError where it is of another type."""
        if self.record is None and isinstance(value, int):
            return self.wrapped((value,))
        if isinstance(value, Record) and type(value) is self.record:
            return list(value._values)
        wanted = "int" if self.record is None else self.record.__name__
        raise TypeError(f"this map holds {wanted}, not {type(value).__name__}")

    def wrapped(self, entry: Iterable[int]) -> list[int]:
        """The stored integers of an entry, each wrapped. ValueError where the number of fields is another."""
        return [field.width(value) for field, value in zip(self.fields, entry, strict=True)]

    def present(self, values: list[int]) -> int | Record:
        """What a reader of the entry is given: a reference to `values`, or the bare integer."""
        return values[0] if self.record is None else place_record(self.record, values)

    def __repr__(self) -> str:
        return self.fields[0].width.name if self.record is None else self.record.__name__
