"""One step of the agreement search: a seed to a filter and packets, through the engines.

    python -m tests.properties.search SEED [SIZE] [--reduce]     repeat one step; --reduce prints a smaller filter
    python -m tests.properties.search --from FIRST --count N     search without pytest, printing what was reached

This file must not know: how engines are run, what faults there may be.
"""

from __future__ import annotations

import argparse
import sys
from contextlib import suppress

from nmjit.compiler.errors import CompileError
from tests.generators.filters import DEFAULT_SIZE, FILTER, filter_source
from tests.generators.packets import packets_of
from tests.properties.engines import Disagreement, Effort, Refused, Tally, Traffic, compare
from tests.properties.reduce import reduced

PACKETS = 40
"""Packets a filter, run in one sequence."""
THOROUGH_ONE_IN = 8
"""One filter of so many goes through every engine and every pass; the others through fewer, compiled fast."""


class Found(AssertionError):
    """A disagreement, with all that is needed to repeat it."""


def step(seed: int, tally: Tally, size: int = DEFAULT_SIZE, effort: Effort | None = None) -> None:
    """Generate and compare; a refused filter is counted. Found where engines differ. No `effort`: the seed decides."""
    source, traffic = filter_source(seed, size), Traffic.of(seed, packets_of(seed, PACKETS))
    if effort is None:
        effort = Effort.SAMPLED if seed % THOROUGH_ONE_IN else Effort.ALL
    try:
        compare(source, FILTER, traffic, tally, effort)
    except CompileError as error:
        tally.refused[error.diagnostics[0].reason] += 1
    except Refused as error:
        tally.refused[str(error)] += 1
    except Disagreement as error:
        raise Found(_report(seed, size, source, traffic, error)) from None
    except Exception as error:
        raise Found(_report(seed, size, source, traffic, error)) from error


def _report(seed: int, size: int, source: str, traffic: Traffic, error: Exception) -> str:
    numbered = "\n".join(f"{number:4} {line}" for number, line in enumerate(source.splitlines(), 1))
    place = getattr(error, "place", None)
    packet = "" if place is None else f"packet {place}: {traffic.packets[place].hex()}\n{traffic.infos[place]}\n"
    return (
        f"seed {seed}, size {size}\n{numbered}\n{packet}{type(error).__name__}: {error}\n"
        f"repeat: python -m tests.properties.search {seed} {size} --reduce"
    )


def smaller(seed: int, size: int) -> str:
    """The filter of that seed, cut down while some engine still differs from CPython in the same way."""
    traffic = Traffic.of(seed, packets_of(seed, PACKETS))

    def engine(source: str) -> str | None:
        """Which engine differs, None where none does."""
        try:
            compare(source, FILTER, traffic, Tally())
        except Disagreement as error:
            return error.engine
        except (CompileError, Refused, SyntaxError, NameError, TypeError, ValueError, AttributeError, KeyError):
            return None
        except Exception as error:
            return type(error).__name__
        return None

    source = filter_source(seed, size)
    wanted = engine(source)
    return reduced(source, lambda text: wanted is not None and engine(text) == wanted)


def main(arguments: list[str]) -> int:
    """Run the command line; 1 where a difference was found."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("seed", type=int, nargs="?")
    parser.add_argument("size", type=int, nargs="?", default=DEFAULT_SIZE)
    parser.add_argument("--reduce", action="store_true")
    parser.add_argument("--from", type=int, dest="first", default=0)
    parser.add_argument("--count", type=int, default=100)
    options = parser.parse_args(arguments)
    tally, found = Tally(), 0
    seeds = range(options.first, options.first + options.count) if options.seed is None else [options.seed]
    for seed in seeds:
        try:
            step(seed, tally, options.size, Effort.ALL if options.seed is not None else None)
        except Found as report:
            found += 1
            print(report, file=sys.stderr)
            if options.reduce:
                print(smaller(seed, options.size))
    print(tally.text())
    return int(found > 0)


if __name__ == "__main__":
    with suppress(KeyboardInterrupt):
        sys.exit(main(sys.argv[1:]))
