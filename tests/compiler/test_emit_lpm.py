"""Longest prefix match in line, against the definition, for every width of an address."""

from __future__ import annotations

import random

import pytest

from nmjit._tables import LpmTable
from nmjit.compiler.emit import emit_module
from nmjit.compiler.ir import ByteOrder, Load, LpmFind, MapLoad, Predicate, Store
from nmjit.compiler.irtypes import Layout, MapDecl, MapKind, Scalar
from nmjit.compiler.jit import assembly_text
from tests.compiler.batch_runner import DESCRIPTORS, compile_function, run_batch
from tests.compiler.map_memory import MapMemory
from tests.compiler.natural_ranges import natural_ranges
from tests.compiler.sample_filters import PASS, FilterDraft


def router(decl: MapDecl) -> FilterDraft:
    """Looks the address up that the packet begins with; leaves the network's number, or 0xFFFF, behind it."""
    draft = FilterDraft("router")
    builder, size = draft.builder, decl.key[0]
    draft.function.maps.append(decl)
    zero = draft.const(0)
    address = draft.ranged(Load(zero, 0, size, ByteOrder.BIG), 0, 2 ** (8 * size) - 1)
    index = builder.emit(LpmFind(decl, address))
    found, missing = builder.block("found"), builder.block("missing")
    builder.branch(builder.compare(Predicate.GE, index, zero), found, missing)
    builder.position(found)
    builder.emit(Store(zero, size, 2, builder.emit(MapLoad(decl, index, "")), ByteOrder.BIG))
    draft.verdict(PASS)
    builder.position(missing)
    builder.emit(Store(zero, size, 2, draft.const(0xFFFF), ByteOrder.BIG))
    draft.verdict(PASS)
    return draft


@pytest.mark.parametrize("size", [1, 2, 4, 6, 8, 16])
@pytest.mark.parametrize("default", [False, True])
def test_longest_network_is_found(size: int, default: bool) -> None:
    decl = MapDecl("routes", MapKind.LPM, Layout.of((("", Scalar(2)),)), 64, key=(size,))
    width, bits = 8 * size, random.Random(size)
    definition, memory = LpmTable(width, 64), MapMemory(decl)
    networks: dict[tuple[int, int], int] = {(0, 0): 500} if default else {}
    base = bits.getrandbits(width)
    for number in range(40):
        length = bits.randint(1, width)
        address = base ^ bits.getrandbits(bits.randint(1, width))
        networks[(address >> (width - length) << (width - length), length)] = number
    for (address, length), number in networks.items():
        definition.insert(address, length, [number])
    memory.load((address, length, number) for (address, length), number in networks.items())
    asked = [0, 2**width - 1, *(address for address, _ in networks)]
    asked += [address ^ bits.getrandbits(bits.randint(1, width)) for address, _ in networks]
    draft = router(decl)
    code = compile_function(draft.function, natural_ranges(draft.function))
    packets = run_batch(code, [address.to_bytes(size, "big") + bytes(2) for address in asked], maps=[memory]).packets
    places = [definition.longest(address) for address in asked]
    expected = [definition.values[place][0] if place >= 0 else 0xFFFF for place in places]
    assert [int.from_bytes(packet[size:], "big") for packet in packets] == expected
    assert len(set(expected)) > 10 or size == 1


def test_look_ups_call_nobody() -> None:
    decl = MapDecl("routes", MapKind.LPM, Layout.of((("", Scalar(2)),)), 100_000, key=(16,))
    draft = router(decl)
    text = assembly_text(emit_module(draft.function, natural_ranges(draft.function), DESCRIPTORS))
    assert "call" not in text
