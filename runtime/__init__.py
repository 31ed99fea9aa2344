"""Runs compiled filters: ports, workers, maps and counters."""

from nmjit.runtime.errors import NotSupported, PortError
from nmjit.runtime.host import Host

__all__ = ["Host", "NotSupported", "PortError"]
