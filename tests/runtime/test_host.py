"""A host joins programs, memory ports and maps, and takes them through their life."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from nmjit.compiler.abi import Accessor, AccessorKind
from nmjit.compiler.irtypes import Layout, MapDecl, MapKind, Scalar
from nmjit.runtime import Host, NotSupported, _engine
from nmjit.runtime.lifecycle import LifecycleError, State
from nmjit.runtime.maps import CounterView, LiveMap, live_map
from nmjit.runtime.portspec import PortSpecError
from nmjit.runtime.stats import WorkerStats, total

BatchFunction = Callable[[str], int]
SEEN = MapDecl("SEEN", MapKind.COUNTER, Layout.of((("", Scalar(8)),)), 1)


@dataclass
class HandWritten:
    """A program whose batch function is C."""

    address: int
    sites: Sequence[object] = ("line 1",)
    maps: Sequence[MapDecl] = (SEEN,)
    ports: Sequence[str] = ("OUT", "SPARE")
    workers: int = 2
    asked: list[Accessor] = field(default_factory=list)

    def engine_program(self, accessor: Accessor, map_addresses: Sequence[int]) -> _engine.Program:
        self.asked.append(accessor)
        return _engine.Program(self.address, len(self.sites), map_addresses)

    def new_maps(self, workers: int, *, seed: int, gate: _engine.Gate, pin: Path | None) -> Mapping[str, LiveMap]:
        return {decl.name: live_map(decl, workers, seed=seed, gate=gate, pin=pin) for decl in self.maps}


@pytest.fixture
def program(batch_function: BatchFunction) -> HandWritten:
    return HandWritten(batch_function("first_byte"))


def packet(verdict: int, number: int = 0) -> bytes:
    return bytes([verdict, number]).ljust(20, b"\0")


def test_packets_go_where_verdicts_say(program: HandWritten) -> None:
    with Host() as host:
        port = host.open("mem:a", queues=2)
        instance = host.attach(program, "mem:a", outputs={"OUT": "mem:b"})
        host.start()
        for queue in range(2):
            assert port.put_many([packet(2), packet(3), packet(4, 0), packet(4, 1), packet(1), packet(0)], queue) == 6
        assert host.drain()
        for queue in range(2):
            assert port.passed(queue) == [packet(2)]
            assert port.sent(queue) == [packet(3)]
            assert host.open("mem:b").sent(queue) == [packet(4, 0)]
        assert instance.stats().packets() == {"ABORTED": 2, "DROP": 2, "PASS": 2, "TX": 2, "REDIRECT": 4}
        assert instance.stats().redirect_unbound == 2
        assert instance.exceptions() == [2]
        seen = instance.maps["SEEN"]
        assert isinstance(seen, CounterView)
        assert dict(seen) == {0: 12}
        assert [each.rx_packets for each in instance.worker_stats()] == [6, 6]
    assert program.asked == [Accessor(AccessorKind.NETMAP, 2048)] * 2


def test_a_bridge_passes_to_the_other_wire_and_can_start_again(program: HandWritten) -> None:
    with Host() as host:
        left, right = host.open("mem:left"), host.open("mem:right")
        host.attach(program, "mem:left", passed="mem:right")
        host.attach(program, "mem:right", passed="mem:left")
        for number in range(3):
            host.start()
            left.put(packet(2, number))
            right.put(packet(2, 100 + number))
            assert host.drain()
            assert host.state is State.BOUND
            assert (right.sent(), left.sent()) == ([packet(2, number)], [packet(2, 100 + number)])


def test_drain_gives_up_in_time(program: HandWritten) -> None:
    with Host() as host:
        port = host.open("mem:a", slots=4)
        instance = host.attach(program, "mem:a")
        host.start()
        while instance.stats().pending == 0:
            port.put(packet(2))
        assert not host.drain(timeout=0.05)
        assert len(port.passed()) == 3


def test_a_host_refuses_what_its_state_does_not_allow(program: HandWritten) -> None:
    host = Host()
    with pytest.raises(LifecycleError, match="cannot start a host that is new"):
        host.start()
    host.attach(program, "mem:a")
    host.start()
    with pytest.raises(LifecycleError, match="cannot attach a host that is running"):
        host.attach(program, "mem:b")
    host.close()
    host.close()
    assert host.state is State.CLOSED


def test_ports_that_cannot_be_attached(program: HandWritten) -> None:
    with Host() as host:
        with pytest.raises(NotSupported, match="netmap:eth0: netmap rings are not opened yet"):
            host.attach(program, "netmap:eth0")
        with pytest.raises(PortSpecError):
            host.attach(program, "nonsense:eth0")
        with pytest.raises(ValueError, match="no port 'ELSEWHERE'"):
            host.attach(program, "mem:a", outputs={"ELSEWHERE": "mem:b"})
        host.open("mem:narrow")
        host.open("mem:wide", queues=2)
        with pytest.raises(ValueError, match="fewer queues"):
            host.attach(program, "mem:wide", outputs={"OUT": "mem:narrow"})
        with pytest.raises(ValueError, match="fewer queues"):
            host.attach(program, "mem:wide", passed="mem:narrow")
        assert host.state is State.NEW


def test_stats_add_up_and_are_json() -> None:
    one = WorkerStats(rx_packets=3, verdict_packets=(0, 1, 2, 0, 0), pending=1)
    both = total([one, one])
    assert both == WorkerStats(rx_packets=6, verdict_packets=(0, 2, 4, 0, 0), pending=2)
    assert json.loads(both.to_json())["verdict_packets"] == {"ABORTED": 0, "DROP": 2, "PASS": 4, "TX": 0, "REDIRECT": 0}
