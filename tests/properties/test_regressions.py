"""Filters over which engines once disagreed, or which were once refused, cut down and named after the fault."""

from __future__ import annotations

import pytest

from tests.generators.packets import packets_of
from tests.properties.engines import Tally, compare
from tests.properties.traffic import Traffic

PRELUDE = "from ipaddress import IPv4Address, ip_network\nfrom nmjit import *\nOUT = Port()\nTABLE = (1, 2, 3)\n"
PRELUDE += f"def größe{'_' * 2000}(n: int) -> int:\n    return 1 if n > 60 else 0\n"
BODIES = {
    "local captured by any() is a cell variable, still a local": """
        low = pkt[0]
        return DROP if any(low == x for x in TABLE) else PASS
    """,
    "network made inside the filter runs at load, it is no helper": """
        ip = pkt.ipv4
        return DROP if ip is not None and ip.src in ip_network("10.0.0.0/8") else PASS
    """,
    "line of OverflowError is the filter's, not that of the check": """
        return DROP if pkt.timestamp * 3 > 7 else PASS
    """,
    "line of a shift's ValueError is the operator's": """
        n = (1 <<
             (pkt[0] + 30))
        return PASS if n else DROP
    """,
    "minus before a literal is checked like any other": """
        n = (1, -18446744073709551615)
        return PASS
    """,
    "names of LLVM blocks do not grow with the number of tests": """
        n = 0
        for _ in (65535, 80, 1, 65535, 65535, 4294967296, 1, 255, 300, 1, 3, 80, 300, 0, 300, 65535):
            n = (1 >> ((pkt.eth.type | 1) & 7)) // 3 + (1 >> ((pkt.eth.type | 2) & 7)) // 5
        return DROP
    """,
    "names of LLVM blocks have no need of ASCII, nor of shortness": f"""
        return PASS if größe{"_" * 2000}(len(pkt)) else DROP
    """,
    "True joined with a number is 1": """
        n = pkt[0] & 3 if len(pkt) > 20 else 63 < 100
        pkt[1] = n
        return PASS
    """,
}


def source_of(body: str) -> str:
    lines = [line[4:] for line in body.strip("\n").splitlines()]
    return "\n".join([PRELUDE, "@filter", "def regression(pkt: Packet) -> Verdict:", *lines, ""])


@pytest.mark.parametrize("body", BODIES.values(), ids=BODIES)
def test_engines_agree(body: str) -> None:
    tally = Tally()
    for ring in (False, True):
        compare(source_of(body), "regression", Traffic.of(1, packets_of(1, 60), ring=ring), tally)
    assert tally.filters == 2
