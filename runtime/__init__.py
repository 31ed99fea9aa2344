"""The runtime: ports, workers, maps, the command line. Its public names load at first use (PEP 562).

A command that needs no port must not pay for the extension, nor fail where it was not built. No logic beside that.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from nmjit.runtime.errors import NotSupported, PortError
    from nmjit.runtime.host import Host

__all__ = ["Host", "NotSupported", "PortError"]

_HOMES: Final = {
    "Host": "nmjit.runtime.host",
    "NotSupported": "nmjit.runtime.errors",
    "PortError": "nmjit.runtime.errors",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(_HOMES[name]), name)
