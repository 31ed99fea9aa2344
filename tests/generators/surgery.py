"""Statements of generated filters that move the packet's head or copy the packet: push, pull, mirror.

What a push adds is written to, read and parsed again. How many bytes a filter pushes in all stays below what drivers
leave room for. This file must not know: maps.
"""

from __future__ import annotations

from typing import Final

from tests.generators.expressions import Choice
from tests.generators.mapwrites import MapStatements
from tests.generators.statements import HEAD_MOVES

_PUSHES: Final = (1, 2, 4, 8, 14, 14, 20, 36, 128)
_PULLS: Final = (1, 2, 4, 8, 14, 14, 20, 34, 64, 1500)
_BUDGET: Final = 300
"""Bytes that one function pushes at most."""


class Surgery(MapStatements):
    """Writes all statements."""

    may_push = True
    """Not in helpers, which are called more than once."""
    pushed = 0
    mirrored = 0

    def statements(self, size: int) -> list[tuple[int, Choice]]:
        choices = super().statements(size)
        if self.has_packet:
            choices += [(2, self._pull), (5 if self.module.tables else 1, self._mirror)]
            if self.may_push:
                choices += [(3, self._push), (1, self._push_in_turns), (1, self._perhaps_push)]
                choices.append((2, self._replace_head))
        return choices

    def _affordable(self, turns: int = 1) -> int:
        """Bytes to push, 0 where there were enough."""
        size = self.rng.choice(_PUSHES)
        if self.loops or self.pushed + size * turns > _BUDGET:
            return 0
        self.pushed += size * turns
        return size

    def _push(self, _: int) -> str:
        size = self._affordable()
        if not size or not self.may_kill(HEAD_MOVES):
            return self.assign_integer(0)
        self.put(f"pkt.push({size})")
        if self.chance(0.5):
            self._write_seam(size)
        return ""

    def _write_seam(self, size: int) -> None:
        """Bytes on both sides of where the packet began before, or a header of what was pushed."""
        if size >= 14 and self.chance(0.5):
            self.put(f"pkt.eth.dst, pkt.eth.type = {self.address('mac')}, {self.rng.choice((0x0800, 0x86DD, 0x8100))}")
            return
        start = max(0, size - self.rng.choice((1, 2, 4)))
        self.put(f"if len(pkt) >= {size + 4}:")
        match self.rng.randrange(4):
            case 0:
                self.put(f"    pkt[{start}:{start + 4}] = {self.rng.randbytes(4)!r}")
            case 1:
                self.put(f"    pkt[{start}:{start + 4}] = pkt[{size}:{size + 4}]")
            case 2:
                self.put(f"    pkt[{start}] = {self.integer(1)}")
                self.put(f"    pkt[{start + 1}] = pkt[{size}]")
            case _:
                self.put(f"    pkt[{size}] += pkt.u16({start})")

    def _perhaps_push(self, _: int) -> str:
        """A push on one of two ways, with a pull or another push on the other."""
        first, second = self._affordable(), self._affordable()
        test = self.boolean(1)
        if not first or not self.may_kill(HEAD_MOVES):
            return self.assign_integer(0)
        self.put(f"if {test}:")
        self.put(f"    pkt.push({first})")
        if self.chance(0.6):
            pull = self.rng.choice(_PULLS[:-1])
            self.put(f"elif len(pkt) >= {pull}:")
            self.put(f"    pkt.pull({pull})")
        elif second:
            self.put("else:")
            self.put(f"    pkt.push({second})")
        return ""

    def _replace_head(self, _: int) -> str:
        """A pull, and a push of no more bytes, some of which are read before and behind."""
        pulled = self.rng.choice((4, 8, 14))
        pushed = self.rng.choice((2, 4, pulled))
        place = self.rng.randrange(pulled - pushed, pulled - 1)
        if self.loops or self.pushed + pushed > _BUDGET or not self.may_kill(HEAD_MOVES):
            return self.assign_integer(0)
        self.pushed += pushed
        read = self.rng.choice(("pkt[{}]", "pkt.u16({})"))
        before = self.fresh("n")
        self.put(f"if len(pkt) >= {pulled}:")
        self.put(f"    {before} = {read.format(place)}")
        self.put(f"    pkt.pull({pulled})")
        self.put(f"    pkt.push({pushed})")
        self.put(f"    pkt[0] = {before} ^ {read.format(place - pulled + pushed)}")
        return ""

    def _push_in_turns(self, _: int) -> str:
        turns = self.rng.choice((2, 3))
        size = self._affordable(turns)
        if not size or not self.may_kill(HEAD_MOVES):
            return self.assign_integer(0)
        counter = self.fresh("j")
        self.put(f"for {counter} in range({turns}):")
        self.put(f"    pkt.push({size})")
        self.put(f"    pkt[{self.rng.randrange(size)}] = {counter} + {self.integer(0)}")
        return ""

    def _pull(self, _: int) -> str:
        size = self.rng.choice(_PULLS)
        if not self.may_kill(HEAD_MOVES):
            return self.assign_integer(0)
        if self.risky():
            self.put(f"pkt.pull({size})")
        else:
            self.put(f"if len(pkt) {self.rng.choice(('>=', '>=', '>'))} {size}:")
            self.put(f"    pkt.pull({size})")
        return ""

    def _mirror(self, _: int) -> str:
        if self.loops or self.mirrored >= 3:
            return self.assign_integer(0)
        self.mirrored += 1
        port = self.rng.choice(("OUT", "BACK"))
        if self.chance(0.3):
            self.put(f"if {self.boolean(1)}:")
            self.put(f"    mirror({port})")
        else:
            self.put(f"mirror({port})")
        return ""
