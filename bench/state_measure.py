"""Times the engines of the benchmark of maps: interleaved, on the same packets, with their agreement checked.

This file must not know how results are shown.
"""

from __future__ import annotations

import gc
import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from statistics import median
from types import ModuleType
from typing import Any, Final

import numpy as np

from nmjit.bench.agreement import Disagreement
from nmjit.bench.build import Builder, Unavailable
from nmjit.bench.engines import Role
from nmjit.bench.state_arena import START, TABLE, KeyedArena, KeyedLayout, flow_keys, open_keyed_arena
from nmjit.bench.state_cases import Case, Contents, Keys, Kind, Routes, make_routes, make_translations
from nmjit.bench.state_engines import PAIR_ENGINES, STATE_ENGINES, Loaded, StateEngine
from nmjit.bench.state_kernel import LOOKUPS, KernelTable, KernelTime, open_kernel_table

if sys.version_info >= (3, 11):
    from typing import assert_never
else:
    from typing_extensions import assert_never

DROP, TX = 1, 3
UDP: Final = 17
WARM: Final = 2048
"""Packets of a round that are run first and not timed, with keys of their own."""
TICK: Final = 50_000_000
"""ns by which the clock goes on from round to round."""
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


@dataclass(frozen=True, slots=True)
class KernelRow:
    """Medians of a look-up in the kernel's own map: with the loop around it, and without. No packet is read.

    `to_ours`: the median of each round's ratio of `net` to nmjit's time for a whole packet.
    """

    case: str
    engine: str
    layout: str
    ns: float
    net: float
    to_ours: float | None


class _Runner:
    """One engine at work on one case: its state, its contexts, its times by layout."""

    def __init__(self, engine: StateEngine, loaded: Loaded) -> None:
        self.engine = engine
        self.loaded = loaded
        self.times: list[tuple[float, float]] = []

    def context(self, arena: KeyedArena, worker: int = 0) -> tuple[Any, Any]:
        return arena.context(self.loaded.maps[worker], self.loaded.ops, worker)


def _load(case: Case, engines: Sequence[StateEngine], builder: Builder, contents: Contents) -> list[_Runner]:
    runners = []
    for engine in engines:
        try:
            runners.append(_Runner(engine, engine.load(case, builder, contents)))
        except Unavailable as error:
            print(f"skipped: {engine.name} for {case.name}: {error}", file=sys.stderr)
    return runners


def _fill(case: Case, arena: KeyedArena, runner: _Runner) -> None:
    """Puts every flow or source into the table, so that none is made while a time is taken."""
    if case.kind not in (Kind.FLOWS, Kind.LIMIT):
        return
    context, keep = runner.context(arena)
    arena.shuffle(0, case, np.zeros(arena.layout.buffers, dtype=np.uint32))
    for first in range(0, case.size, FILL):
        arena.run_keyed(
            runner.loaded.address, context, case, np.arange(first, min(first + FILL, case.size), dtype=np.uint32)
        )
    del keep


@dataclass(frozen=True, slots=True)
class _Round:
    """The keys of a round: of packets to warm up on, and of the buffers (or of the packets, where they are rekeyed)."""

    seed: int
    warm: Keys
    keys: Keys


@dataclass(frozen=True, slots=True)
class _Seen:
    """What an engine did in a round."""

    ns: float
    cycles: float
    verdicts: bytes
    packets: bytes


def _timed(arena: KeyedArena, case: Case, runner: _Runner, round_: _Round) -> _Seen:
    layout = arena.layout
    arena.shuffle(round_.seed, case, round_.keys)
    context, keep = runner.context(arena)
    # A packet that was rewritten cannot be seen again as it is: where slots share buffers, each gets its key anew.
    again = case.rewrites and layout.buffers < layout.packets
    keys = round_.keys if layout.rekeyed or not again else arena.ring_keys(round_.keys)
    arena.prepare()
    if layout.rekeyed:
        arena.run_keyed(runner.loaded.address, context, case, round_.warm)
    if layout.rekeyed or again:
        time_, verdicts = arena.run_keyed(runner.loaded.address, context, case, keys)
    else:
        time_, verdicts = arena.run_ring(runner.loaded.address, context)
    del keep
    packets = arena.packets() if case.rewrites else b""
    return _Seen(time_.ns / layout.packets, time_.cycles / layout.packets, verdicts, packets)


def _timed_kernel(arena: KeyedArena, case: Case, kernel: KernelTable, round_: _Round, verdicts: bytes) -> KernelTime:
    """The kernel's map over the keys of the same round. Raises Disagreement where it finds something else."""
    arena.shuffle(round_.seed, case, round_.keys)
    keys = round_.keys if arena.layout.rekeyed else arena.ring_keys(round_.keys)
    arena.prepare()
    if arena.layout.rekeyed:
        kernel.run(np.resize(round_.warm, LOOKUPS))
    time_ = kernel.run(keys)
    wanted = (len(verdicts) - verdicts.count(DROP), verdicts.count(TX))
    if (time_.found, time_.sent) != wanted:
        found = f"{time_.found} keys, {time_.sent} of them to be sent"
        raise Disagreement(f"{case.name}, {arena.layout.name}: the kernel found {found}; others {wanted}")
    return time_


def _measure_layout(
    case: Case, arena: KeyedArena, runners: list[_Runner], kernel: KernelTable | None, rounds: int, seed: int
) -> list[StateRow | KernelRow]:
    generator = np.random.default_rng(seed)
    layout = arena.layout
    kernel_times: list[KernelTime] = []
    for runner in runners:
        runner.times.clear()
    for number in range(rounds):
        round_ = _Round(seed * 1000 + number, case.keys(WARM, generator), case.keys(layout.packets, generator))
        arena.now += TICK
        seen: dict[str, _Seen] = {}
        for turn in range(len(runners)):
            runner = runners[(turn + number) % len(runners)]
            done = seen[runner.engine.name] = _timed(arena, case, runner, round_)
            runner.times.append((done.ns, done.cycles))
        if len({(done.verdicts, done.packets) for done in seen.values()}) > 1:
            raise Disagreement(f"{case.name}, {layout.name}: verdicts or packets of {', '.join(seen)} differ")
        if kernel is not None and not layout.flushed:
            verdicts = next(iter(seen.values())).verdicts
            kernel_times.append(_timed_kernel(arena, case, kernel, round_, verdicts))
    rows: list[StateRow | KernelRow] = [_row(case, layout, runner, runners) for runner in runners]
    return rows + ([_kernel_row(case, layout, kernel_times, runners)] if kernel_times else [])


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


def _check_totals(case: Case, runners: Sequence[_Runner]) -> None:
    totals = [(runner.engine.name, runner.loaded.totals()) for runner in runners]
    if len({held for _, held in totals}) > 1:
        raise Disagreement(f"{case.name}: what the tables hold differs: {totals}")


def _kernel_row(case: Case, layout: KeyedLayout, times: list[KernelTime], runners: list[_Runner]) -> KernelRow:
    net = [time_.gross - time_.loop for time_ in times]
    ours = next((runner for runner in runners if runner.engine.role is Role.OURS), None)
    ratios = [a / ns for a, (ns, _) in zip(net, ours.times, strict=True)] if ours else []
    name = "kernel hash map" if case.kind is Kind.FLOWS else "kernel LPM trie"
    gross = median(time_.gross for time_ in times)
    return KernelRow(case.name, name, layout.name, gross, median(net), median(ratios) if ratios else None)


def make_contents(case: Case, harness: ModuleType, seed: int) -> Contents:
    """What the tables of a case hold before its first packet."""
    match case.kind:
        case Kind.ROUTES:
            return make_routes(case.size, seed)
        case Kind.NAT:
            return make_translations(flow_keys(harness, np.arange(case.size, dtype=np.uint32), UDP))
        case Kind.FLOWS | Kind.LIMIT:
            return None
        case _:
            assert_never(case.kind)


@contextmanager
def _kernel(case: Case, contents: Contents, harness: ModuleType) -> Iterator[KernelTable | None]:
    """The kernel's map, or None where the case wants none or this machine does not let us."""
    if not case.kernel:
        yield None
        return
    with ExitStack() as stack:
        assert contents is None or isinstance(contents, Routes)
        try:
            table = stack.enter_context(open_kernel_table(case, contents, harness))
        except Unavailable as error:
            print(f"skipped: the kernel's map for {case.name}: {error}", file=sys.stderr)
            table = None
        yield table


def measure_case(
    case: Case, engines: Sequence[StateEngine], layouts: Sequence[KeyedLayout], builder: Builder, rounds: int, seed: int
) -> list[StateRow | KernelRow]:
    """Every engine in every layout. Raises Disagreement where verdicts, packets or what tables hold differ."""
    harness = builder.harness()
    contents = make_contents(case, harness, seed)
    runners = _load(case, engines, builder, contents)
    rows: list[StateRow | KernelRow] = []
    with open_keyed_arena(harness, TABLE) as arena:
        for runner in runners:
            _fill(case, arena, runner)
    with _kernel(case, contents, harness) as kernel:
        for number, layout in enumerate(layouts):
            with open_keyed_arena(harness, layout) as arena:
                arena.now = START + number * rounds * TICK
                rows += _measure_layout(case, arena, runners, kernel, rounds, seed)
    _check_totals(case, runners)
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
    """Two threads on one table against one thread with the same engine made for one.

    Raises Disagreement where a count was lost.
    """
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
                context, keep = one.context(arena)
                alone = arena.run_keyed(one.loaded.address, context, case, keys)[0]
                del keep
                kept = [runner.context(arena, worker) for worker in range(2)]
                both = arena.run_pair(runner.loaded.address, [context for context, _ in kept], keys)
                runner.times.append((alone.ns / len(keys), both.ns / len(keys)))
    _check_totals(case, (*single.values(), *pairs))
    for runner in pairs:
        one_ns, two_ns = (median(column) for column in zip(*runner.times, strict=True))
        speed_up = median(one / two for one, two in runner.times)
        rows.append(PairRow(case.name, runner.engine.name, one_ns, two_ns, speed_up))
    return rows
