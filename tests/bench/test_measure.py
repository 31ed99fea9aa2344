"""Rows, ratios, the traffic's mix, the structs that C shares, and the command's JSON."""

from __future__ import annotations

import json
from types import ModuleType

import pytest
from click.testing import CliRunner

from nmjit.bench import run
from nmjit.bench.acl_c import acl_header
from nmjit.bench.acl_rules import RULES, Action, Protocol, Rule
from nmjit.bench.arena import COLD, open_arena
from nmjit.bench.build import Builder
from nmjit.bench.processes import Command, CommandFailed, interleave
from nmjit.compiler.abi import SHARED_STRUCTS

KEYS = {"filter", "engine", "layout", "ns", "cycles", "ratio_to_c", "packets", "verdicts"}


@pytest.mark.parametrize("struct", SHARED_STRUCTS, ids=lambda struct: struct.name)
def test_structs_lie_as_the_abi_says(harness: ModuleType, struct) -> None:  # type: ignore[no-untyped-def]
    ctype = f"struct {struct.name}"
    assert harness.ffi.sizeof(ctype) == struct.size
    for member in struct.members:
        assert harness.ffi.offsetof(ctype, member.name) == struct.offset(member.name)


def test_command_prints_rows(builder: Builder) -> None:
    options = ["--cache", str(builder.cache), "--layout", "hot", "--rounds", "2", "--json"]
    outcome = CliRunner().invoke(run.main, options, catch_exceptions=False)
    rows = json.loads(outcome.stdout)
    assert outcome.exit_code == 0
    assert all(set(row) == KEYS and row["ns"] > 0 for row in rows)
    assert all(sum(row["verdicts"].values()) == row["packets"] for row in rows)
    shares = {row["filter"]: row["verdicts"]["DROP"] / row["packets"] for row in rows}
    assert 0.10 < shares["tcp dst port 80"] < 0.20
    assert 0.05 < shares["acl"] < 0.40
    assert min(row["ratio_to_c"] for row in rows if row["engine"] in ("c-gcc", "c-clang")) <= 1.0


def test_cold_ring_visits_every_buffer_once(harness: ModuleType) -> None:
    with open_arena(harness, COLD, seed=3) as arena:
        arena.shuffle(1)
        order = [arena.buffer_of(i) for i in range(COLD.slots)]
    assert sorted(order) == list(range(COLD.buffers))
    assert order != sorted(order)


def test_acl_has_sixteen_rules_of_both_versions_as_code() -> None:
    text = acl_header(RULES)
    assert len(RULES) == 16
    assert {version for rule in RULES for version in (4, 6) if rule.applies_to(version)} == {4, 6}
    assert "src >> 8 == 0xcb0071" in text


def test_rules_that_mean_nothing_are_refused() -> None:
    with pytest.raises(ValueError, match="ports need tcp or udp"):
        Rule(Action.DENY, Protocol.ICMP, ports=(1, 2))


def test_failed_command_is_told() -> None:
    with pytest.raises(CommandFailed, match="status 3: no"):
        interleave([Command("bad", ("sh", "-c", "echo no >&2; exit 3"))], rounds=1)
