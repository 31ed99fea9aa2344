"""Maps with an entry for each index of a range: what they share, and Array and Counter.

A map holds values: a store copies them in, wrapped to their width. Back ends move contents by `entries` and `load`, in
the order of the entries' indices. This file must not know: packets, shared memory, workers.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final, TypeVar, cast, final

from nmjit._ints import Width, u64
from nmjit._struct import StructField, StructSpec
from nmjit._values import ValueSpec

V = TypeVar("V")
K = TypeVar("K")
C = TypeVar("C", bound=int)

MAX_DENSE_BITS: Final = 16
"""Widest key of a Counter: it has an entry for each key."""
COUNT: Final = cast(Width, u64)
"""Width of a count."""


class DenseMap(Mapping[K, V]):
    """What the dense kinds share: `capacity` entries of `fields`, by index.

    `fields` has one member named '' where the entries are bare integers.
    """

    fields: StructSpec
    capacity: int
    __hash__ = object.__hash__  # maps are program objects: each is itself

    def __eq__(self, other: object) -> bool:
        return self is other

    @abstractmethod
    def entries(self) -> list[tuple[int, ...]]:
        """The stored values of each entry's fields, by index."""

    @abstractmethod
    def _load_entry(self, index: int, entry: tuple[int, ...]) -> None:
        """Set the fields of entry `index`, each wrapped to its width."""

    def load(self, entries: Iterable[tuple[int, ...]]) -> None:
        """Take over what `entries` returned. ValueError where their number, or that of their fields, is another."""
        taken = [tuple(entry) for entry in entries]
        if len(taken) != self.capacity or any(len(entry) != len(self.fields) for entry in taken):
            raise ValueError(f"needs {self.capacity} entries of {len(self.fields)} fields each")
        for index, entry in enumerate(taken):
            self._load_entry(index, entry)


@final
class Array(DenseMap[int, V]):
    """`capacity` entries under the keys 0 … capacity-1, all present from the start.

    `value` is u8 … i64, a class made by `@struct`, or RateLimit. An entry starts as `value()` would, with 0 where a
    field has no default. `m[i]` of a struct is a live reference to the entry; `m[i] = v` copies `v` in, wrapped.
    IndexError for any other key. TypeError where `value` is none of these, ValueError where `capacity` is less than 1.
    """

    def __init__(self, value: type[V], capacity: int) -> None:
        self._spec: ValueSpec = ValueSpec(value, "an Array")
        self.fields = self._spec.fields
        self.record = self._spec.record
        if capacity < 1:
            raise ValueError(f"an Array has at least one entry, not {capacity}")
        self.capacity = capacity
        self.key_base: Final = 0
        self._entries = [list(self._spec.initial) for _ in range(capacity)]

    def _index(self, key: int) -> int:
        index = key.__index__()
        if not 0 <= index < self.capacity:
            raise IndexError(f"index {index} of an Array of {self.capacity}")
        return index

    def __getitem__(self, key: int) -> V:
        return cast(V, self._spec.present(self._entries[self._index(key)]))

    def __setitem__(self, key: int, value: V) -> None:
        index = self._index(key)
        self._entries[index][:] = self._spec.stored(value)

    def _load_entry(self, index: int, entry: tuple[int, ...]) -> None:
        self._entries[index][:] = self._spec.wrapped(entry)

    def __iter__(self) -> Iterator[int]:
        return iter(range(self.capacity))

    def __len__(self) -> int:
        return self.capacity

    def __contains__(self, key: object) -> bool:
        return isinstance(key, int) and 0 <= key < self.capacity

    def reset(self) -> None:
        """Give every entry its first value again; references stay good."""
        for index in range(self.capacity):
            self._load_entry(index, self._spec.initial)

    def entries(self) -> list[tuple[int, ...]]:
        return [tuple(entry) for entry in self._entries]

    def __repr__(self) -> str:
        return f"Array({self._spec}, {self.capacity})"


@final
class Counter(DenseMap[C, int]):
    """Counts by key, each a u64: `c[key] += n` wraps. A key never counted reads as 0, as in collections.Counter.

    `key` is u8, u16, i8, i16 or bool. KeyError for a key outside its range; TypeError where `key` is another type.
    Iteration, length and `in` see the keys whose count is not 0, in ascending order.
    """

    def __init__(self, key: type[C]) -> None:
        declared: object = key
        if declared is bool:
            self.key_base, self.capacity = 0, 2
        elif isinstance(declared, Width) and declared.bits <= MAX_DENSE_BITS:
            self.key_base, self.capacity = declared.minimum, 1 << declared.bits
        else:
            raise TypeError(f"a Counter's key is u8, u16, i8, i16 or bool, not {declared!r}")
        self.fields = (StructField("", COUNT),)
        self._key: Any = bool if declared is bool else int
        self._name = "bool" if declared is bool else repr(declared)
        self._counts: dict[int, int] = {}

    def _index(self, key: object) -> int:
        if not isinstance(key, int) or not 0 <= key - self.key_base < self.capacity:
            raise KeyError(key)
        return key - self.key_base

    def __getitem__(self, key: C) -> int:
        return self._counts.get(self._index(key), 0)

    def __setitem__(self, key: C, value: int) -> None:
        """Set the count of `key`, modulo 2**64."""
        self._load_entry(self._index(key), (value,))

    def _load_entry(self, index: int, entry: tuple[int, ...]) -> None:
        if count := COUNT(entry[0]):
            self._counts[index] = count
        else:
            self._counts.pop(index, None)

    def __iter__(self) -> Iterator[C]:
        return (self._key(index + self.key_base) for index in sorted(self._counts))

    def __len__(self) -> int:
        return len(self._counts)

    def __contains__(self, key: object) -> bool:
        return isinstance(key, int) and key - self.key_base in self._counts

    def reset(self) -> None:
        """Set every count to 0."""
        self._counts.clear()

    def entries(self) -> list[tuple[int, ...]]:
        return [(self._counts.get(index, 0),) for index in range(self.capacity)]

    def __repr__(self) -> str:
        return f"Counter({self._name})"
