"""The map kinds as mappings in ordinary Python, the definition of each, and sets of networks.

A map holds values: a store copies them in, wrapped to their width. Back ends move contents by `entries` and `load`, in
the order of the entries' indices. This file must not know: packets, shared memory, workers.
"""

from __future__ import annotations

from abc import abstractmethod
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Mapping
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_network
from typing import Any, Final, TypeAlias, TypeVar, cast, final

from nmjit._ints import Width, u64
from nmjit._struct import Record, StructField, StructSpec

V = TypeVar("V")
K = TypeVar("K", bound=int)

MAX_DENSE_BITS: Final = 16
"""Widest key of a Counter: it has an entry for each key."""
COUNT: Final = cast(Width, u64)
"""Width of a Counter's entries."""


class _IndexedMap(Mapping[K, V]):
    """What the dense kinds share: `capacity` entries of `fields`, that of key k at index k - `key_base`.

    `fields` has one member named '' where the entries are bare integers.
    """

    fields: StructSpec
    capacity: int
    key_base: int
    __hash__ = object.__hash__  # maps are program objects: each is itself

    def __eq__(self, other: object) -> bool:
        return self is other

    @abstractmethod
    def __setitem__(self, key: K, value: V) -> None:
        """Copy `value` into the entry of `key`."""

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
class Array(_IndexedMap[int, V]):
    """`capacity` entries under the keys 0 … capacity-1, all present from the start.

    `value` is u8 … i64 or a class made by `@struct`. An entry starts as `value()` would, with 0 where a field has no
    default. `m[i]` of a struct is a live reference to the entry; `m[i] = v` copies `v` in, wrapped. IndexError for any
    other key. TypeError where `value` is none of these, ValueError where `capacity` is less than 1.
    """

    def __init__(self, value: type[V], capacity: int) -> None:
        declared: object = value
        if isinstance(declared, Width):
            self._record: type[Record] | None = None
            self.fields = (StructField("", declared),)
        elif isinstance(declared, type) and issubclass(declared, Record):
            self._record = declared
            self.fields = declared.__struct__
        else:
            raise TypeError(f"an Array holds u8 … i64 or a @struct class, not {declared!r}")
        if capacity < 1:
            raise ValueError(f"an Array has at least one entry, not {capacity}")
        self.capacity = capacity
        self.key_base = 0
        self._initial = (0,) if self._record is None else tuple(default or 0 for default in self._record.__defaults__)
        self._entries: list[Any] = [self._new_entry() for _ in range(capacity)]

    def _new_entry(self) -> int | Record:
        return 0 if self._record is None else self._record(*self._initial)

    def _index(self, key: int) -> int:
        index = key.__index__()
        if not 0 <= index < self.capacity:
            raise IndexError(f"index {index} of an Array of {self.capacity}")
        return index

    def __getitem__(self, key: int) -> V:
        return cast(V, self._entries[self._index(key)])

    def __setitem__(self, key: int, value: V) -> None:
        index = self._index(key)
        stored: object = value
        match stored:
            case int() if self._record is None:
                self._load_entry(index, (stored,))
            case Record() if type(stored) is self._record:
                self._load_entry(index, tuple(stored._values))
            case _:
                wanted = "int" if self._record is None else self._record.__name__
                raise TypeError(f"this Array holds {wanted}, not {type(stored).__name__}")

    def _load_entry(self, index: int, entry: tuple[int, ...]) -> None:
        wrapped = [field.width(value) for field, value in zip(self.fields, entry, strict=True)]
        if self._record is None:
            self._entries[index] = wrapped[0]
        else:
            self._entries[index]._values[:] = wrapped

    def __iter__(self) -> Iterator[int]:
        return iter(range(self.capacity))

    def __len__(self) -> int:
        return self.capacity

    def __contains__(self, key: object) -> bool:
        return isinstance(key, int) and 0 <= key < self.capacity

    def reset(self) -> None:
        """Give every entry its first value again; references stay good."""
        for index in range(self.capacity):
            self._load_entry(index, self._initial)

    def entries(self) -> list[tuple[int, ...]]:
        if self._record is None:
            return [(value,) for value in self._entries]
        return [tuple(entry._values) for entry in self._entries]

    def __repr__(self) -> str:
        value = self.fields[0].width if self._record is None else self._record.__name__
        return f"Array({value}, {self.capacity})"


@final
class Counter(_IndexedMap[K, int]):
    """Counts by key, each a u64: `c[key] += n` wraps. A key never counted reads as 0, as in collections.Counter.

    `key` is u8, u16, i8, i16 or bool. KeyError for a key outside its range; TypeError where `key` is another type.
    Iteration, length and `in` see the keys whose count is not 0, in ascending order.
    """

    def __init__(self, key: type[K]) -> None:
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

    def __getitem__(self, key: K) -> int:
        return self._counts.get(self._index(key), 0)

    def __setitem__(self, key: K, value: int) -> None:
        self._load_entry(self._index(key), (value,))

    def _load_entry(self, index: int, entry: tuple[int, ...]) -> None:
        if count := COUNT(entry[0]):
            self._counts[index] = count
        else:
            self._counts.pop(index, None)

    def __iter__(self) -> Iterator[K]:
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


Network: TypeAlias = IPv4Network | IPv6Network
Address: TypeAlias = IPv4Address | IPv6Address
Range: TypeAlias = tuple[int, int]


@final
class NetworkSet:
    """A constant set of networks, IPv4 and IPv6 mixed: `address in set` where any of them contains the address.

    Takes networks, addresses, or text such as `192.0.2.0/24`; in text, `#` starts a comment and blank lines are left
    out, so an open file will do. `ranges4` and `ranges6` are what it covers: sorted, disjoint, not adjacent, inclusive.
    ValueError names the line, and the file where there is one, that is no network or has host bits set.
    """

    __slots__ = ("_starts4", "_starts6", "ranges4", "ranges6")

    def __init__(self, networks: Iterable[Network | Address | str]) -> None:
        found = list(_read_networks(networks))
        self.ranges4: Final = _merged(network for network in found if network.version == 4)
        self.ranges6: Final = _merged(network for network in found if network.version == 6)
        self._starts4: Final = [first for first, _ in self.ranges4]
        self._starts6: Final = [first for first, _ in self.ranges6]

    def __contains__(self, address: Address) -> bool:
        """Whether `address` lies in one of the networks. TypeError where it is no address object."""
        match address:
            case IPv4Address():
                starts, ranges = self._starts4, self.ranges4
            case IPv6Address():
                starts, ranges = self._starts6, self.ranges6
            case _:
                raise TypeError(f"a NetworkSet contains addresses, not {type(address).__name__}")
        index = bisect_right(starts, int(address)) - 1
        return index >= 0 and int(address) <= ranges[index][1]

    def __repr__(self) -> str:
        return f"<NetworkSet of {len(self.ranges4)} IPv4 and {len(self.ranges6)} IPv6 ranges>"


def _read_networks(networks: Iterable[Network | Address | str]) -> Iterator[Network]:
    name = getattr(networks, "name", None)
    for number, entry in enumerate(networks, 1):
        text = entry.partition("#")[0].strip() if isinstance(entry, str) else entry
        if text == "":
            continue
        try:
            yield ip_network(text)
        except ValueError as error:
            place = f"{name}:{number}" if isinstance(name, str) else f"network {number}"
            raise ValueError(f"{place}: {error}") from None


def _merged(networks: Iterable[Network]) -> tuple[Range, ...]:
    """The addresses of `networks` as ranges; those that overlap or touch become one."""
    merged: list[Range] = []
    for first, last in sorted((int(network[0]), int(network[-1])) for network in networks):
        if merged and first <= merged[-1][1] + 1:
            merged[-1] = (merged[-1][0], max(merged[-1][1], last))
        else:
            merged.append((first, last))
    return tuple(merged)
