"""Runs a filter in CPython: the oracle that every other back end agrees with.

This file must not know: IR, native code.
"""

from __future__ import annotations

from dataclasses import replace

from nmjit._context import packet_run
from nmjit._filter import Filter
from nmjit._packet import Packet
from nmjit._verdict import ABORTED, REDIRECT, Port, Verdict
from nmjit.compiler.instrument import Instrumented
from nmjit.compiler.outcome import Outcome, PacketInfo


class CPythonBackend:
    """A filter, ready to run. Its maps are the module's own objects."""

    def __init__(self, filter_: Filter, ports: tuple[Port, ...] = ()) -> None:
        """`ports` in the order of the compiled program, for the index in an Outcome; others get −1."""
        self._instrumented = Instrumented(filter_)
        self._ports = ports

    def run(self, packet: bytearray, info: PacketInfo) -> Outcome:
        """Run over `packet`, changed in place. An exception ends the packet, as it would in compiled code."""
        view = Packet(
            packet, wire_len=info.wire_len, timestamp=info.timestamp, port=info.port, queue=info.queue, room=info.room
        )
        with packet_run(info.seed, info.packet_number, info.now, view):
            try:
                verdict = self._instrumented.function(view)
            except Exception as error:
                outcome = Outcome(ABORTED.value, -1, type(error).__name__, self._line(error))
            else:
                assert isinstance(verdict, Verdict), verdict
                port = self._index(verdict.port) if verdict == REDIRECT and verdict.port is not None else -1
                outcome = Outcome(verdict.value, port)
        packet[:] = bytes(view)
        return replace(outcome, mirrors=tuple((self._index(port), data) for port, data in view.mirrors))

    def _index(self, port: Port) -> int:
        return next((index for index, known in enumerate(self._ports) if known is port), -1)

    def _line(self, error: Exception) -> int:
        """Line of the innermost frame that is the filter's own code."""
        line = 0
        trace = error.__traceback__
        while trace is not None:
            if trace.tb_frame.f_code in self._instrumented.codes:
                line = trace.tb_lineno
            trace = trace.tb_next
        return line
