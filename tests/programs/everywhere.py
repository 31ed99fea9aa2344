"""Runs a shipped program over packets on every back end, and native code twice: as it is, and with no check dropped.

This file must not know: what a program decides.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from nmjit import HashMap
from nmjit.runtime.program import Frame, PacketResult, Program

PROGRAMS = Path(__file__).resolve().parents[2] / "programs"
NAMES = sorted(path.stem for path in PROGRAMS.glob("[a-z]*.py"))
"""Every shipped program."""
ENGINES = {"python": ("python", False), "interp": ("interp", False), "jit": ("jit", False), "paranoid": ("jit", True)}
"""Back end, and whether the checks stay that the verifier proved superfluous; the definition first."""

Defines = Mapping[str, str]
Entries = Mapping[str, list[tuple[int, ...]]]


@dataclass(frozen=True, slots=True)
class Outcome:
    """A result for each packet, and what the maps hold after the last; a HashMap's entries sorted, for no order."""

    results: Sequence[PacketResult]
    maps: Entries

    @property
    def verdicts(self) -> list[str]:
        """Names, in the order of the packets."""
        return [result.verdict.name for result in self.results]


def program(name: str, engine: str, defines: Defines | None = None) -> Program:
    """The shipped program `name` on one of ENGINES, compiled once a session, its maps empty."""
    loaded = _loaded(name, engine, tuple(sorted((defines or {}).items())))
    loaded.reset()
    return loaded


@cache
def _loaded(name: str, engine: str, defines: tuple[tuple[str, str], ...]) -> Program:
    backend, paranoid = ENGINES[engine]
    path = PROGRAMS / f"{name}.py"
    return Program.load(path, defines=dict(defines), backend=backend, paranoid=paranoid, use_cache=False)


def run_everywhere(name: str, packets: Sequence[bytes | Frame], defines: Defines | None = None) -> Outcome:
    """What all engines leave; AssertionError at the first packet, or else the map, on which two differ."""
    outcomes = {engine: _run(program(name, engine, defines), packets) for engine in ENGINES}
    (first, expected), *others = outcomes.items()
    for engine, outcome in others:
        for packet, left, right in zip(packets, expected.results, outcome.results, strict=True):
            assert left == right, f"{first} and {engine} differ on {packet!r}: {left}, {right}"
        for held, entries in expected.maps.items():
            assert entries == outcome.maps[held], f"{first} and {engine} leave different entries in {held}"
    return expected


def _run(loaded: Program, packets: Sequence[bytes | Frame]) -> Outcome:
    unordered = {held for held, map_ in loaded.filter.function.__globals__.items() if isinstance(map_, HashMap)}
    results, maps = loaded.run_packets(packets), loaded.map_entries()
    return Outcome(results, {held: sorted(rows) if held in unordered else rows for held, rows in maps.items()})
