"""Runs one filter over one sequence of packets in every engine and tells the first difference from CPython.

The engines: the interpreter on the IR as lowered and after each pass that changed it, and native code for both
accessors and with `paranoid`. Each runs the packets in order on maps of its own; compared are verdict, port, bytes,
exception and line of every packet, and the maps that are left. This file must not know: how packets are made up.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from enum import Enum
from types import ModuleType
from typing import Any, Final

from nmjit import Filter
from nmjit.compiler import jit, lowering, pipeline
from nmjit.compiler.abi import Accessor, AccessorKind
from nmjit.compiler.cpython_backend import CPythonBackend
from nmjit.compiler.interp import Interpreter, Unsound
from nmjit.compiler.ir import Function, Op
from nmjit.compiler.irtypes import MapDecl
from nmjit.compiler.lowering import Lowered
from nmjit.compiler.options import EmitOptions
from nmjit.compiler.outcome import Outcome, PacketInfo
from nmjit.compiler.passes import drop_checks
from nmjit.compiler.source import parse_text
from nmjit.compiler.verifier import verify
from nmjit.compiler.wellformed import findings
from tests.compiler.batch_runner import CELL, DESCRIPTORS, BatchResult, batch_infos, run_batch

NETMAP: Final = (Accessor(AccessorKind.NETMAP, CELL), Accessor(AccessorKind.NETMAP))


@dataclass(frozen=True)
class Traffic:
    """Packets and the surroundings of each, as one batch has them."""

    packets: tuple[bytes, ...]
    infos: tuple[PacketInfo, ...]

    @staticmethod
    def of(seed: int, packets: Sequence[bytes]) -> Traffic:
        """With surroundings drawn from `seed`; in half of all sequences no packet was cut short on the wire."""
        rng = random.Random(f"traffic {seed}")
        whole = rng.random() < 0.5
        first = PacketInfo(
            port=rng.choice((0, 1, 65535)), queue=rng.choice((0, 3)),
            seed=rng.choice((0, 1, 2, rng.getrandbits(64))), packet_number=rng.choice((0, 7, 2**64 - 3)),
        )  # fmt: skip
        infos = []
        for packet in packets:
            wire = len(packet) if whole else len(packet) + rng.choice((0, 0, 1, 1500, 2**32 - 1 - len(packet)))
            time = rng.choice((0, 1, 10**18, 10**18 + rng.randrange(1000), 2**64 - 1 if rng.random() < 0.1 else 5))
            infos.append(PacketInfo(wire, time, 0, first.port, first.queue, first.seed, first.packet_number))
        return Traffic(tuple(packets), tuple(batch_infos(infos)))


@dataclass(frozen=True)
class Effects:
    """All that a run of a filter over some traffic leaves."""

    outcomes: list[Outcome]
    packets: list[bytes]
    maps: dict[str, bytes]


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

    @property
    def acceptance(self) -> float:
        """Share of the filters that the compiler took."""
        return self.filters / max(1, self.filters + self.refused.total())

    def text(self) -> str:
        """For people: what was run, and histograms."""
        lines = [
            f"{self.filters} filters ({self.acceptance:.0%} of those generated), {self.packet_runs} packet runs",
            "verdicts: " + ", ".join(f"{verdict} {number}" for verdict, number in sorted(self.verdicts.items())),
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
    INTERPRETED = 2
    """It, and the interpreter after every pass that changed something."""
    SAMPLED = 3
    """The interpreter before and behind the verifier, and native code for one accessor or with `paranoid`, compiled
    as fast as can be."""
    ALL_FAST = 4
    """As INTERPRETED, and native code for both accessors and with `paranoid`, compiled as fast as can be."""
    ALL = 5
    """As ALL_FAST, at the optimisation level that is shipped."""


def compare(source: str, name: str, traffic: Traffic, tally: Tally, effort: Effort = Effort.ALL) -> None:
    """Run `traffic` through the engines. Disagreement where they differ, CompileError or Refused for a bad filter."""
    module, filter_ = load_text(source, name)
    lowered = lowering.lower_filter(filter_)
    expected = run_oracle(module, filter_, lowered, traffic)
    run = _Run(lowered, traffic, expected)
    run.interpreted("unoptimised", tally.ops)
    if effort is not Effort.LOWERED:
        _compare_compiled(filter_, run, effort, uses_wire_len="wire_len" in source)
    _count(tally, expected)


def _compare_compiled(filter_: Filter, run: _Run, effort: Effort, *, uses_wire_len: bool) -> None:
    """Passes, verifier, emitter: the pipeline's order, with a look at what each leaves."""
    each, lowered, traffic = effort is not Effort.SAMPLED, run.lowered, run.traffic
    run.transformed(pipeline.BEFORE_VERIFYING, "pass", each=each)
    analysis = verify(lowered.function)
    if not analysis.accepted:
        reasons = [r.message for r in analysis.refused] + [a.message for a in analysis.unsafe]
        raise Refused(reasons[0])
    verified = pipeline.Verified(lowered, analysis, pipeline._report(filter_, lowered, analysis))
    level = jit.OPTIMISATION_LEVEL if effort is Effort.ALL else 0
    wanted = {
        Effort.INTERPRETED: frozenset[str](),
        Effort.SAMPLED: _SAMPLES[traffic.infos[0].seed % len(_SAMPLES)],
    }.get(effort, _NATIVE)
    if "paranoid" in wanted:
        run.native("native paranoid", verified, DESCRIPTORS, EmitOptions(paranoid=True), level)
    if drop_checks.run(lowered.function, analysis.proven) and each:
        run.interpreted("after drop_checks")
    run.transformed(pipeline.AFTER_VERIFYING, "pass behind the verifier", each=each)
    if "descriptor" in wanted:
        run.native("native", verified, DESCRIPTORS, EmitOptions(), level)
    # The netmap accessor knows no length on the wire.
    if "netmap" in wanted and (not uses_wire_len or all(map(_whole, traffic.packets, traffic.infos))):
        accessor = NETMAP[traffic.infos[0].queue % len(NETMAP)]
        run.native(f"native netmap stride {accessor.stride}", verified, accessor, EmitOptions(), level)


_NATIVE: Final = frozenset({"paranoid", "descriptor", "netmap"})
_SAMPLES: Final = (frozenset({"paranoid"}), frozenset({"descriptor"}), frozenset({"netmap"}))


def _whole(packet: bytes, info: PacketInfo) -> bool:
    return len(packet) == info.wire_len


class Refused(Exception):
    """The verifier refuses the filter."""


def _count(tally: Tally, effects: Effects) -> None:
    tally.filters += 1
    tally.packet_runs += len(effects.outcomes)
    tally.verdicts.update(outcome.verdict for outcome in effects.outcomes)
    tally.exceptions.update(outcome.exception for outcome in effects.outcomes if outcome.exception)


def run_oracle(module: ModuleType, filter_: Filter, lowered: Lowered, traffic: Traffic) -> Effects:
    """What CPython makes of it."""
    ports = tuple(getattr(module, port) for port, _ in lowered.ports)
    backend = CPythonBackend(filter_, ports)
    outcomes, packets = [], []
    for packet, info in zip(traffic.packets, traffic.infos, strict=True):
        data = bytearray(packet)
        outcomes.append(backend.run(data, info))
        packets.append(bytes(data))
    maps = {decl.name: map_bytes(decl, lowered.maps[decl.name].entries()) for decl in lowered.function.maps}
    return Effects(outcomes, packets, maps)


def map_bytes(decl: MapDecl, entries: Sequence[tuple[int, ...]]) -> bytes:
    """A map's memory, little endian as on the machines that this runs on, from the values of its entries."""
    image = bytearray(decl.layout.size * decl.capacity)
    fields = [(f.offset, f.scalar.size, f.scalar.signed) for f in decl.layout.fields]
    for index, entry in enumerate(entries):
        start = index * decl.layout.size
        for (offset, size, signed), value in zip(fields, entry, strict=True):
            if value:
                image[start + offset : start + offset + size] = value.to_bytes(size, "little", signed=signed)
    return bytes(image)


class _Run:
    """One filter's traffic and what CPython made of it, held against engine after engine."""

    def __init__(self, lowered: Lowered, traffic: Traffic, expected: Effects) -> None:
        self.lowered = lowered
        self.traffic = traffic
        self._expected = expected
        for obj in lowered.maps.values():
            obj.reset()
        decls = lowered.function.maps
        self._initial = {decl.name: map_bytes(decl, lowered.maps[decl.name].entries()) for decl in decls}

    @property
    def _function(self) -> Function:
        return self.lowered.function

    def _fresh_maps(self) -> dict[str, bytearray]:
        return {decl.name: bytearray(self._initial[decl.name]) for decl in self._function.maps}

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
        interpreter, maps = Interpreter(self._function), self._fresh_maps()
        reached: Counter[type[Op]] | None = None if ops is None else Counter()
        outcomes, packets = [], []
        for place, (packet, info) in enumerate(zip(self.traffic.packets, self.traffic.infos, strict=True)):
            data = bytearray(packet)
            try:
                outcomes.append(interpreter.run(data, info, maps, reached=reached))
            except Unsound as error:
                raise Disagreement(engine, f"unsound: {error}", place) from None
            packets.append(bytes(data))
        if ops is not None and reached is not None:
            ops.update({kind.__name__: number for kind, number in reached.items()})
        self._agree(engine, Effects(outcomes, packets, {name: bytes(memory) for name, memory in maps.items()}))

    def native(
        self, engine: str, verified: pipeline.Verified, accessor: Accessor, options: EmitOptions, level: int
    ) -> None:
        """Compiled code, in this process, on packets that end at a guard page."""
        artifact = pipeline.emit_artifact(verified, accessor, options)
        code = jit.load_object(jit.compile_object(artifact.llvm_ir, level))
        memory = self._fresh_maps()
        maps = [memory[decl.name] for decl in artifact.maps]
        packets, infos = self.traffic.packets, self.traffic.infos
        if accessor.kind is AccessorKind.DESCRIPTOR:
            batches = [(packets, infos)]
        else:  # packets of one batch would have to be of one length, and share a clock
            batches = [(packets[i : i + 1], infos[i : i + 1]) for i in range(len(packets))]
        outcomes: list[Outcome] = []
        left: list[bytes] = []
        for part, surroundings in batches:
            result = run_batch(code, part, accessor=accessor, infos=surroundings, maps=maps, sites=len(artifact.sites))
            outcomes += [self._outcome(engine, artifact, result, i) for i in range(len(part))]
            left += result.packets
        self._agree(engine, Effects(outcomes, left, {name: bytes(image) for name, image in memory.items()}))

    def _outcome(self, engine: str, artifact: Any, result: BatchResult, place: int) -> Outcome:
        site = result.sites[place]
        if site is None:
            return Outcome(result.verdicts[place], result.ports[place] if artifact.redirects else -1)
        if site >= len(artifact.sites):
            raise Disagreement(engine, f"broke a promise of the verifier (site {site})", place)
        raised = artifact.sites[site]
        return Outcome(result.verdicts[place], -1, raised.exception, raised.line)

    def _agree(self, engine: str, found: Effects) -> None:
        expected = self._expected
        for place, (a, b) in enumerate(zip(expected.outcomes, found.outcomes, strict=True)):
            if a != b:
                raise Disagreement(engine, f"packet {place}: {b}, CPython says {a}", place)
        for place, (x, y) in enumerate(zip(expected.packets, found.packets, strict=True)):
            if x != y:
                raise Disagreement(engine, f"packet {place}: bytes\n  {y.hex()}, CPython leaves\n  {x.hex()}", place)
        for name, image in expected.maps.items():
            if found.maps[name] != image:
                raise Disagreement(engine, f"map {name}:\n  {found.maps[name].hex()}, CPython leaves\n  {image.hex()}")
