"""Entries of maps as bytes and as integers, one at a time or a million at once; keys as objects.

A record is a packed key (lang/_hash.py), where the kind has one, and then a value laid out as irtypes.Layout says.
This file must not know: where bytes come from, workers.
"""

from __future__ import annotations

import contextlib
import struct
from collections.abc import Iterable, Mapping, Sequence
from ipaddress import IPv4Address, IPv6Address
from typing import Any, Final, NamedTuple

import nmjit
from nmjit._address import Mac
from nmjit._keys import KeySpec
from nmjit._struct import Record, StoredKind
from nmjit.compiler.irtypes import Layout, MapDecl, MapKind

_CODES: Final = {1: "B", 2: "H", 4: "I", 8: "Q"}
_BY_SIZE: Final = {1: "u8", 2: "u16", 4: "u32", 6: "Mac", 8: "u64", 16: "IPv6Address"}
"""What a part of a key is taken for where nobody says what it is."""
_TYPES: Final[dict[str, Any]] = {
    **{name: getattr(nmjit, name) for name in ("u8", "u16", "u32", "u64", "i8", "i16", "i32", "i64")},
    "bool": bool,
    "IPv4Address": IPv4Address,
    "IPv6Address": IPv6Address,
    "Mac": Mac,
}


class Member(NamedTuple):
    """An integer of a record: `offset` and `size` in bytes."""

    name: str
    offset: int
    size: int
    signed: bool


class RowCodec:
    """Rows of integers to records of `nbytes` bytes and back. Integers are stored modulo their size."""

    def __init__(self, members: Sequence[Member], nbytes: int) -> None:
        self.members: Final = tuple(members)
        self.nbytes: Final = nbytes
        self._load: Final = struct.Struct(_format(self.members, nbytes, signed=True))
        self._store: Final = struct.Struct(_format(self.members, nbytes, signed=False))
        self._wide: Final = tuple(i for i, member in enumerate(self.members) if member.size not in _CODES)

    def unpack(self, records: bytes | bytearray | memoryview) -> list[tuple[int, ...]]:
        """The rows of records one behind the other."""
        rows = list(self._load.iter_unpack(records))
        return [self._narrowed(row) for row in rows] if self._wide else rows

    def _narrowed(self, row: tuple[Any, ...]) -> tuple[int, ...]:
        wide = list(row)
        for i in self._wide:
            wide[i] = int.from_bytes(wide[i], "little", signed=self.members[i].signed)
        return tuple(wide)

    def pack(self, row: Sequence[int]) -> bytes:
        """The record of a row. ValueError where it has another number of integers."""
        if len(row) != len(self.members):
            raise ValueError(f"needs {len(self.members)} numbers, not {len(row)}")
        stored: list[Any] = [value % (1 << 8 * m.size) for m, value in zip(self.members, row, strict=True)]
        for i in self._wide:
            stored[i] = stored[i].to_bytes(self.members[i].size, "little")
        return self._store.pack(*stored)

    def pack_all(self, rows: Iterable[Sequence[int]]) -> bytes:
        """The records of rows, one behind the other. ValueError as for `pack`."""
        taken = list(rows)
        if not self._wide:
            with contextlib.suppress(struct.error):  # a row that needs wrapping, or is too short
                return b"".join([self._load.pack(*row) for row in taken])
        return b"".join(map(self.pack, taken))

    def array(self, records: bytes | bytearray) -> Any:
        """The rows as a NumPy structured array of their own, a field for each integer.

        Integers of 6 and 16 bytes are sequences of u8, the lowest first. ImportError without NumPy.
        """
        import numpy

        kinds: list[Any] = [
            f"<{'i' if m.signed else 'u'}{m.size}" if m.size in _CODES else ("u1", (m.size,)) for m in self.members
        ]
        names = [member.name for member in self.members]
        offsets = [member.offset for member in self.members]
        dtype: Any = {"names": names, "formats": kinds, "offsets": offsets, "itemsize": self.nbytes}
        return numpy.frombuffer(bytearray(records), dtype=numpy.dtype(dtype))


def _format(members: Sequence[Member], nbytes: int, *, signed: bool) -> str:
    text, end = "<", 0
    for member in members:
        code = _CODES.get(member.size, f"{member.size}s")
        text += f"{member.offset - end}x" + (code.lower() if signed and member.signed else code)
        end = member.offset + member.size
    return f"{text}{nbytes - end}x"


class ValueCodec:
    """Values of a layout: what a view's user stores, as integers, and their bytes."""

    def __init__(self, decl: MapDecl) -> None:
        layout = decl.layout
        kinds = map(StoredKind, decl.field_types or ("int",) * len(layout.fields))
        self._kinds: Final = {field.name: kind for field, kind in zip(layout.fields, kinds, strict=True)}
        self.layout: Final = layout
        self.bare: Final = [field.name for field in layout.fields] == [""]
        self.names: Final = tuple(field.name for field in layout.fields)
        self.codec: Final = RowCodec(value_members(layout, 0), layout.size)
        self._name = decl.name

    def present(self, name: str, stored: int) -> Any:
        """What a reader is given for the integer of a field: itself, a bool or an address."""
        return self._kinds[name].present(stored)

    def presented(self, row: Sequence[int]) -> dict[str, Any]:
        """A row by field, as readers are given it."""
        return {name: self.present(name, stored) for name, stored in zip(self.names, row, strict=True)}

    def integers(self, value: object) -> dict[str, int]:
        """What `value` sets each field to; a mapping may leave fields out.

        TypeError where it is not of the entries' form, KeyError for a field that they do not have.
        """
        if self.bare and isinstance(value, int):
            return {"": int(value)}
        if not self.bare and isinstance(value, Record):
            if tuple(field.name for field in value.__struct__) == self.names:
                return dict(zip(self.names, value._values, strict=True))
        elif not self.bare and isinstance(value, Mapping):
            return {self.layout.field(name).name: integer(each) for name, each in value.items()}
        raise TypeError(f"{self._name} does not hold {type(value).__name__}")

    def new_bytes(self, value: object) -> bytes:
        """The bytes of a new entry; fields left out are 0. Raises as `integers`."""
        given = self.integers(value)
        return self.codec.pack([given.get(name, 0) for name in self.names])

    def stores(self, value: object) -> list[tuple[int, bytes]]:
        """What to store where (offset in bytes) for `value` in an entry that is there. Raises as `integers`."""
        return [self.field_store(name, each) for name, each in self.integers(value).items()]

    def field_store(self, name: str, value: object) -> tuple[int, bytes]:
        """Offset and bytes of one field set to `value`. KeyError where there is none."""
        field = self.layout.field(name)
        return field.offset, (integer(value) % (1 << 8 * field.scalar.size)).to_bytes(field.scalar.size, "little")


def integer(value: object) -> int:
    """The integer that is stored for `value`. TypeError where it is none and no address."""
    if isinstance(value, int | IPv4Address | IPv6Address | Mac):
        return int(value)
    raise TypeError(f"a field holds an integer or an address, not {type(value).__name__}")


def value_members(layout: Layout, start: int) -> list[Member]:
    """The fields of a layout that begins `start` bytes into a record; a bare one is called `value`."""
    return [Member(f.name or "value", start + f.offset, f.scalar.size, f.scalar.signed) for f in layout.fields]


class KeyCodec:
    """Keys of a table or Bloom filter: objects, their integers, their packed bytes.

    A key of one part is the object itself; of several, a tuple. A struct is taken for the tuple of its fields.
    """

    def __init__(self, decl: MapDecl) -> None:
        self.size: Final = decl.key_size
        names = decl.key_types or tuple(_BY_SIZE[size] for size in decl.key)
        types = tuple(_TYPES[name] for name in names)
        self.spec: Final = KeySpec(types[0] if len(types) == 1 else tuple.__class_getitem__(types))

    def packed(self, key: object) -> bytes:
        """TypeError where a part is of another type, OverflowError where an integer exceeds its part."""
        if isinstance(key, Record):
            parts = tuple(key._values)
            if len(parts) != len(self.spec.sizes):
                raise TypeError(f"a key of {self.spec} is not {type(key).__name__}")
            key = self.spec.key(parts)
        return self.spec.packed(key)

    def key(self, packed: bytes) -> Any:
        """The object."""
        return self.spec.key(self.spec.unpacked(packed))

    def key_of(self, parts: Sequence[int]) -> Any:
        """The object, of its integers."""
        return self.spec.key(tuple(parts))


def table_codec(decl: MapDecl, keys: KeyCodec) -> RowCodec:
    """Rows of a table: key parts (an LPM's: address, length), then fields."""
    members, at = [], 0
    for number, part in enumerate(keys.spec.parts_of):
        name = "key" if len(keys.spec.parts_of) == 1 else f"key{number}"
        members.append(Member(name, at, part.size, part.signed))
        at += part.size
    start = keys.size
    if decl.kind is MapKind.LPM:
        members.append(Member("length", start, 8, False))
        start += 8
    return RowCodec([*members, *value_members(decl.layout, start)], start + decl.layout.size)
