"""Where `PREFETCH_DISTANCE` in compiler/abi.py comes from: the C peers over distances, one header line and two.

An engine of another kind joins by an entry of MAKERS. Exit codes are those of run.py.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Final

import click

from nmjit.bench.agreement import Disagreement
from nmjit.bench.arena import LAYOUTS
from nmjit.bench.build import CLANG, GCC, Compiler, Unavailable, open_builder
from nmjit.bench.engines import Engine, Role, load_c, prefetching
from nmjit.bench.filters import ACL, FILTERS, PORT80, ROUTER
from nmjit.bench.measure import measure
from nmjit.bench.report import json_rows, print_result
from nmjit.bench.run import DEFAULT_CACHE

DISTANCES: Final = (0, 4, 8, 16, 24, 32)
"""Packets ahead; 0 is no prefetch and the C that ratios refer to."""

Make = Callable[[int], Engine]
"""From a distance in packets to an engine."""


def _c_engine(distance: int, *, compiler: Compiler, lines: int) -> Engine:
    role = Role.C_PREFETCH if distance else Role.C
    name = f"c-{compiler.name} {distance} x {lines}" if distance else f"c-{compiler.name} 0"
    return Engine(name, role, partial(load_c, compiler=compiler, defines=prefetching(distance, lines)))


MAKERS: Final[tuple[Make, ...]] = tuple(
    partial(_c_engine, compiler=compiler, lines=lines) for compiler in (GCC, CLANG) for lines in (1, 2)
)
"""C engines are named COMPILER DISTANCE x LINES."""


def engines_over(makers: Sequence[Make], distances: Sequence[int]) -> list[Engine]:
    """An engine for each maker and distance; those of one name are one engine."""
    made = (make(distance) for make in makers for distance in distances)
    return list({engine.name: engine for engine in made}.values())


@click.command(help=__doc__)
@click.option("--filter", "filters", multiple=True, type=click.Choice([f.name for f in FILTERS]))
@click.option("--rounds", type=click.IntRange(min=1), default=11, show_default=True)
@click.option("--cache", type=click.Path(path_type=Path), default=DEFAULT_CACHE, show_default=True)
@click.option("--json", "as_json", is_flag=True)
def main(filters: tuple[str, ...], rounds: int, cache: Path, as_json: bool) -> None:
    """Parses the command line and prints."""
    chosen = [f for f in FILTERS if f.name in filters] or [PORT80, ACL, ROUTER]
    try:
        result = measure(chosen, engines_over(MAKERS, DISTANCES), LAYOUTS, open_builder(cache), rounds=rounds)
    except Disagreement as error:
        print(f"engines disagree: {error}", file=sys.stderr)
        sys.exit(1)
    except Unavailable as error:
        print(f"cannot measure here: {error}", file=sys.stderr)
        sys.exit(3)
    if as_json:
        print(json_rows(result))
    else:
        print_result(result)


if __name__ == "__main__":
    main()
