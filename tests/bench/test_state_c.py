"""The C peers of the benchmark of maps against CPython, on packets with tags and options, cut short and broken."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from nmjit import Packet, Verdict
from nmjit.bench import state_flows, state_limit, state_nat, state_routes
from nmjit.bench.build import Builder, Unavailable
from nmjit.bench.state_cases import Case, Contents, Kind, Routes, Translations, make_translations
from nmjit.bench.state_engines import STATE_ENGINES, Totals
from tests.bench import packets
from tests.bench.runner import run_packets

ENGINES = {engine.name: engine for engine in STATE_ENGINES if not engine.name.startswith("nmjit")}
FILTERS: dict[Kind, Callable[[Packet], Verdict]] = {
    Kind.FLOWS: state_flows.count_flows,
    Kind.ROUTES: state_routes.route,
    Kind.LIMIT: state_limit.limit,
    Kind.NAT: state_nat.translate,
}
TABLES: dict[Kind, Any] = {
    Kind.FLOWS: state_flows.TABLE,
    Kind.ROUTES: state_routes.TABLE,
    Kind.LIMIT: state_limit.TABLE,
    Kind.NAT: state_nat.TABLE,
}


@cache
def sample() -> list[bytes]:
    built = packets.built()
    short = [*packets.cut_short(built[:: len(built) // 8])]
    return [*built, *short, *packets.broken(built, 1500, seed=11)]


def flow_key(raw: bytes) -> bytes | None:
    """Addresses, ports and protocol as a packet of TCP or UDP over IPv4 has them."""
    packet = Packet(raw)
    ip, l4 = packet.ipv4, packet.udp or packet.tcp
    if ip is None or l4 is None:
        return None
    ports = l4.sport.to_bytes(2, "big") + l4.dport.to_bytes(2, "big")
    return ip.src.packed + ip.dst.packed + ports + bytes((ip.proto, 0, 0, 0))


@cache
def contents(kind: Kind) -> Contents:
    """Tables that know much of the sample."""
    if kind is Kind.NAT:
        keys = sorted({key for key in map(flow_key, sample()) if key is not None})[::2]
        return make_translations(np.frombuffer(b"".join(keys), dtype=np.uint64).reshape(-1, 2))
    if kind is Kind.ROUTES:
        prefixes = [(0x0A00_0000, 8, 5), (0xC0A8_0000, 16, 2), (0xC0A8_0A00, 24, 7), (0xC0A8_0A01, 32, 4)]
        networks, lengths, hops = zip(*prefixes, strict=True)
        return Routes(np.array(networks, np.uint32), np.array(lengths, np.uint8), np.array(hops, np.uint32))
    return None


@cache
def expected(kind: Kind) -> tuple[list[int], list[bytes], Totals]:
    """What CPython makes of the sample, with a table of its own."""
    table, given = TABLES[kind], contents(kind)
    table.reset()
    match given:
        case Routes(networks, lengths, hops):
            table.load(zip(networks.tolist(), lengths.tolist(), hops.tolist(), strict=True))
        case Translations(keys, addresses, ports):
            parts = keys.view(">u4"), keys.view(">u2"), keys.view(np.uint8)
            columns = (parts[0][:, 0], parts[0][:, 1], parts[1][:, 4], parts[1][:, 5], parts[2][:, 12])
            table.load(zip(*(column.tolist() for column in (*columns, addresses, ports)), strict=True))
    seen = [Packet(raw) for raw in sample()]
    verdicts = [FILTERS[kind](packet).value for packet in seen]
    entries = list(table.entries())
    table.reset()
    return verdicts, [bytes(packet) for packet in seen], totals_of(kind, entries)


def totals_of(kind: Kind, entries: list[tuple[int, ...]]) -> Totals:
    """The sums that engines tell, from a table's entries: the key's parts, then the value's fields."""
    first, second = {Kind.FLOWS: (4, 5), Kind.LIMIT: (1, 2)}.get(kind, (0, 0))
    if not first:
        return 0, 0, 0
    return len(entries), sum(entry[first] for entry in entries), sum(entry[second] for entry in entries)


@pytest.fixture(autouse=True)
def _clock(monkeypatch: pytest.MonkeyPatch) -> None:
    """CPython's token buckets at the time that the runner gives to C: 0."""
    monkeypatch.setattr("nmjit._rate.now", lambda: 0)


@pytest.mark.parametrize("name", ENGINES)
@pytest.mark.parametrize("kind", Kind)
def test_c_agrees_with_cpython(builder: Builder, harness: ModuleType, kind: Kind, name: str) -> None:
    case = Case(f"odd-{kind.value}", kind, 4096)
    try:
        loaded = ENGINES[name].load(case, builder, contents(kind))
    except Unavailable as error:
        pytest.skip(str(error))
    verdicts, left, totals = expected(kind)
    outcome = run_packets(harness, loaded.address, sample())
    wrong = [at for at, pair in enumerate(zip(outcome.verdicts, verdicts, strict=True)) if pair[0] != pair[1]]
    assert [(at, outcome.verdicts[at], verdicts[at], sample()[at].hex()) for at in wrong[:3]] == []
    wrong = [at for at, pair in enumerate(zip(outcome.packets, left, strict=True)) if pair[0] != pair[1]]
    assert [(at, outcome.packets[at].hex(), left[at].hex()) for at in wrong[:3]] == []
    assert loaded.totals() == totals


def test_the_sample_meets_every_end() -> None:
    """Else agreement would say little."""
    ends = {kind: set(expected(kind)[0]) for kind in Kind}
    assert ends == {Kind.FLOWS: {2}, Kind.ROUTES: {1, 2, 3}, Kind.LIMIT: {1, 2}, Kind.NAT: {1, 2, 3}}
    changed = sum(before != after for before, after in zip(sample(), expected(Kind.NAT)[1], strict=True))
    assert changed > 200
