"""From command to first packet: nmjit's command on a capture of one packet, against the import that it cannot avoid.

The peer is `python -c 'import llvmlite.binding'`, by this interpreter. nmjit's command line is given by --command, in
which {capture} stands for the file of one packet. It is run with a cache that holds its compiled object, and with an
empty one, by pointing the environment variable --cache-variable to a directory. All are interleaved; medians.

Exit 0 when done, 1 when a command failed, 3 when llvmlite is missing here.
"""

from __future__ import annotations

import importlib.util
import json
import shlex
import sys
import tempfile
from pathlib import Path
from statistics import median
from typing import Any, Final

import click

from nmjit.bench.build import Unavailable, open_builder
from nmjit.bench.capture import SEED
from nmjit.bench.processes import Command, CommandFailed, run
from nmjit.bench.run import DEFAULT_CACHE

IMPORT: Final = "import llvmlite.binding"


@click.command(help=__doc__)
@click.option("--command", "ours", help="nmjit's command line; {capture} stands for the file.")
@click.option("--cache-variable", default="XDG_CACHE_HOME", show_default=True)
@click.option("--rounds", type=click.IntRange(min=1), default=9, show_default=True)
@click.option("--cache", type=click.Path(path_type=Path), default=DEFAULT_CACHE, show_default=True)
@click.option("--json", "as_json", is_flag=True)
def main(ours: str | None, cache_variable: str, rounds: int, cache: Path, as_json: bool) -> None:
    """Parses the command line, measures, prints."""
    try:
        if importlib.util.find_spec("llvmlite") is None:
            raise Unavailable("llvmlite not found (pip install llvmlite)")
        seconds = measure_startup(
            ours and ours.replace("{capture}", shlex.quote(str(_one_packet(cache)))), cache_variable, rounds
        )
    except Unavailable as error:
        print(f"cannot measure here: {error}", file=sys.stderr)
        sys.exit(3)
    except (CommandFailed, OSError) as error:
        print(error, file=sys.stderr)
        sys.exit(1)
    floor = seconds[IMPORT]
    rows: list[dict[str, Any]] = [
        {"command": name, "ms": 1e3 * took, "beyond_import_ms": 1e3 * (took - floor)} for name, took in seconds.items()
    ]
    if as_json:
        print(json.dumps(rows, indent=2))
        return
    for row in rows:
        print("{command:24} {ms:7.1f} ms  {beyond_import_ms:+7.1f} ms".format(**row))


def measure_startup(ours: str | None, cache_variable: str, rounds: int) -> dict[str, float]:
    """Median seconds from spawn to exit, by name; raises CommandFailed."""
    words = tuple(shlex.split(ours)) if ours else ()
    times: dict[str, list[float]] = {}
    with tempfile.TemporaryDirectory() as kept:
        if words:
            run(Command("first", words, ((cache_variable, kept),)))
        for _ in range(rounds):
            with tempfile.TemporaryDirectory() as empty:
                for command in _round(words, cache_variable, kept, empty):
                    times.setdefault(command.name, []).append(run(command).seconds)
    return {name: median(taken) for name, taken in times.items()}


def _round(words: tuple[str, ...], variable: str, kept: str, empty: str) -> list[Command]:
    floor = Command(IMPORT, (sys.executable, "-c", IMPORT))
    if not words:
        return [floor]
    return [
        floor,
        Command("nmjit, cached", words, ((variable, kept),)),
        Command("nmjit, not cached", words, ((variable, empty),)),
    ]


def _one_packet(cache: Path) -> Path:
    builder = open_builder(cache)
    path = builder.cache / "one-packet.pcap"
    if builder.harness().lib.traffic_capture(str(path).encode(), SEED, 25, 65535) != 1:
        raise OSError(f"cannot write {path}")
    return path


if __name__ == "__main__":
    main()
