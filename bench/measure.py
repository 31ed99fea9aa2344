"""Times engines against each other: round robin within one run, medians of many rounds.

Each round shuffles the ring anew, then gives every engine in turn the same work: restore what engines write, flush
where the layout says so, run the warm slots, time the others. The order of the engines rotates from round to round.
README.md has the reasons.

This file must not know where engines come from, nor how rows are shown.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

from nmjit._verdict import ABORTED, DROP, PASS, REDIRECT, TX
from nmjit.bench.agreement import Runnable, check_agreement, check_round
from nmjit.bench.arena import Arena, Layout, Time, open_arena
from nmjit.bench.build import Builder, Unavailable
from nmjit.bench.engines import Engine, Role
from nmjit.bench.filters import Filter


@dataclass(frozen=True, slots=True)
class Row:
    """What one engine took for one filter in one layout.

    `ns` and `cycles` (time stamp counter) are medians, a packet. The ratios are medians of each round's own ratio to
    the faster plain C, and to the faster C with prefetch; None where no such engine ran. `packets` is the number timed
    in a round, `verdicts` what they got, by name, in the last round.
    """

    filter: str
    engine: str
    layout: str
    ns: float
    cycles: float
    ratio_to_c: float | None
    ratio_to_prefetch: float | None
    packets: int
    verdicts: dict[str, int]


@dataclass(frozen=True, slots=True)
class Skipped:
    """An engine that was not measured for a filter, and why."""

    filter: str
    engine: str
    reason: str


@dataclass(frozen=True, slots=True)
class Result:
    """All rows, all skips, and for each (filter, layout) the hash of the verdicts on which the engines agree."""

    rows: tuple[Row, ...]
    skipped: tuple[Skipped, ...]
    hashes: dict[tuple[str, str], int]


@dataclass(frozen=True, slots=True)
class _Series:
    """The times of one engine, one a round, and the verdicts of its last round."""

    engine: Engine
    times: list[Time]
    verdicts: dict[str, int]

    @property
    def ns(self) -> float:
        return median(time.ns for time in self.times)


def measure(
    filters: Sequence[Filter],
    engines: Sequence[Engine],
    layouts: Sequence[Layout],
    builder: Builder,
    *,
    rounds: int | None = None,
    seed: int = 1,
) -> Result:
    """Measures every filter with every engine in every layout; `rounds` overrides the layouts' own.

    Raises Disagreement where engines differ, Unavailable where the harness itself does not build.
    """
    harness = builder.harness()
    loaded, skipped = _load(filters, engines, builder)
    rows: list[Row] = []
    hashes = {}
    for layout in layouts:
        with open_arena(harness, layout, seed) as arena:
            for filter_, runnables in loaded:
                arena.shuffle(0)
                hashes[filter_.name, layout.name] = check_agreement(
                    arena, [runnable for _, runnable in runnables], filter_.name
                )
                rows += _rows(filter_, layout, _time_rounds(arena, filter_, runnables, rounds or layout.rounds))
    return Result(tuple(rows), tuple(skipped), hashes)


_Loaded = list[tuple[Engine, Runnable]]


def _load(
    filters: Sequence[Filter], engines: Sequence[Engine], builder: Builder
) -> tuple[list[tuple[Filter, _Loaded]], list[Skipped]]:
    loaded: list[tuple[Filter, _Loaded]] = []
    skipped = []
    for filter_ in filters:
        runnables: _Loaded = []
        for engine in engines:
            try:
                runnables.append((engine, Runnable(engine.name, engine.load(filter_, builder))))
            except Unavailable as error:
                skipped.append(Skipped(filter_.name, engine.name, str(error)))
        if runnables:
            loaded.append((filter_, runnables))
    return loaded, skipped


def _time_rounds(arena: Arena, filter_: Filter, runnables: _Loaded, rounds: int) -> list[_Series]:
    layout = arena.layout
    timed = layout.slots - layout.warm
    series = [_Series(engine, [], {}) for engine, _ in runnables]
    for round_ in range(rounds):
        arena.shuffle(round_ + 1)
        outcomes: dict[int, tuple[bytes, int]] = {}
        for turn in range(len(runnables)):
            index = (turn + round_) % len(runnables)
            address = runnables[index][1].address
            if filter_.writes:
                arena.restore()
            if layout.flush:
                arena.flush()
            arena.run(address, 0, layout.warm)
            series[index].times.append(arena.run(address, layout.warm, timed, filter_.passes))
            outcomes[index] = arena.verdicts(timed), arena.bytes_hash(whole=False) if filter_.writes else 0
        _check_outcomes(arena, runnables, outcomes)
        for one in series:
            one.verdicts.update(_histogram(outcomes[0][0]))
    if filter_.writes:
        arena.restore()
    return series


def _check_outcomes(arena: Arena, runnables: _Loaded, outcomes: dict[int, tuple[bytes, int]]) -> None:
    verdicts, bytes_hash = outcomes[0]
    reference = runnables[0][1]
    for index, (other_verdicts, other_hash) in outcomes.items():
        other = runnables[index][1]
        check_round(arena, arena.layout.warm, (reference.name, verdicts), (other.name, other_verdicts))
        if bytes_hash != other_hash:
            check_agreement(arena, [reference, other], "timed round")


def _histogram(verdicts: bytes) -> dict[str, int]:
    counts = Counter(verdicts)
    return {verdict.name: counts[verdict.value] for verdict in (ABORTED, DROP, PASS, TX, REDIRECT)}


def _rows(filter_: Filter, layout: Layout, series: list[_Series]) -> list[Row]:
    packets = layout.slots - layout.warm
    counted = packets * filter_.passes
    plain, prefetching = _fastest(series, Role.C), _fastest(series, Role.C_PREFETCH)
    return [
        Row(
            filter=filter_.name,
            engine=one.engine.name,
            layout=layout.name,
            ns=one.ns / counted,
            cycles=median(time.cycles for time in one.times) / counted,
            ratio_to_c=_ratio(one, plain),
            ratio_to_prefetch=_ratio(one, prefetching),
            packets=packets,
            verdicts=one.verdicts,
        )
        for one in series
    ]


def _fastest(series: list[_Series], role: Role) -> _Series | None:
    return min((one for one in series if one.engine.role is role), key=lambda one: one.ns, default=None)


def _ratio(one: _Series, to: _Series | None) -> float | None:
    if to is None:
        return None
    return median(time.ns / other.ns for time, other in zip(one.times, to.times, strict=True))
