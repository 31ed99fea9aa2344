"""Keys of maps: from the objects that a filter writes to the integers that are packed and hashed, and back.

This file must not know: map kinds, how keys are hashed.
"""

from __future__ import annotations

from typing import Any, Final, NamedTuple, TypeGuard, get_args, get_origin

from nmjit._hash import MAX_KEY, pack_key, unpack_key
from nmjit._ints import Width
from nmjit._rate import RateLimit
from nmjit._struct import STORED_AS, Record, StoredKind, place_record


class KeyPart(NamedTuple):
    """One integer of a key: the name of its type to a user, the range that it is packed in, and what it stands for."""

    name: str
    width: Width
    kind: StoredKind

    @property
    def size(self) -> int:
        """Bytes that it takes when packed."""
        return self.width.bits // 8

    @property
    def signed(self) -> bool:
        """Whether it may be negative."""
        return self.width.signed

    def integer(self, value: object) -> int:
        """The integer that stands for `value`. TypeError where it is of another type, OverflowError where too large."""
        if not isinstance(value, self.kind.type):
            raise TypeError(f"a key of {self.name} takes {self.kind.value}, not {type(value).__name__}")
        integer = int(value)
        if integer not in self.width:
            raise OverflowError(f"{integer} is no {self.name}: it cannot be part of a key")
        return integer


_MAC: Final = Width(48, signed=False)


def _part(declared: object) -> KeyPart:
    if isinstance(declared, Width):
        return KeyPart(declared.name, declared, StoredKind.INT)
    if isinstance(declared, type) and declared in STORED_AS:
        kind, width = STORED_AS[declared]
        return KeyPart(kind.value, _MAC if kind is StoredKind.MAC else width, kind)
    known = "u8 … i64, bool, IPv4Address, IPv6Address, Mac, a @struct class, or a tuple[…] of types other than structs"
    raise TypeError(f"{declared!r} is no type of a key; use {known}")


class KeySpec:
    """How keys of type `declared` become integers.

    `parts_of` describes each part, `sizes` the bytes that it takes, `names` its type. A key is one value, a tuple of
    them (`is_tuple`), or a struct (of class `record`). TypeError where `declared` is no type of a key, or its keys
    would be longer than 64 bytes.
    """

    __slots__ = ("declared", "is_tuple", "names", "parts_of", "record", "sizes")

    def __init__(self, declared: object) -> None:
        self.declared: Final = declared
        self.is_tuple: Final = get_origin(declared) is tuple
        self.record: Final = declared if _is_struct(declared) else None
        if self.record is not None:
            self.parts_of = tuple(_stored_part(field.width, field.kind) for field in self.record.__struct__)
        elif self.is_tuple:
            self.parts_of = tuple(map(_part, get_args(declared)))
        else:
            self.parts_of = (_part(declared),)
        self.sizes: Final = tuple(part.size for part in self.parts_of)
        self.names: Final = tuple(part.name for part in self.parts_of)
        if not 0 < sum(self.sizes) <= MAX_KEY:
            raise TypeError(f"a key has 1 to {MAX_KEY} bytes, not the {sum(self.sizes)} of {self}")

    def parts(self, key: object) -> tuple[int, ...]:
        """The integers of `key`, negative ones as such.

        TypeError where the key, or a part of it, is of another type; OverflowError where an integer exceeds its part.
        """
        if self.record is not None:
            if type(key) is not self.record:
                raise TypeError(f"a key of {self} takes {self.record.__name__}, not {type(key).__name__}")
            return tuple(key._values)
        if not self.is_tuple:
            return (self.parts_of[0].integer(key),)
        if not isinstance(key, tuple) or len(key) != len(self.parts_of):
            raise TypeError(f"a key of {self} takes a tuple of {len(self.parts_of)}, not {key!r}")
        return tuple(part.integer(value) for part, value in zip(self.parts_of, key, strict=True))

    def packed(self, key: object) -> bytes:
        """`key` as packed bytes (lang/_hash.py). Raises as `parts` does."""
        return pack_key(self.parts(key), self.sizes)

    def unpacked(self, packed: bytes) -> tuple[int, ...]:
        """The integers of a packed key, as `parts` gives them."""
        integers = unpack_key(packed, self.sizes)
        return tuple(part.width(value) for part, value in zip(self.parts_of, integers, strict=True))

    def key(self, parts: tuple[int, ...]) -> Any:
        """The key whose integers are `parts`, as `parts` and `unpacked` give them."""
        if self.record is not None:
            return place_record(self.record, list(parts))
        objects = tuple(part.kind.present(value) for part, value in zip(self.parts_of, parts, strict=True))
        return objects if self.is_tuple else objects[0]

    def __repr__(self) -> str:
        if self.record is not None:
            return self.record.__name__
        return f"tuple[{', '.join(self.names)}]" if self.is_tuple else self.names[0]


def _is_struct(declared: object) -> TypeGuard[type[Record]]:
    return isinstance(declared, type) and issubclass(declared, Record) and declared is not RateLimit


def _stored_part(width: Width, kind: StoredKind) -> KeyPart:
    """The part of a key that a field of a struct is."""
    return _part(width if kind is StoredKind.INT else kind.type)
