"""Maps of a running filter as live Python mappings over the memory that compiled code writes.

What is read is what lies there now; an entry of several fields may be read while a worker changes it, field by field.
Integers are in the machine's byte order. This file must not know: programs, workers beyond their number, ports.
Definition of each kind: lang/_maps.py; layout: compiler/irtypes.py.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator, Mapping, MutableMapping
from typing import Final, TypeAlias

from nmjit.compiler.irtypes import MapDecl, MapKind, StoredField
from nmjit.runtime._engine import MapMemory

if sys.version_info >= (3, 11):
    from typing import assert_never
else:
    from typing_extensions import assert_never

CACHE_LINE: Final = 64
"""Bytes to which each worker's copy is aligned, so that no two workers write one line."""


class _Cells:
    """Entries of one layout in shared memory, `copies` times."""

    def __init__(self, decl: MapDecl, copies: int) -> None:
        self.decl = decl
        self.copies = copies
        self._stride = -(-max(decl.nbytes, 1) // CACHE_LINE) * CACHE_LINE
        self.memory = MapMemory(self._stride * copies, decl.name)
        self._bytes = memoryview(self.memory).cast("B")

    def address(self, copy: int) -> int:
        """Where copy number `copy` begins in this process."""
        return self.memory.address + copy * self._stride

    def _place(self, copy: int, index: int, field: StoredField) -> slice:
        start = copy * self._stride + index * self.decl.layout.size + field.offset
        return slice(start, start + field.scalar.size)

    def read(self, copy: int, index: int, field: StoredField) -> int:
        return int.from_bytes(self._bytes[self._place(copy, index, field)], sys.byteorder, signed=field.scalar.signed)

    def write(self, copy: int, index: int, field: StoredField, value: int) -> None:
        """Store `value`, wrapped to the field's width."""
        size = field.scalar.size
        self._bytes[self._place(copy, index, field)] = (value % (1 << 8 * size)).to_bytes(size, sys.byteorder)


class Entry(MutableMapping[str, int]):
    """One entry of several fields, live: reads and writes go to the map. KeyError for a field it does not have."""

    def __init__(self, cells: _Cells, index: int) -> None:
        self._cells = cells
        self._index = index

    def __getitem__(self, name: str) -> int:
        return self._cells.read(0, self._index, self._cells.decl.layout.field(name))

    def __setitem__(self, name: str, value: int) -> None:
        self._cells.write(0, self._index, self._cells.decl.layout.field(name), value)

    def __delitem__(self, name: str) -> None:
        raise TypeError("an entry has all its fields always")

    def __iter__(self) -> Iterator[str]:
        return (field.name for field in self._cells.decl.layout.fields)

    def __len__(self) -> int:
        return len(self._cells.decl.layout.fields)

    def __repr__(self) -> str:
        return f"Entry({dict(self)!r})"


class ArrayView(Mapping[int, int | Entry]):
    """An Array: keys 0 … capacity−1. Entries are integers, or `Entry` where they have fields with names."""

    def __init__(self, decl: MapDecl) -> None:
        self._cells = _Cells(decl, 1)
        self._bare = decl.layout.fields[0] if [field.name for field in decl.layout.fields] == [""] else None

    def address(self, worker: int) -> int:
        """What worker number `worker` is given as this map: one memory for all."""
        return self._cells.address(0)

    def _index(self, key: int) -> int:
        if not 0 <= key < self._cells.decl.capacity:
            raise IndexError(f"index {key} of an Array of {self._cells.decl.capacity}")
        return key

    def __getitem__(self, key: int) -> int | Entry:
        """IndexError outside 0 … capacity−1."""
        index = self._index(key)
        return self._cells.read(0, index, self._bare) if self._bare else Entry(self._cells, index)

    def __setitem__(self, key: int, value: int | Mapping[str, int]) -> None:
        """Copy `value` in, wrapped. TypeError where it is not of the entries' form, KeyError for an unknown field."""
        index = self._index(key)
        match value:
            case int() if self._bare:
                self._cells.write(0, index, self._bare, value)
            case Mapping() if not self._bare:
                Entry(self._cells, index).update(value)
            case _:
                raise TypeError(f"{self._cells.decl.name} does not hold {type(value).__name__}")

    def __iter__(self) -> Iterator[int]:
        return iter(range(self._cells.decl.capacity))

    def __len__(self) -> int:
        return self._cells.decl.capacity

    def entries(self) -> list[tuple[int, ...]]:
        """Stored values of each entry's fields, by index."""
        layout = self._cells.decl.layout.fields
        return [tuple(self._cells.read(0, index, field) for field in layout) for index in self]

    def load(self, entries: Iterable[tuple[int, ...]]) -> None:
        """Take over what `entries` gave, here or on the map in `lang`. ValueError where the numbers do not agree."""
        for index, entry in zip(self, entries, strict=True):
            for field, value in zip(self._cells.decl.layout.fields, entry, strict=True):
                self._cells.write(0, index, field, value)


class CounterView(Mapping[int, int]):
    """A Counter, summed over workers: a key never counted reads as 0, and only others are iterated and counted.

    A sum wraps as the counts do. KeyError for a key outside the counter's range.
    """

    def __init__(self, decl: MapDecl, workers: int) -> None:
        self._cells = _Cells(decl, workers)
        self._field = decl.layout.fields[0]

    def address(self, worker: int) -> int:
        """What worker number `worker` is given as this map: a copy of its own."""
        return self._cells.address(worker)

    def _sum(self, index: int) -> int:
        counts = (self._cells.read(copy, index, self._field) for copy in range(self._cells.copies))
        return sum(counts) % (1 << 8 * self._field.scalar.size)

    def __getitem__(self, key: int) -> int:
        index = key - self._cells.decl.key_base
        if not 0 <= index < self._cells.decl.capacity:
            raise KeyError(key)
        return self._sum(index)

    def __contains__(self, key: object) -> bool:
        """Whether the key was ever counted."""
        return isinstance(key, int) and self.get(key, 0) != 0

    def __iter__(self) -> Iterator[int]:
        return (index + self._cells.decl.key_base for index in range(self._cells.decl.capacity) if self._sum(index))

    def __len__(self) -> int:
        return sum(1 for _ in self)

    def entries(self) -> list[tuple[int, ...]]:
        """The sum of each index."""
        return [(self._sum(index),) for index in range(self._cells.decl.capacity)]

    def load(self, entries: Iterable[tuple[int, ...]]) -> None:
        """Take over what `entries` gave: the first worker's copy holds it all. ValueError where the numbers differ."""
        for index, (count,) in zip(range(self._cells.decl.capacity), entries, strict=True):
            for copy in range(self._cells.copies):
                self._cells.write(copy, index, self._field, 0 if copy else count)


LiveMap: TypeAlias = ArrayView | CounterView


def live_map(decl: MapDecl, workers: int = 1) -> LiveMap:
    """Zeroed memory for the map that `decl` declares, used by `workers` workers, as a mapping."""
    match decl.kind:
        case MapKind.ARRAY:
            return ArrayView(decl)
        case MapKind.COUNTER:
            return CounterView(decl, workers)
        case _:
            assert_never(decl.kind)
