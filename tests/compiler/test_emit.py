"""Compiled code against the interpreter: random functions, each op, and what `emit_module` refuses or keeps."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nmjit.compiler.abi import ABORTED, Accessor, AccessorKind
from nmjit.compiler.emit import emit_module, redirects
from nmjit.compiler.emit_int import Range
from nmjit.compiler.holding import holding
from nmjit.compiler.interp import Interpreter
from nmjit.compiler.ir import (
    Binary,
    BinaryKind,
    ByteOrder,
    Check,
    Compare,
    Const,
    Find,
    Function,
    Item,
    Load,
    LoadBytes,
    Lookup,
    LpmFind,
    MapAdd,
    MapFind,
    MapInsert,
    MapLoad,
    MapStore,
    Op,
    Predicate,
    Store,
    StoreBytes,
    Value,
    Window,
)
from nmjit.compiler.irtypes import Layout, MapDecl, MapKind, Scalar
from nmjit.compiler.maplayout import map_bytes
from nmjit.compiler.options import PARANOID_SITE, PARANOID_VERDICT, EmitOptions
from nmjit.compiler.outcome import PacketInfo
from nmjit.compiler.verifier.report import verify
from tests.compiler.batch_runner import (
    DESCRIPTORS,
    batch_infos,
    compile_function,
    outcomes,
    resizes,
    run_batch,
)
from tests.compiler.ir_strategies import fresh_maps, function_of, infos, packets
from tests.compiler.map_memory import assert_same, memories
from tests.compiler.natural_ranges import natural_ranges
from tests.compiler.sample_filters import PASS, FilterDraft

PARANOID = EmitOptions(paranoid=True)


def agree(
    function: Function, batch: list[bytes], surroundings: list[PacketInfo], options: EmitOptions, verified: bool
) -> None:
    """Interpreter and machine leave the same outcomes, packets, maps and counts."""
    blind(function)
    known = batch_infos(surroundings, now=5)
    states = fresh_maps(function)
    native_maps = memories(states)
    expected, expected_packets = [], []
    interpreter = Interpreter(function)
    for packet, info in zip(batch, known, strict=True):
        image = bytearray(packet)
        expected.append(interpreter.run(image, info, states))
        expected_packets.append(bytes(image))
    held = holding(function)
    if verified:
        analysis = verify(function)
        code = compile_function(function, analysis.ranges, options=options, proven=analysis.proven, holding=held)
    else:
        code = compile_function(function, natural_ranges(function), options=options, holding=held)
    result = run_batch(
        code, batch, infos=known, maps=native_maps, sites=len(function.sites), now=5, resizes=resizes(function)
    )
    assert outcomes(function, result, redirects(function)) == expected
    assert result.packets == expected_packets
    assert_same(states, native_maps)
    assert sum(result.exceptions) == sum(1 for outcome in expected if outcome.exception)


def blind(function: Function) -> None:
    """Make a function not look at where an entry of a HASH or LPM lies, in which the engines are free."""
    constant = Const(0)
    function.entry.ops.insert(0, constant)
    places = [op for op in function.ops() if isinstance(op, MapFind | MapInsert | LpmFind)]
    for place in places:
        if place.map.kind is MapKind.LRU:
            continue
        for op in function.ops():
            if not isinstance(op, Compare | MapLoad | MapStore | MapAdd) or place not in op.operands()[:1]:
                op.replace_operand(place, constant)


@settings(max_examples=60, deadline=None)
@given(
    st.integers(0, 2**32),
    st.integers(1, 60),
    st.lists(st.tuples(packets(), infos()), min_size=1, max_size=6),
    st.booleans(),
    st.booleans(),
)
def test_random_functions(
    seed: int, size: int, batch: list[tuple[bytes, PacketInfo]], paranoid: bool, verified: bool
) -> None:
    """The function is given by its seed: printed whole, it would bury a failure."""
    packet_bytes, surroundings = [packet for packet, _ in batch], [info for _, info in batch]
    agree(function_of(seed, size), packet_bytes, surroundings, EmitOptions(paranoid=paranoid), verified)


@pytest.mark.parametrize("seed", range(40))
def test_numbered_functions(seed: int) -> None:
    shapes = ((1, 96), (0, 64), (7, 40), (1, 0))
    batch = [bytes((seed * 31 + place * step) % 256 for place in range(size)) for step, size in shapes]
    surroundings = [PacketInfo(timestamp=9 - number, seed=seed) for number in range(len(batch))]
    options = EmitOptions(workers=1 if seed % 4 < 2 else 2)
    agree(function_of(seed, 60), batch, surroundings, options, verified=seed % 2 == 0)


def checked_at(offset: int) -> tuple[Function, dict[Op, Range], Check]:
    """Returns byte `offset` after a check that it is there."""
    draft = FilterDraft("checked")
    site = draft.builder.site("IndexError", 7, 3, f"len(pkt) > {offset}")
    check = Check(draft.builder.compare(Predicate.GT, draft.length(), draft.const(offset)), site)
    draft.builder.emit(check)
    draft.builder.ret(draft.load(draft.const(0), offset, 1), draft.const(-1))
    return draft.function, draft.ranges, check


@pytest.mark.parametrize("want_sites", [True, False])
def test_raising_packet_is_aborted_and_counted(want_sites: bool) -> None:
    function, ranges, _ = checked_at(3)
    result = run_batch(compile_function(function, ranges), [b"abc", b"\1\2\3\2", b""], sites=1, want_sites=want_sites)
    assert result.verdicts == [ABORTED, 2, ABORTED]
    assert result.exceptions == [2]
    assert result.sites == ([0, None, 0] if want_sites else [None] * 3)


def test_proven_check_leaves_no_code() -> None:
    function, ranges, check = checked_at(3)
    text = emit_module(function, ranges, DESCRIPTORS, proven={check})
    assert "raise" not in text
    assert "raise" in emit_module(function, ranges, DESCRIPTORS)


@pytest.mark.parametrize("want_sites", [True, False])
def test_paranoid_code_reports_a_false_proof(want_sites: bool) -> None:
    """Neither the count of exceptions nor memory outside the packet is touched."""
    function, ranges, check = checked_at(3)
    code = compile_function(function, ranges, options=PARANOID, proven=frozenset([check]))
    result = run_batch(code, [b"abc", b"\1\2\3\2"], sites=1, want_sites=want_sites)
    assert result.verdicts == [PARANOID_VERDICT, 2]
    assert result.sites == ([PARANOID_SITE - 1, None] if want_sites else [None] * 2)
    assert result.exceptions == [0]


def divide(draft: FilterDraft, value: Value) -> None:
    zero = draft.ranged(Binary(BinaryKind.SUB, value, value), 0, 255)
    draft.ranged(Binary(BinaryKind.MOD, value, zero), 0, 255)


TABLE = MapDecl("table", MapKind.ARRAY, Layout.of((("", Scalar(4)),)), 6)
FALSE_PROMISES: dict[str, Callable[[FilterDraft, Value], object]] = {
    "range of a load": lambda draft, value: draft.ranges.update({value: Range(0, 5)}),
    "packet load": lambda draft, value: draft.load(value, 0, 4),
    "load before the packet": lambda draft, value: draft.load(draft.const(-1), 0, 1),
    "packet store": lambda draft, value: draft.builder.emit(Store(value, 1, 2, value)),
    "snapshot": lambda draft, value: draft.builder.emit(LoadBytes(value, 0, 40)),
    "snapshot store": lambda draft, value: draft.builder.emit(StoreBytes(value, 0, draft.builder.const(b"0123456789"))),
    "item": lambda draft, value: draft.builder.emit(Item(draft.builder.const(b"0123"), value)),
    "lookup": lambda draft, value: draft.builder.emit(Lookup(value, draft.builder.value_table("t", (1, 2, 3)))),
    "map load": lambda draft, value: draft.builder.emit(MapLoad(TABLE, value, "")),
    "map store": lambda draft, value: draft.builder.emit(MapStore(TABLE, value, "", value)),
    "map add": lambda draft, value: draft.builder.emit(MapAdd(TABLE, value, "", value)),
    "shift": lambda draft, value: draft.ranged(Binary(BinaryKind.SHL, draft.const(1), value, 64), 0, 2**64 - 1),
    "divisor": lambda draft, value: divide(draft, value),
    "find backwards": lambda draft, value: draft.builder.emit(Find(value, draft.const(0), b"abc")),
    "find beyond": lambda draft, value: draft.builder.emit(Find(draft.const(0), value, b"abc")),
}


@pytest.mark.parametrize("name", FALSE_PROMISES)
def test_paranoid_code_stops_at_a_broken_obligation(name: str) -> None:
    """The packet's one byte, 200, is not what the op was promised."""
    draft = FilterDraft("broken")
    draft.function.maps.append(TABLE)
    value = draft.builder.emit(Load(draft.const(0), 0, 1))
    FALSE_PROMISES[name](draft, value)
    draft.verdict(PASS)
    code = compile_function(draft.function, {**natural_ranges(draft.function), **draft.ranges}, options=PARANOID)
    memory = bytearray(map_bytes(TABLE))
    result = run_batch(code, [bytes([200])], maps=[memory])
    assert result.verdicts == [PARANOID_VERDICT]
    assert result.packets == [bytes([200])]
    assert memory == bytes(map_bytes(TABLE))


@pytest.mark.parametrize(
    ("value", "fits"), [(2**64 - 1, True), (2**64, False), (-(2**63), True), (-(2**63) - 1, False)]
)
def test_window(value: int, fits: bool) -> None:
    """The sum of two words of the packet, and whether it stayed in the window."""
    draft = FilterDraft("window")
    raw = draft.ranged(Load(draft.const(0), 0, 16, ByteOrder.LITTLE), 0, 2**128 - 1)
    exact = draft.ranged(Binary(BinaryKind.SUB, raw, draft.const(2**64)), -(2**64), 2**128 - 2**64 - 1)
    site = draft.builder.site("OverflowError", 2, 2, "")
    window = draft.ranged(Window(exact, site), -(2**63), 2**64 - 1)
    draft.builder.emit(Store(draft.const(0), 16, 16, window, ByteOrder.LITTLE))
    draft.verdict(PASS)
    packet = (value + 2**64).to_bytes(16, "little") + bytes(16)
    result = run_batch(compile_function(draft.function, draft.ranges), [packet], sites=1)
    assert result.verdicts == [PASS if fits else ABORTED]
    stored = result.packets[0][16:]
    assert stored == ((value % 2**128).to_bytes(16, "little") if fits else bytes(16))


def test_operands_of_a_division_count_as_within_the_window() -> None:
    """In code that is never reached, more may seem possible."""
    draft = FilterDraft("wide")
    raw = draft.ranged(Load(draft.const(0), 0, 16), 0, 2**128 - 1)
    draft.ranged(Binary(BinaryKind.MOD, raw, draft.const(10)), 0, 9)
    draft.verdict(PASS)
    assert "i128" in emit_module(draft.function, draft.ranges, DESCRIPTORS)


def test_text_is_a_function_of_the_arguments() -> None:
    texts = {emit_module(function_of(5, 40), {}, Accessor(AccessorKind.NETMAP, 2048)) for _ in range(3)}
    assert len(texts) == 1


def test_ranges_choose_the_registers() -> None:
    function, _, _ = checked_at(3)
    assert "i128" not in emit_module(function, natural_ranges(function), DESCRIPTORS)


def test_uses_of_ports() -> None:
    draft = FilterDraft("redirect")
    draft.builder.ret(draft.const(4), draft.const(0))
    assert redirects(draft.function)
    assert not redirects(checked_at(1)[0])
