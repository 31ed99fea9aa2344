"""Opens what a port's name stands for. Today that is `mem:NAME`: rings in this process, for tests and embedders.

Names of the other kinds are understood and answered with NotSupported and its reason. This file must not know:
programs, workers.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from nmjit.runtime._engine import MemoryRegion, Port
from nmjit.runtime.errors import NotSupported
from nmjit.runtime.portspec import PortKind, PortSpec

NOT_YET: Final = {
    PortKind.NETMAP: "netmap rings are not opened yet",
    PortKind.VALE: "switch ports are not opened yet",
    PortKind.XDP: "AF_XDP sockets are not opened yet",
    PortKind.KERNEL: "there is no kernel back end yet",
    PortKind.PACKET: "packet sockets are not opened yet",
    PortKind.AUTO: "interfaces are not opened yet",
    PortKind.PCAP: "a capture is no live port; `nmjit run` filters captures",
}
"""Why a kind of port cannot be attached in this version."""


class MemoryPort:
    """Rings in this process; the application plays wire and host. Each side of a ring is for one thread at a time.

    Each queue has an rx ring, where packets arrive, and three tx rings, as a ring has one worker: one to the host, one
    that the port's own worker sends out by, one for the worker of another port.
    """

    def __init__(self, spec: PortSpec, queues: int = 1, slots: int = 1024) -> None:
        """`slots` of each ring, one of which stays free. ValueError where a number is out of range."""
        self.spec = spec
        self.queues = queues
        self._region = MemoryRegion(rx_rings=queues, tx_rings=3 * queues, slots=slots, name=str(spec))
        self._rx = [self._region.rx(queue) for queue in range(queues)]
        self._tx = [self._region.tx(ring) for ring in range(3 * queues)]

    def put(self, packet: bytes, queue: int = 0) -> bool:
        """Let a packet of at most 2048 bytes arrive; False where the ring is full, ValueError where it is longer."""
        return self._region.put(queue, packet)

    def put_many(self, packets: Iterable[bytes], queue: int = 0) -> int:
        """Let packets arrive until the ring is full; how many did."""
        return self._region.put_many(queue, packets)

    def sent(self, queue: int = 0) -> list[bytes]:
        """The packets that went out since the last call: the port's own, then another's, each oldest first."""
        return self._region.take_many(queue) + self._region.take_many(self.queues + queue)

    def passed(self, queue: int = 0) -> list[bytes]:
        """The packets that were passed to the host since the last call, oldest first."""
        return self._region.take_many(2 * self.queues + queue)

    def waiting(self) -> int:
        """Packets that arrived and are not disposed of, in all queues."""
        return sum(self._region.waiting(queue) for queue in range(self.queues))

    def arrival(self, queue: int) -> Port:
        """Where a worker receives."""
        return self._rx[queue]

    def wire(self, queue: int) -> Port:
        """Where the port's own worker sends out."""
        return self._tx[queue]

    def forwarded(self, queue: int) -> Port:
        """Where the worker of another port sends out."""
        return self._tx[self.queues + queue]

    def host(self, queue: int) -> Port:
        """Where a worker passes packets up."""
        return self._tx[2 * self.queues + queue]


def open_port(spec: PortSpec, queues: int = 1, slots: int = 1024) -> MemoryPort:
    """Open the port. NotSupported for a kind that this version cannot open."""
    if spec.kind is not PortKind.MEM:
        raise NotSupported(str(spec), NOT_YET[spec.kind])
    return MemoryPort(spec, queues, slots)
