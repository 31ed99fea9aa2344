"""run.py: verdicts, the written capture, every back end, bad captures, timing, and Ctrl-C."""

from __future__ import annotations

import signal
import struct
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from scapy.utils import rdpcap

from nmjit.runtime.cli.monitor import Monitor
from nmjit.runtime.offline import Disagreement
from tests.runtime.cli.conftest import ABORTED, FLOATS, FRAMES, TELNET, VERDICTS, Ended

Nmjit = Callable[..., Ended]
Write = Callable[[str], Path]

TIMING_PHASES = ["start", "import", "load", "first packets", "total"]


@pytest.mark.parametrize("backend", ["jit", "python", "interp", "all"])
def test_json(nmjit: Nmjit, filter_file: Write, capture: Path, backend: str) -> None:
    path = filter_file(TELNET)
    ended = nmjit("run", path, "-r", capture, "--backend", backend, "--json")
    assert (ended.code, ended.err) == (0, "")
    told = ended.json
    assert told.pop("seconds") > 0
    assert told == {
        "filter": str(path),
        "backend": backend,
        "packets": len(FRAMES),
        "bytes": sum(map(len, FRAMES)),
        "verdicts": VERDICTS,
        "aborted": ABORTED,
        "maps": {},
        "mirrored": 0,
    }


def test_text(nmjit: Nmjit, filter_file: Write, capture: Path) -> None:
    ended = nmjit("run", filter_file(TELNET), "-r", capture)
    assert (ended.code, ended.err) == (0, "")
    assert "5 packets" in ended.out
    assert "2 DROP" in ended.out
    assert f"aborted at line {ABORTED[0]['line']}: IndexError" in ended.out


@pytest.mark.parametrize("backend", ["jit", "python"])
@pytest.mark.parametrize(("verdict", "written"), [(None, [1, 3]), ("DROP", [0, 2]), ("aborted", [4]), ("TX", [])])
def test_written_packets(
    nmjit: Nmjit,
    filter_file: Write,
    capture: Path,
    tmp_path: Path,
    backend: str,
    verdict: str | None,
    written: list[int],
) -> None:
    target = tmp_path / "out.pcap"
    chosen = ["--verdict", verdict] if verdict else []
    ended = nmjit("run", filter_file(TELNET), "-r", capture, "-w", target, "--backend", backend, *chosen)
    assert ended.code == 0
    before, after = rdpcap(str(capture)), rdpcap(str(target))
    assert [(bytes(packet), packet.time) for packet in after] == [
        (bytes(before[number]), before[number].time) for number in written
    ]


def test_constants(nmjit: Nmjit, filter_file: Write, capture: Path) -> None:
    told = nmjit("run", filter_file(TELNET), "-r", capture, "-D", "PORT=80", "--json").json
    assert told["verdicts"]["DROP"] == 1


def test_paranoid_code_agrees(nmjit: Nmjit, filter_file: Write, capture: Path) -> None:
    told = nmjit("run", filter_file(TELNET), "-r", capture, "--paranoid", "--json").json
    assert told["verdicts"] == VERDICTS


def test_timing_goes_to_stderr_and_into_the_json(nmjit: Nmjit, filter_file: Write, capture: Path) -> None:
    ended = nmjit("run", filter_file(TELNET), "-r", capture, "--timing", "--json")
    assert list(ended.json["timing"]) == TIMING_PHASES
    assert ended.err.startswith("timing: start ")


def test_back_ends_that_disagree_exit_1(
    nmjit: Nmjit, filter_file: Write, capture: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def disagree(*_: object, **__: object) -> None:
        raise Disagreement("packet 3: python gives PASS, jit gives DROP")

    monkeypatch.setattr("nmjit.runtime.offline.run_capture", disagree)
    ended = nmjit("run", filter_file(TELNET), "-r", capture, "--backend", "all", "--json")
    assert ended.code == 1
    assert ended.json["error"]["message"] == "back ends disagree: packet 3: python gives PASS, jit gives DROP"


def test_a_refused_filter(nmjit: Nmjit, filter_file: Write, capture: Path) -> None:
    ended = nmjit("run", filter_file(FLOATS), "-r", capture, "--json")
    assert ended.code == 2
    assert list(ended.json) == ["refused"]


def header(linktype: int) -> bytes:
    return struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 65535, linktype)


def record(captured: int, data: bytes) -> bytes:
    return struct.pack("<IIII", 1, 2, captured, captured) + data


BAD_CAPTURES = {
    "empty": (b"", "cut short or corrupt"),
    "text": (b"no capture at all, but some text", "not a pcap file"),
    "wrong link type": (header(105), "LINKTYPE_IEEE802_11 (105)"),
    "cut in a header": (header(1) + b"\1\2\3", "cut short or corrupt"),
    "cut in a record": (header(1) + record(60, b"x" * 60) + record(60, b"x" * 10), "record 2"),
    "absurd length": (header(1) + record(0xFFFFFFFF, b"x" * 60), "cut short or corrupt"),
}


@pytest.mark.parametrize("backend", ["jit", "python"])
@pytest.mark.parametrize("name", BAD_CAPTURES)
def test_a_bad_capture_is_one_line_and_exit_1(
    nmjit: Nmjit, filter_file: Write, tmp_path: Path, name: str, backend: str
) -> None:
    content, reason = BAD_CAPTURES[name]
    path = tmp_path / "bad.pcap"
    path.write_bytes(content)
    ended = nmjit("run", filter_file(TELNET), "-r", path, "-w", tmp_path / "out.pcap", "--backend", backend)
    assert (ended.code, ended.out) == (1, "")
    assert reason in ended.err
    assert ended.err.startswith(f"nmjit: {path}: ")
    assert ended.err.count("\n") == 1
    assert not (tmp_path / "out.pcap").exists()


@pytest.mark.parametrize("path", ["/no/such/file.pcap", "/", "/dev/null"])
def test_what_is_no_file_is_one_line_and_exit_1(nmjit: Nmjit, filter_file: Write, path: str) -> None:
    ended = nmjit("run", filter_file(TELNET), "-r", path)
    assert ended.code == 1
    assert ended.err.startswith(f"nmjit: {path}: ")
    assert ended.err.count("\n") == 1


def test_an_empty_capture_is_fine(nmjit: Nmjit, filter_file: Write, tmp_path: Path) -> None:
    path = tmp_path / "empty.pcap"
    path.write_bytes(header(1))
    ended = nmjit("run", filter_file(TELNET), "-r", path)
    assert (ended.code, ended.err) == (0, "")
    assert "0 packets" in ended.out


def test_a_verdict_without_a_file_is_wrong_usage(nmjit: Nmjit, filter_file: Write, capture: Path) -> None:
    ended = nmjit("run", filter_file(TELNET), "-r", capture, "--verdict", "DROP")
    assert ended.code == 2
    assert "-w OUT.pcap" in ended.err


def test_an_interrupted_run_says_how_far_it_came(
    nmjit: Nmjit, filter_file: Write, capture: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Impatient(Monitor):
        def __call__(self, done: int, total: int) -> bool:
            signal.raise_signal(signal.SIGINT)
            return super().__call__(done, total)

    monkeypatch.setattr("nmjit.runtime.cli.run.Monitor", Impatient)
    ended = nmjit("run", filter_file(TELNET), "-r", capture, "--backend", "python")
    assert (ended.code, ended.out) == (130, "")
    assert ended.err.splitlines() == [
        "5 packets filtered",
        "2 packets passed on",
        "2 packets dropped by the filter",
        "1 packet dropped by an exception",
    ]


def test_ctrl_c_on_a_long_run(filter_file: Write, capture: Path, tmp_path: Path) -> None:
    content = capture.read_bytes()
    long = tmp_path / "long.pcap"
    long.write_bytes(content[:24] + content[24:] * 100_000)
    arguments = ["run", str(filter_file(TELNET)), "-r", str(long), "--backend", "python"]
    code = "import sys; from nmjit.runtime.cli import main; sys.argv[0] = 'nmjit'; main()"
    command = [sys.executable, "-c", code, *arguments]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        time.sleep(1.5)
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=20)
    assert (process.returncode, out) == (130, "")
    assert "packets filtered" in err
    assert "Traceback" not in err


@pytest.mark.parametrize("module", ["rich", "nmjit.compiler.ir", "nmjit.compiler.pipeline"])
def test_a_cached_start_leaves_the_compiler_alone(
    filter_file: Write, capture: Path, tmp_path: Path, module: str
) -> None:
    code = (
        "import sys; from nmjit.runtime.cli.entry import execute; "
        f"assert execute(sys.argv[1:]) == 0; sys.exit({module!r} in sys.modules)"
    )
    command = [sys.executable, "-c", code, "run", str(filter_file(TELNET)), "-r", str(capture), "--json"]
    environment = {"XDG_CACHE_HOME": str(tmp_path / "cache"), "PATH": "/usr/bin:/bin"}
    subprocess.run(command, check=False, capture_output=True, env=environment)
    assert subprocess.run(command, capture_output=True, env=environment, text=True).returncode == 0
