"""Regions: runs of a packet's bytes that stay in place, such as the payload or a TCP option.

A region lives on a lease, and so does a parsed view: a write that may have changed what the parser saw ends the lease,
and whoever uses it afterwards gets a RuntimeError. This file must not know: headers, parsing, who ends a lease.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import overload


class Lease:
    """Bytes `start` … `stop`-1 of a packet as long as they mean what the parser found there."""

    __slots__ = ("alive", "start", "stop", "what")

    def __init__(self, what: str, start: int, stop: int) -> None:
        self.what = what
        self.start = start
        self.stop = stop
        self.alive = True

    def require(self) -> None:
        """RuntimeError where the lease has ended."""
        if not self.alive:
            raise RuntimeError(f"{self.what} died by a write before or in it; name it again")


def checked_slice(key: slice, length: int) -> tuple[int, int]:
    """Bounds of a slice of `length` bytes. IndexError unless 0 ≤ i ≤ j ≤ length; TypeError where it has a step."""
    if key.step is not None:
        raise TypeError("a slice of a packet has no step")
    start = 0 if key.start is None else key.start.__index__()
    stop = length if key.stop is None else key.stop.__index__()
    if not 0 <= start <= stop <= length:
        raise IndexError(f"slice [{start}:{stop}] of {length} bytes")
    return start, stop


def checked_offset(index: int, size: int, length: int) -> int:
    """`index` itself. IndexError unless `size` bytes lie there, within `length`."""
    offset = index.__index__()
    if not 0 <= offset <= length - size:
        raise IndexError(f"{size} byte{'s' * (size > 1)} at {offset} of {length} bytes")
    return offset


class Region:
    """Bytes of a packet, read in place. False when empty. Any use after its death raises RuntimeError."""

    __slots__ = ("_data", "_lease", "_start", "_stop")
    __hash__ = None  # type: ignore[assignment]  # it compares by content, and the content may change

    def __init__(self, data: bytearray, start: int, stop: int, lease: Lease) -> None:
        self._data = data
        self._start = start
        self._stop = stop
        self._lease = lease

    def __len__(self) -> int:
        self._lease.require()
        return self._stop - self._start

    def __bool__(self) -> bool:
        return len(self) > 0

    def __bytes__(self) -> bytes:
        self._lease.require()
        return bytes(self._data[self._start : self._stop])

    @overload
    def __getitem__(self, key: int) -> int: ...

    @overload
    def __getitem__(self, key: slice) -> bytes: ...

    def __getitem__(self, key: int | slice) -> int | bytes:
        """One byte as an integer, or a copy of some; IndexError where they do not all lie in the region."""
        if isinstance(key, slice):
            start, stop = checked_slice(key, len(self))
            return bytes(self._data[self._start + start : self._start + stop])
        return self._data[self._start + checked_offset(key, 1, len(self))]

    def __iter__(self) -> Iterator[int]:
        return iter(bytes(self))

    def __eq__(self, other: object) -> bool:
        return bytes(self) == bytes(other) if isinstance(other, (bytes, bytearray, Region)) else NotImplemented

    def __contains__(self, needle: bytes) -> bool:
        """Whether `needle` occurs."""
        return self.find(needle) >= 0

    def u16(self, index: int) -> int:
        """The big endian integer in the two bytes at `index`; IndexError where they do not lie in the region."""
        return self._big_endian(index, 2)

    def u32(self, index: int) -> int:
        """The big endian integer in the four bytes at `index`; IndexError where they do not lie in the region."""
        return self._big_endian(index, 4)

    def _big_endian(self, index: int, size: int) -> int:
        offset = self._start + checked_offset(index, size, len(self))
        return int.from_bytes(self._data[offset : offset + size], "big")

    def startswith(self, prefix: bytes) -> bool:
        """Whether the first bytes are `prefix`."""
        return bytes(self).startswith(prefix)

    def find(self, needle: bytes) -> int:
        """Offset of the first occurrence of `needle` from the region's start, -1 where there is none."""
        return bytes(self).find(needle)

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {bytes(self)!r}>" if self._lease.alive else f"<dead {type(self).__name__}>"


class TcpOption(Region):
    """One TCP option, from its kind byte on (RFC 9293 section 3.2)."""

    __slots__ = ()

    @property
    def kind(self) -> int:
        """First byte: 1 no-operation, 2 maximum segment size, 3 window scale, 8 timestamps …"""
        return self[0]

    @property
    def length(self) -> int:
        """Bytes of the whole option; 1 for kind 1, which carries none."""
        return len(self)
