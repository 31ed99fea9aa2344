"""bpf(2) by hand: maps, programs written as instructions, and timed test runs of them.

Needs CAP_BPF and CAP_NET_ADMIN; each call raises OSError with the kernel's reason where it does not allow something.
This file must not know what is measured. Sources: bpf(2), Linux' include/uapi/linux/bpf.h, RFC 9669.
"""

from __future__ import annotations

import ctypes
import errno
import mmap
import os
import platform
import struct
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from enum import IntEnum
from typing import Any, Final

import numpy as np
import numpy.typing as npt

_SYSCALL: Final = {"x86_64": 321, "aarch64": 280, "riscv64": 280, "s390x": 351, "ppc64le": 361}
_ATTRIBUTES: Final = 128
"""Bytes handed to the kernel as its `union bpf_attr`; those that a command does not use are 0."""
_BATCH: Final = 1 << 16
"""Entries read or written in one call."""
_PACKET: Final = bytes(64)
_XDP: Final = 6
_LOG: Final = 1 << 16
_NO_PREALLOC: Final = 1
_MMAPABLE: Final = 1 << 10


class _Command(IntEnum):
    MAP_CREATE = 0
    PROG_LOAD = 5
    PROG_TEST_RUN = 10
    MAP_LOOKUP_BATCH = 24
    MAP_UPDATE_BATCH = 26


class MapType(IntEnum):
    """BPF_MAP_TYPE_…"""

    HASH = 1
    ARRAY = 2
    LPM_TRIE = 11


_FLAGS: Final = {MapType.HASH: 0, MapType.ARRAY: _MMAPABLE, MapType.LPM_TRIE: _NO_PREALLOC}

Bytes = npt.NDArray[np.uint8]


def _call(command: _Command, attributes: ctypes.Array[ctypes.c_char]) -> int:
    """What the call returned, or an errno below 0."""
    number = _SYSCALL.get(platform.machine())
    if number is None:
        return -errno.ENOSYS
    call = ctypes.CDLL(None, use_errno=True).syscall
    call.restype = ctypes.c_long
    returned = int(call(ctypes.c_long(number), ctypes.c_long(command), attributes, ctypes.c_ulong(_ATTRIBUTES)))
    return returned if returned >= 0 else -ctypes.get_errno()


def _bpf(command: _Command, layout: str, *values: int, accept: int = 0) -> tuple[int, bytes]:
    """What the call returned, and the attributes as it left them. OSError for any errno but `accept`."""
    attributes = ctypes.create_string_buffer(struct.pack(layout, *values), _ATTRIBUTES)
    returned = _call(command, attributes)
    if returned < 0 and returned != -accept:
        raise OSError(-returned, f"bpf({command.name}): {os.strerror(-returned)}")
    return returned, attributes.raw


@dataclass(frozen=True, slots=True)
class Map:
    """A map of the kernel's. Keys and values are arrays of as many bytes as it has of them."""

    fd: int
    key_size: int
    value_size: int

    def update(self, keys: npt.NDArray[Any], values: npt.NDArray[Any]) -> None:
        """Stores a value for each key; a row of the arrays is one entry."""
        for first in range(0, len(keys), _BATCH):
            some, theirs = (np.ascontiguousarray(whole[first : first + _BATCH]) for whole in (keys, values))
            assert some.nbytes == len(some) * self.key_size
            assert theirs.nbytes == len(some) * self.value_size
            pointers = some.ctypes.data, theirs.ctypes.data
            _bpf(_Command.MAP_UPDATE_BATCH, "=QQQQIIQQ", 0, 0, *pointers, len(some), self.fd, 0, 0)

    def values(self) -> Bytes:
        """The values of all entries, a row each, in any order."""
        found: list[Bytes] = []
        keys = np.empty(_BATCH * self.key_size, dtype=np.uint8)
        place = np.zeros(64, dtype=np.uint8)  # where the next call goes on: the kernel's affair
        returned = 0
        while returned == 0:  # the last call fails with ENOENT, and yet brings entries
            some = np.zeros((_BATCH, self.value_size), dtype=np.uint8)
            pointers = (place.ctypes.data if found else 0, place.ctypes.data, keys.ctypes.data, some.ctypes.data)
            returned, attributes = _bpf(
                _Command.MAP_LOOKUP_BATCH, "=QQQQIIQQ", *pointers, _BATCH, self.fd, 0, 0, accept=errno.ENOENT
            )
            found.append(some[: struct.unpack_from("=I", attributes, 32)[0]])
        return np.concatenate(found)

    @contextmanager
    def shared(self) -> Iterator[mmap.mmap]:
        """The value of an ARRAY of one entry, as memory that programs read at once."""
        with mmap.mmap(self.fd, -(-self.value_size // mmap.PAGESIZE) * mmap.PAGESIZE) as memory:
            yield memory


def create_map(kind: MapType, key_size: int, value_size: int, entries: int) -> Map:
    """A new map; a HASH has all its entries allocated from the start. Close its `fd` when done."""
    values = (kind, key_size, value_size, entries, _FLAGS[kind])
    return Map(_bpf(_Command.MAP_CREATE, "=IIIII", *values)[0], key_size, value_size)


@dataclass(frozen=True, slots=True)
class Run:
    """What a test run gave: the program's result, and its time."""

    result: int
    ns: int


@dataclass(frozen=True, slots=True)
class Program:
    """A loaded XDP program. Close its `fd` when done."""

    fd: int

    def run(self) -> Run:
        """Runs it once, over a packet of zeros; the time is the kernel's own, of the program alone."""
        packet = ctypes.create_string_buffer(_PACKET, len(_PACKET))
        values = (self.fd, 0, len(_PACKET), 0, ctypes.addressof(packet), 0, 1, 0)
        attributes = _bpf(_Command.PROG_TEST_RUN, "=IIIIQQII", *values)[1]
        result, duration = (struct.unpack_from("=I", attributes, at)[0] for at in (4, 36))
        return Run(result, duration)


def load_program(instructions: Iterable[bytes]) -> Program:
    """Has the kernel verify and compile an XDP program; OSError where it does not."""
    code = b"".join(instructions)
    text, licence = (ctypes.create_string_buffer(part, len(part) + 1) for part in (code, b"BSD"))
    values = (_XDP, len(code) // 8, ctypes.addressof(text), ctypes.addressof(licence), 0, 0, 0)
    return Program(_bpf(_Command.PROG_LOAD, "=IIQQIIQ", *values)[0])
