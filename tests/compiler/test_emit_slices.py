"""Slices: groups, levels, and that they change nothing but caches."""

from __future__ import annotations

import random

import pytest

from nmjit.compiler.abi import Accessor, AccessorKind
from nmjit.compiler.emit import LevelSlice, emit_module
from nmjit.compiler.ir import (
    BinaryKind,
    Check,
    Function,
    KeyHash,
    LpmFind,
    MapAdd,
    MapFind,
    MapInsert,
    MapLoad,
    PackKey,
    Predicate,
    Prefetch,
    Value,
)
from nmjit.compiler.irtypes import INT, Layout, MapDecl, MapKind, Scalar
from nmjit.compiler.jit import compile_object
from nmjit.compiler.options import EmitOptions
from tests.compiler.batch_runner import DESCRIPTORS, compile_function, run_batch
from tests.compiler.map_memory import MapMemory
from tests.compiler.natural_ranges import natural_ranges
from tests.compiler.sample_filters import PASS, FilterDraft
from tests.compiler.test_jit import undefined_symbols

NETMAP = Accessor(AccessorKind.NETMAP)
COUNT = Layout.of((("", Scalar(8)),))
ROUTES = MapDecl("routes", MapKind.LPM, Layout.of((("", Scalar(4)),)), 16, key=(4,))
FLOWS = MapDecl("flows", MapKind.LRU, COUNT, 64, key=(4,))
HOPS = MapDecl("hops", MapKind.ARRAY, COUNT, 16)
SEEN = MapDecl("seen", MapKind.BLOOM, Layout.of(tuple((f"word{n}", Scalar(4)) for n in range(8))), 4, key=(4,))
NAMES = MapDecl("names", MapKind.HASH, COUNT, 16, key=(4,))
WIDE = MapDecl("wide", MapKind.LPM, Layout.of((("", Scalar(4)),)), 4, key=(16,))
MAPS = [ROUTES, FLOWS, HOPS, SEEN, NAMES, WIDE]


class Draft(FilterDraft):
    """A function over all maps, for packets that begin with an address."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.function.maps += MAPS
        self.zero = self.const(0)
        self.short = self.builder.block("short")
        self.go_on_if(Predicate.GE, self.length(), 4, "long", self.short)
        self.address = self.load(self.zero, 0, 4)

    def key(self, decl: MapDecl, part: Value) -> tuple[Value, Value]:
        key = self.builder.emit(PackKey((part,), (4,)))
        return key, self.builder.emit(KeyHash(decl, key))

    def done(self) -> Function:
        self.verdict(PASS)
        self.builder.position(self.short)
        self.verdict(PASS + 1)
        return self.function


def router() -> Function:
    """Count a packet by flow and, where its network is known, by its network's hop."""
    draft = Draft("router")
    builder = draft.builder
    key, hashed = draft.key(FLOWS, draft.address)
    index = builder.emit(MapInsert(FLOWS, key, hashed, (draft.zero,)))
    known, after = builder.block("known"), builder.block("after")
    builder.check(builder.compare(Predicate.GE, index, draft.zero), builder.site("MapFull", 1, 1, ""))
    builder.emit(MapAdd(FLOWS, index, "", draft.const(1)))
    network = builder.emit(LpmFind(ROUTES, draft.address))
    builder.branch(builder.compare(Predicate.GE, network, draft.zero), known, after)
    builder.position(known)
    hop = builder.emit(MapLoad(ROUTES, network, ""))
    builder.emit(MapAdd(HOPS, hop, "", draft.const(1)))
    builder.jump(after)
    builder.position(after)
    return draft.done()


def first_level() -> Function:
    """All look-ups by the address itself."""
    draft = Draft("first")
    for decl in (FLOWS, NAMES, SEEN):
        draft.builder.emit(Prefetch(decl, draft.key(decl, draft.address)[1]))
    draft.builder.emit(Prefetch(ROUTES, draft.address))
    wide = draft.builder.binary(BinaryKind.MUL, draft.address, draft.const(2**96 + 1))
    draft.builder.emit(Prefetch(WIDE, wide))
    draft.builder.emit(Prefetch(HOPS, draft.address))
    return draft.done()


def second_level() -> Function:
    """What the first level's look-ups lead to; a packet without a route has no more to say."""
    draft = Draft("second")
    builder = draft.builder
    network = builder.emit(LpmFind(ROUTES, draft.address))
    builder.emit(Check(builder.compare(Predicate.GE, network, draft.zero), builder.site("KeyError", 1, 1, "")))
    builder.emit(Prefetch(HOPS, builder.emit(MapLoad(ROUTES, network, ""))))
    key, hashed = draft.key(FLOWS, draft.address)
    found, after = builder.block("found"), builder.block("after")
    index = builder.emit(MapFind(FLOWS, key, hashed, True))
    builder.branch(builder.compare(Predicate.GE, index, draft.zero), found, after)
    builder.position(found)
    builder.emit(Prefetch(NAMES, builder.emit(MapLoad(FLOWS, index, ""))))
    builder.jump(after)
    builder.position(after)
    return draft.done()


def looping() -> Function:
    """A slice that notes far more places than there are packets."""
    draft = Draft("looping")
    builder, before = draft.builder, draft.builder.current
    assert before is not None
    head, body, after = builder.block("head"), builder.block("body"), builder.block("after")
    builder.jump(head)
    builder.position(head)
    count = builder.phi(INT, {before: draft.zero})
    builder.branch(builder.compare(Predicate.LT, count, draft.const(200)), body, after)
    builder.position(body)
    builder.emit(Prefetch(FLOWS, count))
    count.incoming[body] = builder.binary(BinaryKind.ADD, count, draft.const(1))
    builder.jump(head)
    builder.position(after)
    return draft.done()


def levels(*functions: Function) -> list[LevelSlice]:
    return [LevelSlice(function, natural_ranges(function)) for function in functions]


def filled() -> list[MapMemory]:
    memories = [MapMemory(decl) for decl in MAPS]
    memories[0].load([(0x0A00_0000, 8, 3), (0x0A0A_0000, 16, 4), (0x0A0A_0A00, 24, 5), (0x0A0A_0A0A, 32, 6)])
    memories[1].load([(0x0A0A_0A0A, 100)])
    return memories


def traffic(count: int) -> list[bytes]:
    bits = random.Random(count)
    addresses = [bits.choice((0x0A0A_0A0A, 0x0A0A_0A0B, 0x0A0A_0100, 0x0A01_0101, 0x0B00_0000)) for _ in range(count)]
    return [b"" if bits.random() < 0.05 else address.to_bytes(4, "big") + bytes(4) for address in addresses]


SLICES = {
    "one level": (first_level,),
    "two levels": (first_level, second_level),
    "loop": (looping,),
}


@pytest.mark.parametrize("accessor", [NETMAP, DESCRIPTORS], ids=["netmap", "descriptor"])
@pytest.mark.parametrize("group", [1, 32])
@pytest.mark.parametrize("name", SLICES)
@pytest.mark.parametrize("options", [{}, {"paranoid": True}, {"workers": 2}], ids=["plain", "paranoid", "two"])
def test_slices_change_nothing(accessor: Accessor, group: int, name: str, options: dict[str, int]) -> None:
    """Batches that are no multiple of the group, that wrap, and empty ones; verdicts and maps as without slices."""
    function = router()
    known, parts = natural_ranges(function), levels(*(make() for make in SLICES[name]))
    plain = compile_function(function, known, accessor)
    chosen = EmitOptions(slice_group=group, **options)  # type: ignore[arg-type]
    sliced = compile_function(function, known, accessor, chosen, slices=parts)
    for count, slots, head in ((0, 4, 1), (1, 1, 0), (75, 80, 60), (9, 9, 5)):
        packets = traffic(count)
        if accessor is NETMAP:
            packets = [packet or bytes(8) for packet in packets]
        outcomes = []
        for code in (plain, sliced):
            memories = filled()
            result = run_batch(code, packets, accessor=accessor, maps=memories, head=head, num_slots=slots, sites=1)
            outcomes.append((result, [memory.entries() for memory in memories]))
        assert outcomes[0] == outcomes[1]


def test_slices_run_level_by_level_before_the_group() -> None:
    """One prefetch a header, each look-up's first line and each noted place; the filter has none of its own."""
    function = router()
    parts = levels(first_level(), second_level())
    text = emit_module(function, natural_ranges(function), DESCRIPTORS, slices=parts)
    batch = text[text.index('@"nmjit_batch"') :]
    calls = [batch.index(f'@"{name}"(') for name in ("slice0", "slice1", "packet")]
    assert calls == sorted(calls)
    assert batch.count('call void @"llvm.prefetch.p0"') == 2 + 4 + 1  # headers; FLOWS, NAMES and LPMs; then NAMES
    body = text[text.index('@"packet"') : text.index('@"slice0"')]
    assert "prefetch" not in body
    assert undefined_symbols(compile_object(text)) == []


def test_headers_are_prefetched_in_the_first_level_alone() -> None:
    function = router()
    with_headers, without = (
        emit_module(
            function,
            natural_ranges(function),
            NETMAP,
            EmitOptions(prefetch_distance=distance),
            slices=levels(looping()),
        ).count('call void @"llvm.prefetch.p0"')
        for distance in (8, 0)
    )
    assert with_headers - without == 2  # before the loop and in it


def test_a_slice_leaves_no_trace() -> None:
    """It touches no entry of an LRU, holds none, raises nothing, and does not set the clock."""
    text = emit_module(router(), {}, DESCRIPTORS, slices=levels(second_level()), holding=frozenset(["flows"]))
    body = text[text.index('@"slice0"') : text.index('@"nmjit_batch"')]
    stores = [line for line in body.splitlines() if "store" in line]
    assert all("ptr %" in line and ("i64" in line) for line in stores)
    assert len(stores) == 2  # a place of NAMES, and the number of places
    assert "raise" not in body
