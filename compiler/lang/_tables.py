"""Tables of entries that come and go under packed keys: the pure definitions behind HashMap, LruHashMap and LpmTrie.

An entry has an index, at which `values` holds its fields as stored integers. Until `begin_packet`, an entry that was
found, made or deleted is held: its index goes to no other key. A new entry always gets a list of its own, so whoever
kept the list of an older one keeps what it says.

This file must not know: key types, what the fields mean, which packet is current. Source of the second chance: F. J.
Corbató, "A Paging Experiment with the Multics System", 1968 (the clock algorithm).
"""

from __future__ import annotations

from bisect import insort
from collections.abc import Iterator, Sequence
from typing import Final

from nmjit._hash import group_of

WAYS: Final = 16
"""Entries of a set of an LruTable."""
ROUNDS: Final = 3
"""How often the hand goes round a set in search of a victim."""


class HashTable:
    """At most `capacity` live entries, with indices below `slots`; `seed` is that of the hashes it is given.

    A slot that was deleted and is held counts for neither. `inserted`, `deleted`, `evicted` (never here) and `failed`
    count what happened since the start.
    """

    def __init__(self, capacity: int, slots: int, seed: int = 0) -> None:
        self.capacity: Final = capacity
        self.slots: Final = slots
        self.seed: Final = seed
        self.values: list[list[int]] = []
        self.inserted = self.deleted = self.evicted = self.failed = 0
        self._indices: dict[bytes, int] = {}
        self._free: list[int] = []
        self._dead: list[int] = []

    def begin_packet(self) -> None:
        """Forget what is held."""
        if self._dead:
            self._free += self._dead
            self._dead.clear()

    def find(self, key: bytes, hashed: int, touch: bool) -> int:
        """Index of the entry of `key`, which is then held, or −1. Nothing is ever evicted, so `touch` is moot."""
        return self._indices.get(key, -1)

    def insert(self, key: bytes, hashed: int, values: Sequence[int]) -> int:
        """Index of the entry of `key`: the one it has, unchanged, or a new one of `values`; −1 where all are taken."""
        index = self._indices.get(key, -1)
        if index >= 0:
            return index
        index = -1 if len(self._indices) >= self.capacity else self._take_slot()
        if index < 0:
            self.failed += 1
            return -1
        self.values[index] = list(values)
        self._indices[key] = index
        self.inserted += 1
        return index

    def _take_slot(self) -> int:
        if self._free:
            return self._free.pop()
        if len(self.values) == self.slots:
            return -1
        self.values.append([])
        return len(self.values) - 1

    def delete(self, key: bytes, hashed: int) -> int:
        """Take the entry of `key` out; its index, which stays held, or −1 where there was none."""
        index = self._indices.pop(key, -1)
        if index >= 0:
            self._dead.append(index)
            self.deleted += 1
        return index

    def items(self) -> Iterator[tuple[bytes, int]]:
        """Key and index of each entry, in order of insertion."""
        return iter(self._indices.items())

    def clear(self) -> None:
        """Delete every entry, and forget what is held."""
        self.deleted += len(self._indices)
        self._dead += self._indices.values()
        self._indices.clear()
        self.begin_packet()

    def __len__(self) -> int:
        return len(self._indices)


class LruTable:
    """`capacity`/16 sets, rounded up, of 16 ways; the entry in way w of set s has the index 16·s + w.

    A full set gives up an entry by second chance: docs/semantics.md, "Maps". `seed` and counters as in HashTable.
    """

    def __init__(self, capacity: int, seed: int = 0) -> None:
        self.capacity: Final = capacity
        self.seed: Final = seed
        self._sets: Final = -(-capacity // WAYS)
        slots = self._sets * WAYS
        self.values: list[list[int]] = [[]] * slots
        self.inserted = self.deleted = self.evicted = self.failed = 0
        self._indices: dict[bytes, int] = {}
        self._keys: list[bytes | None] = [None] * slots
        self._referenced = bytearray(slots)
        self._hands = bytearray(self._sets)
        self._held: set[int] = set()

    def begin_packet(self) -> None:
        """Forget what is held."""
        if self._held:
            self._held.clear()

    def find(self, key: bytes, hashed: int, touch: bool) -> int:
        """Index of the entry of `key`, which is then held, or −1; with `touch` the entry is marked as referenced."""
        index = self._indices.get(key, -1)
        if index >= 0:
            self._held.add(index)
            if touch:
                self._referenced[index] = True
        return index

    def insert(self, key: bytes, hashed: int, values: Sequence[int]) -> int:
        """Index of the entry of `key`: the one it has, unchanged, or a new one of `values`, which is not referenced.

        −1 where the packet holds every way of the set.
        """
        index = self.find(key, hashed, touch=False)
        if index >= 0:
            return index
        index = self._place(group_of(hashed, self._sets))
        if index < 0:
            self.failed += 1
            return -1
        self.values[index] = list(values)
        self._keys[index] = key
        self._indices[key] = index
        self._referenced[index] = False
        self._held.add(index)
        self.inserted += 1
        return index

    def _place(self, group: int) -> int:
        """A way of the set that may be taken, made free where it was not; −1 where none is."""
        first = group * WAYS
        for index in range(first, first + WAYS):
            if self._keys[index] is None and index not in self._held:
                return index
        for _ in range(ROUNDS * WAYS):
            index = first + self._hands[group]
            self._hands[group] = (self._hands[group] + 1) % WAYS
            if index in self._held:
                continue
            if not self._referenced[index]:
                self._remove(index)
                self.evicted += 1
                return index
            self._referenced[index] = False
        return -1

    def _remove(self, index: int) -> None:
        key = self._keys[index]
        assert key is not None, index
        del self._indices[key]
        self._keys[index] = None

    def delete(self, key: bytes, hashed: int) -> int:
        """Take the entry of `key` out; its index, which stays held, or −1 where there was none."""
        index = self.find(key, hashed, touch=False)
        if index >= 0:
            self._remove(index)
            self.deleted += 1
        return index

    def items(self) -> Iterator[tuple[bytes, int]]:
        """Key and index of each entry, in order of sets and ways."""
        return ((key, index) for index, key in enumerate(self._keys) if key is not None)

    def clear(self) -> None:
        """Delete every entry, and forget what is held, what was referenced and where the hands stood."""
        self.deleted += len(self._indices)
        self._indices.clear()
        self._keys = [None] * len(self._keys)
        self._referenced = bytearray(len(self._referenced))
        self._hands = bytearray(self._sets)
        self._held.clear()

    def __len__(self) -> int:
        return len(self._indices)


class LpmTable:
    """At most `capacity` networks of addresses of `width` bits; an address finds the longest that contains it.

    A network is its first address and the length of its prefix, 0 … `width`. Counters as in HashTable.
    """

    def __init__(self, width: int, capacity: int) -> None:
        self.width: Final = width
        self.capacity: Final = capacity
        self.values: list[list[int]] = []
        self.inserted = self.deleted = self.failed = 0
        self._by_length: dict[int, dict[int, int]] = {}
        self._shifts: list[int] = []  # of the lengths in use, so that the longest comes first
        self._free: list[int] = []
        self._length = 0

    def longest(self, address: int) -> int:
        """Index of the entry of the longest network that contains `address`, or −1."""
        for shift in self._shifts:
            index = self._by_length[self.width - shift].get(address >> shift << shift, -1)
            if index >= 0:
                return index
        return -1

    def find(self, address: int, length: int) -> int:
        """Index of the entry of exactly this network, or −1."""
        return self._by_length.get(length, {}).get(address, -1)

    def insert(self, address: int, length: int, values: Sequence[int]) -> int:
        """Index of the entry of the network: the one it has, unchanged, or a new one of `values`; −1 where full.

        ValueError where `length` is out of range, or `address` is not the first of its network.
        """
        shift = self.width - length
        if not 0 <= shift <= self.width or not 0 <= address < 1 << self.width or address >> shift << shift != address:
            raise ValueError(f"{address:#x}/{length} is no network of {self.width}-bit addresses")
        index = self.find(address, length)
        if index >= 0:
            return index
        if self._length == self.capacity:
            self.failed += 1
            return -1
        if self._free:
            index = self._free.pop()
            self.values[index] = list(values)
        else:
            index = len(self.values)
            self.values.append(list(values))
        if length not in self._by_length:
            insort(self._shifts, shift)
        self._by_length.setdefault(length, {})[address] = index
        self._length += 1
        self.inserted += 1
        return index

    def delete(self, address: int, length: int) -> int:
        """Take the network out; the index that its entry had, or −1 where there was none."""
        networks = self._by_length.get(length, {})
        index = networks.pop(address, -1)
        if index >= 0:
            self._free.append(index)
            self._length -= 1
            self.deleted += 1
            if not networks:
                del self._by_length[length]
                self._shifts.remove(self.width - length)
        return index

    def items(self) -> Iterator[tuple[int, int, int]]:
        """First address, prefix length and index of each network, in the order of the first two."""
        groups = self._by_length.items()
        return iter(sorted((address, length, index) for length, group in groups for address, index in group.items()))

    def clear(self) -> None:
        """Delete every network."""
        self.deleted += self._length
        self._by_length.clear()
        self._shifts.clear()
        self._free = list(range(len(self.values)))
        self._length = 0

    def __len__(self) -> int:
        return self._length
