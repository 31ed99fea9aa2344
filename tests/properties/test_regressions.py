"""Filters over which engines once disagreed, or which were once refused, cut down and named after the fault."""

from __future__ import annotations

import pytest

from tests.generators.packets import packets_of
from tests.properties.engines import Tally, Traffic, compare

PRELUDE = "from ipaddress import IPv4Address, ip_network\nfrom nmjit import *\nOUT = Port()\nTABLE = (1, 2, 3)\n"
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
    compare(source_of(body), "regression", Traffic.of(1, packets_of(1, 60)), tally)
    assert tally.filters == 1
