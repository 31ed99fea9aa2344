"""The slow back ends: CPython, which is the definition, and the interpreter of the IR.

This file must not know: native code, capture files.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from nmjit._filter import Filter
from nmjit._verdict import VERDICTS
from nmjit.compiler.cpython_backend import CPythonBackend
from nmjit.compiler.errors import CompileError
from nmjit.compiler.interp import Interpreter
from nmjit.compiler.irtypes import MAX_PACKET, MapDecl
from nmjit.compiler.lowering import lower_filter
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
        return PacketResult(VERDICTS[outcome.verdict], bytes(seen) + rest, port, outcome.exception, outcome.line)


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
        return self._run_each(_Bound(self._interpreter, self._memory), frames)

    def maps(self) -> Mapping[str, list[tuple[int, ...]]]:
        return {decl.name: _read(decl, self._memory[decl.name]) for decl in self._decls}

    def reset(self) -> None:
        self._packets = self._now = 0
        self._memory = {decl.name: _laid_out(decl, self._first[decl.name]) for decl in self._decls}


class _Bound:
    """An interpreter with its maps."""

    def __init__(self, interpreter: Interpreter, memory: dict[str, bytearray]) -> None:
        self._interpreter = interpreter
        self._memory = memory

    def run(self, packet: bytearray, info: PacketInfo) -> Outcome:
        return self._interpreter.run(packet, info, self._memory)


def _laid_out(decl: MapDecl, entries: Sequence[tuple[int, ...]]) -> bytearray:
    memory = bytearray(decl.nbytes)
    for index, entry in enumerate(entries):
        for field, value in zip(decl.layout.fields, entry, strict=True):
            start = index * decl.layout.size + field.offset
            stored = value.to_bytes(field.scalar.size, sys.byteorder, signed=field.scalar.signed)
            memory[start : start + field.scalar.size] = stored
    return memory


def _read(decl: MapDecl, memory: bytearray) -> list[tuple[int, ...]]:
    return [
        tuple(
            int.from_bytes(
                memory[base + field.offset : base + field.offset + field.scalar.size],
                sys.byteorder,
                signed=field.scalar.signed,
            )
            for field in decl.layout.fields
        )
        for base in range(0, decl.nbytes, decl.layout.size)
    ]
