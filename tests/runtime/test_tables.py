"""The tables of runtime/csrc against their definitions in lang/_tables.py: the same answers, whatever is done to them.

Operations are those of ops.h, as compiled code calls them, on memory laid out as compiler/maplayout.py says.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from typing import Any, ClassVar

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from nmjit._hash import key_hash, pack_key, unpack_key
from nmjit._tables import HashTable, LpmTable, LruTable
from nmjit.compiler.abi import FLAG_HOLD, FLAG_SHARED, FLAG_TOUCH
from nmjit.compiler.irtypes import Layout, MapDecl, MapKind, Scalar
from nmjit.compiler.maplayout import GROUP, HELD_SIZE, TABLE, map_bytes, table_at, table_layout, values
from nmjit.runtime._engine import MapMemory, Table
from nmjit.runtime.maps import LpmView, live_map
from tests.runtime.native import compile_c

VALUE = Layout.of((("", Scalar(8)),))
SEED = 11


@pytest.fixture(scope="module", autouse=True)
def library(tmp_path_factory: pytest.TempPathFactory) -> ctypes.CDLL:
    """The maps' C, for the machines below."""
    path = compile_c(tmp_path_factory.mktemp("tables") / "tables.so", "-shared", "-fPIC", "-O2")
    loaded = ctypes.CDLL(str(path))
    _Machine.ops = _Ops(loaded)
    return loaded


class _Ops:
    """struct nmjit_ops, callable."""

    def __init__(self, library: ctypes.CDLL) -> None:
        pointer, u64, u32 = ctypes.c_void_p, ctypes.c_uint64, ctypes.c_uint32
        table = (pointer * 5).in_dll(library, "nmjit_ops")
        look = ctypes.CFUNCTYPE(ctypes.c_int64, pointer, ctypes.c_char_p, u64, u32, u32)
        put = ctypes.CFUNCTYPE(ctypes.c_int64, pointer, ctypes.c_char_p, u64, ctypes.c_char_p, u32, u32)
        self.find: Callable[..., int] = look(table[0] or 0)
        self.insert: Callable[..., int] = put(table[1] or 0)
        self.remove: Callable[..., int] = look(table[2] or 0)


class _Machine(RuleBasedStateMachine):
    """One worker's packets on a table and on its definition. Keys are few, so that they meet."""

    ops: ClassVar[_Ops]
    kind: ClassVar[MapKind]
    capacity: ClassVar[int]
    flags: ClassVar[int] = FLAG_HOLD

    @initialize()
    def start(self) -> None:
        self.decl = MapDecl("t", self.kind, VALUE, self.capacity, key=(8, 4))
        self.layout = table_layout(self.decl)
        self.memory = MapMemory(map_bytes(self.decl))
        evicting = self.kind is MapKind.LRU
        self.table = Table(self.memory, 0, self.layout, capacity=self.capacity, evicting=evicting, seed=SEED)
        self.model: Any = (
            LruTable(self.capacity, SEED) if evicting else HashTable(self.capacity, self.layout.slots, SEED)
        )
        self.met: dict[int, int] = {}
        """Of the definition's entries that this packet met: where they lie here."""

    def _read(self, index: int) -> int:
        start, step = values(self.decl)
        return ctypes.c_uint64.from_address(self.memory.address + start + index * step).value

    def _meet(self, index: int, mine: int, key: bytes) -> None:
        """Both found the key, or neither; an entry met before is where it was, and no other's."""
        assert (index < 0) == (mine < 0)
        if index < 0:
            return
        assert self.met.setdefault(index, mine) == mine
        assert list(self.met.values()).count(mine) == 1
        if self.kind is MapKind.LRU:
            assert index == mine

    @rule()
    def packet(self) -> None:
        """The next packet begins: nothing is held."""
        ctypes.c_uint32.from_address(self.memory.address + self.layout.held_at).value = 0
        self.model.begin_packet()
        self.met.clear()

    @rule(number=st.integers(0, 60), value=st.integers(0, 2**64 - 1))
    def insert(self, number: int, value: int) -> None:
        key, hashed = _key(number)
        mine = self.ops.insert(self.memory.address, key, hashed, value.to_bytes(8, "little"), 0, self.flags)
        index = self.model.insert(key, hashed, [value])
        self._meet(index, mine, key)
        if index >= 0:
            assert self._read(mine) == self.model.values[index][0]

    @rule(number=st.integers(0, 60), touch=st.booleans())
    def find(self, number: int, touch: bool) -> None:
        key, hashed = _key(number)
        mine = self.ops.find(self.memory.address, key, hashed, 0, self.flags | (FLAG_TOUCH if touch else 0))
        self._meet(self.model.find(key, hashed, touch), mine, key)

    @rule(number=st.integers(0, 60))
    def delete(self, number: int) -> None:
        key, hashed = _key(number)
        mine = self.ops.remove(self.memory.address, key, hashed, 0, self.flags)
        self._meet(self.model.delete(key, hashed), mine, key)

    @precondition(lambda self: not self.met)
    @rule()
    def clear(self) -> None:
        self.table.clear()
        self.model.clear()

    @precondition(lambda self: not self.met)
    @rule()
    def recover(self) -> None:
        """Recovery of what is consistent changes nothing."""
        before = bytes(self.memory)
        assert self.table.recover() == 0
        assert _without_versions(before, self) == _without_versions(bytes(self.memory), self)

    @invariant()
    def same(self) -> None:
        model, counts = self.model, (self.model.inserted, self.model.deleted, self.model.evicted, self.model.failed)
        assert (len(self.table), self.table.counts()) == (len(model), counts)
        records = self.table.export()
        size = self.layout.key_size + 8
        rows = [(records[at : at + 16], int.from_bytes(records[at + 16 : at + size], "little"))
                for at in range(0, len(records), size)]  # fmt: skip
        wanted = [(key, model.values[index][0]) for key, index in model.items()]
        assert (rows if self.kind is MapKind.LRU else sorted(rows)) == (
            wanted if self.kind is MapKind.LRU else sorted(wanted)
        )
        for key, value in wanted:
            assert self.table.read(key) == value.to_bytes(8, "little")


def _key(number: int) -> tuple[bytes, int]:
    key = pack_key((number * 2**40, number), (8, 4))
    return key, key_hash(key, SEED)


def _without_versions(memory: bytes, machine: _Machine) -> bytes:
    """All but what recovery may change of a table that was consistent: versions, and how many are held."""
    kept = bytearray(memory)
    for group in range(machine.layout.groups):
        at = machine.layout.groups_at + group * GROUP.size + GROUP.offset("version")
        kept[at : at + 4] = bytes(4)
    kept[machine.layout.held_at : machine.layout.held_at + 64 * HELD_SIZE] = bytes(64 * HELD_SIZE)
    return bytes(kept)


class _Hash(_Machine):
    kind, capacity = MapKind.HASH, 40


class _Lru(_Machine):
    kind, capacity = MapKind.LRU, 17


class _SharedLru(_Lru):
    """With one worker, the operations for several do the same."""

    flags = FLAG_SHARED | FLAG_HOLD


class _SharedHash(_Hash):
    flags = FLAG_SHARED | FLAG_HOLD


for machine in (_Hash, _Lru, _SharedLru, _SharedHash):
    machine.TestCase.settings = settings(max_examples=40, stateful_step_count=60, deadline=None)
TestHash = _Hash.TestCase
TestLru = _Lru.TestCase
TestSharedLru = _SharedLru.TestCase
TestSharedHash = _SharedHash.TestCase


# LPM


class _Lpm(RuleBasedStateMachine):
    """Networks of few bits that lie in each other, short and long."""

    width: ClassVar[int]

    @initialize()
    def start(self) -> None:
        self.decl = MapDecl("l", MapKind.LPM, VALUE, 12, key=(self.width // 8,))
        view = live_map(self.decl)
        assert isinstance(view, LpmView)
        self.view = view
        self.lpm = view._lpm
        self.model = LpmTable(self.width, 12)

    def _network(self, bits: int, length: int) -> tuple[int, int]:
        """Addresses that agree in most bits: nodes are made and go."""
        length = min(length, self.width)
        address = (0xA5 << self.width - 8 | (bits & 3) << self.width - 14 | bits >> 2) & ((1 << self.width) - 1)
        return address >> self.width - length << self.width - length, length

    @rule(bits=st.integers(0, 2**10), length=st.integers(0, 128), value=st.integers(0, 2**64 - 1))
    def insert(self, bits: int, length: int, value: int) -> None:
        network = self._network(bits, length)
        mine = self.lpm.insert(*network, value.to_bytes(8, "little"))
        assert (mine < 0) == (self.model.insert(*network, [value]) < 0)

    @rule(bits=st.integers(0, 2**10), length=st.integers(0, 128))
    def delete(self, bits: int, length: int) -> None:
        network = self._network(bits, length)
        assert self.lpm.remove(*network) == (self.model.delete(*network) >= 0)

    @rule(data=st.data())
    def delete_one_there(self, data: st.DataObject) -> None:
        if networks := [(address, length) for address, length, _ in self.model.items()]:
            network = data.draw(st.sampled_from(networks))
            assert self.lpm.remove(*network)
            self.model.delete(*network)

    @rule(bits=st.integers(0, 2**10), flip=st.integers(0, 127))
    def longest(self, bits: int, flip: int) -> None:
        address = self._network(bits, self.width)[0] ^ 1 << flip % self.width
        index, found = self.model.longest(address), self.lpm.find(address)
        assert (index < 0) == (found is None)
        if found is not None:
            assert self.lpm.table.read(found) == self.model.values[index][0].to_bytes(8, "little")

    @rule()
    def recover(self) -> None:
        nodes = self.lpm.nodes
        assert self.lpm.recover() == 0
        assert self.lpm.nodes == nodes

    @rule()
    def clear(self) -> None:
        self.lpm.clear()
        self.model.clear()
        assert self.lpm.nodes == 0

    @invariant()
    def same(self) -> None:
        assert self.view.entries() == [(a, n, self.model.values[index][0]) for a, n, index in self.model.items()]
        assert (len(self.view), self.view.failed) == (len(self.model), self.model.failed)
        if not len(self.model):
            assert self.lpm.nodes == 0


class _Lpm32(_Lpm):
    width = 32


class _Lpm48(_Lpm):
    width = 48


class _Lpm128(_Lpm):
    width = 128


class _Lpm16(_Lpm):
    width = 16


for trie in (_Lpm16, _Lpm32, _Lpm48, _Lpm128):
    trie.TestCase.settings = settings(max_examples=8, stateful_step_count=40, deadline=None)
TestLpm16 = _Lpm16.TestCase
TestLpm32 = _Lpm32.TestCase
TestLpm48 = _Lpm48.TestCase
TestLpm128 = _Lpm128.TestCase


# What a killed writer, or a stranger, may have left


def _filled() -> tuple[MapMemory, Table, MapDecl]:
    decl = MapDecl("t", MapKind.HASH, VALUE, 60, key=(8, 4))
    memory = MapMemory(map_bytes(decl))
    table = Table(memory, 0, table_layout(decl), capacity=60, evicting=False, seed=SEED)
    for number in range(30):
        assert table.insert(_key(number)[0] + number.to_bytes(8, "little")) >= 0
    return memory, table, decl


def test_recovery_drops_what_no_look_up_would_find() -> None:
    memory, table, decl = _filled()
    layout, raw = table_layout(decl), memoryview(memory).cast("B")
    groups = layout.groups_at
    tag_of = {index: groups + index // 16 * GROUP.size + index % 16 for index in range(layout.slots)}
    used = {table.find(_key(number)[0]): number for number in range(30)}
    victims = list(used)[:2]
    twin, torn = [index for index in tag_of if index not in used][-2:]
    raw[tag_of[victims[0]]] ^= 1  # a tag that is not its key's
    raw[tag_of[torn]] = 1  # claimed, and never written
    original = layout.entries_at + victims[1] * layout.entry_size
    double = layout.entries_at + twin * layout.entry_size
    raw[double : double + 24] = raw[original : original + 24]
    raw[tag_of[twin]] = raw[tag_of[victims[1]]]
    raw[groups + GROUP.offset("lock")] = 1
    raw[groups + GROUP.offset("version")] |= 1
    raw[TABLE.offset("length")] = 99
    assert table.recover() == 2
    assert len(table) == 29
    left = {unpack_key(bytes(key), (8, 4))[1] for key in _keys(table)}
    assert left == set(range(30)) - {used[victims[0]]}
    assert raw[groups + GROUP.offset("lock")] == 0
    assert raw[groups + GROUP.offset("version")] % 2 == 0
    assert table.recover() == 0


def _keys(table: Table) -> list[bytes]:
    records = table.export()
    return [bytes(records[at : at + 16]) for at in range(0, len(records), 24)]


def test_another_shape_is_refused() -> None:
    memory, _, decl = _filled()
    other = MapDecl("t", MapKind.HASH, VALUE, 59, key=(8, 4))
    with pytest.raises(ValueError, match="not a table of this shape"):
        Table(memory, 0, table_layout(other), capacity=59, evicting=False, fresh=False)
    assert table_at(decl) == 0


def test_where_nothing_is_given_away_nothing_is_held() -> None:
    """Several workers that only insert: no packet ends, and yet there is always room to go on."""
    decl = MapDecl("t", MapKind.HASH, VALUE, 2000, key=(8, 4))
    memory = MapMemory(map_bytes(decl))
    table = Table(memory, 0, table_layout(decl), capacity=2000, evicting=False, seed=SEED, workers=2)
    for number in range(2000):
        key, hashed = _key(number)
        assert _Machine.ops.insert(memory.address, key, hashed, bytes(8), 1, FLAG_SHARED) >= 0
        assert _Machine.ops.find(memory.address, key, hashed, 1, FLAG_SHARED) >= 0
    assert len(table) == 2000
    key, hashed = _key(2000)
    assert _Machine.ops.insert(memory.address, key, hashed, bytes(8), 1, FLAG_SHARED) == -1
    assert table.counts() == (2000, 0, 0, 1)
