"""The benchmark of maps: `python -m nmjit.bench.state`. Filters with state against C in stages, DPDK and Python's dict.

Exit 0 when done, 1 when engines disagree, 3 when this machine cannot build the harness.
"""

from __future__ import annotations

import gc
import json
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median
from typing import Any, Final

import click
import numpy as np

from nmjit.bench.agreement import Disagreement
from nmjit.bench.build import Builder, Unavailable, open_builder
from nmjit.bench.engines import Role
from nmjit.bench.run import DEFAULT_CACHE
from nmjit.bench.state_arena import KEYED_LAYOUTS, TABLE, KeyedArena, KeyedLayout, open_keyed_arena
from nmjit.bench.state_cases import CASES, Case, Keys, Kind, Routes, make_routes
from nmjit.bench.state_engines import PAIR_ENGINES, STATE_ENGINES, Loaded, StateEngine

ROUNDS: Final = 15
WARM: Final = 2048
"""Packets of a round that are run first and not timed, with keys of their own."""
FILL: Final = 1 << 16
"""Flows made in one call while a table is filled."""


@dataclass(frozen=True, slots=True)
class StateRow:
    """Medians a packet, and medians of each round's ratio to the faster scalar C and to the faster staged C."""

    case: str
    engine: str
    layout: str
    ns: float
    cycles: float
    to_scalar: float | None
    to_staged: float | None


class _Runner:
    """One engine at work on one case: its state, its contexts, its times by layout."""

    def __init__(self, engine: StateEngine, loaded: Loaded) -> None:
        self.engine = engine
        self.loaded = loaded
        self.times: list[tuple[float, float]] = []

    def context(self, arena: KeyedArena, worker: int = 0) -> tuple[Any, Any]:
        return arena.context(self.loaded.maps[worker], self.loaded.ops, worker)


def _load(case: Case, engines: Sequence[StateEngine], builder: Builder, routes: Routes | None) -> list[_Runner]:
    runners = []
    for engine in engines:
        try:
            runners.append(_Runner(engine, engine.load(case, builder, routes)))
        except Unavailable as error:
            print(f"skipped: {engine.name} for {case.name}: {error}", file=sys.stderr)
    return runners


def _fill(case: Case, arena: KeyedArena, runner: _Runner) -> None:
    """Puts every flow into the table, so that none is made while a time is taken."""
    if case.kind is not Kind.FLOWS:
        return
    context, keep = runner.context(arena)
    arena.shuffle(0, case, np.zeros(arena.layout.buffers, dtype=np.uint32))
    for first in range(0, case.size, FILL):
        arena.run_keyed(runner.loaded.address, context, case, np.arange(first, first + FILL, dtype=np.uint32))
    del keep


def _timed(
    arena: KeyedArena, layout: KeyedLayout, case: Case, runner: _Runner, warm: Keys, keys: Keys
) -> tuple[float, float, bytes]:
    """ns and cycles a packet, and the verdicts."""
    context, keep = runner.context(arena)
    arena.prepare()
    if layout.rekeyed:
        arena.run_keyed(runner.loaded.address, context, case, warm)
        time_, verdicts = arena.run_keyed(runner.loaded.address, context, case, keys)
    else:
        time_, verdicts = arena.run_ring(runner.loaded.address, context)
    del keep
    return time_.ns / layout.packets, time_.cycles / layout.packets, verdicts


def _measure_layout(
    case: Case, layout: KeyedLayout, arena: KeyedArena, runners: list[_Runner], rounds: int, seed: int
) -> list[StateRow]:
    generator = np.random.default_rng(seed)
    for runner in runners:
        runner.times.clear()
    for round_ in range(rounds):
        warm, keys = case.keys(WARM, generator), case.keys(layout.packets, generator)
        arena.shuffle(seed * 1000 + round_, case, keys)
        seen: dict[str, bytes] = {}
        for turn in range(len(runners)):
            runner = runners[(turn + round_) % len(runners)]
            if not layout.rekeyed:
                arena.shuffle(seed * 1000 + round_, case, keys)
            ns, cycles, verdicts = _timed(arena, layout, case, runner, warm, keys)
            runner.times.append((ns, cycles))
            seen[runner.engine.name] = verdicts
        if len(set(seen.values())) > 1:
            raise Disagreement(f"{case.name}, {layout.name}: verdicts of {', '.join(seen)} differ")
    return [_row(case, layout, runner, runners) for runner in runners]


def _fastest(runners: list[_Runner], role: Role) -> _Runner | None:
    chosen = [runner for runner in runners if runner.engine.role is role]
    return min(chosen, key=lambda runner: median(ns for ns, _ in runner.times), default=None)


def _row(case: Case, layout: KeyedLayout, runner: _Runner, runners: list[_Runner]) -> StateRow:
    ratios = []
    for role in (Role.C, Role.C_PREFETCH):
        base = _fastest(runners, role)
        pairs = zip(runner.times, base.times, strict=True) if base else ()
        ratios.append(median(a[0] / b[0] for a, b in pairs) if base else None)
    ns, cycles = (median(column) for column in zip(*runner.times, strict=True))
    return StateRow(case.name, runner.engine.name, layout.name, ns, cycles, *ratios)


def measure_case(
    case: Case, engines: Sequence[StateEngine], layouts: Sequence[KeyedLayout], builder: Builder, rounds: int, seed: int
) -> list[StateRow]:
    """Every engine in every layout. Raises Disagreement where verdicts or what tables hold in the end differ."""
    harness = builder.harness()
    routes = make_routes(case.size, seed) if case.kind is Kind.ROUTES else None
    runners = _load(case, engines, builder, routes)
    rows: list[StateRow] = []
    with open_keyed_arena(harness, TABLE) as arena:
        for runner in runners:
            _fill(case, arena, runner)
    for layout in layouts:
        with open_keyed_arena(harness, layout) as arena:
            rows += _measure_layout(case, layout, arena, runners, rounds, seed)
    totals = {runner.engine.name: runner.loaded.totals() for runner in runners}
    if len(set(totals.values())) > 1:
        raise Disagreement(f"{case.name}: flows, packets and octets counted differ: {totals}")
    runners.clear()
    gc.collect()
    return rows


@dataclass(frozen=True, slots=True)
class PairRow:
    """ns a packet with one thread and with two, and the speed-up."""

    case: str
    engine: str
    one: float
    two: float
    speed_up: float


def measure_pair(case: Case, builder: Builder, rounds: int, seed: int) -> list[PairRow]:
    """Two threads on one table against one thread with the same engine made for one."""
    harness = builder.harness()
    generator = np.random.default_rng(seed)
    rows = []
    names = {engine.name for engine in PAIR_ENGINES}
    single = {r.engine.name: r for r in _load(case, [e for e in STATE_ENGINES if e.name in names], builder, None)}
    pairs = _load(case, PAIR_ENGINES, builder, None)
    with open_keyed_arena(harness, TABLE) as arena:
        for runner in (*single.values(), *pairs):
            _fill(case, arena, runner)
            runner.times.clear()
        for round_ in range(rounds):
            keys = case.keys(8 * TABLE.packets, generator)
            arena.shuffle(round_, case, keys)
            for runner in pairs:
                one = single[runner.engine.name]
                alone = arena.run_keyed(one.loaded.address, one.context(arena)[0], case, keys)[0]
                kept = [runner.context(arena, worker) for worker in range(2)]
                both = arena.run_pair(runner.loaded.address, [context for context, _ in kept], keys)
                runner.times.append((alone.ns / len(keys), both.ns / len(keys)))
    for runner in pairs:
        one_ns, two_ns = (median(column) for column in zip(*runner.times, strict=True))
        speed_up = median(one / two for one, two in runner.times)
        rows.append(PairRow(case.name, runner.engine.name, one_ns, two_ns, speed_up))
    return rows


def time_dict(case: Case, seed: int) -> float:
    """ns for one packet's update of a Python dict of `case.size` flows, keys made beforehand."""
    keys = case.keys(200_000, np.random.default_rng(seed)).tolist()
    table = {(n, n ^ 0xFFFF, n & 0xFFFF, 80): [0, 0] for n in range(case.size)}
    made = [(n, n ^ 0xFFFF, n & 0xFFFF, 80) for n in keys]
    start = time.perf_counter_ns()
    for key in made:
        flow = table[key]
        flow[0] += 1
        flow[1] += 60
    return (time.perf_counter_ns() - start) / len(made)


def _print(rows: Sequence[StateRow]) -> None:
    for row in rows:
        ratios = "  ".join("    -" if ratio is None else f"{ratio:5.2f}" for ratio in (row.to_scalar, row.to_staged))
        print(f"{row.case:15} {row.layout:6} {row.engine:24} {row.ns:8.2f} ns {row.cycles:8.1f} cycles  {ratios}")


@click.command(help=__doc__)
@click.option("--case", "cases", multiple=True, type=click.Choice([case.name for case in CASES]))
@click.option("--layout", "layouts", multiple=True, type=click.Choice([layout.name for layout in KEYED_LAYOUTS]))
@click.option("--engine", "engines", multiple=True, type=click.Choice([engine.name for engine in STATE_ENGINES]))
@click.option("--rounds", type=click.IntRange(min=1), default=ROUNDS, show_default=True)
@click.option("--seed", default=1, show_default=True)
@click.option("--pair", is_flag=True, help="Two threads against one, instead.")
@click.option("--cache", type=click.Path(path_type=Path), default=DEFAULT_CACHE, show_default=True)
@click.option("--json", "as_json", is_flag=True)
def main(
    cases: tuple[str, ...],
    layouts: tuple[str, ...],
    engines: tuple[str, ...],
    rounds: int,
    seed: int,
    pair: bool,
    cache: Path,
    as_json: bool,
) -> None:
    """Parses the command line and prints; measures nothing itself."""
    chosen = [case for case in CASES if not cases or case.name in cases]
    used = [engine for engine in STATE_ENGINES if not engines or engine.name in engines]
    places = [layout for layout in KEYED_LAYOUTS if not layouts or layout.name in layouts]
    found: list[object] = []
    try:
        builder = open_builder(cache)
        for case in chosen:
            if pair:
                if case.kind is Kind.FLOWS:
                    rows = measure_pair(case, builder, rounds, seed)
                    found += rows
                    for row in rows if not as_json else ():
                        print(f"{row.case:15} {row.engine:24} {row.one:8.2f} ns {row.two:8.2f} ns  x{row.speed_up:.2f}")
                continue
            measured = measure_case(case, used, places, builder, rounds, seed)
            found += measured
            if not as_json:
                _print(measured)
                if case.kind is Kind.FLOWS and case.size <= 1 << 20:
                    print(f"{case.name:15} a Python dict's update alone: {time_dict(case, seed):.0f} ns")
    except Disagreement as error:
        print(f"engines disagree: {error}", file=sys.stderr)
        sys.exit(1)
    except Unavailable as error:
        print(f"cannot measure here: {error}", file=sys.stderr)
        sys.exit(3)
    if as_json:
        print(json.dumps([asdict(row) for row in found], indent=2))  # type: ignore[call-overload]


if __name__ == "__main__":
    main()
