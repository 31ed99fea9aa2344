"""What a refusal says to write instead is accepted when it is written."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.compiler.refused.test_refused import PRELUDE, message

NET = "NET = ip_network('10.0.0.0/8')"
NETS = "NETS = (ip_network('10.0.0.0/8'), ip_network('192.168.0.0/16'))"
FLOWS = "@struct\nclass Flow:\n    packets: u64 = 0\n\nFLOWS = Array(Flow, 4)"

PAIRS = [
    ("", "x = len(pkt) / 2", "x = len(pkt) // 2"),
    ("", "x = len(pkt) ** 2", "x = len(pkt) * len(pkt)"),
    ("", "raise ValueError", "assert len(pkt) > 60"),
    ("", "global N", "pass"),
    ("", "x = [1, 2]", "x = (1, 2)"),
    ("", "x = {1, 2}", "x = len(pkt) in {1, 2}"),
    ("", "x = pkt.ipv4.src == '192.0.2.1'", "x = pkt.ipv4.src == IPv4Address('192.0.2.1')"),
    ("", "x = pkt.ipv4.src == 5", "x = int(pkt.ipv4.src) == 5"),
    (NET, "x = pkt.ipv4.src == NET", "x = pkt.ipv4.src in NET"),
    (NETS, "x = pkt.ipv4.src in NETS", "x = pkt.ipv4.src in NetworkSet(NETS)"),
    ("", "x = pkt.ipv4.src in '10.0.0.0/8'", "x = pkt.ipv4.src in ip_network('10.0.0.0/8')"),
    ("", "x = pkt.tcp == None", "x = pkt.tcp is None"),
    ("", "x = (PASS if len(pkt) > 60 else DROP) == 2", "x = (PASS if len(pkt) > 60 else DROP) == PASS"),
    ("", "x = pkt.ipv4.src + 1", "x = int(pkt.ipv4.src) + 1"),
    ("", "x = int(pkt.ipv6.src) + 1", "x = u64(int(pkt.ipv6.src))"),
    ("", "x = pkt[-1]", "x = pkt[len(pkt) - 1]"),
    ("", "x = b'GET' in pkt", "x = b'GET' in pkt[:]"),
    ("", "x = pkt.payload.find('GET')", "x = pkt.payload.find(b'GET')"),
    ("", "pkt.ipv4.src = '192.0.2.1'", "pkt.ipv4.src = IPv4Address('192.0.2.1')"),
    ("", "pkt[0:len(pkt)] = b'abc'", "pkt[0 : 0 + 3] = b'abc'"),
    ("", "tcp = pkt.tcp; pkt[14] = 0; x = tcp and tcp.dport", "pkt[14] = 0; tcp = pkt.tcp; x = tcp and tcp.dport"),
    ("", "data = pkt[14:]; pkt[0] = 1; x = data == b''", "pkt[0] = 1; data = pkt[14:]; x = data == b''"),
    (FLOWS, "FLOWS[0] += 1", "FLOWS[0].packets += 1"),
    (FLOWS, "FLOWS[0] = 5", "FLOWS[0] = Flow(5)"),
    ("SET = {1, 2}", "x = min(SET)", "x = min(tuple(sorted(SET)))"),
    ("A = Port()", "return redirect('A')", "return redirect(A)"),
    (
        "A, B = Port(), Port()",
        "return redirect(A if len(pkt) else B)",
        "return redirect(A) if len(pkt) else redirect(B)",
    ),
    ("", "x = 5 in range(len(pkt))", "x = 0 <= 5 < len(pkt)"),
    ("HITS = Array(u64, 16)", "x = HITS.get(3, 0)", "x = HITS[3]"),
    ("", "while len(pkt): pass", "for i in range(100): pass"),
]


@pytest.mark.parametrize(("before", "refused", "cured"), PAIRS, ids=[pair[1] for pair in PAIRS])
def test_cure(before: str, refused: str, cured: str, tmp_path: Path) -> None:
    def told(statement: str) -> str:
        file = tmp_path / "filter.py"
        text = f"{PRELUDE}{before}\n@filter\ndef f(pkt: Packet) -> Verdict:\n    {statement}\n    return PASS\n"
        file.write_text(text, encoding="utf-8")
        return message(file, {}, None)

    assert "instead: " in told(refused)
    assert told(cured) == ""
