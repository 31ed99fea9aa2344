"""The maps of one engine, and what user space does to them between batches, alike for every engine.

`Contents` is what all maps hold, comparable: keys as unsigned integers, a HASH sorted, and what was counted. This file
must not know: packets, filters.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from ipaddress import IPv4Network, IPv6Network
from typing import Any, Final, Protocol

from nmjit import Events, LpmTrie, Mac
from nmjit._hashmaps import KeyedMap
from nmjit.compiler.irtypes import MapDecl, MapKind
from nmjit.compiler.mapstate import Entry, EventsState, LpmState, MapState, TableState, new_states
from nmjit.runtime.maps import EventsView, LiveMap, LpmView, TableView, live_map

Contents = dict[str, tuple[list[Entry], tuple[int, ...]]]
"""Entries of each map and its counters: deleted, evicted and failed of a table, dropped of an EVENTS."""
_KEYED: Final = frozenset({MapKind.HASH, MapKind.LRU})


class Maps(Protocol):
    """One engine's maps, by name."""

    def entries(self, name: str) -> list[Entry]: ...
    def counters(self, name: str) -> tuple[int, ...]: ...
    def read_events(self, name: str) -> None: ...
    def insert(self, name: str, network: tuple[int, int], values: Sequence[int]) -> None: ...
    def delete(self, name: str, network: tuple[int, int]) -> None: ...


def contents(decls: Sequence[MapDecl], maps: Maps) -> Contents:
    """What the maps hold now."""
    return {decl.name: (_comparable(decl, maps.entries(decl.name)), maps.counters(decl.name)) for decl in decls}


def _comparable(decl: MapDecl, entries: list[Entry]) -> list[Entry]:
    if decl.kind in _KEYED:
        sizes = decl.key
        parts = len(sizes)
        entries = [
            (*(part % (1 << 8 * size) for part, size in zip(entry, sizes, strict=False)), *entry[parts:])
            for entry in entries
        ]
    return sorted(entries) if decl.kind is MapKind.HASH else entries


def visit(decls: Sequence[MapDecl], maps: Maps, seed: str) -> None:
    """What user space does between two batches: reads events, changes routes. The same for the same seed and maps."""
    rng = random.Random(seed)
    for decl in decls:
        if decl.kind is MapKind.EVENTS and rng.random() < 0.4:
            maps.read_events(decl.name)
        elif decl.kind is MapKind.LPM:
            while rng.random() < 0.4:
                _change_route(decl, maps, rng)


def _change_route(decl: MapDecl, maps: Maps, rng: random.Random) -> None:
    present = [(entry[0], entry[1]) for entry in maps.entries(decl.name)]
    if present and (rng.random() < 0.5 or len(present) == decl.capacity):
        maps.delete(decl.name, rng.choice(present))
        return
    width = 8 * decl.key[0]
    # Networks in, around and beside those that are there, seldom so short that they fill a table's root.
    first, length = rng.choice(present) if present else (rng.getrandbits(width), width)
    length = max(min(8, width), min(width, length + rng.choice((-9, -1, 1, 2, 7, 8, 9, 16))))
    first = (first ^ rng.choice((0, 1 << width - length))) >> width - length << width - length
    values = [
        rng.choice((0, 1, 5, (1 << 8 * field.scalar.size - 1) - 1 if rng.random() < 0.2 else 2))
        for field in decl.layout.fields
    ]
    maps.insert(decl.name, (first, length), values)


class OracleMaps:
    """The module's own objects."""

    def __init__(self, objects: Mapping[str, Any]) -> None:
        self._objects = objects

    def entries(self, name: str) -> list[Entry]:
        found: list[Entry] = self._objects[name].entries()
        return found

    def counters(self, name: str) -> tuple[int, ...]:
        return _counters(self._objects[name])

    def read_events(self, name: str) -> None:
        self._objects[name].read()

    def insert(self, name: str, network: tuple[int, int], values: Sequence[int]) -> None:
        obj = self._objects[name]
        assert isinstance(obj, LpmTrie)
        self.delete(name, network)
        obj._table.insert(*network, values)

    def delete(self, name: str, network: tuple[int, int]) -> None:
        self._objects[name]._table.delete(*network)


class InterpreterMaps:
    """The interpreter's states."""

    def __init__(self, decls: Sequence[MapDecl], first: Mapping[str, list[Entry]]) -> None:
        self.states: dict[str, MapState] = new_states(decls)
        for name, state in self.states.items():
            state.load(first[name])
        self._before = {name: _counters(state) for name, state in self.states.items()}

    def entries(self, name: str) -> list[Entry]:
        return self.states[name].entries()

    def counters(self, name: str) -> tuple[int, ...]:
        return _since(_counters(self.states[name]), self._before[name])

    def read_events(self, name: str) -> None:
        state = self.states[name]
        assert isinstance(state, EventsState)
        state._records.clear()

    def insert(self, name: str, network: tuple[int, int], values: Sequence[int]) -> None:
        self.delete(name, network)
        self._lpm(name)._table.insert(*network, values)

    def delete(self, name: str, network: tuple[int, int]) -> None:
        self._lpm(name)._table.delete(*network)

    def _lpm(self, name: str) -> LpmState:
        state = self.states[name]
        assert isinstance(state, LpmState)
        return state


class LiveMaps:
    """Memory that native code writes, seen by the runtime's views."""

    def __init__(self, decls: Sequence[MapDecl], first: Mapping[str, list[Entry]]) -> None:
        self._views: dict[str, LiveMap] = {decl.name: live_map(decl) for decl in decls}
        for name, view in self._views.items():
            if first[name]:
                view.load(first[name])
        self._before = {name: _counters(view) for name, view in self._views.items()}

    def addresses(self) -> list[int]:
        """Where each map lies, in order."""
        return [view.address(0) for view in self._views.values()]

    def entries(self, name: str) -> list[Entry]:
        return self._views[name].entries()

    def counters(self, name: str) -> tuple[int, ...]:
        return _since(_counters(self._views[name]), self._before[name])

    def read_events(self, name: str) -> None:
        view = self._views[name]
        assert isinstance(view, EventsView)
        waiting, delivered = len(view), view.delivered
        assert len(view.read()) == waiting
        assert view.delivered == delivered + waiting
        assert view.emitted == view.delivered + view.dropped

    def insert(self, name: str, network: tuple[int, int], values: Sequence[int]) -> None:
        view = self._lpm(name)
        names = [field.name for field in view.decl.layout.fields]
        view[_network(view.decl, network)] = values[0] if names == [""] else dict(zip(names, values, strict=True))

    def delete(self, name: str, network: tuple[int, int]) -> None:
        del self._lpm(name)[_network(self._lpm(name).decl, network)]

    def _lpm(self, name: str) -> LpmView:
        view = self._views[name]
        assert isinstance(view, LpmView)
        return view


_NETWORKS: Final[dict[str, Callable[[int, int], object]]] = {
    "IPv4Address": lambda first, length: IPv4Network((first, length)),
    "IPv6Address": lambda first, length: IPv6Network((first, length)),
    "Mac": lambda first, length: (Mac(first), length),
}


def _network(decl: MapDecl, network: tuple[int, int]) -> object:
    """A network as the views take it."""
    make = _NETWORKS.get(decl.key_types[0])
    return make(*network) if make else network


def _counters(side: Any) -> tuple[int, ...]:
    """What a map, a state or a view counts; nothing for kinds that every engine counts for itself."""
    match side:
        case Events() | EventsState() | EventsView():
            return (side.dropped,)
        case KeyedMap() | TableView():
            return (side.deleted, side.evicted, side.failed)
        case TableState():
            return (side._table.deleted, side._table.evicted, side._table.failed)
    return ()


def _since(now: tuple[int, ...], before: tuple[int, ...]) -> tuple[int, ...]:
    return tuple(count - old for count, old in zip(now, before, strict=True))
