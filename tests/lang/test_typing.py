"""What mypy --strict accepts and refuses in a filter file, in one run of it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from mypy import api

ACCEPTED = '''
"""Drop sources on a block list, count the rest."""
from ipaddress import IPv4Address, ip_network

from nmjit import (
    DROP, PASS, Array, Counter, Mac, NetworkSet, Packet, Port, Tcp, Verdict, bits, filter, header, now, random,
    redirect, struct, u8, u16, u64,
)

BLOCKED = NetworkSet(["10.0.0.0/8", ip_network("2001:db8::/32")])
OUT = Port()


@struct
class Flow:
    packets: u64 = 0
    octets: u64 = 0


@header
class Inner:
    flags: u8
    reserved: int = bits(24)
    mac: Mac
    source: IPv4Address


FLOWS = Array(Flow, 16)
LAST = Array(u64, 4)
PROTOCOLS = Counter(u8)
FRAGMENTS = Counter(bool)


@filter
def police(pkt: Packet) -> Verdict:
    ip = pkt.ipv4
    if ip is None:
        return PASS
    if ip.src in BLOCKED or random() % 100 == 0:
        return DROP
    PROTOCOLS[ip.proto] += 1
    FRAGMENTS[ip.frag > 0] += 1
    if l4 := pkt.tcp or pkt.udp:
        flow = FLOWS[u16(l4.sport ^ l4.dport) % 16]
        flow.packets += 1
        flow.octets += len(pkt)
        FLOWS[0] = Flow(packets=1)
        LAST[0] = now()
    if inner := pkt.at(Inner, 42):
        inner.reserved += 1
        inner.source = ip.dst
    if pkt.tcp is not None and any_option(pkt.tcp):
        return redirect(OUT)
    if pkt.payload.startswith(b"GET ") or b"x" in pkt.payload or pkt[0:2] == b"ab" or pkt.payload[0] == pkt[0]:
        return DROP
    return PASS


def any_option(tcp: Tcp) -> bool:
    for option in tcp.options:
        if option.kind == 2 and option.length == 4 and option.u16(2) < 500:
            return True
    return False
'''

REFUSED = [
    ("pkt.tcp.dport", "union-attr"),
    ("pkt.at(Tcp, 34).dport", "union-attr"),
    ("pkt.eth and pkt.eth.destination", "attr-defined"),
    ("redirect(3)", "arg-type"),
    ("PASS + 1", "operator"),
    ("COUNTS['a']", "index"),
    ("FLOWS[0].octets", "attr-defined"),
    ("Flow(octets=1)", "call-arg"),
    ("'10.0.0.1' in NETWORKS", "operator"),
    ("pkt['a']", "call-overload"),
    ("pkt.len", "attr-defined"),
    ("filter(wrong)", "arg-type"),
]

PRELUDE = """
from nmjit import PASS, Array, Counter, NetworkSet, Packet, Tcp, Verdict, filter, redirect, struct, u8, u64


@struct
class Flow:
    packets: u64 = 0


FLOWS, COUNTS, NETWORKS = Array(Flow, 2), Counter(u8), NetworkSet([])


def wrong(pkt: Packet) -> int:
    return 1


def uses(pkt: Packet) -> None:
"""


@pytest.fixture(scope="module")
def findings(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[int, str]]:
    """Error code by line, for each of the two files."""
    folder: Path = tmp_path_factory.mktemp("typing")
    (folder / "accepted.py").write_text(ACCEPTED)
    (folder / "refused.py").write_text(PRELUDE + "".join(f"    {expression}\n" for expression, _ in REFUSED))
    files = [str(folder / name) for name in ("accepted.py", "refused.py")]
    options = ["--strict", "--config-file=", "--no-pretty", "--cache-dir", str(folder / "cache")]
    output, errors, _ = api.run([*options, *files])
    assert errors == ""
    found: dict[str, dict[int, str]] = {"accepted.py": {}, "refused.py": {}}
    for name, line, code in re.findall(r"(\w+\.py):(\d+): error: .*\[([a-z-]+)\]$", output, re.MULTILINE):
        found[name][int(line)] = code
    assert "Found" in output, output
    return found


def test_accepts_filters(findings: dict[str, dict[int, str]]) -> None:
    assert findings["accepted.py"] == {}


@pytest.mark.parametrize(("index", "expression", "code"), [(i, *case) for i, case in enumerate(REFUSED)])
def test_refuses(findings: dict[str, dict[int, str]], index: int, expression: str, code: str) -> None:
    assert findings["refused.py"].get(PRELUDE.count("\n") + 1 + index) == code, expression
