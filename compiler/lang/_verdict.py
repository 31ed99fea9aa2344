"""Verdicts, with XDP's names and numbers, and the ports that a filter can send to.

This file must not know: packets, how a port is bound to an interface. Source of the numbers: `enum xdp_action` in
include/uapi/linux/bpf.h.
"""

from __future__ import annotations

from typing import Final, final


@final
class Port:
    """A place to send packets to, bound to an interface when the filter is loaded.

    A module-level `OUT = Port()` is bound as `OUT`, or by `name` where one is given. A load that leaves a port unbound
    is refused, unless the port is `optional`: packets sent there are counted and dropped. Ports compare by identity.
    """

    __slots__ = ("name", "optional")

    def __init__(self, name: str | None = None, *, optional: bool = False) -> None:
        self.name: Final = name
        self.optional: Final = optional

    def __repr__(self) -> str:
        options = [repr(self.name)] * (self.name is not None) + ["optional=True"] * self.optional
        return f"Port({', '.join(options)})"


@final
class Verdict:
    """What becomes of a packet. Not an integer: `value` is its number, 0 to 4, and `name` its name.

    There are the five constants of this module and what `redirect` returns, which carries its `port`. Verdicts compare
    by number, as they do in compiled code: `redirect(OUT) == REDIRECT`.
    """

    __slots__ = ("name", "port", "value")

    def __init__(self, name: str, value: int, port: Port | None = None) -> None:
        self.name: Final = name
        self.value: Final = value
        self.port: Final = port

    def __eq__(self, other: object) -> bool:
        return self.value == other.value if isinstance(other, Verdict) else NotImplemented

    def __hash__(self) -> int:
        return hash((Verdict, self.value))

    def __repr__(self) -> str:
        return self.name if self.port is None else f"redirect({self.port!r})"


ABORTED: Final = Verdict("ABORTED", 0)
"""The filter failed: drop, and count it as an error."""
DROP: Final = Verdict("DROP", 1)
"""Discard the packet."""
PASS: Final = Verdict("PASS", 2)
"""Hand the packet on: to the host, the other side of a bridge, or the next filter of a chain."""
TX: Final = Verdict("TX", 3)
"""Send the packet out of the port that it came in by."""
REDIRECT: Final = Verdict("REDIRECT", 4)
"""Send the packet to a port; `redirect` names it."""
VERDICTS: Final = (ABORTED, DROP, PASS, TX, REDIRECT)
"""All five, each at the index that is its number."""


def redirect(port: Port) -> Verdict:
    """The verdict that sends the packet out of `port`. TypeError where it is no Port."""
    if not isinstance(port, Port):
        raise TypeError(f"redirect takes a Port, not {type(port).__name__}")
    return Verdict(REDIRECT.name, REDIRECT.value, port)
