"""The kernel's own maps beside nmjit's: a program looks up key after key, and the kernel times it.

One test run of a program makes LOOKUPS look-ups in a loop, over keys that lie ready in memory, and counts in the entry
that each finds. The same loop, which reads the keys and looks nothing up, tells what the loop itself costs. No packet
is read, so the times are those of the map alone, where nmjit's are those of a whole packet.

This file must not know how other engines are run or reported.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from types import ModuleType
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from nmjit.bench.bpf import Map, MapType, Program, create_map, load_program
from nmjit.bench.build import Unavailable
from nmjit.bench.state_arena import flow_keys
from nmjit.bench.state_cases import Case, Keys, Kind, Routes

LOOKUPS: Final = 4096
"""Look-ups of a test run. The verifier walks through every turn of the loop, and gives up beyond 8192 branches."""
OCTETS: Final = 60

_MOVE, _MOVE_TO, _ADD, _ADD_REG, _AND, _BELOW, _IF_ZERO = 0xBF, 0xB7, 0x07, 0x0F, 0x57, 0xA5, 0x15
_LOAD32, _LOAD64, _STORE64, _CALL, _EXIT, _WIDE = 0x61, 0x79, 0x7B, 0x85, 0x95, 0x18
_MAP_FD, _MAP_VALUE = 1, 2
_LOOKUP_ELEM: Final = 1
_R0, _R1, _R2, _TURN, _FOUND, _KEY = 0, 1, 2, 6, 7, 8


def _op(code: int, to: int = 0, source: int = 0, offset: int = 0, value: int = 0) -> bytes:
    return struct.pack("=BBhi", code, to | source << 4, offset, value)


def _address(to: int, what: int, fd: int) -> list[bytes]:
    """A map, or the first byte of its value: an instruction of two places."""
    return [_op(_WIDE, to, what, value=fd), _op(0)]


def _loop(keys: Map, key_size: int, body: Sequence[bytes]) -> list[bytes]:
    """`body` for each key, which register _KEY points to; the result is register _FOUND."""
    turn = [*body, _op(_ADD, _KEY, value=key_size), _op(_ADD, _TURN, value=1)]
    return [
        _op(_MOVE_TO, _TURN),
        _op(_MOVE_TO, _FOUND),
        *_address(_KEY, _MAP_VALUE, keys.fd),
        *turn,
        _op(_BELOW, _TURN, offset=-len(turn) - 1, value=LOOKUPS),
        _op(_MOVE, _R0, _FOUND),
        _op(_EXIT),
    ]


def _look_up(table: Map, hit: Sequence[bytes]) -> list[bytes]:
    """Looks a key up; `hit` runs with register 0 at the value where there is one."""
    return [
        *_address(_R1, _MAP_FD, table.fd),
        _op(_MOVE, _R2, _KEY),
        _op(_CALL, value=_LOOKUP_ELEM),
        _op(_IF_ZERO, _R0, offset=len(hit)),
        *hit,
    ]


def _add_at(offset: int, value: int) -> list[bytes]:
    """Adds to a counter as one worker may: not atomically."""
    return [
        _op(_LOAD64, _R1, _R0, offset),
        _op(_ADD, _R1, value=value),
        _op(_STORE64, _R0, _R1, offset),
    ]


_COUNT: Final = (*_add_at(0, 1), *_add_at(8, OCTETS), _op(_ADD, _FOUND, value=1))
_ROUTE: Final = (
    _op(_LOAD32, _R1, _R0),
    _op(_AND, _R1, value=1),
    _op(_ADD_REG, _FOUND, _R1),
    _op(_ADD, _FOUND, value=1 << 16),
)
"""Counts routes that were found in the upper half of the result, those that say TX in the lower."""
_READ: Final = (_op(_LOAD64, _R1, _KEY), _op(_ADD_REG, _FOUND, _R1))


@dataclass(frozen=True, slots=True)
class KernelTime:
    """ns a look-up, of the loop with look-ups and of the bare one; how many keys were found, and how many said TX."""

    gross: float
    loop: float
    found: int
    sent: int


@dataclass(frozen=True, slots=True)
class KernelTable:
    """A filled map and its programs. Made by `open_kernel_table`."""

    case: Case
    table: Map
    look_up: Program
    bare: Program
    memory: Any
    harness: ModuleType

    def run(self, keys: Keys) -> KernelTime:
        """Looks `keys` up, a multiple of LOOKUPS; they are written outside the time."""
        assert keys.size % LOOKUPS == 0
        packed = pack_keys(self.case, keys, self.harness)
        gross = loop = found = sent = 0
        for first in range(0, keys.size, LOOKUPS):
            self.memory[: packed[0].nbytes * LOOKUPS] = packed[first : first + LOOKUPS].tobytes()
            done = self.look_up.run()
            gross += done.ns
            loop += self.bare.run().ns
            routes = self.case.kind is Kind.ROUTES
            found += done.result >> 16 if routes else done.result
            sent += done.result & 0xFFFF if routes else 0
        return KernelTime(gross / keys.size, loop / keys.size, found, sent)

    def totals(self) -> tuple[int, int, int]:
        """Flows, packets and octets counted."""
        values = self.table.values().view(np.uint64)
        packets, octets = values.sum(axis=0, dtype=np.uint64).tolist()
        return len(values), packets, octets


def pack_keys(case: Case, keys: Keys, harness: ModuleType) -> npt.NDArray[Any]:
    """Keys as the kernel's map has them, a row each."""
    if case.kind is Kind.ROUTES:
        return np.stack((np.full(keys.size, 32, dtype=np.uint32), keys.byteswap()), axis=1)
    return flow_keys(harness, keys)


def _fill(case: Case, routes: Routes | None, harness: ModuleType) -> Map:
    if routes is None:
        keys = pack_keys(case, np.arange(case.size, dtype=np.uint32), harness)
        table = create_map(MapType.HASH, 16, 16, case.size)
        table.update(keys, np.zeros((case.size, 2), dtype=np.uint64))
        return table
    prefixes = np.stack((routes.lengths.astype(np.uint32), routes.networks.byteswap()), axis=1)
    table = create_map(MapType.LPM_TRIE, 8, 4, routes.networks.size)
    table.update(prefixes, routes.hops)
    return table


@contextmanager
def open_kernel_table(case: Case, routes: Routes | None, harness: ModuleType) -> Iterator[KernelTable]:
    """A map with all flows or prefixes of `case` in it. Unavailable where the kernel does not allow or know it."""
    key_size = 16 if routes is None else 8
    with ExitStack() as stack:
        try:
            keys = create_map(MapType.ARRAY, 4, key_size * LOOKUPS, 1)
            stack.callback(os.close, keys.fd)
            table = _fill(case, routes, harness)
            stack.callback(os.close, table.fd)
            hit = _COUNT if routes is None else _ROUTE
            look_up = load_program(_loop(keys, key_size, _look_up(table, hit)))
            stack.callback(os.close, look_up.fd)
            bare = load_program(_loop(keys, key_size, _READ))
            stack.callback(os.close, bare.fd)
            memory = stack.enter_context(keys.shared())
        except OSError as error:
            raise Unavailable(error.strerror or str(error)) from None
        yield KernelTable(case, table, look_up, bare, memory, harness)
