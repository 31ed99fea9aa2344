"""What a refusal says to write instead is accepted when it is written."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.compiler.refused.test_refused import PRELUDE, message

NET = "NET = ip_network('10.0.0.0/8')"
NETS = "NETS = (ip_network('10.0.0.0/8'), ip_network('192.168.0.0/16'))"
FLOWS = "@struct\nclass Flow:\n    packets: u64 = 0\n\nFLOWS = Array(Flow, 4)"
COUNTS = "COUNTS = HashMap(key=u16, value=u64, capacity=16)"
HOSTS = (
    "@struct\nclass Host:\n    seen: bool = False\n    via: Mac = Mac(0)\n\n"
    "HOSTS = LruHashMap(key=IPv4Address, value=Host, capacity=16)"
)
ROUTES = "ROUTES = LpmTrie(key=IPv4Address, value=u32, capacity=16)"
LIMITS = "LIMITS = Array(RateLimit, 4)"

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
    (COUNTS, "x = len(COUNTS)", "x = 5 in COUNTS"),
    (COUNTS, "x = COUNTS.pop(5)", "x = COUNTS[5]; del COUNTS[5]"),
    (COUNTS, "COUNTS[pkt.ipv4.src] = 1", "COUNTS[int(pkt.ipv4.src)] = 1"),
    (COUNTS, "COUNTS[pkt[0:2]] = 1", "COUNTS[pkt.u16(0)] = 1"),
    (COUNTS, "COUNTS[5] = COUNTS.get(6)", "COUNTS[5] = COUNTS.get(6, 0)"),
    (COUNTS, "x = COUNTS.get(5, default=1)", "x = COUNTS.get(5, 1)"),
    (HOSTS, "x = (ip := pkt.ipv4 or pkt.ipv6) and ip.src in HOSTS", "x = (ip := pkt.ipv4) and ip.src in HOSTS"),
    (HOSTS, "HOSTS['192.0.2.1'] = Host()", "HOSTS[IPv4Address('192.0.2.1')] = Host()"),
    (HOSTS, "HOSTS[pkt.ipv4.src] = 5", "HOSTS[pkt.ipv4.src] = Host()"),
    (HOSTS, "HOSTS[pkt.ipv4.src].seen = len(pkt)", "HOSTS[pkt.ipv4.src].seen = len(pkt) != 0"),
    (HOSTS, "HOSTS[pkt.ipv4.src].via = 5", "HOSTS[pkt.ipv4.src].via = Mac(5)"),
    (HOSTS, "x = HOSTS.get(pkt.ipv4.src, Host())", "x = HOSTS.get(pkt.ipv4.src) is None"),
    (ROUTES, "ROUTES[pkt.ipv4.src] = 5", "ROUTES[pkt.ipv4.src] += 5"),
    (ROUTES, "x = ROUTES.setdefault(pkt.ipv4.src, 5)", "x = ROUTES.get(pkt.ipv4.src, 5)"),
    (LIMITS, "x = RateLimit(5).allow()", "LIMITS[0] = RateLimit(5); x = LIMITS[0].allow()"),
    (LIMITS, "x = LIMITS[0].allow(tokens=5)", "x = LIMITS[0].allow(5)"),
    ("SIZES = Histogram()", "SIZES[len(pkt), len(pkt)] += 1", "SIZES.add(len(pkt))"),
    ("", "pkt.push(4 if len(pkt) else 8)", "pkt.push(4) if len(pkt) else pkt.push(8)"),
    ("", "eth = pkt.eth; pkt.pull(4); x = eth and eth.type", "pkt.pull(4); eth = pkt.eth; x = eth and eth.type"),
    ("OUT = Port()", "mirror('OUT')", "mirror(OUT)"),
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
