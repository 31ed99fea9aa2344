"""Joins programs, ports and maps, and runs them: one worker, in a thread of its own, for each queue.

    with Host() as host:
        port = host.open("mem:a")
        host.attach(program, "mem:a")
        host.start()
        port.put(packet)
        ...
        host.drain()

This file must not know: command lines, compilers, how a packet moves. Embedding API: design, Embedding.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Final, Literal, Protocol

from nmjit import PASS, TX
from nmjit.compiler.abi import Accessor, AccessorKind
from nmjit.compiler.irtypes import MapDecl
from nmjit.runtime import _engine
from nmjit.runtime.errors import PortError
from nmjit.runtime.lifecycle import Event, State, after
from nmjit.runtime.maps import LiveMap
from nmjit.runtime.ports import MemoryPort, open_port
from nmjit.runtime.portspec import parse_port
from nmjit.runtime.stats import WorkerStats, total

LIVE_ACCESSOR: Final = Accessor(AccessorKind.NETMAP, _engine.BUFFER_SIZE)
"""What a program is compiled to for the ports that a host opens."""
POLL_SECONDS: Final = 0.001
"""Between two looks at whether a host has become idle."""


class LoadedProgram(Protocol):
    """What a host needs of a compiled filter. It owns the machine code, and outlives the host."""

    @property
    def sites(self) -> Sequence[object]:
        """Places that may raise, by site number."""

    @property
    def maps(self) -> Sequence[MapDecl]:
        """Maps, in the order in which the batch function is given them."""

    @property
    def ports(self) -> Sequence[str]:
        """Names that REDIRECT's port numbers stand for."""

    @property
    def workers(self) -> int:
        """How many workers may run the code at once: with one, additions to shared maps are not indivisible."""

    def engine_program(self, accessor: Accessor, map_addresses: Sequence[int]) -> _engine.Program:
        """The code for `accessor` as a worker takes it, with the addresses of one worker's maps."""

    def new_maps(self, workers: int, *, seed: int, gate: _engine.Gate, pin: Path | None) -> Mapping[str, LiveMap]:
        """Memory for the maps, for so many workers, with their first contents or what is pinned."""


class Instance:
    """A program attached to a port: its maps, live, and what its workers count.

    Whatever Python writes to a map is written between batches. Tables hash by a seed that is new at each start.
    """

    def __init__(
        self, program: LoadedProgram, port: MemoryPort, outputs: Mapping[str, MemoryPort], pin: Path | None
    ) -> None:
        self.program = program
        self.port = port
        self.outputs = outputs
        self.gate = _engine.Gate()
        seed = int.from_bytes(os.urandom(8), "little")
        self.maps: Mapping[str, LiveMap] = program.new_maps(port.queues, seed=seed, gate=self.gate, pin=pin)
        self._workers: list[_engine.Worker] = []

    def add_worker(self, worker: _engine.Worker) -> None:
        """Count `worker` as one of this instance's."""
        self._workers.append(worker)

    def worker_stats(self) -> list[WorkerStats]:
        """Counters as of the last batch, by queue."""
        return [WorkerStats.of(worker.stats()) for worker in self._workers]

    def stats(self) -> WorkerStats:
        """Counters as of the last batch, summed over queues."""
        return total(self.worker_stats())

    def exceptions(self) -> list[int]:
        """How often each site has raised, by site number, summed over queues."""
        return [sum(counts) for counts in zip(*(worker.exceptions() for worker in self._workers), strict=True)]


class Host:
    """Programs attached to ports, and the threads that run them. Use from one thread."""

    def __init__(self) -> None:
        self._state = State.NEW
        self._ports: dict[str, MemoryPort] = {}
        self._workers: list[_engine.Worker] = []
        self._instances: list[Instance] = []
        self._threads: list[threading.Thread] = []
        self._failures: list[PortError] = []

    @property
    def state(self) -> State:
        """Where the host is in its life."""
        return self._state

    def open(self, name: str, *, queues: int = 1, slots: int = 1024) -> MemoryPort:
        """The port called `name`, opened at the first call; the numbers count then.

        PortSpecError: no such name. NotSupported: this version cannot open it.
        """
        if name not in self._ports:
            self._ports[name] = open_port(parse_port(name), queues, slots)
        return self._ports[name]

    def attach(
        self,
        program: LoadedProgram,
        port: str,
        *,
        passed: str | None = None,
        outputs: Mapping[str, str] | None = None,
        policy: Literal["backpressure", "drop"] = "backpressure",
        batch: int = 256,
        seed: int = 0,
        pin: Path | None = None,
    ) -> Instance:
        """Let `program` filter what arrives at `port`, once the host starts.

        `passed` is where PASS goes: the wire of that port, or by default up to the host. `outputs` binds the filter's
        ports by name; packets for others are dropped and counted. `policy` says what a full destination does. An output
        needs as many queues as `port` has, and takes packets from one port other than itself. ValueError: else. With
        `pin`, maps are files in that folder, kept when the host is gone and taken up again by the next. MapFileError:
        such a file is another map's, or in use. LifecycleError: the host runs or is closed. PortSpecError,
        NotSupported: as for `open`.
        """
        state = after(self._state, Event.ATTACH)
        source = self.open(port)
        bound = {name: self.open(output, queues=source.queues) for name, output in (outputs or {}).items()}
        if unknown := sorted(set(bound) - set(program.ports)):
            raise ValueError(f"the filter has no port {unknown[0]!r}")
        onward = self.open(passed, queues=source.queues) if passed is not None else None
        if any(output.queues < source.queues for output in (*bound.values(), onward or source)):
            raise ValueError(f"an output has fewer queues than {port}")
        if source.queues > program.workers:
            raise ValueError(f"{port} has {source.queues} queues: load the program with workers={source.queues}")
        instance = Instance(program, source, bound, pin)
        for queue in range(source.queues):
            to = onward.forwarded(queue) if onward else source.host(queue)
            instance.add_worker(_worker(instance, queue, to, policy, batch, seed))
        self._instances.append(instance)
        self._workers += instance._workers
        self._state = state
        return instance

    def start(self) -> None:
        """Run every worker in a thread. LifecycleError where nothing is attached, or they run."""
        self._state = after(self._state, Event.START)
        self._threads = [threading.Thread(target=self._run, args=(worker,), daemon=True) for worker in self._workers]
        for thread in self._threads:
            thread.start()

    def _run(self, worker: _engine.Worker) -> None:
        try:
            worker.run()
        except PortError as error:
            self._failures.append(error)
            self._stop_workers()

    def _stop_workers(self) -> None:
        for worker in self._workers:
            worker.stop()

    def drain(self, timeout: float = 10.0) -> bool:
        """Wait until all that arrived is disposed of, at most `timeout` seconds, then stop; whether it was in time.

        LifecycleError where the host does not run. PortError: a port failed.
        """
        deadline = time.monotonic() + timeout
        while not (drained := self._is_drained()) and time.monotonic() < deadline and not self._failures:
            time.sleep(POLL_SECONDS)
        self.stop()
        return drained

    def _is_drained(self) -> bool:
        return all(not instance.port.waiting() for instance in self._instances)

    def stop(self) -> None:
        """Stop the workers after the batch in hand, and wait for them. PortError: a port had failed; the first one."""
        self._state = after(self._state, Event.STOP)
        self._stop_workers()
        for thread in self._threads:
            thread.join()
        self._threads = []
        self._state = after(self._state, Event.FAIL if self._failures else Event.IDLE)
        if self._failures:
            raise self._failures[0]

    def close(self) -> None:
        """Stop what runs and give the ports back; nothing the second time. PortError as for `stop`."""
        try:
            if self._state is State.RUNNING:
                self.stop()
        finally:
            self._state = after(self._state, Event.CLOSE)
            self._workers, self._instances, self._ports = [], [], {}

    def __enter__(self) -> Host:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()


def _worker(
    instance: Instance,
    queue: int,
    passed: _engine.Port,
    policy: Literal["backpressure", "drop"],
    batch: int,
    seed: int,
) -> _engine.Worker:
    """The worker of one queue: the program's code, the queue's copies of its maps, and where packets go."""
    program = instance.program
    addresses = [instance.maps[decl.name].address(queue) for decl in program.maps]
    code = program.engine_program(LIVE_ACCESSOR, addresses)
    return _engine.Worker(
        code,
        instance.port.arrival(queue),
        routes={PASS.value: passed, TX.value: instance.port.wire(queue)},
        outputs=[
            instance.outputs[name].forwarded(queue) if name in instance.outputs else None for name in program.ports
        ],
        policy=policy,
        seed=seed,
        batch=batch,
        queue=queue,
        gate=instance.gate,
        number=queue,
    )
