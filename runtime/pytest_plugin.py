"""pytest plugin for those who write filters: compile once a session, run packets, compare the back ends.

    def test_telnet_is_dropped(nmjit_filter):
        acl = nmjit_filter("programs/acl.py")
        assert acl.run_one(Ether(dst=MAC) / IP(dst=HOST) / TCP(dport=23)).verdict == DROP

pytest loads this file in every run of whoever has nmjit installed, so it imports the compiler only when a filter is
asked for. This file must not know: how a back end works.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final, TypeAlias

import pytest

from nmjit.runtime.packet_diff import AnyPacket, assert_packet, describe_difference, wire_bytes

if TYPE_CHECKING:
    from nmjit import Filter
    from nmjit.runtime.offline import RunResult
    from nmjit.runtime.program import PacketResult, Program

__all__ = ["FilterUnderTest", "NmjitFilter", "assert_packet"]

BACKENDS: Final = ("python", "interp", "jit")
"""What `all` runs, the definition first."""
ALL: Final = "all"

ProgramSource: TypeAlias = "Callable[[str], Program]"
"""Gives the program for one back end."""


class FilterUnderTest:
    """A filter that is ready to run, its maps empty at the start of each test.

    `backend` is jit, interp, python, or all: then every back end runs, and AssertionError says where two differ.
    """

    def __init__(self, program_for: ProgramSource, backend: str) -> None:
        self._programs = {name: program_for(name) for name in (BACKENDS if backend == ALL else (backend,))}
        self.backend = backend

    def run(self, packets: Iterable[AnyPacket]) -> Sequence[PacketResult]:
        """Run the filter over `packets`, bytes or Scapy's, in order: one result each."""
        __tracebackhide__ = True
        frames = [wire_bytes(packet) for packet in packets]
        results = {name: program.run_packets(frames) for name, program in self._programs.items()}
        (first, expected), *others = results.items()
        for name, actual in others:
            _assert_agreement(first, expected, name, actual)
        return expected

    def run_one(self, packet: AnyPacket) -> PacketResult:
        """Run the filter over one packet; what `run` says of a list."""
        __tracebackhide__ = True
        (result,) = self.run([packet])
        return result

    def run_capture(self, path: str | Path) -> RunResult:
        """Run the filter over a capture file and count. PortError where it can't be read; raises as `run` does."""
        __tracebackhide__ = True
        from nmjit.runtime.offline import Disagreement, run_capture  # loads the engine, so not before a test asks

        program = self._programs["jit" if self.backend == ALL else self.backend]
        try:
            return run_capture(program, Path(path), None, backend=self.backend)
        except Disagreement as error:
            raise AssertionError(f"{path}: {error}") from None

    def map_entries(self) -> Mapping[str, list[tuple[int, ...]]]:
        """What the packets of `run` have left in each map: by name, the stored values of each entry."""
        __tracebackhide__ = True
        entries = {name: program.map_entries() for name, program in self._programs.items()}
        (first, expected), *others = entries.items()
        for name, actual in others:
            assert actual == expected, f"the maps of {name} and {first} differ"
        return expected


def _assert_agreement(
    first: str, expected: Sequence[PacketResult], second: str, actual: Sequence[PacketResult]
) -> None:
    __tracebackhide__ = True
    for number, (left, right) in enumerate(zip(expected, actual, strict=True)):
        if left != right:
            lines = [f"packet {number}: {first} and {second} differ", f"  {first}: {left}", f"  {second}: {right}"]
            raise AssertionError("\n".join([*lines, describe_difference(right.data, left.data)]).rstrip())


class NmjitFilter:
    """The fixture's value: called with a filter, gives it ready to run. Compiles each filter once a session."""

    def __init__(self, compiled: dict[object, Program], backend: str) -> None:
        self._compiled = compiled
        self._backend = backend

    def __call__(
        self,
        source: str | Path | Filter,
        *,
        name: str | None = None,
        defines: Mapping[str, object] | None = None,
        backend: str | None = None,
    ) -> FilterUnderTest:
        """`source` is a file, with `name` where it holds several filters, or a filter; `defines` as -D has them.

        Without `backend` it is that of --nmjit-backend. CompileError where the filter is refused.
        """
        constants = {key: str(value) for key, value in (defines or {}).items()}

        def program_for(each: str) -> Program:
            key = (source, name, tuple(sorted(constants.items())), each)
            program = self._compiled.get(key)
            if program is None:
                program = self._compiled[key] = _load(source, name, constants, each)
            program.reset()
            return program

        return FilterUnderTest(program_for, backend or self._backend)


def _load(source: str | Path | Filter, name: str | None, defines: Mapping[str, str], backend: str) -> Program:
    from nmjit.runtime.program import Program  # not before a test asks: it loads LLVM

    return Program.load(
        Path(source) if isinstance(source, str) else source, name=name, defines=defines, backend=backend
    )


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.getgroup("nmjit").addoption(
        "--nmjit-backend",
        choices=("jit", "interp", "python", ALL),
        default="jit",
        help="what runs the filters of nmjit_filter; all runs every back end and asserts that they agree",
    )


@pytest.fixture(scope="session")
def _nmjit_compiled() -> dict[object, Program]:
    """Programs by source, constants and back end."""
    return {}


@pytest.fixture
def nmjit_filter(_nmjit_compiled: dict[object, Program], request: pytest.FixtureRequest) -> NmjitFilter:
    """Compiles filters and runs packets through them: nmjit_filter("f.py").run([packet, …])."""
    return NmjitFilter(_nmjit_compiled, request.config.getoption("--nmjit-backend"))
