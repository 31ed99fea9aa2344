"""The benchmark's command: every engine, every filter, hot and cold, in one run.

Exit 0 when done, 1 when engines disagree, 3 when this machine cannot build the harness.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

import click

from nmjit.bench.agreement import Disagreement
from nmjit.bench.arena import LAYOUTS
from nmjit.bench.build import Unavailable, open_builder
from nmjit.bench.engines import ENGINES
from nmjit.bench.filters import FILTERS, FLOOR
from nmjit.bench.measure import measure
from nmjit.bench.report import json_rows, print_result

DEFAULT_CACHE = Path("build") / "bench"
"""Where built engines are kept, below the working directory."""


@click.command(help=__doc__)
@click.option("--filter", "filters", multiple=True, type=click.Choice([f.name for f in (*FILTERS, FLOOR)]))
@click.option("--layout", "layouts", multiple=True, type=click.Choice([layout.name for layout in LAYOUTS]))
@click.option("--engine", "engines", multiple=True, type=click.Choice([engine.name for engine in ENGINES]))
@click.option("--rounds", type=click.IntRange(min=1), help="Rounds of each measurement (default: by layout).")
@click.option("--seed", default=1, show_default=True, help="Of the traffic and of every order.")
@click.option("--cpu", type=click.IntRange(min=0), help="Pin to this CPU.")
@click.option("--cache", type=click.Path(path_type=Path), default=DEFAULT_CACHE, show_default=True)
@click.option("--json", "as_json", is_flag=True, help="Print rows as JSON; skips go to stderr.")
def main(
    filters: tuple[str, ...],
    layouts: tuple[str, ...],
    engines: tuple[str, ...],
    rounds: int | None,
    seed: int,
    cpu: int | None,
    cache: Path,
    as_json: bool,
) -> None:
    """Parses the command line and prints; measures nothing itself."""
    if cpu is not None:
        os.sched_setaffinity(0, {cpu})
    try:
        result = measure(
            [f for f in (*FILTERS, FLOOR) if not filters or f.name in filters],
            [engine for engine in ENGINES if not engines or engine.name in engines],
            [layout for layout in LAYOUTS if not layouts or layout.name in layouts],
            open_builder(cache),
            rounds=rounds,
            seed=seed,
        )
    except Disagreement as error:
        print(f"engines disagree: {error}", file=sys.stderr)
        sys.exit(1)
    except Unavailable as error:
        print(f"cannot measure here: {error}", file=sys.stderr)
        sys.exit(3)
    if not as_json:
        print_result(result)
        return
    print(json_rows(result))
    for skip in result.skipped:
        print(f"skipped: {skip.engine} for {skip.filter}: {skip.reason}", file=sys.stderr)


if __name__ == "__main__":
    main()
