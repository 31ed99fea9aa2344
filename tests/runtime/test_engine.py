"""run_packets: what a batch function is told and leaves behind, and guard pages; map memory."""

from __future__ import annotations

import signal
import struct
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from nmjit.runtime._engine import MapMemory, Program, run_packets

BatchFunction = Callable[[str], int]
TOLD = struct.Struct("=5Q")


def test_each_packet_has_its_numbers(batch_function: BatchFunction) -> None:
    program = Program(batch_function("tell"), num_sites=2)
    packets = [bytes(TOLD.size + n) for n in range(10)]
    times, wires = list(range(100, 110)), [2000] * 9 + [1]
    verdicts, after, sites, ports, mirrors = run_packets(
        program, packets, timestamps=times, wire_lengths=wires, seed=77, first_packet=4, batch=3
    )
    assert [TOLD.unpack_from(each)[:4] for each in after] == [
        (4 + n, 100 + n, max(wires[n], len(packets[n])), 77) for n in range(10)
    ]
    assert all(TOLD.unpack_from(each)[4] >= 64 for each in after)
    assert mirrors == [()] * 10
    assert verdicts == [4, 0] * 5
    assert sites == [0, 2] * 5
    assert ports == [3] * 10
    assert program.exceptions() == [0, 5]
    assert packets == [bytes(TOLD.size + n) for n in range(10)]
    assert run_packets(program, []) == ([], [], [], [], [])


@pytest.mark.parametrize("wrong", [{"timestamps": [1]}, {"wire_lengths": []}, {"batch": 0}])
def test_lists_must_match(batch_function: BatchFunction, wrong: dict[str, object]) -> None:
    with pytest.raises(ValueError, match="every packet needs"):
        run_packets(Program(batch_function("even_length")), [b"a", b"b"], **wrong)  # type: ignore[arg-type]


@pytest.mark.parametrize(("guard", "length"), [(True, 60), (True, 4096), (True, 0), (False, 60)])
def test_a_read_behind_a_guarded_packet_ends_the_process(library_path: Path, guard: bool, length: int) -> None:
    script = (
        "import ctypes; from nmjit.runtime._engine import Program, run_packets;"
        f"f = ctypes.CDLL({str(library_path)!r}).read_behind;"
        f"run_packets(Program(ctypes.cast(f, ctypes.c_void_p).value), [bytes({length})], guard={guard})"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, check=False)
    assert done.returncode == (-signal.SIGSEGV if guard else 0), done.stderr


def test_guards_leave_packets_alone(batch_function: BatchFunction) -> None:
    program = Program(batch_function("even_length"))
    packets = [bytes([n % 200]) * n for n in (0, 1, 2, 64, 1514, 4096, 4098)]
    expected = [bytes([n[0] + 1]) + n[1:] if n and len(n) % 2 == 0 else n for n in packets]
    for guard in (True, False):
        verdicts, after, _, _, _ = run_packets(program, packets, guard=guard, batch=2)
        assert verdicts == [1 if len(each) % 2 else 2 for each in packets]
        assert after == expected


def test_map_memory_is_shared_and_zero() -> None:
    memory = MapMemory(100, "m")
    view = memoryview(memory).cast("B")
    assert bytes(view) == bytes(100)
    view[7] = 5
    with open(f"/proc/self/fd/{memory.fileno()}", "rb") as file:
        assert file.read()[7] == 5
    assert memory.address % 4096 == 0
    with pytest.raises(ValueError, match="at least one byte"):
        MapMemory(0)
