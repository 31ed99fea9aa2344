"""Live views of the maps whose entries come and go: HashMap, LruHashMap, LpmTrie.

A look-up gives a copy that is whole, whatever workers do meanwhile; an `Entry` looks its key up again each time, so it
never shows another key's. Whoever writes keeps batches out through the gate: then nothing is held, and an insertion is
what it would be between packets. This file must not know: programs, workers beyond their number.
Definition: lang/_hashmaps.py, lang/_lpm.py; layout: compiler/maplayout.py.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, MutableMapping, Sequence
from ipaddress import IPv4Network, IPv6Network
from typing import Any, Final, TypeVar, overload

from nmjit._hashmaps import MapFull
from nmjit._struct import StoredKind
from nmjit.compiler.irtypes import MapKind
from nmjit.compiler.maplayout import lpm_layout, table_layout
from nmjit.runtime._engine import Gate, Lpm, Table
from nmjit.runtime.errors import MapFileError
from nmjit.runtime.mapcodec import KeyCodec, RowCodec, table_codec
from nmjit.runtime.mapfile import Segment
from nmjit.runtime.mapviews import Entry, View

D = TypeVar("D")

_NETWORKS: Final[dict[StoredKind, Any]] = {StoredKind.IPV4: IPv4Network, StoredKind.IPV6: IPv6Network}


class _Keyed(View, MutableMapping[Any, Any]):
    """What tables share. Packed keys are of the table's own size, an LPM's with the length."""

    _table: Table

    def __init__(self, segment: Segment, gate: Gate | None) -> None:
        super().__init__(segment, gate)
        self._keys: Final = KeyCodec(segment.decl)
        self._rows: Final[RowCodec] = table_codec(segment.decl, self._keys)

    def _present(self, packed: bytes) -> Any:
        """What a reader of the key's entry is given; KeyError where it has none."""
        data = self._read(packed)
        if self._values.bare:
            return self._values.codec.unpack(data)[0][0]
        return Entry(self._values, lambda: self._read(packed), lambda stores: self._write(packed, stores))

    def _read(self, packed: bytes) -> bytes:
        data = self._table.read(packed)
        if data is None:
            raise KeyError(self._key(packed))
        return data

    def _write(self, packed: bytes, stores: Sequence[tuple[int, bytes]]) -> None:
        with self._writable():
            if not all(self._table.write(packed, offset, data) for offset, data in stores):
                raise KeyError(self._key(packed))

    def _key(self, packed: bytes) -> Any:
        return self._keys.key(packed)

    def _full(self, packed: bytes) -> MapFull:
        return MapFull(f"no room for {self._key(packed)!r} in {self.decl.name}")

    def __len__(self) -> int:
        return len(self._table)

    def items(self) -> Any:
        """Keys with entries as they are now: one copy of the table, values not live."""
        return dict(self._pairs()).items()

    def _pairs(self) -> Iterator[tuple[Any, Any]]:
        parts = len(self._rows.members) - len(self._values.names)
        for row in self.entries():
            stored = row[parts:]
            value = stored[0] if self._values.bare else self._values.presented(stored)
            yield self._row_key(row[:parts]), value

    def _row_key(self, parts: tuple[int, ...]) -> Any:
        return self._keys.key_of(parts)

    def values(self) -> Any:
        """Values as they are now, in the order of the keys."""
        return dict(self._pairs()).values()

    def __iter__(self) -> Iterator[Any]:
        return (key for key, _ in self._pairs())

    def entries(self) -> list[tuple[int, ...]]:
        """Key parts and field values of each entry, as integers: those of an LruHashMap by set and way."""
        return self._rows.unpack(self._table.export())

    def to_numpy(self) -> Any:
        """A copy of the table as a structured array: `key` (or key0 …), for an LpmTrie `length`, then the fields.

        A bare value is called `value`. Integers of 6 and 16 bytes are sequences of u8, the lowest first.
        """
        return self._rows.array(self._table.export())

    def _records(self, entries: Iterable[Sequence[int]]) -> tuple[bytes, int]:
        records = self._rows.pack_all(entries)
        return records, len(records) // self._rows.nbytes

    def reset(self) -> None:
        """Begin anew, without entries and with counters at 0."""
        with self._writable():
            self._table.reset()

    @property
    def seed(self) -> int:
        """The seed of the keys' hash."""
        return self._table.seed

    @property
    def inserted(self) -> int:
        """Entries made."""
        return self._table.counts()[0]

    @property
    def deleted(self) -> int:
        """Entries deleted, those of `clear` included."""
        return self._table.counts()[1]

    @property
    def evicted(self) -> int:
        """Entries given up to make room."""
        return self._table.counts()[2]

    @property
    def failed(self) -> int:
        """Insertions that found no room."""
        return self._table.counts()[3]


class TableView(_Keyed):
    """A HashMap or LruHashMap.

    Keys are ip addresses, integers, or tuples of them, as declared: TypeError for a key of another type, OverflowError
    for an integer that exceeds its part. Values are integers, or `Entry` where they have fields with names. A store
    marks an LruHashMap's entry as used, as in a filter; looking does not, for it may be another process that looks.
    """

    def __init__(self, segment: Segment, gate: Gate | None = None, *, seed: int = 0, workers: int = 1) -> None:
        super().__init__(segment, gate)
        decl = segment.decl
        try:
            self._table = Table(
                segment.memory, segment.at(0), table_layout(decl), capacity=decl.capacity,
                evicting=decl.kind is MapKind.LRU, seed=seed, workers=workers, fresh=segment.fresh,
            )  # fmt: skip
        except ValueError as error:
            raise MapFileError(str(segment.path), f"damaged: {error}") from None
        if segment.memory.writable and not segment.fresh:
            self._table.recover(workers)

    def __getitem__(self, key: object) -> Any:
        """The entry of `key`; KeyError where it has none."""
        return self._present(self._keys.packed(key))

    def __contains__(self, key: object) -> bool:
        return self._table.read(self._keys.packed(key)) is not None

    def __setitem__(self, key: object, value: object) -> None:
        """Copy `value` in, in place where the key has an entry. MapFull; TypeError, KeyError for another form of it."""
        packed = self._keys.packed(key)
        stores = self._values.stores(value)
        with self._writable():
            if self._table.touch(packed):
                self._write(packed, stores)
            elif self._table.insert(packed + self._values.new_bytes(value)) < 0:
                raise self._full(packed)

    def setdefault(self, key: object, default: object = 0) -> Any:
        """The entry of `key`, made with `default` where it has none. Raises as a store."""
        packed = self._keys.packed(key)
        value = self._values.new_bytes(default)
        with self._writable():
            if not self._table.touch(packed) and self._table.insert(packed + value) < 0:
                raise self._full(packed)
        return self._present(packed)

    def __delitem__(self, key: object) -> None:
        """KeyError where the key has no entry."""
        with self._writable():
            if not self._table.remove(self._keys.packed(key)):
                raise KeyError(key)

    def clear(self) -> None:
        """Delete every entry."""
        with self._writable():
            self._table.clear()

    def load(self, entries: Iterable[Sequence[int]]) -> None:
        """Take over what `entries` gave, here or on the map in `lang`, after a `reset`; batches see all or nothing.

        ValueError for entries of another shape, MapFull where they are too many.
        """
        records, count = self._records(entries)
        with self._writable():
            self._table.reset()
            done = self._table.fill(records)
        if done < count:
            raise self._full(records[done * self._rows.nbytes :][: self._keys.size])


class LpmView(_Keyed):
    """An LpmTrie: an address finds the longest network that contains it, a network means exactly that one.

    Networks are IPv4Network and IPv6Network objects; for other addresses, pairs (first address, bits of the prefix).
    TypeError for a key of another type, ValueError for a pair that is no network. Iterated by address, then length.
    """

    def __init__(self, segment: Segment, gate: Gate | None = None, *, seed: int = 0, workers: int = 1) -> None:
        super().__init__(segment, gate)
        decl = segment.decl
        try:
            self._lpm = Lpm(
                segment.memory, segment.at(0), lpm_layout(decl), table_layout(decl), capacity=decl.capacity,
                seed=seed, workers=workers, fresh=segment.fresh,
            )  # fmt: skip
        except ValueError as error:
            raise MapFileError(str(segment.path), f"damaged: {error}") from None
        self._table = self._lpm.table
        self._part: Final = self._keys.spec.parts_of[0]
        self._width: Final = 8 * decl.key[0]
        if segment.memory.writable and not segment.fresh:
            self._lpm.recover(workers)

    def _network(self, key: object) -> tuple[int, int] | None:
        """First address and length where `key` is a network, None where it is no such thing."""
        network = _NETWORKS.get(self._part.kind)
        if network is not None:
            return (int(key.network_address), key.prefixlen) if isinstance(key, network) else None
        if not isinstance(key, tuple):
            return None
        if len(key) != 2 or not isinstance(key[1], int):
            raise TypeError(f"a network of {self._part.name} is (first address, bits of the prefix), not {key!r}")
        first, length = self._part.integer(key[0]), key[1]
        shift = self._width - length
        if not 0 <= shift <= self._width or first >> shift << shift != first:
            raise ValueError(f"{key!r} is no network of {self._width}-bit addresses")
        return first, length

    def _exact(self, network: tuple[int, int]) -> bytes:
        return network[0].to_bytes(self._keys.size, "little") + network[1].to_bytes(8, "little")

    def _found(self, key: object) -> bytes:
        """The packed key of the network that `key` means or finds; KeyError where there is none."""
        network = self._network(key)
        packed = self._lpm.find(self._part.integer(key)) if network is None else self._exact(network)
        if packed is None or self._table.read(packed) is None:
            raise KeyError(key)
        return packed

    def _inserted(self, key: object) -> tuple[int, int]:
        network = self._network(key)
        if network is None:
            raise TypeError(f"networks come and go, not {key!r}")
        return network

    def _key(self, packed: bytes) -> Any:
        size = self._keys.size
        return self._row_key((int.from_bytes(packed[:size], "little"), int.from_bytes(packed[size:], "little")))

    def _row_key(self, parts: tuple[int, ...]) -> Any:
        address, network = self._part.kind.present(parts[0]), _NETWORKS.get(self._part.kind)
        return (address, parts[1]) if network is None else network((address, parts[1]))

    def __getitem__(self, key: object) -> Any:
        """The entry of the network that `key` means or finds; KeyError where there is none."""
        return self._present(self._found(key))

    @overload
    def get(self, key: object, default: None = None, /) -> Any | None: ...

    @overload
    def get(self, key: object, default: D, /) -> Any | D: ...

    def get(self, key: object, default: object = None, /) -> Any:
        """The entry as by `[]`, or `default`."""
        try:
            return self[key]
        except KeyError:
            return default

    def __contains__(self, key: object) -> bool:
        """Whether any network contains an address, or exactly a network is there."""
        try:
            self._found(key)
        except KeyError:
            return False
        return True

    def __setitem__(self, key: object, value: object) -> None:
        """Copy `value` into a network's entry, made where there is none; or into the entry that an address finds."""
        stores = self._values.stores(value)
        with self._writable():
            try:
                self._write(self._found(key), stores)
            except KeyError:
                if (network := self._network(key)) is None:
                    raise
                self._insert(network, self._values.new_bytes(value))

    def _insert(self, network: tuple[int, int], value: bytes) -> None:
        if self._lpm.insert(*network, value) < 0:
            raise self._full(self._exact(network))

    def setdefault(self, key: object, default: object = 0) -> Any:
        """The entry of exactly the network `key`; where there is none, a new one that holds `default`."""
        network, value = self._inserted(key), self._values.new_bytes(default)
        with self._writable():
            self._insert(network, value)
        return self._present(self._exact(network))

    def __delitem__(self, key: object) -> None:
        """Take a network out; KeyError where it is not there, TypeError where `key` is an address."""
        network = self._inserted(key)
        with self._writable():
            if not self._lpm.remove(*network):
                raise KeyError(key)

    def clear(self) -> None:
        """Delete every network."""
        with self._writable():
            self._lpm.clear()

    def reset(self) -> None:
        with self._writable():
            self._lpm.clear(reset=True)

    def entries(self) -> list[tuple[int, ...]]:
        """First address, length and field values of each network, in the order of the first two."""
        return sorted(super().entries())

    def load(self, entries: Iterable[Sequence[int]]) -> None:
        """As TableView.load. ValueError also for what is no network."""
        records, count = self._records(entries)
        with self._writable():
            self._lpm.clear(reset=True)
            done = self._lpm.fill(records)
        if done < count:
            if len(self) == self.decl.capacity:
                raise self._full(records[done * self._rows.nbytes :][: self._keys.size + 8])
            raise ValueError(f"entry {done} of what {self.decl.name} is to hold is no network")
