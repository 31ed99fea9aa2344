"""Bloom filters, buckets, token buckets and event rings in line, each against its definition in lang/."""

from __future__ import annotations

import random
from dataclasses import replace

import pytest

from nmjit._histogram import bucket_count, log_bucket
from nmjit._rate import TOKEN, take
from nmjit.compiler.emit import emit_module
from nmjit.compiler.ir import BloomAdd, BloomTest, ByteOrder, EventEmit, Load, LogBucket, RateTake, Store, Wrap
from nmjit.compiler.irtypes import Layout, MapDecl, MapKind, Scalar
from nmjit.compiler.jit import assembly_text, compile_object
from nmjit.compiler.maplayout import RING
from nmjit.compiler.mapstate import BloomState
from nmjit.compiler.options import EmitOptions
from tests.compiler.batch_runner import DESCRIPTORS, compile_function, run_batch
from tests.compiler.map_memory import MapMemory
from tests.compiler.natural_ranges import natural_ranges
from tests.compiler.sample_filters import PASS, FilterDraft
from tests.compiler.test_jit import undefined_symbols

BLOOM = MapDecl("seen", MapKind.BLOOM, Layout.of(tuple((f"word{n}", Scalar(4)) for n in range(8))), 5, key=(8,))
BUCKETS = MapDecl(
    "limits", MapKind.ARRAY, Layout.of(tuple((name, Scalar(8)) for name in ("credit", "stamp", "rate", "burst"))), 3
)
EVENTS = MapDecl("log", MapKind.EVENTS, Layout.of((("a", Scalar(1)), ("b", Scalar(8, signed=True)))), 3)
SHARED = EmitOptions(workers=2)


@pytest.mark.parametrize("workers", [1, 2])
def test_bloom(workers: int) -> None:
    draft = FilterDraft("bloom")
    draft.function.maps.append(BLOOM)
    zero = draft.const(0)
    hashed = draft.builder.emit(Load(zero, 0, 8, ByteOrder.LITTLE))
    for place, op in enumerate((BloomTest(BLOOM, hashed), BloomAdd(BLOOM, hashed), BloomTest(BLOOM, hashed))):
        draft.builder.emit(Store(zero, 8 + place, 1, draft.builder.emit(op)))
    draft.verdict(PASS)
    code = compile_function(draft.function, natural_ranges(draft.function), options=EmitOptions(workers=workers))
    bits = random.Random(1)
    hashes = [bits.getrandbits(64) for _ in range(40)]
    hashes += hashes[:5]
    state, memory = BloomState(BLOOM), MapMemory(BLOOM)
    expected = [bytes([state.test(hashed), state.add(hashed), state.test(hashed)]) for hashed in hashes]
    result = run_batch(code, [hashed.to_bytes(8, "little") + bytes(3) for hashed in hashes], maps=[memory])
    assert [packet[8:] for packet in result.packets] == expected
    assert memory.entries() == state.entries()
    assert len(set(expected)) >= 2


@pytest.mark.parametrize("precision", [1, 2, 7, 12])
def test_buckets(precision: int) -> None:
    draft = FilterDraft("bucket")
    zero = draft.const(0)
    value = draft.builder.emit(Load(zero, 0, 8, ByteOrder.LITTLE))
    draft.builder.emit(Store(zero, 8, 8, draft.builder.emit(LogBucket(value, precision)), ByteOrder.LITTLE))
    draft.verdict(PASS)
    edges = {2**power + step for power in range(64) for step in (-1, 0, 1, 2 ** max(power - precision, 0))}
    values = sorted(edge for edge in edges | {2**64 - 1} if edge < 2**64)
    packets = [value.to_bytes(8, "little") + bytes(8) for value in values]
    after = run_batch(compile_function(draft.function, natural_ranges(draft.function)), packets).packets
    found = [int.from_bytes(packet[8:], "little") for packet in after]
    assert found == [log_bucket(value, precision) for value in values]
    assert found[-1] == bucket_count(precision) - 1


def taker() -> FilterDraft:
    """From bucket `packet[0]` takes the amount in the next four bytes, at the time in the next eight."""
    draft = FilterDraft("taker")
    builder = draft.builder
    draft.function.maps.append(BUCKETS)
    zero = draft.const(0)
    index, amount = builder.emit(Load(zero, 0, 1)), builder.emit(Load(zero, 1, 4, ByteOrder.LITTLE))
    now = builder.emit(Load(zero, 5, 8, ByteOrder.LITTLE))
    builder.emit(Store(zero, 0, 1, builder.emit(RateTake(BUCKETS, index, amount, now))))
    draft.verdict(PASS)
    return draft


@pytest.mark.parametrize("options", [EmitOptions(), EmitOptions(paranoid=True), SHARED], ids=["one", "paranoid", "two"])
def test_token_buckets_are_exact(options: EmitOptions) -> None:
    """Clocks that run back or leap to the end of time, largest rates, amounts around what is there."""
    draft = taker()
    code = compile_function(draft.function, natural_ranges(draft.function), options=options)
    memory, bits = MapMemory(BUCKETS), random.Random(7)
    largest = 2**32 - 1
    rows = [(5 * TOKEN, 0, 3, 5), (largest * TOKEN, 2**63, largest, largest), (0, 10, 0, 0)]
    memory.load(rows)
    packets, expected = [], []
    now = 0
    for _ in range(300):
        index = bits.randrange(3)
        credit, stamp, rate, burst = rows[index]
        now = bits.choice((now + bits.randrange(2 * TOKEN), max(now - 5, 0), stamp, bits.getrandbits(64)))
        amount = min(max(bits.choice((0, 1, 2, credit // TOKEN, credit // TOKEN + 1)), 0), largest)
        allowed, credit, stamp = take(credit, stamp, rate, burst, now, amount)
        rows[index] = (credit, stamp, rate, burst)
        packets.append(bytes([index]) + amount.to_bytes(4, "little") + now.to_bytes(8, "little"))
        expected.append(allowed)
    result = run_batch(code, packets, maps=[memory])
    assert [bool(packet[0]) for packet in result.packets] == expected
    assert memory.entries() == rows
    assert 20 < sum(expected) < 280


def test_shared_token_buckets_change_in_one_step_without_a_library() -> None:
    draft = taker()
    text = emit_module(draft.function, natural_ranges(draft.function), DESCRIPTORS, SHARED)
    assembly = assembly_text(text)
    assert "cmpxchg16b" in assembly or "casp" in assembly
    assert undefined_symbols(compile_object(text)) == []


def test_a_bucket_out_of_range_is_told_by_paranoid_code() -> None:
    draft = taker()
    code = compile_function(draft.function, natural_ranges(draft.function), options=EmitOptions(paranoid=True))
    assert run_batch(code, [bytes([3]) + bytes(12)], maps=[MapMemory(BUCKETS)]).verdicts == [255]


@pytest.mark.parametrize("capacity", [1, 3, 4])
def test_event_ring(capacity: int) -> None:
    """Full, it counts drops; read from, it takes records again, at the place that follows."""
    decl = replace(EVENTS, capacity=capacity)
    draft = FilterDraft("events")
    draft.function.maps.append(decl)
    number = draft.builder.emit(Load(draft.const(0), 0, 1))
    signed = draft.builder.emit(Wrap(number, Scalar(1, signed=True)))
    draft.builder.emit(EventEmit(decl, (number, signed)))
    draft.verdict(PASS)
    code = compile_function(draft.function, natural_ranges(draft.function))
    memory = MapMemory(decl)
    expected: list[tuple[int, int]] = []
    written = dropped = read = 0
    for first, taken in ((0, 1), (250, 2), (100, 0), (5, capacity)):
        packets = [bytes([(first + step) % 256]) for step in range(4)]
        run_batch(code, packets, maps=[memory])
        for (value,) in packets:
            if len(expected) < capacity:
                expected.append((value, value - 256 if value > 127 else value))
                written += 1
            else:
                dropped += 1
        assert memory.entries() == expected
        assert (memory.get(RING, 0, "head"), memory.get(RING, 0, "dropped")) == (written, dropped)
        taken = min(taken, len(expected))
        del expected[:taken]
        read += taken
        memory.put(RING, 0, "tail", read)
