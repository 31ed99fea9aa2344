"""Runs one filter over one sequence of packets in every engine and tells the first difference from CPython.

The engines: the interpreter on the IR as lowered and after each pass that changed it, and native code with and without
slices and with `paranoid`, for the accessor that the traffic goes with. Each runs the packets in order on maps of its
own; compared are verdict, port, bytes, mirrors, exception and line of every packet, and after each stretch of packets
all that the maps hold and count. This file must not know: how packets are made up.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from enum import Enum
from itertools import zip_longest
from types import ModuleType
from typing import Final

from nmjit import Filter
from nmjit.compiler import jit, lowering, pipeline
from nmjit.compiler.abi import Accessor, AccessorKind
from nmjit.compiler.artifact import Artifact
from nmjit.compiler.cpython_backend import CPythonBackend
from nmjit.compiler.interp import Interpreter, Unsound
from nmjit.compiler.ir import Context, ContextField, Function, Op
from nmjit.compiler.lowering import Lowered
from nmjit.compiler.mapstate import Entry
from nmjit.compiler.options import EmitOptions
from nmjit.compiler.outcome import Outcome
from nmjit.compiler.passes import drop_checks
from nmjit.compiler.source import parse_text
from nmjit.compiler.verifier import verify
from nmjit.compiler.wellformed import findings
from tests.compiler.batch_runner import CELL, DESCRIPTORS, BatchResult, run_batch
from tests.compiler.map_memory import MapMemory
from tests.properties.contents import Contents, InterpreterMaps, LiveMaps, Maps, OracleMaps, contents, visit
from tests.properties.traffic import Traffic

NETMAP: Final = (Accessor(AccessorKind.NETMAP, CELL), Accessor(AccessorKind.NETMAP))


@dataclass(frozen=True)
class Effects:
    """All that a stretch of packets leaves."""

    outcomes: list[Outcome]
    packets: list[bytes]
    maps: Contents


class Disagreement(AssertionError):
    """An engine differs from CPython, or broke a promise of its own."""

    def __init__(self, engine: str, what: str, place: int | None = None) -> None:
        super().__init__(f"{engine}: {what}")
        self.engine = engine
        self.place = place
        """Number of the first packet that differs, None where no single one is known."""


@dataclass
class Tally:
    """What a search has reached."""

    filters: int = 0
    refused: Counter[str] = field(default_factory=Counter)
    packet_runs: int = 0
    """Packets run by CPython and then by all other engines, each counted once."""
    ops: Counter[str] = field(default_factory=Counter)
    """Ops run by the interpreter on unoptimised IR."""
    exceptions: Counter[str] = field(default_factory=Counter)
    verdicts: Counter[int] = field(default_factory=Counter)
    mirrors: int = 0

    @property
    def acceptance(self) -> float:
        """Share of the filters that the compiler took."""
        return self.filters / max(1, self.filters + self.refused.total())

    def text(self) -> str:
        """For people: what was run, and histograms."""
        lines = [
            f"{self.filters} filters ({self.acceptance:.0%} of those generated), {self.packet_runs} packet runs",
            "verdicts: "
            + ", ".join(f"{verdict} {number}" for verdict, number in sorted(self.verdicts.items()))
            + f"; {self.mirrors} mirrors",
            "exceptions: " + ", ".join(f"{name} {number}" for name, number in self.exceptions.most_common()),
            "ops: " + ", ".join(f"{name} {number}" for name, number in self.ops.most_common()),
            "refused:" + "".join(f"\n  {number:5} {reason}" for reason, number in self.refused.most_common(12)),
        ]
        return "\n".join(lines)


def load_text(source: str, name: str) -> tuple[ModuleType, Filter]:
    """Run a module's text; the module and the filter called `name` in it."""
    file = "<generated>"  # one name for all, so that only the last text is kept
    parse_text(file, source)
    module = ModuleType("generated")
    module.__file__ = file
    exec(compile(source, file, "exec", dont_inherit=True), module.__dict__)
    return module, module.__dict__[name]


class Effort(Enum):
    """Which engines are asked, besides CPython."""

    LOWERED = 1
    """The interpreter on the IR as lowered."""
    OPTIMISED = 2
    """The interpreter on the IR as lowered, before and behind the verifier."""
    INTERPRETED = 3
    """It, and the interpreter after every pass that changed something."""
    SAMPLED = 4
    """The interpreter before and behind the verifier, and native code with slices, without, or with `paranoid`,
    compiled as fast as can be."""
    EMITTED = 5
    """As SAMPLED, with native code in all these forms."""
    ALL_FAST = 6
    """As EMITTED, and the interpreter after every pass that changed something."""
    ALL = 7
    """As ALL_FAST, at the optimisation level that is shipped."""


_NATIVE: Final = {
    "paranoid": EmitOptions(paranoid=True),
    "plain": EmitOptions(slices=False),
    "sliced": EmitOptions(slice_bytes=0, slice_group=5),
}
"""Forms of native code; of the last, all look-ups have slices, and batches end within a group."""


def compare(source: str, name: str, traffic: Traffic, tally: Tally, effort: Effort = Effort.ALL) -> None:
    """Run `traffic` through the engines. Disagreement where they differ, CompileError or Refused for a bad filter."""
    module, filter_ = load_text(source, name)
    lowered = lowering.lower_filter(filter_)
    first = {name: obj.entries() for name, obj in lowered.maps.items()}
    expected = run_oracle(module, filter_, lowered, traffic)
    run = _Run(lowered, traffic, first, expected)
    run.interpreted("unoptimised", tally.ops)
    if effort is not Effort.LOWERED:
        _compare_compiled(filter_, run, effort)
    _count(tally, expected)


def _compare_compiled(filter_: Filter, run: _Run, effort: Effort) -> None:
    """Passes, verifier, emitter: the pipeline's order, with a look at what each leaves."""
    each = effort not in (Effort.OPTIMISED, Effort.SAMPLED, Effort.EMITTED)
    lowered, traffic = run.lowered, run.traffic
    run.transformed(pipeline.BEFORE_VERIFYING, "pass", each=each)
    analysis = verify(lowered.function)
    if not analysis.accepted:
        reasons = [r.message for r in analysis.refused] + [a.message for a in analysis.unsafe]
        raise Refused(reasons[0])
    verified = pipeline.Verified(lowered, analysis, pipeline._report(filter_, lowered, analysis))
    level = jit.OPTIMISATION_LEVEL if effort is Effort.ALL else 0
    wanted = list(_NATIVE)
    if effort is Effort.SAMPLED:
        wanted = [wanted[traffic.number % len(wanted)]]
    elif effort in (Effort.OPTIMISED, Effort.INTERPRETED):
        wanted = []
    if "paranoid" in wanted:
        run.native("paranoid", verified, level)
    if drop_checks.run(lowered.function, analysis.proven) and each:
        run.interpreted("after drop_checks")
    run.transformed(pipeline.AFTER_VERIFYING, "pass behind the verifier", each=each)
    for form in wanted:
        if form != "paranoid":
            run.native(form, verified, level)


class Refused(Exception):
    """The verifier refuses the filter."""


def _count(tally: Tally, history: Sequence[Effects]) -> None:
    outcomes = [outcome for effects in history for outcome in effects.outcomes]
    tally.filters += 1
    tally.packet_runs += len(outcomes)
    tally.mirrors += sum(len(outcome.mirrors) for outcome in outcomes)
    tally.verdicts.update(outcome.verdict for outcome in outcomes)
    tally.exceptions.update(outcome.exception for outcome in outcomes if outcome.exception)


def run_oracle(module: ModuleType, filter_: Filter, lowered: Lowered, traffic: Traffic) -> list[Effects]:
    """What CPython makes of it, stretch by stretch."""
    backend = CPythonBackend(filter_, tuple(getattr(module, port) for port, _ in lowered.ports))

    def run(stretch: range) -> tuple[list[Outcome], list[bytes]]:
        packets = [bytearray(traffic.packets[place]) for place in stretch]
        outcomes = [backend.run(data, traffic.infos[place]) for data, place in zip(packets, stretch, strict=True)]
        return outcomes, list(map(bytes, packets))

    return list(_history(lowered.function, traffic, OracleMaps(lowered.maps), run))


def _history(
    function: Function, traffic: Traffic, maps: Maps, run: Callable[[range], tuple[list[Outcome], list[bytes]]]
) -> Iterator[Effects]:
    """What each stretch leaves; between them user space comes by."""
    small = [decl for decl in function.maps if decl.capacity <= _LARGE]
    for number, stretch in enumerate(traffic.stretches):
        last = number == len(traffic.stretches) - 1
        yield Effects(*run(stretch), contents(function.maps if last else small, maps))
        visit(function.maps, maps, f"visit {traffic.number} {number}")


_LARGE: Final = 2000
"""Entries from which on a map is looked at in the end only."""


def _difference(found: list[Entry], expected: list[Entry]) -> str:
    """The first entries that differ."""
    for place, (a, b) in enumerate(zip_longest(found, expected)):
        if a != b:
            return f"entry {place} is {a}, CPython leaves {b}"
    return "no difference"


class _At(MapMemory):
    """A map that lies elsewhere."""

    def __init__(self, address: int) -> None:
        self.address = address


class _Run:
    """One filter's traffic and what CPython made of it, held against engine after engine."""

    def __init__(
        self, lowered: Lowered, traffic: Traffic, first: dict[str, list[Entry]], expected: list[Effects]
    ) -> None:
        """`first` is what the maps hold at the start."""
        self.lowered = lowered
        self.traffic = traffic
        self._first = first
        self._expected = expected

    @property
    def _function(self) -> Function:
        return self.lowered.function

    def transformed(self, passes: Sequence[Callable[[Function], bool]], kind: str, *, each: bool) -> None:
        """Run the passes; the interpreter behind `each` that changed something, or behind them all."""
        changed = False
        for number, transform in enumerate(passes):
            changed |= transform(self._function)
            if changed and (each or number == len(passes) - 1):
                self.interpreted(f"after {str(transform.__module__).rpartition('.')[2]} ({kind} {number})")
                changed = False

    def interpreted(self, engine: str, ops: Counter[str] | None = None) -> None:
        """The interpreter on the function as it is now, which must be well-formed."""
        faults = findings(self._function)
        if faults:
            raise Disagreement(engine, f"not well-formed: {faults[0].message}")
        interpreter, maps = Interpreter(self._function), InterpreterMaps(self._function.maps, self._first)
        reached: Counter[type[Op]] | None = None if ops is None else Counter()

        def run(stretch: range) -> tuple[list[Outcome], list[bytes]]:
            outcomes, packets = [], []
            for place in stretch:
                data = bytearray(self.traffic.packets[place])
                try:
                    outcomes.append(interpreter.run(data, self.traffic.infos[place], maps.states, reached=reached))
                except Unsound as error:
                    raise Disagreement(engine, f"unsound: {error}", place) from None
                packets.append(bytes(data))
            return outcomes, packets

        self._follow(engine, maps, run)
        if ops is not None and reached is not None:
            ops.update({kind.__name__: number for kind, number in reached.items()})

    def native(self, form: str, verified: pipeline.Verified, level: int) -> None:
        """Compiled code, in this process, on packets that end at a guard page."""
        traffic = self.traffic
        accessor = NETMAP[traffic.number % len(NETMAP)] if traffic.ring else DESCRIPTORS
        engine = f"native {form} {accessor.kind.value} stride {accessor.stride}"
        artifact = pipeline.emit_artifact(verified, accessor, _NATIVE[form])
        code = jit.load_object(jit.compile_object(artifact.llvm_ir, level))
        maps = LiveMaps(artifact.maps, self._first)
        places = [_At(address) for address in maps.addresses()]
        # Where nobody asks for the room, buffers are as long as their packets, so that reading on is noticed.
        tight = traffic.ring and not self._asks_for_room() and traffic.number % 4 < 2

        def run(stretch: range) -> tuple[list[Outcome], list[bytes]]:
            outcomes: list[Outcome] = []
            packets: list[bytes] = []
            for part in traffic.of_one_length(stretch) if tight else [stretch]:
                result = run_batch(
                    code, traffic.packets[part.start : part.stop], infos=traffic.infos[part.start : part.stop],
                    accessor=accessor, maps=places, sites=len(artifact.sites), now=traffic.clock_before(part.start),
                    resizes=artifact.resizes, room=traffic.room if traffic.ring and not tight else 0,
                )  # fmt: skip
                outcomes += [self._outcome(engine, artifact, result, n, part.start) for n in range(len(part))]
                packets += result.packets
            return outcomes, packets

        self._follow(engine, maps, run)

    def _asks_for_room(self) -> bool:
        facts = (op.which for op in self._function.ops() if isinstance(op, Context))
        return ContextField.ROOM in facts

    def _outcome(self, engine: str, artifact: Artifact, result: BatchResult, number: int, start: int) -> Outcome:
        site, mirrors = result.sites[number], tuple(result.mirrors[number])
        if site is None:
            return Outcome(result.verdicts[number], result.ports[number] if artifact.redirects else -1, mirrors=mirrors)
        if site >= len(artifact.sites):
            raise Disagreement(engine, f"broke a promise of the verifier (site {site})", start + number)
        raised = artifact.sites[site]
        return Outcome(result.verdicts[number], -1, raised.exception, raised.line, mirrors)

    def _follow(self, engine: str, maps: Maps, run: Callable[[range], tuple[list[Outcome], list[bytes]]]) -> None:
        """Run it all, and compare each stretch."""
        found = _history(self._function, self.traffic, maps, run)
        for stretch, expected, effects in zip(self.traffic.stretches, self._expected, found, strict=True):
            _agree(engine, stretch, expected, effects)


def _agree(engine: str, stretch: range, expected: Effects, found: Effects) -> None:
    for place, a, b in zip(stretch, expected.outcomes, found.outcomes, strict=True):
        if a != b:
            raise Disagreement(engine, f"packet {place}: {b}, CPython says {a}", place)
    for place, x, y in zip(stretch, expected.packets, found.packets, strict=True):
        if x != y:
            raise Disagreement(engine, f"packet {place}: bytes\n  {y.hex()}, CPython leaves\n  {x.hex()}", place)
    for name, (entries, counters) in expected.maps.items():
        others, counted = found.maps[name]
        if others != entries:
            text = f"map {name} behind packet {stretch.stop - 1}:\n  {_difference(others, entries)}"
            raise Disagreement(engine, text, stretch.stop - 1)
        if counted != counters:
            text = f"map {name} behind packet {stretch.stop - 1} counts {counted}, CPython {counters}"
            raise Disagreement(engine, text, stretch.stop - 1)
