"""Real captures through every program on every back end: equal verdicts, bytes and maps, and no crash."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import pytest
from scapy.utils import RawPcapReader

from nmjit.runtime.offline import RunResult, run_capture
from tests.programs.everywhere import ENGINES, NAMES, program, run_everywhere

CAPTURES = Path(__file__).resolve().parents[3] / "shared/pcaps"
"""Beside the clone, where it is there; they are not ours to distribute."""
FILES = ("afs", "arp-oobr", "isakmp4500", "lamernews", "sanitized4k", "tls_ciphers", "v4", "v6")

pytestmark = pytest.mark.skipif(not CAPTURES.is_dir(), reason="the captures of ../shared/pcaps are not there")


@cache
def packets_of(file: str) -> list[bytes]:
    with RawPcapReader(str(CAPTURES / f"{file}.pcap")) as reader:
        return [data for data, _ in reader]


@pytest.mark.parametrize("file", FILES)
@pytest.mark.parametrize("name", NAMES)
def test_back_ends_agree_on_packets_and_maps(name: str, file: str) -> None:
    outcome = run_everywhere(name, packets_of(file))
    assert "ABORTED" not in outcome.verdicts


@pytest.mark.parametrize("file", FILES)
@pytest.mark.parametrize("name", NAMES)
def test_engines_write_the_same_capture(name: str, file: str, tmp_path: Path) -> None:
    """The mapped file is filtered in the worker, in place, where the other back ends are handed packets."""
    runs = {engine: _run(name, engine, file, tmp_path / engine) for engine in ENGINES}
    expected = runs["python"]
    assert runs == dict.fromkeys(ENGINES, expected)
    counts, aborted, _ = expected
    assert aborted == []
    assert sum(counts.values()) == len(packets_of(file))


def _run(name: str, engine: str, file: str, target: Path) -> tuple[dict[str, int], list[object], bytes]:
    backend, _ = ENGINES[engine]
    result: RunResult = run_capture(program(name, engine), CAPTURES / f"{file}.pcap", target, backend=backend)
    return result.verdicts, list(result.aborted), target.read_bytes()


def test_every_capture_is_in_the_list() -> None:
    assert sorted(path.stem for path in CAPTURES.glob("*.pcap")) == sorted(FILES)
