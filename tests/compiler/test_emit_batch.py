"""The loop around the filter: which slots are read, what is clamped, what is written."""

from __future__ import annotations

from dataclasses import replace

import pytest

from nmjit.compiler.abi import BATCH, CONTEXT, NETMAP_SLOT, Accessor, AccessorKind
from nmjit.compiler.emit import emit_module
from nmjit.compiler.interp import run
from nmjit.compiler.ir import ByteOrder, Context, ContextField, Predicate, Random, Store
from nmjit.compiler.irtypes import MAX_PACKET
from nmjit.compiler.jit import assembly_text
from nmjit.compiler.options import EmitOptions
from nmjit.compiler.outcome import PacketInfo
from tests.compiler.batch_runner import DESCRIPTORS, address_of, batch_infos, call, compile_function, pack, run_batch
from tests.compiler.natural_ranges import natural_ranges
from tests.compiler.sample_filters import PASS, FilterDraft, accept_all, port_filter

NETMAP = Accessor(AccessorKind.NETMAP)
NETMAP_2K = Accessor(AccessorKind.NETMAP, 2048)
BUFFER = 2048


def first_byte_as_verdict() -> FilterDraft:
    """Verdict: the packet's first byte; 4 where it is empty."""
    draft = FilterDraft("first_byte")
    empty = draft.builder.block("empty")
    draft.go_on_if(Predicate.GE, draft.length(), 1, "some", empty)
    draft.builder.ret(draft.load(draft.const(0), 0, 1), draft.const(-1))
    draft.builder.position(empty)
    draft.verdict(4)
    return draft


@pytest.mark.parametrize("accessor", [NETMAP, DESCRIPTORS], ids=["netmap", "descriptor"])
@pytest.mark.parametrize("distance", [0, 1, 3, 16])
@pytest.mark.parametrize(
    ("num_slots", "head", "count"),
    [(1, 0, 1), (7, 0, 7), (7, 5, 7), (7, 6, 2), (40, 39, 40), (40, 3, 30), (9, 8, 1), (9, 4, 0)],
)
def test_ring_wraps_once(accessor: Accessor, distance: int, num_slots: int, head: int, count: int) -> None:
    draft = first_byte_as_verdict()
    code = compile_function(draft.function, draft.ranges, accessor, EmitOptions(prefetch_distance=distance))
    packets = [bytes([10 + place]) for place in range(count)]
    result = run_batch(code, packets, accessor=accessor, head=head, num_slots=num_slots)
    assert result.verdicts == [10 + place for place in range(count)]
    assert result.returned == count


@pytest.mark.parametrize("stride", [0, 2048, 1536])
def test_netmap_buffers_and_clamps(stride: int) -> None:
    """A length beyond `readable` is cut to it; an index beyond the last buffer is an empty packet in buffer 0."""
    draft = FilterDraft("length")
    length = draft.length()
    draft.builder.emit(
        Store(draft.const(0), 0, 4, length, ByteOrder.LITTLE)
    )  # an unchecked write: buffers are big enough
    draft.verdict(PASS)
    code = compile_function(draft.function, draft.ranges, Accessor(AccessorKind.NETMAP, stride))
    stride = stride or 4096
    memory = bytearray(stride * 4)
    wanted = [(3, 60), (1, 65535), (4, 60), (2**32 - 1, 60), (2, 0)]
    slots = bytearray(
        b"".join(pack(NETMAP_SLOT, buf_idx=index, len=size, flags=7, ptr=2**63) for index, size in wanted)
    )
    verdicts = bytearray(8)
    batch = pack(
        BATCH,
        slots=address_of(slots),
        base=address_of(memory),
        stride=stride,
        num_slots=5,
        count=5,
        num_bufs=4,
        readable=512,
    )
    assert call(code, batch, pack(CONTEXT, verdicts=address_of(verdicts))) == 5
    lengths = [int.from_bytes(memory[stride * n : stride * n + 4], "little") for n in range(4)]
    assert lengths == [0, 512, 0, 60]
    assert verdicts == bytes([PASS] * 5 + [0] * 3)


def test_descriptor_clock_never_runs_back() -> None:
    draft = FilterDraft("clock")
    zero = draft.const(0)
    draft.builder.emit(Store(zero, 0, 8, draft.ranged(Context(ContextField.NOW), 0, 2**64 - 1), ByteOrder.LITTLE))
    draft.builder.emit(Store(zero, 8, 8, draft.ranged(Context(ContextField.TIMESTAMP), 0, 2**64 - 1), ByteOrder.LITTLE))
    draft.verdict(PASS)
    code = compile_function(draft.function, draft.ranges)
    stamps = [5, 30, 20, 2**64 - 1, 7]
    result = run_batch(code, [bytes(16)] * 5, infos=[PacketInfo(timestamp=stamp) for stamp in stamps], now=10)
    seen = [(int.from_bytes(packet[:8], "little"), int.from_bytes(packet[8:], "little")) for packet in result.packets]
    assert seen == list(zip([10, 30, 30, 2**64 - 1, 2**64 - 1], stamps, strict=True))
    assert result.now == 2**64 - 1


@pytest.mark.parametrize("accessor", [NETMAP, DESCRIPTORS], ids=["netmap", "descriptor"])
def test_surroundings(accessor: Accessor) -> None:
    draft = FilterDraft("surroundings")
    zero = draft.const(0)
    for place, which in enumerate(ContextField):
        value = draft.builder.emit(Context(which))
        draft.builder.emit(Store(zero, 8 * place, 8, value, ByteOrder.LITTLE))
    drawn = draft.builder.emit(Random(draft.const(2)))
    draft.builder.emit(Store(zero, 56, 8, drawn, ByteOrder.LITTLE))
    draft.verdict(PASS)
    live = accessor is NETMAP
    given = [PacketInfo(64 if live else 99, 7, 8 if live else 0, 65535, 513, 2**64 - 3, 2**64 - 1)] * 3
    infos = given if live else batch_infos(given)
    infos = [
        replace(info, packet_number=(2**64 - 1 + place) % 2**64, room=64 if live else MAX_PACKET)
        for place, info in enumerate(infos)
    ]
    code = compile_function(draft.function, natural_ranges(draft.function), accessor)
    result = run_batch(code, [bytes(64)] * 3, accessor=accessor, infos=infos)
    for info, got in zip(infos, result.packets, strict=True):
        expected = bytearray(64)
        run(draft.function, expected, info, {})
        assert got == bytes(expected)


def redirecting() -> FilterDraft:
    """Verdict from the packet's first byte, port from the next two."""
    draft = FilterDraft("redirecting")
    start = draft.const(0)
    draft.builder.ret(draft.load(start, 0, 1), draft.load(start, 1, 2))
    return draft


def test_ports_are_written_for_every_packet_of_redirecting_filters() -> None:
    draft = redirecting()
    packets = [b"\4\0\5", b"\4\xff\xff", b"\4\x7f\xff", b"\2\0\5"]
    result = run_batch(compile_function(draft.function, draft.ranges), packets)
    assert result.verdicts == [4, 4, 4, 2]
    assert result.ports == [5, -1, 32767, -1]


def test_ports_are_left_alone_by_others() -> None:
    draft = port_filter()
    ports = run_batch(compile_function(draft.function, draft.ranges), [bytes(60)] * 2).ports
    assert ports == [-0x1112, -0x1112]  # what the array held before


def loop_of(text: str) -> str:
    """Assembly from the function's first label to its return."""
    return text[text.index("nmjit_batch:") :]


def test_filter_that_reads_nothing_becomes_wide_stores() -> None:
    draft = accept_all()
    text = emit_module(draft.function, draft.ranges, NETMAP_2K)
    assert "prefetch" not in text
    assert '"slots"' not in text
    assembly = loop_of(assembly_text(text))
    assert "call" not in assembly
    assert "mm" in assembly or "v0" in assembly or "q0" in assembly, "no vector register in sight"
    assert run_batch(compile_function(draft.function, draft.ranges), [b""] * 300).verdicts == [PASS] * 300


@pytest.mark.parametrize(("header_bytes", "distance", "lines"), [(54, 16, 1), (64, 16, 1), (65, 16, 2), (54, 0, 0)])
def test_prefetched_lines(header_bytes: int, distance: int, lines: int) -> None:
    draft = port_filter()
    options = EmitOptions(prefetch_distance=distance)
    text = emit_module(draft.function, draft.ranges, NETMAP_2K, options, header_bytes=header_bytes)
    assert text.count('call void @"llvm.prefetch.p0"') == 2 * lines  # before the loop, and in it


def test_body_is_emitted_once() -> None:
    draft = port_filter()
    optimised = loop_of(assembly_text(emit_module(draft.function, draft.ranges, NETMAP_2K)))
    assert optimised.count("$20480") == 1  # port 80 in network order
    assert "div" not in optimised


def test_fixed_stride_is_a_shift() -> None:
    draft = port_filter()
    fixed = loop_of(assembly_text(emit_module(draft.function, draft.ranges, NETMAP_2K)))
    variable = loop_of(assembly_text(emit_module(draft.function, draft.ranges, NETMAP)))
    assert "imul" not in fixed
    assert "imul" in variable
