"""The kernel's maps as the benchmark drives them: what look-ups find and count, and refusals told as such."""

from __future__ import annotations

import os
import struct
from collections import Counter
from collections.abc import Iterator
from types import ModuleType

import numpy as np
import pytest

from nmjit.bench import bpf, state_kernel
from nmjit.bench.build import Builder, Unavailable
from nmjit.bench.state_arena import TABLE
from nmjit.bench.state_cases import Case, Keys, Kind, Routes, make_routes
from nmjit.bench.state_engines import STATE_ENGINES
from nmjit.bench.state_kernel import LOOKUPS, KernelTable, open_kernel_table
from nmjit.bench.state_measure import KernelRow, measure_case
from tests.bench import state_models

FLOWS = Case("small-flows", Kind.FLOWS, 2_000, kernel=True)
ROUTES = Case("small-routes", Kind.ROUTES, 2_000, kernel=True)


def opened(case: Case, routes: Routes | None, harness: ModuleType) -> Iterator[KernelTable]:
    try:
        with open_kernel_table(case, routes, harness) as table:
            yield table
    except Unavailable as error:
        pytest.skip(str(error))


@pytest.fixture
def flows(harness: ModuleType) -> Iterator[KernelTable]:
    yield from opened(FLOWS, None, harness)


@pytest.fixture(scope="module")
def routes() -> Routes:
    return make_routes(ROUTES.size, seed=1)


@pytest.fixture
def trie(routes: Routes, harness: ModuleType) -> Iterator[KernelTable]:
    yield from opened(ROUTES, routes, harness)


def near(routes: Routes, count: int) -> Keys:
    """Addresses within some of the routes, and others."""
    generator = np.random.default_rng(6)
    chosen = routes.networks[generator.integers(0, routes.networks.size, count)] + np.uint32(1)
    return np.where(generator.random(count) < 0.5, chosen, ROUTES.keys(count, generator)).astype(np.uint32)


def test_flows_are_found_and_counted(flows: KernelTable) -> None:
    keys = FLOWS.keys(2 * LOOKUPS, np.random.default_rng(3))
    time = flows.run(keys)
    assert time.found == keys.size
    assert time.gross > time.loop > 0
    assert flows.totals() == (FLOWS.size, keys.size, 60 * keys.size)
    counted = Counter(flows.table.values().view(np.uint64)[:, 0].tolist())
    assert counted == Counter(np.bincount(keys, minlength=FLOWS.size).tolist())


def test_flows_that_are_not_there_are_not_found(flows: KernelTable) -> None:
    keys = np.arange(FLOWS.size - LOOKUPS // 2, FLOWS.size + LOOKUPS // 2).clip(0).astype(np.uint32)
    assert flows.run(keys).found == np.count_nonzero(keys < FLOWS.size)


def test_the_longest_prefix_is_found(trie: KernelTable, routes: Routes) -> None:
    keys, model = near(routes, LOOKUPS), state_models.router(routes)
    packets = (bytes(30) + int(key).to_bytes(4, "big") + bytes(26) for key in keys)
    verdicts = [model.see(packet, 0)[0] for packet in packets]
    time = trie.run(keys)
    assert (time.found, time.sent) == (LOOKUPS - verdicts.count(state_models.DROP), verdicts.count(state_models.TX))
    assert 0 < time.sent < time.found < LOOKUPS


@pytest.mark.usefixtures("flows")  # skips where there is no bpf(2)
@pytest.mark.parametrize("case", [FLOWS, ROUTES], ids=lambda case: case.name)
def test_rows_stand_beside_the_engines(case: Case, builder: Builder) -> None:
    engines = [engine for engine in STATE_ENGINES if engine.name in ("nmjit", "c-gcc")]
    rows = measure_case(case, engines, [TABLE], builder, rounds=1, seed=1)
    (kernel,) = (row for row in rows if isinstance(row, KernelRow))
    assert kernel.layout == "table"
    assert kernel.ns > kernel.net > 0
    assert kernel.to_ours is not None


def test_a_program_that_the_verifier_refuses_is_an_error(flows: KernelTable) -> None:
    reads_through_zero = [struct.pack("=BBhi", 0xB7, 1, 0, 0), struct.pack("=BBhi", 0x79, 0x10, 0, 0)]
    with pytest.raises(OSError, match=r"bpf\(PROG_LOAD\)"):
        bpf.load_program([*reads_through_zero, struct.pack("=BBhi", 0x95, 0, 0, 0)])


def test_a_kernel_that_does_not_allow_it_is_unavailable(harness: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> bpf.Map:
        raise PermissionError(1, "bpf(MAP_CREATE): Operation not permitted")

    monkeypatch.setattr(state_kernel, "create_map", refuse)
    with pytest.raises(Unavailable, match="not permitted"), open_kernel_table(FLOWS, None, harness):
        raise AssertionError("never opened")


def test_nothing_stays_open(harness: ModuleType) -> None:
    before = set(os.listdir("/proc/self/fd"))
    for _ in opened(FLOWS, None, harness):
        assert len(os.listdir("/proc/self/fd")) > len(before)
    assert set(os.listdir("/proc/self/fd")) == before
