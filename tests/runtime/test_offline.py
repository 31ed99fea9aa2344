"""Runs over captures: counts, maps, interruption, and back ends that are made to disagree."""

from __future__ import annotations

import struct
from collections.abc import Callable
from pathlib import Path

import pytest

from nmjit.runtime import offline
from nmjit.runtime.errors import MapFileError
from nmjit.runtime.offline import Disagreement, run_capture
from nmjit.runtime.program import PacketResult, Program

SOURCE = """
from nmjit import *

SIZES = Counter(u8)

@filter
def f(pkt: Packet) -> Verdict:
    SIZES[len(pkt)] += 1
    pkt[0] = 255
    return DROP if len(pkt) % 3 == 0 else PASS
"""


def capture(path: Path, packets: list[bytes]) -> Path:
    header = struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 65535, 1)
    records = (struct.pack("<IIII", n, 0, len(data), len(data)) + data for n, data in enumerate(packets))
    path.write_bytes(header + b"".join(records))
    return path


@pytest.fixture
def load(tmp_path: Path) -> Callable[[str], Program]:
    (tmp_path / "f.py").write_text(SOURCE)
    return lambda backend: Program.load(tmp_path / "f.py", backend=backend, cache_directory=tmp_path / "cache")


PACKETS = [bytes([n % 7]) * (n % 5) for n in range(600)]


@pytest.mark.parametrize("backend", ["jit", "interp", "python", "all"])
def test_counts_maps_and_what_is_written(load: Callable[[str], Program], tmp_path: Path, backend: str) -> None:
    source = capture(tmp_path / "in.pcap", PACKETS)
    result = run_capture(load(backend), source, tmp_path / "out.pcap", backend=backend)
    assert (result.packets, result.bytes) == (600, 1200)
    assert result.verdicts == {"ABORTED": 120, "DROP": 120, "PASS": 360, "TX": 0, "REDIRECT": 0}
    assert result.aborted == [{"line": 9, "exception": "IndexError", "count": 120}]
    assert result.maps == {"SIZES": dict.fromkeys(range(5), 120)}
    kept = [(n, b"\xff" + data[1:]) for n, data in enumerate(PACKETS) if len(data) % 3 and data]
    expected = capture(tmp_path / "expected.pcap", []).read_bytes()
    expected += b"".join(struct.pack("<IIII", n, 0, len(data), len(data)) + data for n, data in kept)
    assert (tmp_path / "out.pcap").read_bytes() == expected


@pytest.mark.parametrize("backend", ["jit", "python"])
def test_a_run_that_is_asked_to_stop_tells_what_it_did(
    load: Callable[[str], Program], tmp_path: Path, backend: str
) -> None:
    asked: list[tuple[int, int]] = []

    def stop(done: int, total: int) -> bool:
        asked.append((done, total))
        return False

    source = capture(tmp_path / "in.pcap", PACKETS)
    result = run_capture(load(backend), source, None, backend=backend, progress=stop)
    assert result.packets == offline.FIRST_STRETCH
    assert asked[0][1] == source.stat().st_size
    assert 0 < asked[0][0] < asked[0][1]


def test_two_back_ends_that_differ_are_told(
    load: Callable[[str], Program], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = load("all")
    real = Program.run_packets

    def wrong(self: Program, packets: list[bytes]) -> list[PacketResult]:
        results = real(self, packets)
        if self.backend == "interp":
            results[4] = PacketResult(results[4].verdict, b"other")
        return results

    monkeypatch.setattr(Program, "run_packets", wrong)
    with pytest.raises(Disagreement, match=r"packet 5: python gives .* interp gives .*other"):
        run_capture(program, capture(tmp_path / "in.pcap", PACKETS), None, backend="all")


def test_maps_that_differ_are_told(
    load: Callable[[str], Program], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = load("all")
    real = Program.map_entries

    def wrong(self: Program) -> dict[str, list[tuple[int, ...]]]:
        entries = dict(real(self))
        return {**entries, "SIZES": entries["SIZES"][::-1]} if self.backend == "jit" else entries

    monkeypatch.setattr(Program, "map_entries", wrong)
    with pytest.raises(Disagreement, match="SIZES differ between python and jit"):
        run_capture(program, capture(tmp_path / "in.pcap", PACKETS), None, backend="all")


PINNED = """
from ipaddress import IPv4Address, IPv4Network
from nmjit import *

@struct
class Last:
    source: IPv4Address
    seen: u64 = 0

HOPS = LpmTrie(key=IPv4Address, value=u8, capacity=4)
HOPS[IPv4Network("10.0.0.0/8")] = 7
LAST = HashMap(key=tuple[u8, bool], value=Last, capacity=9)

@filter
def f(pkt: Packet) -> Verdict:
    LAST.setdefault((len(pkt), True), Last(IPv4Address("192.0.2.1"))).seen += 1
    return PASS if HOPS.get(IPv4Address("10.1.2.3")) == 7 else DROP
"""


def test_pinned_maps_begin_with_the_modules_contents_and_go_on_from_run_to_run(tmp_path: Path) -> None:
    (tmp_path / "f.py").write_text(PINNED)
    source = capture(tmp_path / "in.pcap", [b"ab", b"abc", b"de"])
    for turn in (1, 2):
        program = Program.load(tmp_path / "f.py", cache_directory=tmp_path / "cache")
        result = run_capture(program, source, None, pin=tmp_path / "pins")
        assert result.verdicts["PASS"] == 3
        assert result.maps == {
            "HOPS": {"10.0.0.0/8": 7},
            "LAST": {
                "2,True": {"source": "192.0.2.1", "seen": 2 * turn},
                "3,True": {"source": "192.0.2.1", "seen": turn},
            },
        }
    (tmp_path / "f.py").write_text(PINNED.replace("capacity=9", "capacity=10"))
    other = Program.load(tmp_path / "f.py", cache_directory=tmp_path / "cache")
    with pytest.raises(MapFileError, match="capacity 9, declared 10"):
        run_capture(other, source, None, pin=tmp_path / "pins")
