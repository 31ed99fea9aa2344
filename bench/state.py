"""The benchmark of maps: `python -m nmjit.bench.state`. Filters with state against C in stages, DPDK, the kernel's maps
and Python's dict.

Exit 0 when done, 1 when engines disagree, 3 when this machine cannot build the harness.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Final

import click
import numpy as np

from nmjit.bench.agreement import Disagreement
from nmjit.bench.build import Unavailable, open_builder
from nmjit.bench.run import DEFAULT_CACHE
from nmjit.bench.state_arena import KEYED_LAYOUTS
from nmjit.bench.state_cases import CASES, Case, Kind
from nmjit.bench.state_engines import STATE_ENGINES
from nmjit.bench.state_measure import KernelRow, StateRow, measure_case, measure_pair

ROUNDS: Final = 15


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


def _print(rows: Sequence[StateRow | KernelRow]) -> None:
    for row in rows:
        if isinstance(row, KernelRow):
            ratio = "" if row.to_ours is None else f", {row.to_ours:.1f} times nmjit's whole packet"
            note = f"a look-up, {row.net:.2f} ns without its loop{ratio}"
            print(f"{row.case:15} {row.layout:6} {row.engine:24} {row.ns:8.2f} ns {note}")
            continue
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
