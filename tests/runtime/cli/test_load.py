"""load.py: captures and memory ports, the report, and ports that this version does not have."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from scapy.utils import rdpcap

from tests.runtime.cli.conftest import ABORTED, FLOATS, FRAMES, OPEN_CHECK_LINE, TELNET, VERDICTS, Ended

Nmjit = Callable[..., Ended]
Write = Callable[[str], Path]


def test_json_has_run_and_check(nmjit: Nmjit, filter_file: Write, capture: Path) -> None:
    path = filter_file(TELNET)
    ended = nmjit("load", path, f"pcap:{capture}", "--json")
    assert (ended.code, ended.err) == (0, "")
    told = ended.json
    assert (told["packets"], told["verdicts"], told["aborted"]) == (len(FRAMES), VERDICTS, ABORTED)
    assert told["check"] == nmjit("check", path, "--json").json


def test_text_shows_counts_rate_and_report(nmjit: Nmjit, filter_file: Write, capture: Path) -> None:
    ended = nmjit("load", filter_file(TELNET), f"pcap:{capture}")
    assert (ended.code, ended.err) == (0, "")
    for part in ("2 DROP", "packets/s", "a packet", "verifier on", f"line {OPEN_CHECK_LINE}, column 8: IndexError"):
        assert part in ended.out


def test_output_gets_what_goes_on(nmjit: Nmjit, filter_file: Write, capture: Path, tmp_path: Path) -> None:
    target = tmp_path / "out.pcap"
    assert nmjit("load", filter_file(TELNET), f"pcap:{capture}", "-o", f"pcap:{target}").code == 0
    assert [bytes(packet) for packet in rdpcap(str(target))] == [bytes(FRAMES[1]), bytes(FRAMES[3])]


@pytest.mark.parametrize("port", ["eth0", "netmap:eth0", "vale0:1", "xdp:eth0", "kernel:eth0", "packet:eth0"])
def test_live_ports_are_not_there_yet(nmjit: Nmjit, filter_file: Write, port: str) -> None:
    ended = nmjit("load", filter_file(TELNET), port)
    assert (ended.code, ended.out) == (3, "")
    assert ended.err.startswith(f"nmjit: port {port}: ")
    assert ended.err.count("\n") == 1


@pytest.mark.parametrize("target", ["eth1", "mem:b"])
def test_outputs_are_captures_only(nmjit: Nmjit, filter_file: Write, capture: Path, target: str) -> None:
    assert nmjit("load", filter_file(TELNET), f"pcap:{capture}", "-o", target).code == 3


def test_chains_are_not_there_yet(nmjit: Nmjit, filter_file: Write, capture: Path) -> None:
    path = filter_file(TELNET)
    assert nmjit("load", path, path, f"pcap:{capture}").code == 3


@pytest.mark.parametrize("port", ["pcap:", "tun:0", "mem:", "netmap:"])
def test_a_malformed_port_is_wrong_usage(nmjit: Nmjit, filter_file: Write, port: str) -> None:
    ended = nmjit("load", filter_file(TELNET), port)
    assert ended.code == 2
    assert ended.err.count("\n") == 1


def test_a_port_is_needed(nmjit: Nmjit, filter_file: Write) -> None:
    assert nmjit("load", filter_file(TELNET)).code == 2


def test_a_refused_filter(nmjit: Nmjit, filter_file: Write, capture: Path) -> None:
    ended = nmjit("load", filter_file(FLOATS), f"pcap:{capture}", "--json")
    assert ended.code == 2
    assert list(ended.json) == ["refused"]


def test_a_memory_port_is_served_until_ctrl_c(filter_file: Write) -> None:
    code = "import sys; from nmjit.runtime.cli import main; sys.argv[0] = 'nmjit'; main()"
    command = [sys.executable, "-c", code, "load", str(filter_file(TELNET)), "mem:a"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        assert process.stderr.readline() == "nmjit: serving mem:a, Ctrl-C ends\n"
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=20)
    assert process.returncode == 0
    assert err.startswith("0 packets filtered\n")
    assert "verifier on" in out
