"""One step of the agreement search: a seed to a filter and packets, through the engines.

    python -m tests.properties.search SEED [SIZE] [--flows N] [--reduce]    repeat one step, or print a smaller filter
    python -m tests.properties.search --from FIRST --count N [--flows N]    search without pytest

With --flows, filters keep state and see N packets of few flows; without, 40 packets of all kinds.

This file must not know: how engines are run, what faults there may be.
"""

from __future__ import annotations

import argparse
import sys
from contextlib import suppress
from dataclasses import dataclass

from nmjit.compiler.errors import CompileError
from tests.generators.filters import DEFAULT_SIZE, FILTER, filter_source
from tests.generators.packets import flows_of, packets_of
from tests.properties.engines import Disagreement, Effort, Refused, Tally, compare
from tests.properties.reduce import reduced
from tests.properties.traffic import Traffic

PACKETS = 40
"""Packets a filter, run in one sequence."""
THOROUGH_ONE_IN = 8
"""One filter of so many goes through every engine and every pass; the others through fewer, compiled fast."""


class Found(AssertionError):
    """A disagreement, with all that is needed to repeat it."""


@dataclass(frozen=True)
class Step:
    """A filter and its packets. `flows`: with state, and so many packets of few flows; 0 for PACKETS of all kinds."""

    seed: int
    size: int = DEFAULT_SIZE
    flows: int = 0

    def source(self) -> str:
        """The filter's text."""
        return filter_source(self.seed, self.size, stateful=bool(self.flows))

    def traffic(self) -> Traffic:
        """Its packets."""
        packets = flows_of(self.seed, self.flows) if self.flows else packets_of(self.seed, PACKETS)
        return Traffic.of(self.seed, packets, ring=bool((self.seed ^ self.seed >> 3) & 1))

    def command(self) -> str:
        """What repeats it."""
        flows = f" --flows {self.flows}" if self.flows else ""
        return f"python -m tests.properties.search {self.seed} {self.size}{flows} --reduce"


def step(wanted: Step, tally: Tally, effort: Effort | None = None) -> None:
    """Generate and compare; a refused filter is counted. Found where engines differ. No `effort`: the seed decides."""
    source, traffic = wanted.source(), wanted.traffic()
    if effort is None:
        effort = Effort.SAMPLED if wanted.seed % THOROUGH_ONE_IN else Effort.ALL
    try:
        compare(source, FILTER, traffic, tally, effort)
    except CompileError as error:
        tally.refused[error.diagnostics[0].reason] += 1
    except Refused as error:
        tally.refused[str(error)] += 1
    except Disagreement as error:
        raise Found(_report(wanted, source, traffic, error)) from None
    except Exception as error:
        raise Found(_report(wanted, source, traffic, error)) from error


def _report(wanted: Step, source: str, traffic: Traffic, error: Exception) -> str:
    numbered = "\n".join(f"{number:4} {line}" for number, line in enumerate(source.splitlines(), 1))
    place = getattr(error, "place", None)
    packet = "" if place is None else f"packet {place}: {traffic.packets[place].hex()}\n{traffic.infos[place]}\n"
    return f"{wanted}\n{numbered}\n{packet}{type(error).__name__}: {error}\nrepeat: {wanted.command()}"


def smaller(step: Step) -> str:
    """The step's filter, cut down while some engine still differs from CPython in the same way."""
    traffic = step.traffic()

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

    source = step.source()
    wanted = engine(source)
    return reduced(source, lambda text: wanted is not None and engine(text) == wanted)


def main(arguments: list[str]) -> int:
    """Run the command line; 1 where a difference was found."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("seed", type=int, nargs="?")
    parser.add_argument("size", type=int, nargs="?", default=DEFAULT_SIZE)
    parser.add_argument("--reduce", action="store_true")
    parser.add_argument("--from", type=int, dest="first", default=0)
    parser.add_argument("--flows", type=int, default=0)
    parser.add_argument("--count", type=int, default=100)
    options = parser.parse_args(arguments)
    tally, found = Tally(), 0
    seeds = range(options.first, options.first + options.count) if options.seed is None else [options.seed]
    for seed in seeds:
        try:
            wanted = Step(seed, options.size, options.flows)
            step(wanted, tally, Effort.ALL if options.seed is not None else None)
        except Found as report:
            found += 1
            print(report, file=sys.stderr)
            if options.reduce:
                print(smaller(wanted))
    print(tally.text())
    return int(found > 0)


if __name__ == "__main__":
    with suppress(KeyboardInterrupt):
        sys.exit(main(sys.argv[1:]))
