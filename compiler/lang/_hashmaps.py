"""HashMap and LruHashMap: entries under keys, as mappings. What a filter may do with them: docs/semantics.md, "Maps".

The tables behind them are `_tables.py`'s; here keys and values become integers, and a packet's turn ends the holding of
entries that the packet before it met. This file must not know: packets, shared memory, workers.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import ItemsView, Iterable, Iterator, MutableMapping, ValuesView
from typing import Any, Final, Generic, TypeVar, cast, final

from nmjit._context import PacketRun, current_run
from nmjit._hash import key_hash, pack_key
from nmjit._keys import KeySpec
from nmjit._struct import Record, StructSpec
from nmjit._tables import HashTable, LruTable
from nmjit._values import ValueSpec

K = TypeVar("K")
V = TypeVar("V")

DEAD_ROOM: Final = 1 << 20
"""Slots of a HashMap beyond its capacity: as many as a packet may run operations, so deleted entries never count."""


class MapFull(Exception):
    """An insertion found no room: a HashMap or LpmTrie has all its entries, or a packet holds a whole set of an LRU."""


class KeyedMap(MutableMapping[K, V]):
    """What HashMap and LruHashMap share.

    `m[k]` of a struct is a reference to the entry; `m[k] = v` copies `v` in, wrapped, in place where the key has one. A
    key of another type is a TypeError, an integer in it that exceeds its width an OverflowError, in every operation.
    Until a packet ends, no entry that it found, made or deleted goes to another key; outside a packet nothing is held.

    `key_spec` and `fields` describe what an entry holds, `record` is the class of its value, None where that is a bare
    integer. `inserted`, `deleted`, `evicted` and `failed` count what became of entries since the start or `reset`.
    """

    key_spec: KeySpec
    fields: StructSpec
    record: type[Record] | None
    capacity: int
    __hash__ = object.__hash__  # maps are program objects: each is itself

    def __init__(self, key: type[K], value: type[V], capacity: int) -> None:
        name = type(self).__name__
        self.key_spec = KeySpec(key)
        self._spec = ValueSpec(value, f"a {name}")
        self.fields = self._spec.fields
        self.record = self._spec.record
        if capacity < 1:
            raise ValueError(f"a {name} has room for at least one entry, not {capacity}")
        self.capacity = capacity
        self._run: PacketRun | None = None
        self._table = self._new_table()

    @abstractmethod
    def _new_table(self) -> HashTable | LruTable:
        """A table without entries, for the capacity declared."""

    def __eq__(self, other: object) -> bool:
        return self is other

    def _current(self) -> HashTable | LruTable:
        """The table, holding what the current packet has met and nothing else."""
        run = current_run()
        if run is None or run is not self._run:
            self._table.begin_packet()
            self._run = run
        return self._table

    def _find(self, key: object, touch: bool) -> int:
        packed = self.key_spec.packed(key)
        table = self._current()
        return table.find(packed, key_hash(packed, table.seed), touch)

    def _insert(self, packed: bytes, values: list[int]) -> int:
        index = self._table.insert(packed, key_hash(packed, self._table.seed), values)
        if index < 0:
            raise MapFull(f"no room for {self._key(packed)!r} in {self!r}")
        return index

    def _present(self, index: int) -> V:
        return cast(V, self._spec.present(self._table.values[index]))

    def _key(self, packed: bytes) -> K:
        return cast(K, self.key_spec.key(self.key_spec.unpacked(packed)))

    # Mapping

    def __getitem__(self, key: K) -> V:
        """The entry of `key`, which is touched; KeyError where it has none."""
        index = self._find(key, touch=True)
        if index < 0:
            raise KeyError(key)
        return self._present(index)

    def __setitem__(self, key: K, value: V) -> None:
        """Copy `value` into the entry of `key`, in place where it has one. MapFull where there is no room."""
        values = self._spec.stored(value)
        index = self._find(key, touch=True)
        if index < 0:
            self._insert(self.key_spec.packed(key), values)
        else:
            self._table.values[index][:] = values

    def __delitem__(self, key: K) -> None:
        """Take the entry of `key` out; KeyError where it has none. References to it stay good, and are its own."""
        packed = self.key_spec.packed(key)
        table = self._current()
        if table.delete(packed, key_hash(packed, table.seed)) < 0:
            raise KeyError(key)

    def setdefault(self, key: K, default: V) -> V:
        """The entry of `key`, touched; where it has none, a new one with a copy of `default`. MapFull as above."""
        values = self._spec.stored(default)
        index = self._find(key, touch=True)
        return self._present(index if index >= 0 else self._insert(self.key_spec.packed(key), values))

    def __contains__(self, key: object) -> bool:
        """Whether `key` has an entry, which is not touched."""
        return self._find(key, touch=False) >= 0

    def __len__(self) -> int:
        return len(self._table)

    def __iter__(self) -> Iterator[K]:
        """The keys there are at this moment, in the order of `entries`. Nothing is touched."""
        return iter([self._key(packed) for packed, _ in self._table.items()])

    def items(self) -> ItemsView[K, V]:
        """Keys with entries, without touching them; `dict(m)` does touch, `dict(m.items())` does not."""
        return _Items(self)

    def values(self) -> ValuesView[V]:
        """The entries, without touching them."""
        return _Values(self)

    def _pairs(self) -> Iterator[tuple[K, V]]:
        return iter([(self._key(packed), self._present(index)) for packed, index in self._table.items()])

    def clear(self) -> None:
        """Delete every entry."""
        self._table.clear()

    # Contents and counters

    def entries(self) -> list[tuple[int, ...]]:
        """Key parts and field values of each entry, as integers.

        Those of a HashMap stand in order of insertion, those of an LruHashMap in that of sets and ways.
        """
        table = self._table
        return [self.key_spec.unpacked(key) + tuple(table.values[index]) for key, index in table.items()]

    def load(self, entries: Iterable[tuple[int, ...]]) -> None:
        """Take over what `entries` returned, after a `reset`. ValueError for another shape, MapFull as for a store."""
        parts = len(self.key_spec.sizes)
        taken = [tuple(entry) for entry in entries]
        if any(len(entry) != parts + len(self.fields) for entry in taken):
            raise ValueError(f"needs entries of {parts} key parts and {len(self.fields)} fields each")
        self.reset()
        for entry in taken:
            self._insert(pack_key(entry[:parts], self.key_spec.sizes), self._spec.wrapped(entry[parts:]))
            self._table.begin_packet()

    def reset(self) -> None:
        """Begin anew, without entries and with counters at 0."""
        self._table = self._new_table()

    @property
    def inserted(self) -> int:
        """Entries made."""
        return self._table.inserted

    @property
    def deleted(self) -> int:
        """Entries deleted, those of `clear` included."""
        return self._table.deleted

    @property
    def evicted(self) -> int:
        """Entries given up to make room."""
        return self._table.evicted

    @property
    def failed(self) -> int:
        """Insertions that found no room."""
        return self._table.failed

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.key_spec}, {self._spec}, {self.capacity})"


@final
class HashMap(KeyedMap[K, V]):
    """At most `capacity` entries under keys; an insertion beyond them raises MapFull and is counted as `failed`.

    `key` is u8 … i64, bool, IPv4Address, IPv6Address, Mac, a `@struct` class, or a flat `tuple[…]` of types other than
    structs, of at most 64 bytes; `value` is u8 … i64, a `@struct` class or RateLimit. TypeError where either is none of
    these, ValueError where `capacity` is less than 1. It follows `dict`: KeyError for a missing key, iteration in order
    of insertion.
    """

    def _new_table(self) -> HashTable:
        return HashTable(self.capacity, self.capacity + DEAD_ROOM)


@final
class LruHashMap(KeyedMap[K, V]):
    """Entries under keys, in capacity/16 sets (rounded up) of 16; a full set gives up one not used lately.

    `[]`, `get` and `setdefault` and a store mark an entry as used, `in` and iteration do not. Of a full set the first
    entry goes that was not used since it was last considered, round and round; never one that the current packet has
    met: MapFull where that is the whole set. `key`, `value` and what else raises as for HashMap.
    """

    def _new_table(self) -> LruTable:
        return LruTable(self.capacity)


class _Items(ItemsView[K, V], Generic[K, V]):
    """Pairs of a map, read without touching."""

    def __init__(self, owner: KeyedMap[K, V]) -> None:
        super().__init__(owner)
        self._owner = owner

    def __iter__(self) -> Iterator[tuple[K, V]]:
        return self._owner._pairs()

    def __contains__(self, item: object) -> bool:
        return item in list(self)


class _Values(ValuesView[V], Generic[V]):
    """Entries of a map, read without touching."""

    def __init__(self, owner: KeyedMap[Any, V]) -> None:
        super().__init__(owner)
        self._owner = owner

    def __iter__(self) -> Iterator[V]:
        return (value for _, value in self._owner._pairs())

    def __contains__(self, value: object) -> bool:
        return value in list(self)
