"""Runs a program over a capture file, offline and without privilege.

Native code runs in the engine's worker, over the buffer that the file is read into; the other back ends are given it
packet by packet.
This file must not know: command lines, how progress is shown.
"""

from __future__ import annotations

import contextlib
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from nmjit._verdict import PASS, REDIRECT, TX, VERDICTS
from nmjit.compiler.irtypes import MapDecl, MapKind
from nmjit.runtime import _engine
from nmjit.runtime.contents import MapContents, map_contents, plain_maps
from nmjit.runtime.program import BACKENDS, DESCRIPTORS, Frame, PacketResult, Program

Progress = Callable[[int, int], bool]
"""Called between stretches with (bytes done, bytes in all); False asks the run to stop."""
FIRST_STRETCH: Final = 256
"""Packets before the first call of a Progress: the time to the first packet is worth knowing."""
STRETCH: Final = 1 << 18
"""Packets between two calls of a Progress, native; about 10 ms."""
SLOW_STRETCH: Final = 256
"""The same for the slow back ends."""
ALL: Final = "all"


class Disagreement(Exception):
    """Two back ends differ on a packet: a bug of nmjit. The message says which packet and how."""


@dataclass(frozen=True, slots=True)
class RunResult:
    """Counts of one run. `aborted` is (line, exception, count), sorted; `seconds` is the time spent on packets.

    `maps` are the maps after the last packet: by name, what contents.py makes of their entries. `mirrored` copies were
    made for ports.
    """

    filter: str
    backend: str
    packets: int
    bytes: int
    seconds: float
    verdicts: dict[str, int]
    aborted: list[dict[str, Any]] = field(default_factory=list)
    maps: dict[str, MapContents] = field(default_factory=dict)
    mirrored: int = 0

    def to_json(self) -> dict[str, Any]:
        """The object of docs/json.md, `nmjit run`."""
        return {
            "filter": self.filter,
            "backend": self.backend,
            "packets": self.packets,
            "bytes": self.bytes,
            "seconds": self.seconds,
            "verdicts": dict(self.verdicts),
            "aborted": list(self.aborted),
            "maps": plain_maps(self.maps),
            "mirrored": self.mirrored,
        }


def run_capture(
    program: Program,
    source: Path,
    target: Path | None,
    *,
    verdict: str | None = None,
    backend: str = "jit",
    progress: Progress | None = None,
    pin: Path | None = None,
) -> RunResult:
    """Run over every packet of the capture `source`.

    Writes to `target` the packets of `verdict`, or without one those that go on: PASS, TX and REDIRECT. `backend` all
    runs every back end and raises Disagreement at the first packet on which two differ. With `pin`, native maps are
    files in that folder, which keep what they hold from run to run; MapFileError where one is another map's, or in use.
    PortError where a file can't be read or written; the packets before a corrupt record have then been filtered, and
    nothing is written.
    """
    wanted = {verdict} if verdict else {PASS.name, TX.name, REDIRECT.name}
    ask = progress or (lambda _done, _total: True)
    if backend == "jit":
        return _run_native(program, source, target, wanted, ask, pin)
    return _run_slow(program, source, target, wanted, ask, backend)


def _run_native(
    program: Program, source: Path, target: Path | None, wanted: set[str], ask: Progress, pin: Path | None
) -> RunResult:
    artifact = program.artifact(DESCRIPTORS)
    reader = _engine.CaptureReader(source)
    maps = program.new_maps(pin=pin)
    addresses = [maps[decl.name].address(0) for decl in artifact.maps]
    code = program.engine_program(DESCRIPTORS, addresses)
    with _writer(target, reader) as writer:
        routes = {} if writer is None else {v.value: writer for v in VERDICTS if v.name in wanted}
        redirected = writer if REDIRECT.name in wanted else None
        outputs = [redirected] * len(artifact.ports)
        worker = _engine.Worker(code, reader, routes=routes, outputs=outputs, forget_mirrors=True)
        start = time.perf_counter()
        stretch = FIRST_STRETCH
        while worker.run(stretch) != "end" and ask(reader.offset, reader.size):
            stretch = STRETCH
        seconds = time.perf_counter() - start
    stats = worker.stats()
    verdicts = {v.name: stats["verdict_packets"][v.value] for v in VERDICTS}
    aborted: Counter[tuple[int, str]] = Counter()
    for site, count in zip(artifact.sites, worker.exceptions(), strict=True):
        aborted[site.line, site.exception] += count
    held = {decl.name: map_contents(decl, maps[decl.name].entries()) for decl in artifact.maps}
    packets, octets, mirrored = stats["rx_packets"], stats["rx_bytes"], stats["mirrored"] + stats["mirror_dropped"]
    return RunResult(program.label, "jit", packets, octets, seconds, verdicts, _aborted(aborted), held, mirrored)


def _aborted(counts: Counter[tuple[int, str]]) -> list[dict[str, Any]]:
    return [
        {"line": line, "exception": exception, "count": count}
        for (line, exception), count in sorted(counts.items())
        if count
    ]


@contextlib.contextmanager
def _writer(target: Path | None, like: _engine.CaptureReader) -> Iterator[_engine.CaptureWriter | None]:
    """The capture to write, if any; it appears under its name only when all has gone well."""
    if target is None:
        yield None
        return
    with _engine.CaptureWriter(target, like=like) as writer:
        yield writer


def _run_slow(
    program: Program, source: Path, target: Path | None, wanted: set[str], ask: Progress, backend: str
) -> RunResult:
    reader = _engine.CaptureReader(source)
    runners = _runners(program, backend)
    verdicts = {v.name: 0 for v in VERDICTS}
    aborted: Counter[tuple[int, str]] = Counter()
    packets = nbytes = mirrored = 0
    start = time.perf_counter()
    with _writer(target, reader) as writer:
        while records := reader.read(SLOW_STRETCH):
            frames = [Frame(data, timestamp, wire_len) for timestamp, wire_len, data in records]
            for frame, result in zip(frames, _agreed(runners, frames, packets), strict=True):
                packets += 1
                nbytes += len(frame.data)
                verdicts[result.verdict.name] += 1
                mirrored += len(result.mirrors)
                if result.exception:
                    aborted[result.line, result.exception] += 1
                if writer is not None and result.verdict.name in wanted:
                    grown = len(result.data) - len(frame.data)
                    writer.write(frame.timestamp, result.data, frame.wire_len + grown)
            if not ask(reader.offset, reader.size):
                break
    _compare_maps(program.maps, runners)
    seconds = time.perf_counter() - start
    entries = next(iter(runners.values())).map_entries()
    held = {decl.name: map_contents(decl, entries[decl.name]) for decl in program.maps}
    return RunResult(program.label, backend, packets, nbytes, seconds, verdicts, _aborted(aborted), held, mirrored)


def _runners(program: Program, backend: str) -> dict[str, Program]:
    names = BACKENDS if backend == ALL else (backend,)
    runners = {name: program.on(name) for name in names}
    for runner in runners.values():
        runner.reset()
    return runners


def _agreed(runners: dict[str, Program], frames: list[Frame], first: int) -> list[PacketResult]:
    """The results that all runners give; Disagreement where two differ. `first` is the number of the first frame."""
    (name, expected), *others = [(name, runner.run_packets(frames)) for name, runner in runners.items()]
    for other, results in others:
        for number, (left, right) in enumerate(zip(expected, results, strict=True), first + 1):
            if left != right:
                raise Disagreement(f"packet {number}: {name} gives {left}, {other} gives {right}")
    return expected


def _compare_maps(decls: Sequence[MapDecl], runners: dict[str, Program]) -> None:
    (name, expected), *others = [(name, _comparable(decls, runner)) for name, runner in runners.items()]
    for other, entries in others:
        if entries != expected:
            differing = sorted(key for key in expected if expected[key] != entries[key])
            raise Disagreement(
                f"the maps {', '.join(differing)} differ between {name} and {other} after the last packet"
            )


def _comparable(decls: Sequence[MapDecl], runner: Program) -> dict[str, list[tuple[int, ...]]]:
    """Entries by map; the order of a HashMap's is each back end's own."""
    entries = runner.map_entries()
    return {
        decl.name: sorted(entries[decl.name]) if decl.kind is MapKind.HASH else entries[decl.name] for decl in decls
    }
