"""`mirror`: copies of the packet that a filter is looking at.

This file must not know: how a port is bound, where copies go.
"""

from __future__ import annotations

from nmjit._context import current_run
from nmjit._packet import Packet
from nmjit._verdict import Port


def mirror(port: Port) -> None:
    """Send a copy of the packet's bytes, as they are now, out of `port`, and go on. Other filters do not see it.

    Where CPython runs the filter, `pkt.mirrors` records the copies. TypeError where `port` is no Port, RuntimeError
    where no filter is running.
    """
    if not isinstance(port, Port):
        raise TypeError(f"mirror takes a Port, not {type(port).__name__}")
    run = current_run()
    if run is None or not isinstance(run.packet, Packet):
        raise RuntimeError("mirror() copies the packet of the filter that calls it; no filter is running")
    run.packet.mirrors.append((port, bytes(run.packet)))
