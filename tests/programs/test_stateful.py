"""The programs that remember against their simulations, on every engine: verdicts, bytes, and maps in the end."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from ipaddress import IPv4Network

import pytest

from nmjit.runtime.program import Frame
from tests.programs.everywhere import NAMES, PROGRAMS, run_everywhere
from tests.programs.models import MODELS
from tests.programs.rewriting import Decapsulate, LoadBalancer, RouteTable, SynGuard, VlanRewrite
from tests.programs.sessions import everything, proofs, tags, tunnels
from tests.programs.simulations import (
    Conntrack,
    DnsGuard,
    FlowExport,
    PortScan,
    RateLimit,
    Simulation,
    TopTalkers,
)

IN_ORDER = {"EXPORTS", "SCANS", "ALERTS4", "ALERTS6", "SIZES"}
"""Maps whose rows have an order; the others' are sorted before they are compared."""


SECRET = 0x0123_4567_89AB_CDEF_FEDC_BA98_7654_3210


def shipped_routes() -> dict[IPv4Network, bytes]:
    """Those of the file beside route_table.py."""
    lines = (PROGRAMS / "route_table.txt").read_text().splitlines()
    rows = [line.split() for line in lines if not line.startswith("#")]
    return {IPv4Network(prefix): bytes.fromhex(hop.replace(":", "")) for prefix, hop in rows}


def _answering(host: Simulation) -> Callable[[bytes, int], bytes | None]:
    """What a simulation sends back."""

    def answer(data: bytes, now: int) -> bytes | None:
        verdict, sent = host.step(data, now, len(data))
        return sent if verdict == "TX" else None

    return answer


@dataclass(frozen=True)
class Case:
    """A program with its constants, the model of that, and the verdicts that the packets must bring about."""

    program: str
    model: Callable[[], Simulation]
    defines: Mapping[str, str] = field(default_factory=dict)
    verdicts: frozenset[str] = frozenset({"PASS", "DROP"})
    at_least: Mapping[str, int] = field(default_factory=dict)
    """How many rows there must be, lest a test shows nothing."""
    frames: Callable[[], Sequence[Frame]] = everything


CASES = (
    Case(
        "flow_export",
        lambda: FlowExport(active=20, idle=5),
        {"ACTIVE": "20", "IDLE": "5"},
        frozenset({"PASS"}),
        {"EXPORTS": 100, "FLOWS": 100},
    ),
    Case(
        "rate_limit",
        lambda: RateLimit(rate=2, burst=4),
        {"RATE": "2", "BURST": "4"},
        at_least={"SOURCES4": 20, "SOURCES6": 5},
    ),
    Case(
        "conntrack",
        lambda: Conntrack(opening=3, idle=10, closing=1),
        {"OPENING": "3", "IDLE": "10", "CLOSING": "1"},
        at_least={"CONNECTIONS": 50},
    ),
    Case(
        "dns_guard",
        lambda: DnsGuard(wait=3, any_rate=1, labels=24),
        {"WAIT": "3", "ANY_RATE": "1"},
        at_least={"QUERIES4": 10, "QUERIES6": 5, "ANY_SOURCES": 3},
    ),
    Case(
        "top_talkers",
        lambda: TopTalkers(window=5, octets=3000),
        {"WINDOW": "5", "OCTETS": "3000"},
        frozenset({"PASS"}),
        {"ALERTS4": 10, "ALERTS6": 2},
    ),
    Case(
        "route_table",
        lambda: RouteTable(shipped_routes()),
        verdicts=frozenset({"PASS", "DROP", "TX"}),
        at_least={"TABLE": 6},
    ),
    Case(
        "load_balancer",
        lambda: LoadBalancer(["10.1.0.1", "10.1.0.2", "10.1.0.7"]),
        {"BACKENDS": "10.1.0.1,10.1.0.2,10.1.0.7"},
        verdicts=frozenset({"PASS", "DROP", "TX"}),
        at_least={"CONNECTIONS": 15},
    ),
    Case("decapsulate", Decapsulate, frames=tunnels),
    Case("vlan_rewrite", VlanRewrite, frames=tags),
    Case(
        "syn_guard",
        lambda: SynGuard(secret=SECRET, known_for=8),
        {"SECRET": str(SECRET), "KNOWN": "8"},
        frozenset({"PASS", "DROP", "TX"}),
        {"CLIENTS": 30},
        frames=lambda: proofs(_answering(SynGuard(secret=SECRET, known_for=8))),
    ),
    Case(
        "port_scan",
        lambda: PortScan(ports=5, window=4, block=6),
        {"PORTS": "5", "WINDOW": "4", "BLOCK": "6"},
        at_least={"SCANS": 10, "SOURCES": 15},
    ),
)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.program)
def test_does_what_its_simulation_does(case: Case) -> None:
    frames, model, now = case.frames(), case.model(), 0
    outcome = run_everywhere(case.program, frames, case.defines)
    for number, (frame, result) in enumerate(zip(frames, outcome.results, strict=True)):
        now = max(now, frame.timestamp)
        expected = model.step(frame.data, now, max(frame.wire_len, len(frame.data)))
        assert (result.verdict.name, result.data.hex()) == (expected[0], expected[1].hex()), f"packet {number}: {frame}"
    assert set(outcome.verdicts) == case.verdicts
    for name, rows in model.maps().items():
        held = outcome.maps[name]
        assert len(rows) >= case.at_least.get(name, 0), name
        assert (held, rows) == (rows, rows) if name in IN_ORDER else sorted(held) == sorted(rows), name


FULL = {name: {"CAPACITY": "48"} for name in ("conntrack", "dns_guard", "flow_export", "load_balancer", "nat44")} | {
    "port_scan": {"CAPACITY": "16", "PAIRS": "32"},
    "rate_limit": {"CAPACITY": "8", "RATE": "2", "BURST": "4"},
    "syn_guard": {"CAPACITY": "16", "SECRET": str(SECRET)},
    "top_talkers": {"CAPACITY": "16"},
}
"""Room for far fewer entries than there are, by program."""


@pytest.mark.parametrize("name", FULL)
def test_engines_agree_while_entries_give_way(name: str) -> None:
    frames = next((case.frames for case in CASES if case.program == name), everything)
    outcome = run_everywhere(name, frames(), FULL[name])
    assert "ABORTED" not in outcome.verdicts
    tables = {held: rows for held, rows in outcome.maps.items() if held not in {*IN_ORDER, "TABLE", "FORWARDS"}}
    assert all(len(rows) <= 48 for rows in tables.values())
    assert any(len(rows) >= 16 for rows in tables.values())


def test_every_program_has_a_model() -> None:
    assert sorted(NAMES) == sorted({*MODELS, "nat44", *(case.program for case in CASES)})
