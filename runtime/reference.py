"""The slow back ends: CPython, which is the definition, and the interpreter of the IR.

This file must not know: native code, capture files.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from nmjit._filter import Filter
from nmjit._verdict import VERDICTS
from nmjit.compiler.cpython_backend import CPythonBackend
from nmjit.compiler.errors import CompileError
from nmjit.compiler.interp import Interpreter
from nmjit.compiler.irtypes import MAX_PACKET
from nmjit.compiler.lowering import lower_filter
from nmjit.compiler.mapstate import MapState, new_states
from nmjit.compiler.outcome import Outcome, PacketInfo
from nmjit.compiler.pipeline import verify_filter
from nmjit.runtime.program import Backend, Frame, PacketResult


class _Engine(Protocol):
    def run(self, packet: bytearray, info: PacketInfo) -> Outcome: ...


def reference_backend(name: str, filter_: Filter) -> Backend:
    """The back end `python` or `interp`. CompileError where the compiler refuses the filter, whatever runs it."""
    refused = verify_filter(filter_).report.refused
    if refused:
        raise CompileError(*refused)
    return _Interpreted(filter_) if name == "interp" else _Oracle(filter_)


class _Sequential:
    """Runs packets one by one and keeps what lasts from one to the next: the packet's number, the clock."""

    def __init__(self, ports: tuple[str, ...]) -> None:
        self._ports = ports
        self._packets = 0
        self._now = 0

    def _run_each(self, engine: _Engine, frames: Sequence[Frame]) -> list[PacketResult]:
        return [self._run_one(engine, frame) for frame in frames]

    def _run_one(self, engine: _Engine, frame: Frame) -> PacketResult:
        self._now = max(self._now, frame.timestamp)
        seen, rest = bytearray(frame.data[:MAX_PACKET]), frame.data[MAX_PACKET:]
        info = PacketInfo(
            wire_len=max(frame.wire_len, len(frame.data)),
            timestamp=frame.timestamp,
            now=self._now,
            packet_number=self._packets,
        )
        self._packets += 1
        outcome = engine.run(seen, info)
        port = self._ports[outcome.port] if outcome.port >= 0 else None
        mirrors = tuple((self._ports[number], copy) for number, copy in outcome.mirrors)
        return PacketResult(
            VERDICTS[outcome.verdict], bytes(seen) + rest, port, outcome.exception, outcome.line, mirrors
        )


class _Oracle(_Sequential):
    """CPython. Maps are the module's own objects; their first contents are what they held when the program was made."""

    def __init__(self, filter_: Filter) -> None:
        lowered = lower_filter(filter_)
        super().__init__(tuple(name for name, _ in lowered.ports))
        self._engine = CPythonBackend(filter_, lowered.port_objects)
        self._objects: dict[str, Any] = lowered.maps
        self._first = {name: obj.entries() for name, obj in lowered.maps.items()}

    def run(self, frames: Sequence[Frame]) -> list[PacketResult]:
        return self._run_each(self._engine, frames)

    def maps(self) -> Mapping[str, list[tuple[int, ...]]]:
        return {name: obj.entries() for name, obj in self._objects.items()}

    def reset(self) -> None:
        self._packets = self._now = 0
        for name, entries in self._first.items():
            self._objects[name].load(entries)


class _Interpreted(_Sequential):
    """The interpreter of the IR, over the IR as lowering made it."""

    def __init__(self, filter_: Filter) -> None:
        lowered = lower_filter(filter_)
        super().__init__(tuple(name for name, _ in lowered.ports))
        self._interpreter = Interpreter(lowered.function)
        self._decls = lowered.function.maps
        self._first = {name: obj.entries() for name, obj in lowered.maps.items()}
        self.reset()

    def run(self, frames: Sequence[Frame]) -> list[PacketResult]:
        return self._run_each(_Bound(self._interpreter, self._states), frames)

    def maps(self) -> Mapping[str, list[tuple[int, ...]]]:
        return {name: state.entries() for name, state in self._states.items()}

    def reset(self) -> None:
        self._packets = self._now = 0
        self._states = new_states(self._decls)
        for name, state in self._states.items():
            state.load(self._first[name])


class _Bound:
    """An interpreter with its maps."""

    def __init__(self, interpreter: Interpreter, states: Mapping[str, MapState]) -> None:
        self._interpreter = interpreter
        self._states = states

    def run(self, packet: bytearray, info: PacketInfo) -> Outcome:
        return self._interpreter.run(packet, info, self._states)
