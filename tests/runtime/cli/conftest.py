"""Filters and captures for the verbs, and a way to call them."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from scapy.layers.inet import IP, TCP, UDP
from scapy.layers.l2 import ARP, Ether
from scapy.packet import Packet
from scapy.utils import wrpcap

from nmjit.runtime.cli.entry import execute

TELNET = '''"""Drops telnet; looks at a byte without asking whether it is there."""
from nmjit import DROP, PASS, Packet, Verdict, filter

PORT = 23

@filter
def telnet(pkt: Packet) -> Verdict:
    tcp = pkt.tcp
    if tcp is not None and tcp.dport == PORT:
        return DROP
    if pkt[50] == 0xFF:
        return DROP
    return PASS
'''
OPEN_CHECK_LINE = 11
FLOATS = TELNET.replace("return PASS", "return PASS if len(pkt) / 2 > 9 else DROP")
FLOATS_LINE = 13
CLOSED = TELNET.replace("if pkt[50]", "if len(pkt) > 50 and pkt[50]")

ETHERNET = Ether(src="02:00:00:00:00:01", dst="02:00:00:00:00:02")
ADDRESSES = IP(src="192.0.2.1", dst="192.0.2.2")
FRAMES: tuple[Packet, ...] = (
    ETHERNET / ADDRESSES / TCP(dport=23) / b"drop me",
    ETHERNET / ADDRESSES / TCP(dport=80) / b"let me pass",
    ETHERNET / ADDRESSES / TCP(dport=23) / b"drop me too",
    ETHERNET / ADDRESSES / UDP(dport=53) / (b"x" * 30),
    ETHERNET / ARP(pdst="192.0.2.3"),
)
"""Two dropped, two passed, and an ARP packet of 42 bytes on which `pkt[50]` raises."""
VERDICTS = {"ABORTED": 1, "DROP": 2, "PASS": 2, "TX": 0, "REDIRECT": 0}
ABORTED = [{"line": OPEN_CHECK_LINE, "exception": "IndexError", "count": 1}]


@dataclass(frozen=True)
class Ended:
    """What one command line came to."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


@pytest.fixture
def nmjit(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[..., Ended]:
    """Runs a command line in this process, with a cache of its own."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))

    def run(*arguments: object) -> Ended:
        capsys.readouterr()
        code = execute([str(argument) for argument in arguments])
        return Ended(code, *capsys.readouterr())

    return run


@pytest.fixture
def filter_file(tmp_path: Path) -> Callable[[str], Path]:
    """Writes a filter's text to a file."""

    def write(text: str) -> Path:
        path = tmp_path / "telnet.py"
        path.write_text(text)
        return path

    return write


@pytest.fixture
def capture(tmp_path: Path) -> Path:
    """The FRAMES as a capture file."""
    path = tmp_path / "in.pcap"
    wrpcap(str(path), [*FRAMES])
    return path
