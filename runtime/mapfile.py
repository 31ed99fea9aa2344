"""Where the memory of live maps comes from: memfds, or files under a pin directory that outlive their process.

A segment begins with a header that says what it holds, HEADER_BYTES of it or the next multiple of them; then come the
map's copies, one or as many as workers, each as compiler/maplayout.py lays it out, at a multiple of 64 bytes. A pinned
file gets its name when it is complete, is locked (flock) by the process that uses it, and is used again where kind,
key, value and capacity agree; any other file is refused, never reinterpreted.

This file must not know: what the kinds' memory means, beyond its size.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import struct
import tempfile
import zlib
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

from nmjit.compiler.irtypes import Layout, MapDecl, MapKind, Scalar, StoredField
from nmjit.compiler.maplayout import CACHE_LINE, map_bytes
from nmjit.runtime._engine import MapMemory
from nmjit.runtime.errors import MapFileError

MAGIC: Final = b"nmjitmap"
LAYOUT_VERSION: Final = 1
"""Raised whenever the header or anything that maplayout.py says changes."""
HEADER_BYTES: Final = 4096
SUFFIX: Final = ".map"
_HEAD: Final = struct.Struct("<8sIIIIQQ")
"""Magic, layout version, bytes of the header, bytes of the description, its CRC-32, pid of the writer, copies."""
_PID_AT: Final = 24
_COPIES_AT: Final = 32


@dataclass(frozen=True, slots=True)
class Segment:
    """The memory of one map. `start` of the first copy and `stride` from one to the next in bytes.

    `fresh`: it is zero, and nobody else knows it. `path`: of the file, if it is one.
    """

    decl: MapDecl
    memory: MapMemory
    start: int
    stride: int
    copies: int
    fresh: bool
    path: Path | None = None

    def at(self, copy: int) -> int:
        """Where copy number `copy` begins in the memory. IndexError where there is none."""
        if not 0 <= copy < self.copies:
            raise IndexError(f"{self.decl.name} has {self.copies} copies")
        return self.start + copy * self.stride

    def address(self, copy: int) -> int:
        """Where copy number `copy` begins in this process."""
        return self.memory.address + self.at(copy)

    def copy(self, number: int) -> memoryview:
        """The bytes of a copy."""
        at = self.at(number)
        return memoryview(self.memory).cast("B")[at : at + map_bytes(self.decl)]


def new_segment(decl: MapDecl, copies: int) -> Segment:
    """Zeroed memory of this process, which others can open by its file descriptor. ValueError: a map of no bytes."""
    header = _header(decl, copies)
    stride = _stride(decl)
    memory = MapMemory(len(header) + stride * copies, decl.name)
    memoryview(memory).cast("B")[: len(header)] = header
    return Segment(decl, memory, len(header), stride, copies, fresh=True)


def pinned_segment(
    decl: MapDecl, copies: int, folder: str | os.PathLike[str], prepare: Callable[[Segment], object]
) -> Segment:
    """The map's file in `folder`, made where it is not there; what a file there already holds is kept.

    `prepare` makes zeroed memory an empty map, before the file gets its name. MapFileError: the file is another map's,
    damaged, or in use. OSError: the system refuses.
    """
    path = Path(folder) / (decl.name + SUFFIX)
    path.parent.mkdir(parents=True, exist_ok=True)
    while True:
        try:
            fd = os.open(path, os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW)
        except FileNotFoundError:
            with contextlib.suppress(FileExistsError):
                return _create(path, decl, copies, prepare)
            continue
        try:
            return _adopt(fd, path, decl, copies)
        finally:
            os.close(fd)


def opened_segment(path: str | os.PathLike[str]) -> Segment:
    """A segment of another process, for reading: a pinned file, or a memfd by its name under /proc.

    MapFileError: it is no map of this layout, or damaged. OSError: the system refuses.
    """
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        decl, start, copies = _read_header(fd, Path(path))
        memory = MapMemory(start + copies * _stride(decl), decl.name, fd=fd, writable=False)
    finally:
        os.close(fd)
    return Segment(decl, memory, start, _stride(decl), copies, fresh=False, path=Path(path))


def _stride(decl: MapDecl) -> int:
    return -(-max(map_bytes(decl), 1) // CACHE_LINE) * CACHE_LINE


def _create(path: Path, decl: MapDecl, copies: int, prepare: Callable[[Segment], object]) -> Segment:
    """FileExistsError: somebody else was faster."""
    header, stride = _header(decl, copies), _stride(decl)
    fd, temporary = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    try:
        os.truncate(fd, len(header) + stride * copies)
        fcntl.flock(fd, fcntl.LOCK_EX)
        memory = MapMemory(len(header) + stride * copies, decl.name, fd=fd)
        memoryview(memory).cast("B")[: len(header)] = header
        segment = Segment(decl, memory, len(header), stride, copies, fresh=True, path=path)
        prepare(segment)
        os.link(temporary, path)
    finally:
        os.unlink(temporary)
        os.close(fd)
    return replace(segment, fresh=False)


def _adopt(fd: int, path: Path, decl: MapDecl, copies: int) -> Segment:
    """What a file that is there holds, for this process alone. The kind's own memory is not looked at."""
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise MapFileError(str(path), f"in use by process {_writer(fd)}") from None
    held, start, there = _read_header(fd, path)
    if differing := _differences(held, decl):
        raise MapFileError(str(path), f"holds another map: {'; '.join(differing)}; move the file away to start anew")
    stride = _stride(decl)
    if there < copies:  # new ones are zero: complete before the header counts them
        os.truncate(fd, start + copies * stride)
        os.pwrite(fd, struct.pack("<Q", copies), _COPIES_AT)
    os.pwrite(fd, struct.pack("<Q", os.getpid()), _PID_AT)
    copies = max(there, copies)
    memory = MapMemory(start + copies * stride, decl.name, fd=fd)
    return Segment(decl, memory, start, stride, copies, fresh=False, path=path)


def _writer(fd: int) -> int:
    head = os.pread(fd, _HEAD.size, 0)
    return int.from_bytes(head[_PID_AT : _PID_AT + 8], "little")


# The header


def _header(decl: MapDecl, copies: int) -> bytes:
    text = json.dumps(_plain(decl), separators=(",", ":")).encode()
    size = -(-(_HEAD.size + len(text)) // HEADER_BYTES) * HEADER_BYTES
    head = _HEAD.pack(MAGIC, LAYOUT_VERSION, size, len(text), zlib.crc32(text), os.getpid(), copies)
    return (head + text).ljust(size, b"\0")


def _read_header(fd: int, path: Path) -> tuple[MapDecl, int, int]:
    """What a file's header says: the map, where its first copy begins, how many there are. MapFileError."""
    size = os.fstat(fd).st_size
    raw = os.pread(fd, _HEAD.size, 0)
    if len(raw) < _HEAD.size or raw[: len(MAGIC)] != MAGIC:
        raise MapFileError(str(path), "not the file of a map")
    _, version, start, length, checksum, _, copies = _HEAD.unpack(raw)
    if version != LAYOUT_VERSION:
        raise MapFileError(str(path), f"written with layout {version}, and this is nmjit with layout {LAYOUT_VERSION}")
    text = os.pread(fd, length, _HEAD.size) if length <= start - _HEAD.size <= size else b""
    if len(text) != length or zlib.crc32(text) != checksum or start % HEADER_BYTES:
        raise MapFileError(str(path), "damaged: its header does not agree with itself")
    decl = _declared(json.loads(text))
    if copies < 1 or size < start + copies * _stride(decl):
        raise MapFileError(str(path), "damaged: cut short")
    return decl, start, copies


def _plain(decl: MapDecl) -> dict[str, Any]:
    return {
        "name": decl.name,
        "kind": str(decl.kind),
        "capacity": decl.capacity,
        "key": decl.key,
        "key_types": decl.key_types,
        "field_types": decl.field_types,
        "key_base": decl.key_base,
        "detail": decl.detail,
        "fields": [[f.name, f.offset, f.scalar.size, f.scalar.signed] for f in decl.layout.fields],
        "size": decl.layout.size,
        "align": decl.layout.align,
    }


def _declared(plain: dict[str, Any]) -> MapDecl:
    fields = tuple(StoredField(name, at, Scalar(size, signed)) for name, at, size, signed in plain["fields"])
    return MapDecl(
        plain["name"],
        MapKind(plain["kind"]),
        Layout(fields, plain["size"], plain["align"]),
        plain["capacity"],
        plain["key_base"],
        tuple(plain["key"]),
        plain["detail"],
        tuple(plain["key_types"]),
        tuple(plain["field_types"]),
    )


def _differences(held: MapDecl, wanted: MapDecl) -> list[str]:
    """What a user is told where a file does not fit: what it holds, and what the program declares."""
    pairs = (
        ("kind", str(held.kind), str(wanted.kind)),
        ("key", _key_text(held), _key_text(wanted)),
        ("value", _value_text(held), _value_text(wanted)),
        ("capacity", str(held.capacity), str(wanted.capacity)),
        ("precision", str(held.detail), str(wanted.detail)),
    )
    return [f"{what} {there}, declared {here}" for what, there, here in pairs if there != here]


def _key_text(decl: MapDecl) -> str:
    names = decl.key_types or tuple(f"{8 * size} bits" for size in decl.key)
    return f"({', '.join(names)})" + (f" from {decl.key_base}" if decl.key_base else "")


def _value_text(decl: MapDecl) -> str:
    return f"({', '.join(f'{f.name}: {f.scalar}' if f.name else str(f.scalar) for f in decl.layout.fields)})"
