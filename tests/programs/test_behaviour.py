"""Each program that remembers nothing against its model, on every back end: verdict and bytes of each packet."""

from __future__ import annotations

from functools import cache

import pytest

from nmjit import Packet
from nmjit.bench.acl_rules import RULES
from nmjit.bench.filters import FILTERS
from nmjit.compiler.loader import load_filter
from nmjit.programs import acl
from tests.bench.oracle import ORACLES
from tests.programs.dissect import dissect
from tests.programs.everywhere import PROGRAMS, Outcome, run_everywhere
from tests.programs.models import MODELS, counts, matches
from tests.programs.traffic import traffic

VERDICTS = {
    "accept_all": {"PASS"},
    "acl": {"DROP", "PASS"},
    "block_list": {"DROP", "PASS"},
    "http_match": {"DROP", "PASS"},
    "mac_swap": {"DROP", "TX"},
    "port_filter": {"DROP", "PASS"},
    "protocol_counter": {"PASS"},
    "router": {"DROP", "PASS", "TX"},
    "vlan_filter": {"DROP", "PASS"},
}
PEERS = {filter_.program: filter_.name for filter_ in FILTERS if filter_.program}
"""The benchmark's name of each program that it measures."""


@pytest.mark.parametrize("name", MODELS)
def test_does_what_its_model_says(name: str) -> None:
    outcome = outcome_of(name)
    assert set(outcome.verdicts) == VERDICTS[name]
    for packet, result in zip(traffic(), outcome.results, strict=True):
        assert (result.verdict.name, result.data.hex()) == _expected(name, packet), f"packet {packet.hex()}"


@cache
def outcome_of(name: str) -> Outcome:
    return run_everywhere(name, traffic())


def _expected(name: str, packet: bytes) -> tuple[str, str]:
    verdict, data = MODELS[name](packet)
    return verdict, data.hex()


def test_counts_are_those_of_the_traffic() -> None:
    maps = outcome_of("protocol_counter").maps
    held = {key: {index: count for index, (count,) in enumerate(entries) if count} for key, entries in maps.items()}
    assert held == counts(list(traffic()))


@pytest.mark.parametrize("name", PEERS)
def test_means_what_the_benchmark_measures(name: str) -> None:
    program, oracle = load_filter(PROGRAMS / f"{name}.py"), ORACLES[PEERS[name]]
    for data in traffic():
        mine, theirs = Packet(data), Packet(data)
        verdict = program(mine)
        assert (verdict, bytes(mine)) == (oracle(theirs), bytes(theirs)), f"packet {data.hex()}"


def test_every_rule_of_the_acl_decides_some_packet() -> None:
    dissected = [dissect(packet) for packet in traffic()]
    decisive = {next((i for i, rule in enumerate(RULES) if matches(rule, packet)), None) for packet in dissected}
    assert decisive == {None, *range(len(RULES))}


def test_acl_has_the_rules_of_the_benchmark() -> None:
    mine = [
        (rule.verdict.name, rule.protocol and rule.protocol.value, rule.src, rule.dst, rule.ports) for rule in acl.RULES
    ]
    theirs = [
        (rule.action.value, rule.protocol and rule.protocol.value, rule.src, rule.dst, rule.ports or (0, 65535))
        for rule in RULES
    ]
    assert mine == theirs
