"""Maps in memory, as compiled code meets them, filled from the interpreter's contents and read back as such.

Tables change by the runtime's own C, compiled here as a plain library, so that the compiler's tests need no extension.
"""

from __future__ import annotations

import ctypes
import mmap
import shutil
import subprocess
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from pathlib import Path

from nmjit._hash import key_hash, pack_key, unpack_key
from nmjit.compiler import maplayout
from nmjit.compiler.abi import CStruct
from nmjit.compiler.irtypes import MapDecl, MapKind, StoredField
from nmjit.compiler.maplayout import GROUP, HELD, LPM, RING, RING_RECORDS, TABLE
from nmjit.compiler.mapstate import Entry, EventsState, MapState

_SOURCES = ("ops.c", "table.c", "table_shared.c", "table_recover.c", "lpm.c")
_ROOT = Path(__file__).parents[2]
_CSRC = _ROOT / "runtime" / "csrc"
_TABLES = (MapKind.HASH, MapKind.LRU, MapKind.LPM)


@cache
def library() -> ctypes.CDLL:
    """The C side of maps."""
    compiler = shutil.which("cc")
    assert compiler, "a C compiler builds the runtime, so it is here"
    with tempfile.TemporaryDirectory() as folder:
        target = Path(folder) / "maps.so"
        sources = [str(_CSRC / name) for name in _SOURCES]
        include = f"-I{_ROOT / 'kernel' / 'uapi'}"
        subprocess.run([compiler, "-O1", "-shared", "-fPIC", include, "-o", str(target), *sources], check=True)
        found = ctypes.CDLL(str(target))
    found.lpm_insert.restype = ctypes.c_int64
    found.table_insert.restype = ctypes.c_int64
    return found


def ops_address() -> int:
    """Address of the functions that compiled code calls."""
    return ctypes.addressof(ctypes.c_char.in_dll(library(), "nmjit_ops"))


class MapMemory:
    """One map, empty, at the start of a page."""

    def __init__(self, decl: MapDecl, seed: int = 0) -> None:
        self.decl = decl
        self.seed = seed
        self.image = mmap.mmap(-1, maplayout.map_bytes(decl))
        self.address = ctypes.addressof(ctypes.c_char.from_buffer(self.image))
        if decl.kind is MapKind.LPM:
            layout = maplayout.lpm_layout(decl)
            for name in ("table_at", "root_at", "nodes_at", "width", "root_bits", "node_capacity"):
                self.put(LPM, 0, name, getattr(layout, name))
        if decl.kind in _TABLES:
            self._start_table()

    def _start_table(self) -> None:
        decl, at, layout = self.decl, maplayout.table_at(self.decl), maplayout.table_layout(self.decl)
        for member in TABLE.members:
            if hasattr(layout, member.name):
                self.put(TABLE, at, member.name, getattr(layout, member.name))
        self.put(TABLE, at, "seed", self.seed)
        self.put(TABLE, at, "capacity", decl.capacity)
        self.put(TABLE, at, "evicting", int(decl.kind is MapKind.LRU))
        self.put(TABLE, at, TABLE.members[-1].name, maplayout.MAX_WORKERS)

    # Numbers in memory

    def put(self, struct: CStruct, at: int, name: str, value: int) -> None:
        size = next(member.size for member in struct.members if member.name == name)
        start = at + struct.offset(name)
        self.image[start : start + size] = value.to_bytes(size, "little")

    def get(self, struct: CStruct, at: int, name: str) -> int:
        size = next(member.size for member in struct.members if member.name == name)
        start = at + struct.offset(name)
        return int.from_bytes(self.image[start : start + size], "little")

    def _fields(self, start: int) -> Entry:
        def read(field: StoredField) -> int:
            place = start + field.offset
            stored = self.image[place : place + field.scalar.size]
            return int.from_bytes(stored, "little", signed=field.scalar.signed)

        return tuple(read(field) for field in self.decl.layout.fields)

    def _packed(self, values: Sequence[int]) -> bytes:
        image = bytearray(self.decl.layout.size)
        for field, value in zip(self.decl.layout.fields, values, strict=True):
            size = field.scalar.size
            image[field.offset : field.offset + size] = (value % (1 << 8 * size)).to_bytes(size, "little")
        return bytes(image)

    # Contents

    def load(self, entries: Iterable[Entry]) -> None:
        """Put in what `MapState.entries` of an equal map gave."""
        for place, entry in enumerate(entries):
            match self.decl.kind:
                case MapKind.HASH | MapKind.LRU:
                    self._load_keyed(entry)
                case MapKind.LPM:
                    self._load_network(entry)
                case MapKind.EVENTS:
                    start = RING_RECORDS + place * self.decl.layout.size
                    self.image[start : start + self.decl.layout.size] = self._packed(entry)
                    self.put(RING, 0, "head", place + 1)
                case _:
                    start = place * self.decl.layout.size
                    self.image[start : start + self.decl.layout.size] = self._packed(entry)

    def _load_keyed(self, entry: Entry) -> None:
        parts = len(self.decl.key)
        key = pack_key(entry[:parts], self.decl.key)
        hashed = ctypes.c_uint64(key_hash(key, self.seed))
        index = library().table_insert(
            ctypes.c_void_p(self.address), key, hashed, self._packed(entry[parts:]), ctypes.c_uint32(0), 0
        )
        assert index >= 0, entry

    def _load_network(self, entry: Entry) -> None:
        address, length, *values = entry
        network = address.to_bytes(16, "little") + length.to_bytes(8, "little")
        assert library().lpm_insert(ctypes.c_void_p(self.address), network, self._packed(values)) >= 0, entry

    def entries(self) -> list[Entry]:
        """The contents, as `MapState.entries` gives them but for the order of a HASH."""
        first, stride = maplayout.values(self.decl)
        match self.decl.kind:
            case MapKind.HASH | MapKind.LRU:
                return [(*self._key(index), *self._fields(first + stride * index)) for index in self.live()]
            case MapKind.LPM:
                return sorted((*self._network(index), *self._fields(first + stride * index)) for index in self.live())
            case MapKind.EVENTS:
                head, tail = self.get(RING, 0, "head"), self.get(RING, 0, "tail")
                places = (number % self.decl.capacity for number in range(tail, head))
                return [self._fields(RING_RECORDS + place * self.decl.layout.size) for place in places]
            case _:
                return [self._fields(place * stride) for place in range(self.decl.capacity)]

    def live(self) -> list[int]:
        """Indices of a table's entries."""
        layout, at = maplayout.table_layout(self.decl), maplayout.table_at(self.decl)
        groups = at + layout.groups_at
        return [
            16 * group + way
            for group in range(layout.groups)
            for way in range(16)
            if self.image[groups + group * GROUP.size + way] & 0x80
        ]

    def _entry_at(self, index: int) -> int:
        layout = maplayout.table_layout(self.decl)
        return maplayout.table_at(self.decl) + layout.entries_at + index * layout.entry_size

    def _key(self, index: int) -> Entry:
        start, decl = self._entry_at(index), self.decl
        return unpack_key(self.image[start : start + decl.key_size], decl.key, decl.key_signs)

    def _network(self, index: int) -> Entry:
        start, size = self._entry_at(index), self.decl.key_size
        address = int.from_bytes(self.image[start : start + size], "little")
        return address, int.from_bytes(self.image[start + size : start + size + 8], "little")

    def held(self, worker: int = 0) -> list[int]:
        """Indices that a worker's packet holds."""
        start = maplayout.table_layout(self.decl).held_at + worker * maplayout.HELD_SIZE
        count, slots = self.get(HELD, start, "count"), start + HELD.offset("slots")
        return [int.from_bytes(self.image[slots + 4 * n : slots + 4 * n + 4], "little") for n in range(count)]


def memories(states: Mapping[str, MapState]) -> list[MapMemory]:
    """Maps with the contents of the interpreter's, in order."""
    found = []
    for state in states.values():
        memory = MapMemory(state.decl, state.seed)
        memory.load(state.entries())
        found.append(memory)
    return found


def assert_same(states: Mapping[str, MapState], found: Sequence[MapMemory]) -> None:
    """Both sides hold the same."""
    for state, memory in zip(states.values(), found, strict=True):
        wanted, got = state.entries(), memory.entries()
        if state.decl.kind is MapKind.HASH:
            wanted, got = sorted(wanted), sorted(got)
        assert got == wanted, state.decl.name
        if isinstance(state, EventsState):
            assert memory.get(RING, 0, "dropped") == state.dropped
