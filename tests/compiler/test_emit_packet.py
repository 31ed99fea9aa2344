"""Packet, snapshot and map accesses: every size, order and alignment, right up to an inaccessible page."""

from __future__ import annotations

from itertools import product

import pytest

from nmjit.compiler.builder import Builder
from nmjit.compiler.emit import emit_module
from nmjit.compiler.ir import (
    ByteOrder,
    Compare,
    Const,
    Function,
    Item,
    Load,
    LoadBytes,
    Lookup,
    MapAdd,
    MapLoad,
    MapStore,
    Predicate,
    Store,
    StoreBytes,
    ValueTable,
    Wrap,
)
from nmjit.compiler.irtypes import Layout, MapDecl, MapKind, Scalar
from nmjit.compiler.maplayout import map_bytes
from nmjit.compiler.options import EmitOptions
from tests.compiler.batch_runner import DESCRIPTORS, compile_function, run_batch
from tests.compiler.natural_ranges import natural_ranges

SIZES = [1, 2, 3, 4, 5, 6, 7, 8, 16]
PATTERN = bytes((0x81 + 7 * n) % 256 for n in range(64))


def draft() -> tuple[Function, Builder]:
    function = Function("access")
    builder = Builder(function)
    builder.position(builder.block("entry"))
    return function, builder


def finish(builder: Builder) -> None:
    builder.ret(builder.const(1), builder.const(-1))


@pytest.mark.parametrize(("size", "order"), list(product(SIZES, ByteOrder)))
def test_load_at_the_packets_end(size: int, order: ByteOrder) -> None:
    """The last bytes are read and stored at the front, without a touch of the byte behind."""
    function, builder = draft()
    zero = builder.const(0)
    value = builder.emit(Load(zero, 16, size, order))
    builder.emit(Store(zero, 0, 16, value, ByteOrder.LITTLE))
    finish(builder)
    packet = bytes(16) + PATTERN[:size]
    result = run_batch(compile_function(function, natural_ranges(function)), [packet])
    assert int.from_bytes(result.packets[0][:16], "little") == int.from_bytes(
        packet[16:], "big" if order is ByteOrder.BIG else "little"
    )


@pytest.mark.parametrize(("size", "order"), list(product(SIZES, ByteOrder)))
def test_store_touches_its_bytes_alone(size: int, order: ByteOrder) -> None:
    function, builder = draft()
    base = builder.emit(Load(builder.const(0), 0, 1))
    value = builder.emit(Load(builder.const(0), 1, 16, ByteOrder.LITTLE))
    builder.emit(Store(base, 20, size, value, order))
    finish(builder)
    for base_value in (0, 1, 3):
        packet = bytes([base_value]) + PATTERN[:16] + bytes([0xAA] * (3 + base_value + size))
        result = run_batch(compile_function(function, natural_ranges(function)), [packet])
        stored = PATTERN[:size] if order is ByteOrder.LITTLE else PATTERN[:size][::-1]
        assert result.packets[0] == packet[: 20 + base_value] + stored


@pytest.mark.parametrize("size", [1, 2, 3, 5, 6, 8, 9, 16, 17, 31, 64])
def test_snapshots(size: int) -> None:
    """Copied, compared with a constant, and picked from by constant and by computed index."""
    function, builder = draft()
    zero, base = builder.const(0), 8
    index = builder.emit(Load(zero, 0, 1))
    data = builder.emit(LoadBytes(zero, base, size))
    builder.emit(StoreBytes(zero, base + size, data))
    wanted = builder.emit(Const(PATTERN[:size]))
    equal = builder.emit(Compare(Predicate.EQ, data, wanted))
    builder.emit(Store(zero, 1, 1, builder.emit(Item(data, index))))
    builder.emit(Store(zero, 2, 1, builder.emit(Item(data, builder.const(size - 1)))))
    builder.emit(Store(zero, 3, 1, builder.emit(Wrap(equal, Scalar(1)))))
    finish(builder)
    code = compile_function(function, natural_ranges(function))
    for place in {0, size // 2, size - 1}:
        for data_bytes in (PATTERN[:size], PATTERN[: size - 1] + b"\0"):
            packet = bytes([place]) + bytes(7) + data_bytes + bytes(size)
            after = run_batch(code, [packet]).packets[0]
            assert after[1:4] == bytes([data_bytes[place], data_bytes[-1], data_bytes == PATTERN[:size]])
            assert after[base + size :] == data_bytes


@pytest.mark.parametrize(
    "values",
    [(1, 2, 255), (-1, 5, 127), (0, 70000), (-5, 2**31), (2**64 - 1, 0), (-(2**63), 2**64 - 1), (2**128 - 1, 7)],
)
def test_lookup(values: tuple[int, ...]) -> None:
    function, builder = draft()
    zero = builder.const(0)
    table = ValueTable("table", values)
    function.tables.append(table)
    found = builder.emit(Lookup(builder.emit(Load(zero, 0, 1)), table))
    builder.emit(Store(zero, 1, 16, found, ByteOrder.LITTLE))
    finish(builder)
    packets = [bytes([place]) + bytes(16) for place in range(len(values))]
    result = run_batch(compile_function(function, natural_ranges(function)), packets)
    assert [packet[1:] for packet in result.packets] == [(value % 2**128).to_bytes(16, "little") for value in values]


ENTRY = Layout.of(
    (
        ("flag", Scalar(1)),
        ("short", Scalar(2, signed=True)),
        ("word", Scalar(4)),
        ("long", Scalar(8, signed=True)),
        ("address", Scalar(16)),
    )
)


@pytest.mark.parametrize("name", ["flag", "short", "word", "long", "address"])
@pytest.mark.parametrize("value", [0, 1, 255, 32768, 2**32 + 5, 2**63])
def test_map_fields(name: str, value: int) -> None:
    """Stored, read back with the field's sign, and added to where additions exist."""
    declaration = MapDecl("table", MapKind.ARRAY, ENTRY, 5)
    function, builder = draft()
    function.maps.append(declaration)
    zero = builder.const(0)
    index, raw = builder.emit(Load(zero, 0, 1)), builder.emit(Load(zero, 1, 16, ByteOrder.LITTLE))
    builder.emit(MapStore(declaration, index, name, raw))
    builder.emit(MapAdd(declaration, index, name, builder.const(3)))
    builder.emit(Store(zero, 17, 16, builder.emit(MapLoad(declaration, index, name)), ByteOrder.LITTLE))
    finish(builder)
    memory = bytearray([0x5A] * map_bytes(declaration))
    packet = bytes([2]) + value.to_bytes(16, "little") + bytes(16)
    result = run_batch(compile_function(function, natural_ranges(function)), [packet], maps=[memory])
    field = ENTRY.field(name)
    size, start = field.scalar.size, 2 * ENTRY.size + field.offset
    stored = ((value + 3) % 2 ** (8 * size)).to_bytes(size, "little")
    expected = bytearray([0x5A] * map_bytes(declaration))
    expected[start : start + size] = stored
    assert memory == expected
    read = int.from_bytes(stored, "little", signed=field.scalar.signed) % 2**128
    assert int.from_bytes(result.packets[0][17:], "little") == read


@pytest.mark.parametrize(
    ("kind", "workers", "indivisible"),
    [(MapKind.ARRAY, 1, False), (MapKind.ARRAY, 2, True), (MapKind.COUNTER, 1, False), (MapKind.COUNTER, 2, False)],
)
def test_addition_is_indivisible_where_workers_share(kind: MapKind, workers: int, indivisible: bool) -> None:
    declaration = MapDecl("hits", kind, Layout.of((("", Scalar(8)),)), 1)
    function, builder = draft()
    function.maps.append(declaration)
    builder.emit(MapAdd(declaration, builder.const(0), "", builder.const(2)))
    finish(builder)
    options = EmitOptions(workers=workers)
    assert ("atomicrmw add" in emit_module(function, {}, DESCRIPTORS, options)) == indivisible
    memory = bytearray(8)
    run_batch(compile_function(function, {}, options=options), [b""] * 3, maps=[memory])
    assert int.from_bytes(memory, "little") == 6


def test_shared_addition_to_16_bytes_is_refused() -> None:
    declaration = MapDecl("table", MapKind.ARRAY, ENTRY, 1)
    function, builder = draft()
    function.maps.append(declaration)
    builder.emit(MapAdd(declaration, builder.const(0), "address", builder.const(2)))
    finish(builder)
    with pytest.raises(OverflowError, match=r"table\.address"):
        emit_module(function, {}, DESCRIPTORS, EmitOptions(workers=2))
