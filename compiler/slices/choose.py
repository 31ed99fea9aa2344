"""Decides which look-ups get a prefetch, and says of every one whether and why not.

A look-up is worth it where its map is larger than the cache. What is cut out must pass the verifier by itself, be
short, and be run through in few turns; look-ups that stand in the way of that are left out.

This file must not know: how a slice is cut out, how it is compiled.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, TypeAlias

from nmjit.compiler.ir import BloomAdd, Function, MapDelete, Op, Prefetch, RateTake, Value
from nmjit.compiler.maplayout import map_bytes
from nmjit.compiler.options import EmitOptions
from nmjit.compiler.passes import dead_code, fold, gvn, simplify_cfg
from nmjit.compiler.report import LookUp
from nmjit.compiler.slices.carve import carve
from nmjit.compiler.slices.levels import LEVELS, NEVER, levels_of, peek_operands
from nmjit.compiler.slices.merge import merge_repeats
from nmjit.compiler.slices.places import Place, place_of, places_of
from nmjit.compiler.slices.stale import Ranges, stale_reads
from nmjit.compiler.verifier import Analysis, verify
from nmjit.compiler.verifier.loops import Flow, Item, Loop

MAX_TURNS: Final = 4
"""How often a loop, with all around it, may go back with a look-up in it that is prefetched."""
MAX_OPS: Final = 1_000
"""Most ops that a slice may cost: beyond, waiting for memory is cheaper."""
_TIDY: Final = ((simplify_cfg.run, gvn.run), (gvn.run,), (gvn.run, fold.run, simplify_cfg.run, dead_code.run))
"""What a slice goes through: equal reads are merged between, and with each round what is computed from them."""

_OFF: Final = "prefetch slices are switched off"
_CACHED: Final = "its memory fits the cache"
_CHANGED: Final = "its key is made of packet bytes that the filter may have changed before"
_TOUCHED: Final = "its key comes out of an operation that changes a map"
_DEEP: Final = "its key comes out of a look-up whose own key does, or which is not prefetched"
_UNDECIDED: Final = "whether it is reached depends on what a map holds"
_TURNS: Final = f"it is in a loop of more than {MAX_TURNS} turns"
_LONG: Final = f"its key takes more than {MAX_OPS:,} operations to compute"
_UNPROVED: Final = "what computes its key can't be shown to be safe so early"


@dataclass(frozen=True, slots=True)
class Slice:
    """A verified function without effects, which ends in Prefetches, and the range of each of its INTs."""

    function: Function
    ranges: Ranges


@dataclass(frozen=True, slots=True)
class Slices:
    """The slices of a filter, of level 0 before that of level 1, and all its look-ups, by line."""

    functions: tuple[Slice, ...]
    lookups: tuple[LookUp, ...]


_Reasons: TypeAlias = dict[Place, str]
_Prefetches: TypeAlias = dict[Prefetch, list[Place]]
_Covered: TypeAlias = set[tuple[str, Value]]
"""Look-ups whose memory is asked for: name of the map, and place."""


def slices(function: Function, analysis: Analysis, options: EmitOptions) -> Slices:
    """The slices of `function`, as it is after all passes, of which `analysis` speaks where it names its values."""
    places = places_of(function)
    levels: dict[Place, int] = {}
    if not options.slices:
        return Slices((), _told(places, levels, dict.fromkeys(places, _OFF)))
    reasons = {place: _CACHED for place in places if map_bytes(place.map) <= options.slice_bytes}
    stale = stale_reads(function, analysis.ranges) if len(reasons) < len(places) else frozenset[Op]()
    covered: _Covered | None = None  # at level 0, all that will be
    made = []
    for level in range(LEVELS if len(reasons) < len(places) else 0):
        had = levels_of(function, stale, _Wait(options.slice_bytes, covered).of)
        wanted = [place for place in places if place not in reasons and had[place.value] == level]
        chosen = _Chooser(function, had, level, wanted)
        chosen.run()
        made += [Slice(*chosen.result)] if chosen.result else []
        reasons |= chosen.reasons
        levels |= dict.fromkeys(chosen.covered, level)
        covered = {(place.map.name, place.value) for place in levels}
    for place in places:
        if place not in levels and place not in reasons:
            reasons[place] = _out_of_reach(place, stale)
    return Slices(tuple(made), _told(places, levels, reasons))


@dataclass(frozen=True, slots=True)
class _Wait:
    """How many levels later than its place the memory of a look-up is there; `covered` is None where all will be."""

    slice_bytes: int
    covered: _Covered | None

    def of(self, op: Op) -> int:
        found = place_of(op)
        assert found is not None
        map, value = found
        if map_bytes(map) <= self.slice_bytes:
            return 0
        return 1 if self.covered is None or (map.name, value) in self.covered else NEVER


def _out_of_reach(place: Place, stale: frozenset[Op]) -> str:
    """Why no slice can compute the place."""
    waiting: list[Value] = [place.value]
    seen: set[Value] = set()
    reason = _DEEP
    while waiting:
        value = waiting.pop()
        if value in stale:
            return _CHANGED
        if value not in seen:
            seen.add(value)
            waiting.extend(peek_operands(value))
            reason = _TOUCHED if isinstance(value, MapDelete | BloomAdd | RateTake) else reason
    return reason


def _told(places: list[Place], levels: dict[Place, int], reasons: _Reasons) -> tuple[LookUp, ...]:
    told = {
        LookUp(place.map.name, place.op.line, place in levels, levels.get(place), reasons.get(place, ""))
        for place in places
    }
    return tuple(sorted(told, key=lambda each: (each.line, each.map, not each.covered, each.reason)))


class _Chooser:
    """The slice of one level in the making. `result` is it, None where nothing is worth one."""

    def __init__(self, function: Function, levels: dict[Op, int], level: int, wanted: list[Place]) -> None:
        self.function = function
        self.levels = levels
        self.level = level
        self.wanted = wanted
        self.reasons: _Reasons = {}
        self.covered: list[Place] = []
        self.result: tuple[Function, Ranges] | None = None

    def run(self) -> None:
        """All look-ups at once, and where that does not do, one after the other."""
        if self.wanted and self._try(self.wanted) is not None:
            for place in self.wanted:
                fault = self._try([*self.covered, place])
                if fault is not None:
                    self.reasons[place] = fault
        for place in self.wanted:
            if place not in self.covered:
                self.reasons.setdefault(place, _UNDECIDED)

    def _try(self, places: list[Place]) -> str | None:
        """Take the slice for `places` less those in long loops; what is wrong with it, None where nothing is."""
        function, prefetches = self._carved(places)
        analysis = verify(function)
        turning = _in_long_loops(function, analysis, prefetches)
        if turning:
            self.reasons |= dict.fromkeys(turning, _TURNS)
            rest = [place for place in places if place not in turning]
            return self._try(rest) if rest else None
        if not analysis.accepted:
            return _UNPROVED
        if analysis.worst_case_ops > MAX_OPS:
            return _LONG
        if prefetches:
            self.result = function, analysis.ranges
            self.covered = [place for places in prefetches.values() for place in places]
        return None

    def _carved(self, places: list[Place]) -> tuple[Function, _Prefetches]:
        """The slice for `places`, and by each of its Prefetches the places that it is for."""
        function, prefetches = carve(self.function, self.levels, self.level, places)
        repeats: dict[Prefetch, Prefetch] = {}
        for tidy in _TIDY:
            for run in tidy:
                run(function)
            repeats |= merge_repeats(function)
        found: dict[Prefetch, list[Place]] = {op: [] for op in function.ops() if isinstance(op, Prefetch)}
        for prefetch, place in prefetches.items():
            while prefetch in repeats:
                prefetch = repeats[prefetch]
            if prefetch in found:
                found[prefetch].append(place)
        return function, found


def _in_long_loops(function: Function, analysis: Analysis, prefetches: _Prefetches) -> set[Place]:
    """The places that are run through more than MAX_TURNS times."""
    found: set[Place] = set()

    def visit(items: tuple[Item, ...], turns: int) -> None:
        for item in items:
            if isinstance(item, Loop):
                visit(item.items, turns * max(1, analysis.returns.get(item.header, MAX_TURNS + 1)))
            elif turns > MAX_TURNS:
                found.update(place for op in item.ops if isinstance(op, Prefetch) for place in prefetches[op])

    visit(Flow.of(function).items, 1)
    return found
