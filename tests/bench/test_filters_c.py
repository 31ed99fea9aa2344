"""The C peers against CPython: what they decide, the bytes they leave, and what they must not look at."""

from __future__ import annotations

from functools import cache
from types import ModuleType

import pytest
from scapy.layers.inet import IP
from scapy.layers.l2 import Ether

from nmjit import Packet
from nmjit.bench.arena import STRIDE
from nmjit.bench.build import CLANG, GCC, Builder
from nmjit.bench.engines import load_c, prefetching
from nmjit.bench.filters import ACL, FILTERS, PORT80, ROUTER, Filter
from tests.bench import packets
from tests.bench.oracle import ORACLES
from tests.bench.runner import run_packets, run_slots

VARIANTS = {
    "gcc": (GCC, ()),
    "clang": (CLANG, ()),
    "gcc-prefetch": (GCC, prefetching(16, 2)),
    "clang-prefetch": (CLANG, prefetching(16)),
    "gcc-pointer": (GCC, ("BENCH_POINTER=1",)),
}
DROP, PASS, TX = 1, 2, 3


@cache
def built() -> list[bytes]:
    return packets.built()


@cache
def sample() -> list[bytes]:
    """Every kind of packet once: built, cut short, broken."""
    short = [*packets.cut_short(built()[:: len(built()) // 12])]
    return [*built(), *short, *packets.broken(built(), 4000, seed=7)]


@cache
def expected(name: str) -> tuple[list[int], list[bytes]]:
    verdicts, left = [], []
    for raw in sample():
        packet = Packet(raw)
        verdicts.append(ORACLES[name](packet).value)
        left.append(bytes(packet))
    return verdicts, left


@pytest.fixture(params=VARIANTS)
def variant(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def address(builder: Builder, filter_: Filter, variant: str = "gcc") -> int:
    compiler, defines = VARIANTS[variant]
    return load_c(filter_, builder, compiler=compiler, defines=defines)


@pytest.mark.parametrize("filter_", FILTERS, ids=lambda filter_: filter_.name)
def test_c_agrees_with_cpython(builder: Builder, harness: ModuleType, filter_: Filter, variant: str) -> None:
    outcome = run_packets(harness, address(builder, filter_, variant), sample())
    verdicts, left = expected(filter_.name)
    for raw, got, want, bytes_got, bytes_want in zip(
        sample(), outcome.verdicts, verdicts, outcome.packets, left, strict=True
    ):
        assert (got, bytes_got.hex()) == (want, bytes_want.hex()), f"packet {raw.hex()}"


@pytest.mark.parametrize("filter_", FILTERS, ids=lambda filter_: filter_.name)
def test_bytes_behind_the_packet_do_not_matter(builder: Builder, harness: ModuleType, filter_: Filter) -> None:
    one, other = (run_packets(harness, address(builder, filter_), sample(), beyond=fill) for fill in (0, 0xFF))
    assert one.verdicts == other.verdicts


def test_sample_reaches_both_verdicts_and_all_rules() -> None:
    for name in (PORT80.name, ACL.name):
        verdicts, _ = expected(name)
        assert min(verdicts.count(DROP), verdicts.count(PASS)) > 100
    assert set(expected(ROUTER.name)[0]) == {DROP, PASS, TX}


def frame(hex_text: str) -> bytes:
    return bytes(12) + bytes.fromhex(hex_text)


IPV4 = "0800 4500002800010000400600000a0000010a000002"
TCP80 = "9c40 0050 00000000 00000000 5002 2000 0000 0000"


@pytest.mark.parametrize(
    ("raw", "verdict"),
    [
        (frame(IPV4 + TCP80), DROP),
        (frame(IPV4 + TCP80.replace("0050", "0051")), PASS),
        (frame(IPV4 + TCP80)[:-1], PASS),  # one byte short
        (frame(IPV4 + TCP80.replace("5002", "6002")), PASS),  # data offset runs over the end
        (frame(IPV4 + TCP80.replace("5002", "4002")), PASS),  # data offset below 5
        (frame(IPV4.replace("00010000", "00010001") + TCP80), PASS),  # a later fragment
        (frame(IPV4.replace("00010000", "00012000") + TCP80), DROP),  # the first fragment
        (frame(IPV4.replace("45000028", "45000000") + TCP80), DROP),  # total length 0: to the end
        (frame(IPV4.replace("45000028", "45000027") + TCP80), PASS),  # total length cuts the TCP header
        (frame("8100 0005" + IPV4 + TCP80), DROP),
        (frame("88a8 0005 8100 0006" + IPV4 + TCP80), DROP),
        (frame("88a8 0005 8100 0006 8100 0007" + IPV4 + TCP80), PASS),  # a third tag
        (b"", PASS),
    ],
)
def test_port80_by_hand(builder: Builder, harness: ModuleType, raw: bytes, verdict: int) -> None:
    assert run_packets(harness, address(builder, PORT80), [raw]).verdicts == [verdict]


def test_router_by_hand(builder: Builder, harness: ModuleType) -> None:
    raw = frame("0800 45000014000100004006 66e5 0a0000010a000002")
    outcome = run_packets(harness, address(builder, ROUTER), [raw])
    routed = bytes.fromhex("020000000002 020000000001 0800 4500001400010000 3f06 67e5 0a0000010a000002")
    assert (outcome.verdicts, outcome.packets) == ([TX], [routed])


def test_index_out_of_range_is_an_empty_packet(builder: Builder, harness: ModuleType, variant: str) -> None:
    ffi = harness.ffi
    memory = ffi.new("uint8_t[]", frame(IPV4 + TCP80).ljust(STRIDE, b"\0"))
    slots = ffi.new(
        "struct netmap_slot[]", [{"buf_idx": 0, "len": 54}, {"buf_idx": 1, "len": 54}, {"buf_idx": 2**32 - 1}]
    )
    assert run_slots(harness, address(builder, PORT80, variant), slots, memory, 1) == [DROP, PASS, PASS]


def test_length_counts_as_readable(builder: Builder, harness: ModuleType) -> None:
    whole, cut = (
        run_packets(harness, address(builder, PORT80), [frame(IPV4 + TCP80)], readable=readable).verdicts
        for readable in (54, 53)
    )
    assert (whole, cut) == ([DROP], [PASS])


def test_batch_wraps_at_the_rings_end(builder: Builder, harness: ModuleType, variant: str) -> None:
    ffi = harness.ffi
    memory = ffi.new("uint8_t[]", frame(IPV4 + TCP80).ljust(STRIDE, b"\0") + bytes(STRIDE))
    slots = ffi.new("struct netmap_slot[]", [{"buf_idx": int(i != 3), "len": 54} for i in range(37)])
    verdicts = run_slots(harness, address(builder, PORT80, variant), slots, memory, 2, head=30)
    assert [i for i, verdict in enumerate(verdicts) if verdict == DROP] == [10]


def test_scapy_is_kept_from_the_network() -> None:
    with pytest.raises(AssertionError, match="without a destination MAC"):
        bytes(Ether() / IP(dst="198.51.100.2"))
