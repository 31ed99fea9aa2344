"""LpmTrie: networks to entries, found by the longest that contains an address.

This file must not know: packets, shared memory, workers. Source: RFC 4632 section 5.1 (longest match).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, MutableMapping
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network
from typing import Any, Final, Generic, TypeVar, cast, final, overload

from nmjit._address import Mac
from nmjit._hashmaps import MapFull
from nmjit._ints import Width
from nmjit._keys import KeySpec
from nmjit._struct import StoredKind
from nmjit._tables import LpmTable
from nmjit._values import ValueSpec

A = TypeVar("A")
N = TypeVar("N")
V = TypeVar("V")
D = TypeVar("D")

_NETWORKS: Final[dict[StoredKind, Any]] = {StoredKind.IPV4: IPv4Network, StoredKind.IPV6: IPv6Network}
_KINDS: Final = frozenset({*_NETWORKS, StoredKind.MAC, StoredKind.INT})


@final
class LpmTrie(MutableMapping[N, V], Generic[A, N, V]):
    """At most `capacity` networks with an entry each: an address finds that of the longest network which contains it.

    `key` is the type of the addresses: IPv4Address, IPv6Address, Mac, or u8 … u64. Networks are IPv4Network and
    IPv6Network objects, for other addresses a pair (first address, bits of the prefix); a network as a key means
    exactly that one. Only networks come and go: a store under an address goes to the entry found, KeyError where there
    is none. `value` as for a HashMap.

    Iteration is in the order of (first address, length). MapFull beyond `capacity` networks; TypeError for a key of
    another type, OverflowError for an integer beyond the width, ValueError for a pair that is no network. `width` is
    that of an address in bits. `inserted`, `deleted` and `failed` as for a HashMap; `key_spec` describes an address.
    """

    __hash__ = object.__hash__  # maps are program objects: each is itself

    @overload
    def __init__(
        self: LpmTrie[IPv4Address, IPv4Network, V], key: type[IPv4Address], value: type[V], capacity: int
    ) -> None: ...

    @overload
    def __init__(
        self: LpmTrie[IPv6Address, IPv6Network, V], key: type[IPv6Address], value: type[V], capacity: int
    ) -> None: ...

    @overload
    def __init__(self: LpmTrie[Mac, tuple[Mac, int], V], key: type[Mac], value: type[V], capacity: int) -> None: ...

    @overload
    def __init__(self: LpmTrie[int, tuple[int, int], V], key: type[int], value: type[V], capacity: int) -> None: ...

    def __init__(self, key: type[Any], value: type[V], capacity: int) -> None:
        self.key_spec: Final = KeySpec(key)
        declared: object = key
        if self.key_spec.record or self.key_spec.is_tuple or not _is_address(self.key_spec.parts_of[0].kind, declared):
            raise TypeError(f"an LpmTrie's key is IPv4Address, IPv6Address, Mac or u8 … u64, not {declared!r}")
        self._spec = ValueSpec(value, "an LpmTrie")
        self.fields = self._spec.fields
        self.record = self._spec.record
        if capacity < 1:
            raise ValueError(f"an LpmTrie has room for at least one network, not {capacity}")
        self.capacity = capacity
        self._part = self.key_spec.parts_of[0]
        self.width: Final = 8 * self._part.size
        self._table = LpmTable(self.width, capacity)

    def __eq__(self, other: object) -> bool:
        return self is other

    def _network(self, key: object) -> tuple[int, int] | None:
        """First address and length where `key` is a network, None where it is an address."""
        network = _NETWORKS.get(self._part.kind)
        if network is not None:
            return (int(key.network_address), key.prefixlen) if isinstance(key, network) else None
        if not isinstance(key, tuple):
            return None
        if len(key) != 2 or not isinstance(key[1], int):
            raise TypeError(f"a network of {self._part.name} is (first address, bits of the prefix), not {key!r}")
        first, length = self._part.integer(key[0]), key[1]
        shift = self.width - length
        if not 0 <= shift <= self.width or first >> shift << shift != first:
            raise ValueError(f"{key!r} is no network of {self.width}-bit addresses")
        return first, length

    def _find(self, key: object) -> int:
        network = self._network(key)
        return self._table.longest(self._part.integer(key)) if network is None else self._table.find(*network)

    def _present(self, index: int) -> V:
        return cast(V, self._spec.present(self._table.values[index]))

    def _insert(self, network: tuple[int, int], values: list[int]) -> int:
        index = self._table.insert(*network, values)
        if index < 0:
            raise MapFull(f"no room for {self._object(*network)} in {self!r}")
        return index

    def _object(self, first: int, length: int) -> N:
        address = self._part.kind.present(first)
        network = _NETWORKS.get(self._part.kind)
        return cast(N, (address, length) if network is None else network((address, length)))

    # Mapping

    def __getitem__(self, key: A | N) -> V:
        """The entry of the longest network that contains an address, or of exactly a network; KeyError where none."""
        index = self._find(key)
        if index < 0:
            raise KeyError(key)
        return self._present(index)

    def __setitem__(self, key: A | N, value: V) -> None:
        """Copy `value` into a network's entry, made where there is none; or into the entry that an address finds."""
        values = self._spec.stored(value)
        index = self._find(key)
        if index >= 0:
            self._table.values[index][:] = values
        elif (network := self._network(key)) is not None:
            self._insert(network, values)
        else:
            raise KeyError(key)

    def __delitem__(self, key: N) -> None:
        """Take a network out; KeyError where it is not there, TypeError where `key` is an address."""
        network = self._network(key)
        if network is None:
            raise TypeError(f"networks are deleted, not {key!r}")
        if self._table.delete(*network) < 0:
            raise KeyError(key)

    @overload
    def get(self, key: A | N, default: None = None, /) -> V | None: ...

    @overload
    def get(self, key: A | N, default: V | D, /) -> V | D: ...

    def get(self, key: A | N, default: V | D | None = None, /) -> V | D | None:
        """The entry as by `[]`, or `default`."""
        index = self._find(key)
        return default if index < 0 else self._present(index)

    def setdefault(self, key: N, default: V) -> V:
        """The entry of exactly the network `key`; where there is none, a new one that holds a copy of `default`."""
        values = self._spec.stored(default)
        network = self._network(key)
        if network is None:
            raise TypeError(f"networks are inserted, not {key!r}")
        return self._present(self._insert(network, values))

    def __contains__(self, key: object) -> bool:
        """Whether any network contains an address, or exactly a network is there."""
        return self._find(key) >= 0

    def __len__(self) -> int:
        return len(self._table)

    def __iter__(self) -> Iterator[N]:
        return iter([self._object(first, length) for first, length, _ in self._table.items()])

    def clear(self) -> None:
        """Delete every network."""
        self._table.clear()

    # Contents and counters

    def entries(self) -> list[tuple[int, ...]]:
        """First address, prefix length and field values of each network, in the order of the first two."""
        table = self._table
        return [(first, length, *table.values[index]) for first, length, index in table.items()]

    def load(self, entries: Iterable[tuple[int, ...]]) -> None:
        """Take over what `entries` returned, after a `reset`. ValueError for another shape, MapFull beyond capacity."""
        taken = [tuple(entry) for entry in entries]
        if any(len(entry) != 2 + len(self.fields) for entry in taken):
            raise ValueError(f"needs entries of a first address, a length and {len(self.fields)} fields each")
        self.reset()
        for first, length, *values in taken:
            self._insert((first, length), self._spec.wrapped(values))

    def reset(self) -> None:
        """Begin anew, without networks and with counters at 0."""
        self._table = LpmTable(self.width, self.capacity)

    @property
    def inserted(self) -> int:
        """Networks put in."""
        return self._table.inserted

    @property
    def deleted(self) -> int:
        """Networks taken out, those of `clear` included."""
        return self._table.deleted

    @property
    def failed(self) -> int:
        """Insertions that found no room."""
        return self._table.failed

    def __repr__(self) -> str:
        return f"LpmTrie({self.key_spec}, {self._spec}, {self.capacity})"


def _is_address(kind: StoredKind, declared: object) -> bool:
    return kind in _KINDS and not (isinstance(declared, Width) and declared.signed)
