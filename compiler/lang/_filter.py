"""`@filter`: marks the function that decides about packets.

This file must not know: the compiler, back ends; a `Filter` only carries its function to them.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import update_wrapper
from types import FunctionType
from typing import final

from nmjit._context import direct_run
from nmjit._packet import Packet
from nmjit._verdict import Verdict


@final
class Filter:
    """A filter: a function of one packet, still callable as that function by ordinary Python."""

    def __init__(self, function: Callable[[Packet], Verdict]) -> None:
        self.function = function
        self.name: str = function.__name__
        update_wrapper(self, function)

    def __call__(self, packet: Packet, /) -> Verdict:
        """The function's own result. Exceptions come through, and integers are unbounded: no window is checked.

        A call outside any packet's turn is a turn of its own: what it finds in maps is held until it returns.
        """
        with direct_run(packet):
            return self.function(packet)

    def __repr__(self) -> str:
        return f"<filter {self.name}>"


def filter(function: Callable[[Packet], Verdict]) -> Filter:
    """Declares a filter. TypeError where `function` is not a plain Python function."""
    if not isinstance(function, FunctionType):
        raise TypeError(f"@filter stands on a function, not on {type(function).__name__}")
    return Filter(function)
