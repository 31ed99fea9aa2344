"""HASH and LRU in line: packed keys, their hash, look-ups over real tables, and when they call out instead."""

from __future__ import annotations

import random
from collections.abc import Iterable

import pytest

from nmjit._hash import key_hash, pack_key
from nmjit.compiler.abi import FLAG_HOLD, FLAG_SHARED, FLAG_TOUCH
from nmjit.compiler.emit import emit_module
from nmjit.compiler.emit_maps import TableUse, table_uses
from nmjit.compiler.ir import (
    ByteOrder,
    KeyHash,
    Load,
    MapDelete,
    MapFind,
    MapInsert,
    MapLoad,
    PackKey,
    Predicate,
    Store,
    StoreBytes,
)
from nmjit.compiler.irtypes import Layout, MapDecl, MapKind, Scalar
from nmjit.compiler.jit import NativeCode, assembly_text
from nmjit.compiler.maplayout import GROUP, HELD_SLOTS, TABLE, index_count, table_layout
from nmjit.compiler.options import EmitOptions
from tests.compiler.batch_runner import DESCRIPTORS, compile_function, run_batch
from tests.compiler.map_memory import MapMemory
from tests.compiler.natural_ranges import natural_ranges
from tests.compiler.sample_filters import PASS, FilterDraft

COUNT = Layout.of((("", Scalar(8)),))
SHARED = EmitOptions(workers=2)
MISSING = 2**64 - 1
"""What a draft stores for an index of −1."""


def table(kind: MapKind, capacity: int, key: tuple[int, ...] = (8,), layout: Layout = COUNT) -> MapDecl:
    return MapDecl("table", kind, layout, capacity, key=key)


@pytest.mark.parametrize(
    "sizes", [(1,), (4, 2), (8,), (4, 4, 2, 2, 1), (1, 8), (2, 16, 16, 1), (6, 6, 6), (16, 16, 16, 16), (1,) * 23]
)
def test_packed_keys_and_hashes(sizes: tuple[int, ...]) -> None:
    """Parts that cross words, an odd number of words, and a seed."""
    decl = table(MapKind.HASH, 4, sizes)
    draft = FilterDraft("hash")
    draft.function.maps.append(decl)
    zero, start, parts = draft.const(0), 0, []
    for size in sizes:
        parts.append(draft.builder.emit(Load(zero, start, size, ByteOrder.LITTLE)))
        start += size
    key = draft.builder.emit(PackKey(tuple(parts), sizes))
    draft.builder.emit(StoreBytes(zero, start, key))
    hashed = draft.builder.emit(KeyHash(decl, key))
    draft.builder.emit(Store(zero, start + decl.key_size, 8, hashed, ByteOrder.LITTLE))
    draft.verdict(PASS)
    memory = MapMemory(decl, seed=0xF00D_0000_0000_0001)
    bits = random.Random(len(sizes))
    values = [bits.randrange(1 << 8 * size) for size in sizes]
    image = b"".join(value.to_bytes(size, "little") for value, size in zip(values, sizes, strict=True))
    code = compile_function(draft.function, natural_ranges(draft.function))
    after = run_batch(code, [image + bytes(decl.key_size + 8)], maps=[memory]).packets[0][start:]
    packed = pack_key(values, sizes)
    assert after == packed + key_hash(packed, memory.seed).to_bytes(8, "little")


def finder(decl: MapDecl, touch: bool = False) -> FilterDraft:
    """Looks the key in the packet's first bytes up, and leaves index and value behind it."""
    draft = FilterDraft("finder")
    builder = draft.builder
    draft.function.maps.append(decl)
    zero, size = draft.const(0), decl.key_size
    words = tuple(builder.emit(Load(zero, place, 8, ByteOrder.LITTLE)) for place in range(0, size, 8))
    key = builder.emit(PackKey(words, (8,) * len(words)))
    index = builder.emit(MapFind(decl, key, builder.emit(KeyHash(decl, key)), touch))
    builder.emit(Store(zero, size, 8, index, ByteOrder.LITTLE))
    found, missing = builder.block("found"), builder.block("missing")
    builder.branch(builder.compare(Predicate.GE, index, zero), found, missing)
    builder.position(found)
    builder.emit(Store(zero, size + 8, 8, builder.emit(MapLoad(decl, index, "")), ByteOrder.LITTLE))
    draft.verdict(PASS)
    builder.position(missing)
    draft.verdict(PASS + 1)
    return draft


Found = list[tuple[int, int]]


def look_up(code: NativeCode, memory: MapMemory, keys: list[bytes], worker: int = 0) -> Found:
    """Index and value that a finder tells of each key."""
    packets = [key + bytes(16) for key in keys]
    after = run_batch(code, packets, maps=[memory], worker=worker).packets
    size = memory.decl.key_size
    return [
        (int.from_bytes(packet[size : size + 8], "little"), int.from_bytes(packet[size + 8 :], "little"))
        for packet in after
    ]


def keys_of(numbers: Iterable[int], words: int) -> list[bytes]:
    return [b"".join((number + word).to_bytes(8, "little") for word in range(words)) for number in numbers]


@pytest.mark.parametrize("kind", [MapKind.HASH, MapKind.LRU])
@pytest.mark.parametrize("words", [1, 3, 8])
@pytest.mark.parametrize("options", [EmitOptions(), EmitOptions(paranoid=True), SHARED], ids=["one", "paranoid", "two"])
def test_members_are_found_and_strangers_are_not(kind: MapKind, words: int, options: EmitOptions) -> None:
    decl = table(kind, 400, (8,) * words)
    memory = MapMemory(decl, seed=5)
    numbers = range(0, 1000, 5)
    memory.load((*(number + word for word in range(words)), 7 * number) for number in numbers)
    draft = finder(decl)
    code = compile_function(draft.function, natural_ranges(draft.function), options=options)
    found = look_up(code, memory, keys_of(range(1000), words))
    for number, (index, value) in enumerate(found):
        if number in numbers:
            assert value == 7 * number
            assert index in memory.live()
        else:
            assert (index, value) == (MISSING, 0)


def test_keys_behind_full_groups_are_found() -> None:
    """All keys have one group for their own, so most lie far behind it; a stranger's look-up goes as far."""
    decl = table(MapKind.HASH, 100)
    groups = table_layout(decl).groups
    own = [number for number in range(40_000) if key_hash(pack_key((number,), (8,))) >> 32 < 2**32 // groups][:101]
    members, stranger = own[:100], own[100]
    memory = MapMemory(decl)
    memory.load((number, number) for number in members)
    draft = finder(decl)
    code = compile_function(draft.function, natural_ranges(draft.function))
    found = look_up(code, memory, keys_of([*members, stranger], 1))
    assert [value for _, value in found] == [*members, 0]
    assert found[-1][0] == MISSING
    assert {index // 16 for index, _ in found[:-1]} == set(range(7))


def test_look_up_ends_where_every_group_says_go_on() -> None:
    decl = table(MapKind.HASH, 4)
    memory = MapMemory(decl)
    for group in range(table_layout(decl).groups):
        memory.put(GROUP, table_layout(decl).groups_at + GROUP.size * group, "overflow", 1)
    draft = finder(decl)
    code = compile_function(draft.function, natural_ranges(draft.function))
    assert look_up(code, memory, keys_of(range(8), 1)) == [(MISSING, 0)] * 8


def referenced(memory: MapMemory) -> int:
    return memory.get(GROUP, table_layout(memory.decl).groups_at, "referenced")


@pytest.mark.parametrize("options", [EmitOptions(), SHARED], ids=["one", "two"])
@pytest.mark.parametrize("touch", [False, True])
def test_touched_entries_are_marked(options: EmitOptions, touch: bool) -> None:
    decl = table(MapKind.LRU, 16)
    memory = MapMemory(decl)
    memory.load((number, number) for number in range(16))
    draft = finder(decl, touch)
    code = compile_function(draft.function, natural_ranges(draft.function), options=options)
    look_up(code, memory, keys_of([3, 15, 3, 99, 0], 1))
    assert referenced(memory) == (1 << 3 | 1 << 15 | 1 if touch else 0)


def test_inserting_marks_nothing() -> None:
    """Neither a new entry nor one that was there."""
    decl = table(MapKind.LRU, 16)
    draft = FilterDraft("insert")
    draft.function.maps.append(decl)
    number = draft.builder.emit(Load(draft.const(0), 0, 1))
    key = draft.builder.emit(PackKey((number,), (8,)))
    draft.builder.emit(MapInsert(decl, key, draft.builder.emit(KeyHash(decl, key)), (number,)))
    draft.verdict(PASS)
    memory = MapMemory(decl)
    memory.load([(3, 30)])
    run_batch(compile_function(draft.function, natural_ranges(draft.function)), [bytes([3]), bytes([4])], maps=[memory])
    assert memory.entries() == [(3, 30), (4, 4)]
    assert referenced(memory) == 0


def test_found_entries_are_held_until_the_next_packet() -> None:
    decl = table(MapKind.LRU, 16)
    memory = MapMemory(decl)
    memory.load((number, number) for number in range(16))
    draft = finder(decl)
    code = compile_function(draft.function, natural_ranges(draft.function), holding=frozenset(["table"]))
    look_up(code, memory, keys_of([5, 9], 1), worker=3)
    assert memory.held(3) == [9]
    assert memory.held(0) == []
    look_up(code, memory, keys_of([99], 1), worker=3)
    assert memory.held(3) == []


def test_no_more_entries_are_held_than_there_is_room_for() -> None:
    decl = table(MapKind.LRU, 16)
    memory = MapMemory(decl)
    memory.load((number, number) for number in range(16))
    draft = FilterDraft("many")
    draft.function.maps.append(decl)
    for number in range(HELD_SLOTS + 5):
        key = draft.builder.emit(PackKey((draft.const(number % 16),), (8,)))
        draft.builder.emit(MapFind(decl, key, draft.builder.emit(KeyHash(decl, key)), False))
    draft.verdict(PASS)
    code = compile_function(draft.function, natural_ranges(draft.function), holding=frozenset(["table"]))
    run_batch(code, [b""], maps=[memory])
    assert memory.held() == [number % 16 for number in range(HELD_SLOTS)]
    assert memory.held(1) == []


def test_inserting_and_deleting() -> None:
    """Each packet puts its key in with its number, and takes out the one after it."""
    layout = Layout.of((("small", Scalar(1, signed=True)), ("wide", Scalar(8)), ("half", Scalar(2))))
    decl = table(MapKind.HASH, 40, (8,), layout)
    draft = FilterDraft("changes")
    builder = draft.builder
    draft.function.maps.append(decl)
    zero = draft.const(0)
    keys = [builder.emit(PackKey((builder.emit(Load(zero, place, 8, ByteOrder.LITTLE)),), (8,))) for place in (0, 8)]
    first, second = (builder.emit(KeyHash(decl, key)) for key in keys)
    wide = builder.emit(Load(zero, 0, 8, ByteOrder.LITTLE))
    made = builder.emit(MapInsert(decl, keys[0], first, (draft.const(-7), wide, draft.const(2**16 + 9))))
    gone = builder.emit(MapDelete(decl, keys[1], second))
    builder.emit(Store(zero, 16, 8, made, ByteOrder.LITTLE))
    builder.emit(Store(zero, 24, 1, gone))
    draft.verdict(PASS)
    memory = MapMemory(decl)
    code = compile_function(draft.function, natural_ranges(draft.function))
    packets = [(n.to_bytes(8, "little") + ((n - 2) % 2**64).to_bytes(8, "little")) + bytes(9) for n in (1, 2, 3, 4, 4)]
    result = run_batch(code, packets, maps=[memory])
    assert sorted(memory.entries()) == [(3, -7, 3, 9), (4, -7, 4, 9)]
    assert [packet[24] for packet in result.packets] == [0, 0, 1, 1, 0]
    assert int.from_bytes(result.packets[3][16:24], "little") == int.from_bytes(result.packets[4][16:24], "little")
    assert {int.from_bytes(packet[16:24], "little") for packet in result.packets} <= set(range(index_count(decl)))


def test_padding_of_values_is_zero() -> None:
    layout = Layout.of((("small", Scalar(1)), ("wide", Scalar(8))))
    decl = table(MapKind.HASH, 4, (8,), layout)
    draft = FilterDraft("padding")
    draft.function.maps.append(decl)
    key = draft.builder.emit(PackKey((draft.const(6),), (8,)))
    hashed = draft.builder.emit(KeyHash(decl, key))
    index = draft.builder.emit(MapInsert(decl, key, hashed, (draft.const(255), draft.const(1))))
    draft.builder.emit(Store(draft.const(0), 0, 8, index, ByteOrder.LITTLE))
    draft.verdict(PASS)
    memory = MapMemory(decl)
    packet = run_batch(
        compile_function(draft.function, natural_ranges(draft.function)), [bytes(8)], maps=[memory]
    ).packets[0]
    parts = table_layout(decl)
    start = parts.entries_at + int.from_bytes(packet, "little") * parts.entry_size
    assert memory.image[start : start + 8] == bytes([6]) + bytes(7)
    start += parts.value_at
    assert memory.image[start : start + 16] == b"".join(n.to_bytes(8, "little") for n in (255, 1))


def test_a_full_table_says_no() -> None:
    decl = table(MapKind.HASH, 2)
    draft = FilterDraft("full")
    draft.function.maps.append(decl)
    number = draft.builder.emit(Load(draft.const(0), 0, 1))
    key = draft.builder.emit(PackKey((number,), (8,)))
    index = draft.builder.emit(MapInsert(decl, key, draft.builder.emit(KeyHash(decl, key)), (number,)))
    draft.builder.emit(Store(draft.const(0), 1, 8, index, ByteOrder.LITTLE))
    draft.verdict(PASS)
    memory = MapMemory(decl)
    code = compile_function(draft.function, natural_ranges(draft.function))
    packets = run_batch(code, [bytes([n]) + bytes(8) for n in range(3)], maps=[memory]).packets
    assert [packet[1:] == b"\xff" * 8 for packet in packets] == [False, False, True]
    assert memory.get(TABLE, 0, "failed") == 1


@pytest.mark.parametrize(
    ("kind", "workers", "deletes", "holding", "expected"),
    [
        (MapKind.HASH, 1, False, False, TableUse(0, False, False)),
        (MapKind.HASH, 1, True, True, TableUse(FLAG_HOLD, False, False)),
        (MapKind.LRU, 1, False, False, TableUse(0, False, False)),
        (MapKind.LRU, 1, False, True, TableUse(FLAG_HOLD, False, True)),
        (MapKind.HASH, 2, False, False, TableUse(FLAG_SHARED, False, False)),
        (MapKind.HASH, 2, True, False, TableUse(FLAG_SHARED | FLAG_HOLD, True, False)),
        (MapKind.HASH, 2, False, True, TableUse(FLAG_SHARED | FLAG_HOLD, True, False)),
        (MapKind.LRU, 2, False, False, TableUse(FLAG_SHARED | FLAG_HOLD, True, False)),
    ],
)
def test_who_holds_and_who_calls(kind: MapKind, workers: int, deletes: bool, holding: bool, expected: TableUse) -> None:
    decl = table(kind, 16)
    draft = finder(decl, touch=True)
    if deletes:
        block = draft.function.entry
        find = next(op for op in block.ops if isinstance(op, MapFind))
        block.ops.insert(block.ops.index(find), MapDelete(decl, find.key, find.hash))
    names = frozenset(["table"] if holding else [])
    assert table_uses(draft.function, workers, names) == {"table": expected}
    text = emit_module(draft.function, {}, DESCRIPTORS, EmitOptions(workers=workers), holding=names)
    assert ("cttz.i16" in text) == (not expected.calls)
    flags = expected.flags | FLAG_TOUCH
    assert (f', i32 %"worker", i32 {flags})' in text) == expected.calls


def test_look_ups_in_line_call_nobody() -> None:
    draft = finder(table(MapKind.LRU, 1 << 16), touch=True)
    text = assembly_text(emit_module(draft.function, natural_ranges(draft.function), DESCRIPTORS))
    assert "call" not in text
