"""A large capture through `nmjit run`, tcpdump and a C reader: seconds, packets a second, memory.

All read the same generated file from a warm page cache, interleaved. tcpdump gets the filter's expression and writes
what matches to /dev/null; the reader (csrc/mmap_reader.c) walks the records and touches 64 bytes of each, the least
that any tool must do. nmjit's command line is given by --command, in which {capture} stands for the file; without it
the two peers are measured alone.

Exit 0 when done, 1 when a command failed, 3 when a tool is missing here.
"""

from __future__ import annotations

import json
import shlex
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import click

from nmjit.bench.build import GCC, Builder, Unavailable, open_builder
from nmjit.bench.filters import ACL, PORT80, Filter
from nmjit.bench.processes import Command, CommandFailed, CommandTimes, interleave
from nmjit.bench.run import DEFAULT_CACHE

SEED: Final = 1
READER: Final = "mmap-reader"
TCPDUMP: Final = "tcpdump"
OURS: Final = "nmjit"


@dataclass(frozen=True, slots=True)
class Capture:
    """A generated file: where it is, its bytes and packets."""

    path: Path
    bytes: int
    packets: int


def make_capture(builder: Builder, bytes_: int, snaplen: int) -> Capture:
    """A capture of at least `bytes_` bytes, kept beside the built engines; OSError where it cannot be written."""
    path = builder.cache / f"capture-{bytes_}-{snaplen}.pcap"
    count = path.with_suffix(".packets")
    if not count.exists():
        harness = builder.harness()
        packets = harness.lib.traffic_capture(str(path).encode(), SEED, bytes_, snaplen)
        if packets < 0:
            raise OSError(-packets, "cannot write", str(path))
        count.write_text(str(packets))
    return Capture(path, path.stat().st_size, int(count.read_text()))


def warm_page_cache(path: Path) -> None:
    """Reads the whole file once."""
    with path.open("rb", buffering=0) as file:
        while file.read(1 << 22):
            pass


def commands(builder: Builder, capture: Capture, filter_: Filter, ours: str | None) -> list[Command]:
    """The reader, tcpdump, and `ours` where given; raises Unavailable."""
    tcpdump = shutil.which("tcpdump")
    if tcpdump is None:
        raise Unavailable("tcpdump not found (apt install tcpdump)")
    if filter_.expression is None:
        raise Unavailable(f"{filter_.name}: {filter_.no_expression}")
    path = str(capture.path)
    made = [
        Command(READER, (str(builder.program("mmap_reader.c", GCC)), path)),
        Command(TCPDUMP, (tcpdump, "-r", path, "-w", "/dev/null", filter_.expression.text)),
    ]
    if ours is not None:
        words = (word.replace("{capture}", path) for word in shlex.split(ours))
        made.append(Command(OURS, tuple(words)))
    return made


@click.command(help=__doc__)
@click.option("--command", "ours", help="nmjit's command line; {capture} stands for the file.")
@click.option("--filter", "name", type=click.Choice([PORT80.name, ACL.name]), default=PORT80.name, show_default=True)
@click.option("--bytes", "bytes_", type=click.IntRange(min=1), default=10**9, show_default=True)
@click.option("--snaplen", type=click.IntRange(min=14, max=65535), default=65535, help="Cut packets to so many bytes.")
@click.option("--rounds", type=click.IntRange(min=1), default=5, show_default=True)
@click.option("--cache", type=click.Path(path_type=Path), default=DEFAULT_CACHE, show_default=True)
@click.option("--json", "as_json", is_flag=True)
def main(ours: str | None, name: str, bytes_: int, snaplen: int, rounds: int, cache: Path, as_json: bool) -> None:
    """Parses the command line, measures, prints."""
    filter_ = next(f for f in (PORT80, ACL) if f.name == name)
    try:
        builder = open_builder(cache)
        capture = make_capture(builder, bytes_, snaplen)
        warm_page_cache(capture.path)
        times = interleave(commands(builder, capture, filter_, ours), rounds)
    except Unavailable as error:
        print(f"cannot measure here: {error}", file=sys.stderr)
        sys.exit(3)
    except (CommandFailed, OSError) as error:
        print(error, file=sys.stderr)
        sys.exit(1)
    rows = [_row(one, times, capture, filter_) for one in times]
    if as_json:
        print(json.dumps(rows, indent=2))
        return
    print(f"{filter_.name}: {capture.packets:,} packets, {capture.bytes:,} bytes")
    for row in rows:
        print(
            "{command:12} {seconds:7.3f} s  {ns:7.1f} ns a packet  {ratio_to_reader:5.2f} x reader  "
            "{ratio_to_tcpdump:5.2f} x tcpdump  {peak_mib:6.1f} MiB".format(**row)
        )


def _row(one: CommandTimes, times: list[CommandTimes], capture: Capture, filter_: Filter) -> dict[str, Any]:
    seconds = {time.name: time.seconds for time in times}
    return {
        "filter": filter_.name,
        "command": one.name,
        "packets": capture.packets,
        "bytes": capture.bytes,
        "seconds": one.seconds,
        "ns": one.seconds * 1e9 / capture.packets,
        "ratio_to_reader": one.seconds / seconds[READER],
        "ratio_to_tcpdump": one.seconds / seconds[TCPDUMP],
        "peak_mib": one.peak_anonymous / 2**20,
    }


if __name__ == "__main__":
    main()
