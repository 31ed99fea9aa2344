"""What the ops of one packet work on in the interpreter, and the two ways in which one of them ends the run.

This file must not know: what any op computes, functions, blocks.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

from nmjit.compiler.ir import Op, Site
from nmjit.compiler.irtypes import Scalar
from nmjit.compiler.outcome import PacketInfo


class Unsound(Exception):
    """An op ran whose obligation did not hold, or a packet ran over the limit: a bug of ours, never of the filter."""


class Raised(Exception):
    """The filter raised at `site`."""

    def __init__(self, site: Site) -> None:
        self.site = site


class Frame:
    """Registers, packet, surroundings and maps.

    The packet reaches from offset `head` to offset `length`; offset 0, where it began when it arrived, lies at
    `packet[origin]`. `mirrors` are the copies made so far.
    """

    __slots__ = ("head", "info", "length", "maps", "mirrors", "origin", "packet", "regs")

    def __init__(self, regs: list[Any], packet: bytearray, info: PacketInfo, maps: Mapping[str, Any]) -> None:
        self.regs = regs  # what a register holds follows from its op's type: int, bool or bytes
        self.packet = packet
        self.head = self.origin = 0
        self.length = len(packet)
        self.info = info
        self.maps = maps  # what a map's state can do follows from its kind
        self.mirrors: list[tuple[int, bytes]] = []


Step: TypeAlias = Callable[[Frame], None]
"""An op, made ready to run."""


def where(op: Op) -> str:
    """The op, for the message of an Unsound."""
    return f"{type(op).__name__} of line {op.line}"


def wrapped(value: int, scalar: Scalar) -> int:
    """`value` reduced into the range of `scalar`, two's complement where signed."""
    bits = 8 * scalar.size
    value &= (1 << bits) - 1
    return value - (1 << bits) if scalar.signed and value >> (bits - 1) else value
