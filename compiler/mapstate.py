"""What the interpreter keeps for a map between packets: a small class for each family of kinds, over the definitions
in lang/.

Contents come and go as `entries()` of lang/_maps.py: tuples of integers in an order that every engine keeps to. Values
written are stored as they are, so they must have been wrapped to their fields.

This file must not know: ops, how maps are laid out in memory but for how many entries a table has room for.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from itertools import chain
from typing import Final

from nmjit._bloom import WORDS, block_of, masks
from nmjit._hash import key_hash, pack_key, unpack_key
from nmjit._rate import take
from nmjit._tables import HashTable, LpmTable, LruTable
from nmjit.compiler.irtypes import MapDecl, MapKind
from nmjit.compiler.maplayout import index_count

Entry = tuple[int, ...]


class MapState(ABC):
    """The contents of one map. `seed` is that of its keys' hashes."""

    def __init__(self, decl: MapDecl, seed: int = 0) -> None:
        self.decl: Final = decl
        self.seed: Final = seed

    @abstractmethod
    def load(self, entries: Iterable[Sequence[int]]) -> None:
        """Take over what `entries` returned, in place of all that is there. ValueError where it does not fit."""

    @abstractmethod
    def entries(self) -> list[Entry]:
        """The contents."""

    def _row(self, entry: Sequence[int], extra: int = 0) -> Entry:
        """An entry of `extra` numbers and the map's fields."""
        wanted = extra + len(self.decl.layout.fields)
        if len(entry) != wanted:
            raise ValueError(f"map {self.decl.name} has entries of {wanted} numbers, not {len(entry)}")
        return tuple(entry)


class EntryState(MapState):
    """A map of entries with fields, which are told by their place in the layout."""

    @abstractmethod
    def reached(self, index: int) -> bool:
        """Whether the present packet may read and write entry `index`."""

    @abstractmethod
    def read(self, index: int, place: int) -> int:
        """A field of an entry."""

    @abstractmethod
    def write(self, index: int, place: int, value: int) -> None:
        """Set a field of an entry."""

    def take(self, index: int, amount: int, now: int) -> bool:
        """Take tokens from the entry's bucket; whether there were so many."""
        credit, stamp, rate, burst = (self.read(index, place) for place in range(4))
        allowed, credit, stamp = take(credit, stamp, rate, burst, now, amount)
        self.write(index, 0, credit)
        self.write(index, 1, stamp)
        return allowed


class DenseState(EntryState):
    """ARRAY, COUNTER, HISTOGRAM: entries that are always there."""

    def __init__(self, decl: MapDecl) -> None:
        super().__init__(decl)
        self._width: Final = len(decl.layout.fields)
        self._cells = [0] * (decl.capacity * self._width)

    def reached(self, index: int) -> bool:
        return 0 <= index < self.decl.capacity

    def read(self, index: int, place: int) -> int:
        return self._cells[index * self._width + place]

    def write(self, index: int, place: int, value: int) -> None:
        self._cells[index * self._width + place] = value

    def load(self, entries: Iterable[Sequence[int]]) -> None:
        rows = list(entries)
        if len(rows) != self.decl.capacity or set(map(len, rows)) != {self._width}:
            raise ValueError(f"map {self.decl.name} has {self.decl.capacity} entries of {self._width} numbers")
        self._cells = list(chain.from_iterable(rows))

    def entries(self) -> list[Entry]:
        return list(zip(*[iter(self._cells)] * self._width, strict=True))


class FoundState(EntryState):
    """HASH, LRU, LPM: entries that a packet may touch once it has found them."""

    _table: HashTable | LruTable | LpmTable

    def __init__(self, decl: MapDecl, seed: int = 0) -> None:
        super().__init__(decl, seed)
        self._found: set[int] = set()

    def begin_packet(self) -> None:
        """Forget what the packet before found."""
        self._found.clear()

    def reached(self, index: int) -> bool:
        return index in self._found

    def read(self, index: int, place: int) -> int:
        return self._table.values[index][place]

    def write(self, index: int, place: int, value: int) -> None:
        self._table.values[index][place] = value

    def _note(self, index: int) -> int:
        if index >= 0:
            self._found.add(index)
        return index


class TableState(FoundState):
    """HASH, LRU."""

    _table: HashTable | LruTable

    def __init__(self, decl: MapDecl, seed: int = 0) -> None:
        super().__init__(decl, seed)
        if decl.kind is MapKind.LRU:
            self._table = LruTable(decl.capacity, seed)
        else:
            self._table = HashTable(decl.capacity, index_count(decl), seed)

    def begin_packet(self) -> None:
        super().begin_packet()
        self._table.begin_packet()

    def find(self, key: bytes, hashed: int, touch: bool) -> int:
        """Index of the entry of `key`, or −1."""
        return self._note(self._table.find(key, hashed, touch))

    def insert(self, key: bytes, hashed: int, values: Sequence[int]) -> int:
        """Index of the entry of `key`: the one it has or a new one; −1 where there is no room."""
        return self._note(self._table.insert(key, hashed, values))

    def delete(self, key: bytes, hashed: int) -> bool:
        """Whether there was an entry, which then is gone."""
        return self._note(self._table.delete(key, hashed)) >= 0

    def load(self, entries: Iterable[Sequence[int]]) -> None:
        parts = len(self.decl.key)
        self._table.clear()
        for entry in entries:
            row = self._row(entry, parts)
            key = pack_key(row[:parts], self.decl.key)
            self._table.begin_packet()
            if self._table.insert(key, key_hash(key, self.seed), row[parts:]) < 0:
                raise ValueError(f"map {self.decl.name} has room for {self.decl.capacity} entries")
        self.begin_packet()

    def entries(self) -> list[Entry]:
        values, sizes, signs = self._table.values, self.decl.key, self.decl.key_signs
        return [(*unpack_key(key, sizes, signs), *values[index]) for key, index in self._table.items()]


class LpmState(FoundState):
    """LPM."""

    _table: LpmTable

    def __init__(self, decl: MapDecl) -> None:
        super().__init__(decl)
        self._table = LpmTable(8 * decl.key[0], decl.capacity)

    def longest(self, address: int) -> int:
        """Index of the entry of the longest network that contains `address`, or −1."""
        return self._note(self._table.longest(address))

    def load(self, entries: Iterable[Sequence[int]]) -> None:
        self._table.clear()
        for entry in entries:
            address, length, *values = self._row(entry, 2)
            if self._table.insert(address, length, values) < 0:
                raise ValueError(f"map {self.decl.name} has room for {self.decl.capacity} networks")

    def entries(self) -> list[Entry]:
        return [(address, length, *self._table.values[index]) for address, length, index in self._table.items()]


class BloomState(MapState):
    """BLOOM."""

    def __init__(self, decl: MapDecl, seed: int = 0) -> None:
        super().__init__(decl, seed)
        self._blocks = [[0] * WORDS for _ in range(decl.capacity)]

    def test(self, hashed: int) -> bool:
        """Whether every bit of the hash is set."""
        block = self._blocks[block_of(hashed, self.decl.capacity)]
        return all(word & bit for word, bit in zip(block, masks(hashed), strict=True))

    def add(self, hashed: int) -> bool:
        """Set the hash's bits; whether one of them was not set."""
        new = not self.test(hashed)
        block = self._blocks[block_of(hashed, self.decl.capacity)]
        block[:] = [word | bit for word, bit in zip(block, masks(hashed), strict=True)]
        return new

    def load(self, entries: Iterable[Sequence[int]]) -> None:
        blocks = [list(entry) for entry in entries]
        if len(blocks) != self.decl.capacity or any(len(block) != WORDS for block in blocks):
            raise ValueError(f"map {self.decl.name} has {self.decl.capacity} blocks of {WORDS} words")
        self._blocks = blocks

    def entries(self) -> list[Entry]:
        return [tuple(block) for block in self._blocks]


class EventsState(MapState):
    """EVENTS: the records that nobody has read yet; `dropped` counts those that found no room."""

    def __init__(self, decl: MapDecl) -> None:
        super().__init__(decl)
        self._records: list[Entry] = []
        self.dropped = 0

    def emit(self, record: Entry) -> None:
        """Append a record, or count it as dropped."""
        if len(self._records) < self.decl.capacity:
            self._records.append(record)
        else:
            self.dropped += 1

    def load(self, entries: Iterable[Sequence[int]]) -> None:
        records = [self._row(entry) for entry in entries]
        if len(records) > self.decl.capacity:
            raise ValueError(f"map {self.decl.name} has room for {self.decl.capacity} records")
        self._records, self.dropped = records, 0

    def entries(self) -> list[Entry]:
        return list(self._records)


def new_state(decl: MapDecl, seed: int = 0) -> MapState:
    """An empty map; entries that are always there are 0."""
    match decl.kind:
        case MapKind.ARRAY | MapKind.COUNTER | MapKind.HISTOGRAM:
            return DenseState(decl)
        case MapKind.HASH | MapKind.LRU:
            return TableState(decl, seed)
        case MapKind.LPM:
            return LpmState(decl)
        case MapKind.BLOOM:
            return BloomState(decl, seed)
        case MapKind.EVENTS:
            return EventsState(decl)


def new_states(decls: Iterable[MapDecl]) -> dict[str, MapState]:
    """An empty map for each declaration, by name."""
    return {decl.name: new_state(decl) for decl in decls}
