"""Live views of the maps whose entries are always there: Array, Counter, Histogram, Bloom; and of Events.

What is read is what lies there now; an entry of several fields may be read while a worker changes it, field by field.
Whoever writes keeps batches out through the gate. This file must not know: programs, workers beyond their number,
ports. Definition of each kind: lang/_maps.py; layout: compiler/maplayout.py.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, MutableMapping, Sequence
from itertools import accumulate
from typing import Any, Final

from nmjit._bloom import WORDS, block_of, masks
from nmjit._hash import key_hash
from nmjit._histogram import bucket_bounds, log_bucket
from nmjit.runtime._engine import Gate, Ring
from nmjit.runtime.mapcodec import KeyCodec, RowCodec, ValueCodec, value_members
from nmjit.runtime.mapfile import Segment

COUNT_BYTES: Final = 8


class Entry(MutableMapping[str, Any]):
    """One entry of several fields, live: reads and writes go to the map, where the entry is the key's.

    KeyError for a field it does not have, and where the key has gone from the map. Fields are attributes too, unless
    called as a method of mappings is.
    """

    __slots__ = ("_read", "_values", "_write")
    _values: ValueCodec
    _read: Callable[[], bytes]
    _write: Callable[[Sequence[tuple[int, bytes]]], None]

    def __init__(
        self,
        values: ValueCodec,
        read: Callable[[], bytes],
        write: Callable[[Sequence[tuple[int, bytes]]], None],
    ) -> None:
        for name, value in (("_values", values), ("_read", read), ("_write", write)):
            object.__setattr__(self, name, value)

    def snapshot(self) -> dict[str, Any]:
        """All fields, copied at once."""
        return self._values.presented(self._values.codec.unpack(self._read())[0])

    def __getitem__(self, name: str) -> Any:
        field = self._values.layout.field(name)
        stored = self._read()[field.offset : field.offset + field.scalar.size]
        return self._values.present(name, int.from_bytes(stored, "little", signed=field.scalar.signed))

    def __setitem__(self, name: str, value: object) -> None:
        self._write([self._values.field_store(name, value)])

    def __delitem__(self, name: str) -> None:
        raise TypeError("an entry has all its fields always")

    def __getattr__(self, name: str) -> Any:
        if name not in self._values.names:
            raise AttributeError(name)
        return self[name]

    def __setattr__(self, name: str, value: object) -> None:
        if name not in self._values.names:
            raise AttributeError(name)
        self[name] = value

    def __iter__(self) -> Iterator[str]:
        return iter(self._values.names)

    def __len__(self) -> int:
        return len(self._values.names)

    def __repr__(self) -> str:
        return f"Entry({self.snapshot()!r})"


class View:
    """What all views have: their memory, and the gate through which they write."""

    def __init__(self, segment: Segment, gate: Gate | None) -> None:
        self.segment: Final = segment
        self.decl: Final = segment.decl
        self.gate: Final = gate or Gate()
        self._values: Final = ValueCodec(segment.decl)

    def address(self, worker: int) -> int:
        """What worker number `worker` is given as this map: one memory for all, or a copy of its own."""
        return self.segment.address(worker if self.segment.copies > 1 else 0)

    def _writable(self) -> Gate:
        """The gate, for a `with`. TypeError where the memory is another process's."""
        if not self.segment.memory.writable:
            raise TypeError(f"{self.decl.name} is another process's map: it can only be read")
        return self.gate


class ArrayView(View, MutableMapping[int, Any]):
    """An Array: keys 0 … capacity−1. Entries are integers, or `Entry` where they have fields with names."""

    def __init__(self, segment: Segment, gate: Gate | None = None) -> None:
        super().__init__(segment, gate)
        self._bytes: Final = segment.copy(0)

    def _at(self, key: int) -> int:
        if not 0 <= key < self.decl.capacity:
            raise IndexError(f"index {key} of an Array of {self.decl.capacity}")
        return key * self.decl.layout.size

    def _read(self, at: int) -> bytes:
        return bytes(self._bytes[at : at + self.decl.layout.size])

    def _write(self, at: int, stores: Sequence[tuple[int, bytes]]) -> None:
        with self._writable():
            for offset, data in stores:
                self._bytes[at + offset : at + offset + len(data)] = data

    def __getitem__(self, key: int) -> Any:
        """IndexError outside 0 … capacity−1."""
        at = self._at(key)
        if self._values.bare:
            return self._values.codec.unpack(self._read(at))[0][0]
        return Entry(self._values, lambda: self._read(at), lambda stores: self._write(at, stores))

    def __setitem__(self, key: int, value: object) -> None:
        """Copy `value` in, wrapped. TypeError where it is not of the entries' form, KeyError for an unknown field."""
        self._write(self._at(key), self._values.stores(value))

    def __delitem__(self, key: int) -> None:
        raise TypeError("an Array has all its entries always")

    def __iter__(self) -> Iterator[int]:
        return iter(range(self.decl.capacity))

    def __len__(self) -> int:
        return self.decl.capacity

    def __contains__(self, key: object) -> bool:
        return isinstance(key, int) and 0 <= key < self.decl.capacity

    def entries(self) -> list[tuple[int, ...]]:
        """Stored values of each entry's fields, by index."""
        return self._values.codec.unpack(bytes(self._bytes))

    def load(self, entries: Iterable[Sequence[int]]) -> None:
        """Take over what `entries` gave, here or on the map in `lang`. ValueError where the numbers do not agree."""
        packed = self._values.codec.pack_all(entries)
        if len(packed) != len(self._bytes):
            raise ValueError(f"{self.decl.name} has {self.decl.capacity} entries")
        with self._writable():
            self._bytes[:] = packed

    def to_numpy(self) -> Any:
        """The entries, copied, as a structured array: the fields by name, a bare integer as `value`."""
        codec = RowCodec(value_members(self.decl.layout, 0), self.decl.layout.size)
        return codec.array(bytes(self._bytes))


class _Counts(View):
    """Counts by index, of which each worker has a copy; they are summed when read, and wrap as the counts do."""

    def __init__(self, segment: Segment, gate: Gate | None = None) -> None:
        super().__init__(segment, gate)
        self._copies: Final = [segment.copy(number).cast("Q") for number in range(segment.copies)]

    def address(self, worker: int) -> int:
        return self.segment.address(worker)

    def _count(self, index: int) -> int:
        return sum(copy[index] for copy in self._copies) % (1 << 64)

    def _counts(self) -> list[int]:
        """The sum of each index."""
        if len(self._copies) == 1:
            return self._copies[0].tolist()
        return [sum(each) % (1 << 64) for each in zip(*(copy.tolist() for copy in self._copies), strict=True)]

    def _seen(self) -> list[int]:
        """Indices whose count is not 0."""
        return [index for index, count in enumerate(self._counts()) if count]

    def _set(self, index: int, count: int) -> None:
        with self._writable():
            for number, copy in enumerate(self._copies):
                copy[index] = 0 if number else count % (1 << 64)

    def __len__(self) -> int:
        return len(self._seen())

    def reset(self) -> None:
        """Set every count to 0."""
        self.load((0,) for _ in range(self.decl.capacity))

    def entries(self) -> list[tuple[int, ...]]:
        """The sum of each index."""
        return [(count,) for count in self._counts()]

    def load(self, entries: Iterable[Sequence[int]]) -> None:
        """Take over what `entries` gave: the first worker's copy holds it all. ValueError where the numbers differ."""
        packed = self._values.codec.pack_all(entries)
        if len(packed) != COUNT_BYTES * self.decl.capacity:
            raise ValueError(f"{self.decl.name} has {self.decl.capacity} counts")
        with self._writable():
            for number, copy in enumerate(self._copies):
                copy.cast("B")[:] = bytes(len(packed)) if number else packed

    def to_numpy(self) -> Any:
        """The sums by index, as a structured array with the field `value`."""
        return self._values.codec.array(self._values.codec.pack_all(self.entries()))


class CounterView(_Counts, MutableMapping[int, int]):
    """A Counter, summed over workers: a key never counted reads as 0, and only others are iterated and counted.

    KeyError for a key outside the counter's range. A key that is deleted counts from 0 again.
    """

    def _index(self, key: object) -> int:
        if not isinstance(key, int) or not 0 <= key - self.decl.key_base < self.decl.capacity:
            raise KeyError(key)
        return key - self.decl.key_base

    def __getitem__(self, key: int) -> int:
        return self._count(self._index(key))

    def __setitem__(self, key: int, count: int) -> None:
        self._set(self._index(key), count)

    def __delitem__(self, key: int) -> None:
        self._set(self._index(key), 0)

    def __contains__(self, key: object) -> bool:
        """Whether the key was ever counted."""
        return isinstance(key, int) and 0 <= key - self.decl.key_base < self.decl.capacity and self[key] != 0

    def __iter__(self) -> Iterator[int]:
        return (index + self.decl.key_base for index in self._seen())

    def clear(self) -> None:
        """Set every count to 0."""
        self.reset()


class HistogramView(_Counts, Mapping[tuple[int, int], int]):
    """A Histogram, summed over workers: (smallest, largest value) of each bucket to its count.

    Iteration, length and `in` see the buckets that are not empty; KeyError for what is no bucket.
    """

    def _bounds(self, index: int) -> tuple[int, int]:
        return bucket_bounds(index, self.decl.detail)

    def __getitem__(self, bucket: tuple[int, int]) -> int:
        first = bucket[0]
        if 0 <= first < 1 << 64 and self._bounds(index := log_bucket(first, self.decl.detail)) == bucket:
            return self._count(index)
        raise KeyError(bucket)

    def __iter__(self) -> Iterator[tuple[int, int]]:
        return map(self._bounds, self._seen())

    def __contains__(self, bucket: object) -> bool:
        return any(bucket == each for each in self)

    def add(self, value: int) -> None:
        """Count `value`. OverflowError unless 0 ≤ value < 2**64."""
        if not 0 <= value < 1 << 64:
            raise OverflowError(f"{value} is not within 0 … 2**64-1")
        index = log_bucket(value, self.decl.detail)
        with self._writable():
            self._copies[0][index] = (self._copies[0][index] + 1) % (1 << 64)

    @property
    def count(self) -> int:
        """Number of values counted."""
        return sum(self._counts())

    def percentile(self, share: float) -> int:
        """The value which at least `share` percent of all values do not exceed, taken as its bucket's largest.

        `share` counts to a millionth of a percent. ValueError unless it is within 0 … 100, or if nothing was counted.
        """
        if not 0 <= share <= 100:
            raise ValueError(f"a percentile is within 0 … 100, not {share}")
        sums = list(accumulate(self._counts()))
        if not sums[-1]:
            raise ValueError("nothing was counted")
        rank = max(1, -(-round(share * 1_000_000) * sums[-1] // 100_000_000))
        return self._bounds(next(index for index, total in enumerate(sums) if total >= rank))[1]


class BloomView(View):
    """A Bloom filter: `k in b`, `b.add(k)`. Keys as those of a table; TypeError and OverflowError as there."""

    def __init__(self, segment: Segment, gate: Gate | None = None) -> None:
        super().__init__(segment, gate)
        self._words: Final = segment.copy(0).cast("I")
        self._keys: Final = KeyCodec(segment.decl)

    def _bits(self, key: object) -> list[tuple[int, int]]:
        hashed = key_hash(self._keys.packed(key))
        first = WORDS * block_of(hashed, self.decl.capacity)
        return [(first + number, bit) for number, bit in enumerate(masks(hashed))]

    def __contains__(self, key: object) -> bool:
        """Whether `key` may be a member; False only where it certainly is none."""
        return all(self._words[at] & bit for at, bit in self._bits(key))

    def add(self, key: object) -> bool:
        """Make `key` a member; whether it certainly was none before."""
        bits = self._bits(key)
        with self._writable():
            new = any(not self._words[at] & bit for at, bit in bits)
            for at, bit in bits:
                self._words[at] |= bit
        return new

    def reset(self) -> None:
        """Forget every key."""
        with self._writable():
            self._words.cast("B")[:] = bytes(self._words.nbytes)

    def entries(self) -> list[tuple[int, ...]]:
        """The eight words of each block, in order."""
        words = iter(self._words.tolist())
        return list(zip(*[words] * WORDS, strict=True))

    def load(self, entries: Iterable[Sequence[int]]) -> None:
        """Take over what `entries` gave. ValueError where the number of blocks or words is another."""
        packed = b"".join(word.to_bytes(4, "little") for entry in entries for word in _block(entry))
        if len(packed) != self._words.nbytes:
            raise ValueError(f"{self.decl.name} has {self.decl.capacity} blocks")
        with self._writable():
            self._words.cast("B")[:] = packed


def _block(words: Sequence[int]) -> Sequence[int]:
    if len(words) != WORDS:
        raise ValueError(f"a block has {WORDS} words, not {len(words)}")
    return words


class EventsView(View):
    """Events: a ring for each worker. `emitted` = `delivered` + `dropped` + those that wait, whose number is `len`."""

    def __init__(self, segment: Segment, gate: Gate | None = None) -> None:
        super().__init__(segment, gate)
        size = segment.decl.layout.size
        self._rings: Final = [
            Ring(segment.memory, segment.at(number), segment.decl.capacity, size) for number in range(segment.copies)
        ]
        if segment.memory.writable:
            for ring in self._rings:
                ring.recover()

    def address(self, worker: int) -> int:
        return self.segment.address(worker)

    def read(self, limit: int | None = None) -> list[Event]:
        """Take out the records that wait, at most `limit`: ring by ring, the oldest first of each.

        Any thread may call it while workers run, and none waits for it.
        """
        if not self.segment.memory.writable:
            raise TypeError(f"{self.decl.name} is another process's map: its records are that one's to read")
        records: list[Event] = []
        for ring in self._rings:
            room = self.decl.capacity if limit is None else min(limit - len(records), self.decl.capacity)
            if room > 0:
                rows = self._values.codec.unpack(ring.read(room))
                records += [Event(self._values.presented(row)) for row in rows]
        return records

    @property
    def emitted(self) -> int:
        """Records given to `emit` so far."""
        return sum(written + dropped for written, _, dropped in self._tallies())

    @property
    def delivered(self) -> int:
        """Records taken out by `read` so far."""
        return sum(read for _, read, _ in self._tallies())

    @property
    def dropped(self) -> int:
        """Records that found no room so far."""
        return sum(dropped for _, _, dropped in self._tallies())

    def _tallies(self) -> list[tuple[int, int, int]]:
        return [ring.counts() for ring in self._rings]

    def __len__(self) -> int:
        """Number of records that wait."""
        return sum(written - read for written, read, _ in self._tallies())

    def __bool__(self) -> bool:
        return True  # a queue is there whether or not something waits

    def entries(self) -> list[tuple[int, ...]]:
        """The field values of each record that waits, ring by ring, the oldest first."""
        return self._values.codec.unpack(b"".join(ring.peek() for ring in self._rings))

    def load(self, entries: Iterable[Sequence[int]]) -> None:
        """Take over what `entries` gave, in the first worker's ring, and count anew. ValueError: too many."""
        packed = self._values.codec.pack_all(entries)
        if len(packed) > self.decl.capacity * self.decl.layout.size:
            raise ValueError(f"{self.decl.name} has room for {self.decl.capacity} records")
        with self._writable():
            for number, ring in enumerate(self._rings):
                ring.load(b"" if number else packed)

    def reset(self) -> None:
        """Begin anew, with nothing waiting and counters at 0."""
        self.load(())


class Event(Mapping[str, Any]):
    """A record that was read: its fields by name, also as attributes."""

    __slots__ = ("_fields",)

    def __init__(self, fields: Mapping[str, Any]) -> None:
        self._fields: Final = fields

    def __getitem__(self, name: str) -> Any:
        return self._fields[name]

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_") or name not in self._fields:
            raise AttributeError(name)
        return self._fields[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._fields)

    def __len__(self) -> int:
        return len(self._fields)

    def __repr__(self) -> str:
        return f"Event({', '.join(f'{name}={value}' for name, value in self.items())})"
