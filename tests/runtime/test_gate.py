"""The gate between workers' batches and writers from Python, on running workers; what workers tell compiled code."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

import pytest

from nmjit.compiler.irtypes import Layout, MapDecl, MapKind, Scalar
from nmjit.runtime._engine import Gate, MemoryRegion, Program, Worker
from nmjit.runtime.maps import ArrayView, live_map

BatchFunction = Callable[[str], int]
CELL = MapDecl("cell", MapKind.ARRAY, Layout.of((("", Scalar(8)),)), 1)
PACKET = bytes([1, 0xFF]) + bytes(58)
"""first_byte drops it, and adds 1 to the cell, not indivisibly."""


def test_what_python_adds_is_not_lost_between_batches(batch_function: BatchFunction) -> None:
    gate = Gate()
    cell = live_map(CELL, gate=gate)
    assert isinstance(cell, ArrayView)
    region = MemoryRegion(rx_rings=1, slots=256)
    worker = Worker(Program(batch_function("first_byte"), 1, [cell.address(0)]), region.rx(), gate=gate, batch=16)
    thread = threading.Thread(target=worker.run)
    thread.start()
    sent = added = 0
    end = time.monotonic() + 1
    while time.monotonic() < end:
        sent += region.put_many(0, [PACKET] * 32)
        with gate:
            before = cell[0]
            cell[0] = before + 1
            assert cell[0] == before + 1
        added += 1
    while region.waiting(0):
        time.sleep(0.001)
    worker.stop()
    thread.join()
    assert worker.stats()["rx_packets"] == sent
    assert cell[0] == sent + added


def test_a_raised_gate_holds_packets_up(batch_function: BatchFunction) -> None:
    gate = Gate()
    region = MemoryRegion(rx_rings=1)
    cell = live_map(CELL, gate=gate)
    worker = Worker(Program(batch_function("first_byte"), 1, [cell.address(0)]), region.rx(), gate=gate, number=63)
    thread = threading.Thread(target=worker.run, args=(1,))
    with gate:
        region.put(0, PACKET)
        thread.start()
        thread.join(0.1)
        assert thread.is_alive()
        assert cell.entries() == [(0,)]
    thread.join(10)
    assert cell.entries() == [(1,)]


def test_a_gate_has_room_for_so_many(batch_function: BatchFunction) -> None:
    region = MemoryRegion(rx_rings=1)
    with pytest.raises(ValueError, match="64 or more"):
        Worker(Program(batch_function("drop_all")), region.rx(), gate=Gate(), number=64)
